/*
 * delivery/egress — the local addresses mail may leave from, and whether they are ours now
 *
 *   One table per worker, in the order of conf->egress. An address that the system refuses to bind
 *   is out at once and tried again each second; `changed` runs when one came back.
 */
#ifndef WAYPOST_DELIVERY_EGRESS_H
#define WAYPOST_DELIVERY_EGRESS_H

#include "gateway/base/rnd.h"
#include "gateway/io/dial.h"
#include "gateway/io/loop.h"
#include "policies/choose.h"

struct egress_table;

struct egress_table *egress_new(struct loop *loop, struct policies *policies,
                                void (*changed)(void *arg), void *arg);
void egress_free(struct egress_table **table);

/* An index for this route, or EGRESS_NONE. `families`: those the destination has, as a set of 1
 * IPv4 and 2 IPv6; 0 not known. `excluded`: bits of those that must not be used. */
int egress_choose(struct egress_table *table, const struct conf_route *route, unsigned families,
                  unsigned excluded, struct rnd *rnd);
/* May the route use it at all? */
bool egress_allowed(const struct egress_table *table, const struct conf_route *route, int egress);
/* Where to leave from; several addresses of a family take turns. */
void egress_source(struct egress_table *table, int egress, struct dial_source *source_r);
unsigned egress_families(const struct egress_table *table, int egress);
void egress_unplumbed(struct egress_table *table, int egress);
unsigned egress_down(const struct egress_table *table);

#endif
