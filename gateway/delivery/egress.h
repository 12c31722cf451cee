/*
 * delivery/egress — the ways out: which can be used now, and how connections leave by each
 *
 *   One table per worker, in the order of conf->egress. An egress whose source is not on this
 *   machine, or whose proxy or relay fails, is out at once, and looked at again each second, later
 *   each 5 seconds, until it is back. Source addresses are looked at when they are about to be
 *   used, at most once a second, so one that went away is noticed before mail is given to it.
 *   Several addresses count one by one: the egress is out when none is left.
 *
 *   A relay that refuses us (greeting, TLS, password) is not asked every second: it is tried again
 *   by mail after 15 s, doubling up to 5 minutes; so is a proxy that answers and connects us to
 *   nobody, after 1 s up to a minute.
 *
 * Callbacks: `changed` runs once per change, also from inside the calls below; it must not end
 *            sessions there. The log gets one line. It also runs, with EGRESS_FINE, for one that
 *            a probe found to be out and that is not, and again for one that is out when control
 *            was started anew.
 */
#ifndef WAYPOST_DELIVERY_EGRESS_H
#define WAYPOST_DELIVERY_EGRESS_H

#include "gateway/dns/resolver.h"
#include "gateway/io/way.h"
#include "gateway/queue/item.h"
#include "policies/advice.h"
#include "policies/policies.h"

struct egress_table;

typedef void egress_changed_fn(void *arg, int egress, enum egress_fault_kind fault);

struct egress_table *egress_new(struct loop *loop, struct resolver *resolver,
                                struct policies *policies, egress_changed_fn *changed, void *arg);
void egress_free(struct egress_table **table);
/* What was out in `old` under the same name is out, until it has been looked at; the sessions to a
 * relay go on counting. */
void egress_inherit(struct egress_table *table, const struct egress_table *old);

/* Leaves out the addresses that advice bars; an egress with none left is not usable. What a probe
 * found to be out is looked at here, and what is found is told by `changed`; so is what is out here
 * when the table is the first of another control process. */
void egress_heed(struct egress_table *table, const struct advice *advice);

/* Is another one left for this mail than `egress` and those tried already? */
bool egress_has_other(struct egress_table *table, const struct conf_route *route, unsigned families,
                      const struct item *item, int egress);
/* May the route use it at all, now? */
bool egress_allowed(struct egress_table *table, const struct conf_route *route, int egress);
/* Could it reach a destination with these families (0: not known) for this route, now? */
bool egress_usable(struct egress_table *table, const struct conf_route *route, unsigned families,
                   int egress);

const struct conf_egress *egress_conf(const struct egress_table *table, int egress);
/* Where to leave from; several addresses of a family take turns. `rather_not` (NULL: none): one per
 * address, those to leave out while another of the family can be used. */
void egress_source(struct egress_table *table, int egress, const bool *rather_not,
                   struct dial_source *source_r);
enum egress_fault_kind egress_fault(const struct egress_table *table, int egress);
/* Why it is out, for people; "" when it is not. */
const char *egress_reason(const struct egress_table *table, int egress);
/* Why nothing of the route can be used now: the first reason. False: nothing is wrong with them
 * here; `text` says that in general words. */
bool egress_why_none(const struct egress_table *table, const struct conf_route *route, char *text,
                     size_t n);
unsigned egress_down(const struct egress_table *table);
struct relay_line *egress_line(struct egress_table *table, int egress); /* of relay.h */

/* ---- what sessions found out ---- */

/* It cannot be used: its source, or its proxy or relay does not answer. */
void egress_failed(struct egress_table *table, int egress, enum egress_fault_kind fault,
                   const char *reason);
/* The relay answers, but will not serve us. */
void egress_refused(struct egress_table *table, int egress, const char *reason);
/* The proxy would not connect us: its fault or the target's. Three in a row are its fault. */
void egress_denied(struct egress_table *table, int egress, const char *reason);
/* A connection through proxy or relay broke: looks at once whether that is still there. */
void egress_suspect(struct egress_table *table, int egress);
/* A session was set up through it. */
void egress_worked(struct egress_table *table, int egress);

#endif
