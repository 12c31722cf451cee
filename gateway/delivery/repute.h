/*
 * delivery/repute — what receivers make of our egresses: judged here, told to control, obeyed
 *
 *   Each refusal is judged when it comes in (reputation/reply, the operator's `replies:` first).
 *   What came of each attempt is told to control as evidence: refusals of the address at once, the
 *   rest as sums each second. What control makes of it comes back in the advice table: states per
 *   (egress, receiver), which paths.c asks for here when it chooses.
 *
 *   The receiver ("provider") is that of the host spoken to: of the site's first mail exchanger, or
 *   of the relay when the egress is one.
 */
#ifndef WAYPOST_DELIVERY_REPUTE_H
#define WAYPOST_DELIVERY_REPUTE_H

#include "gateway/delivery/session.h"

/* Classes, rule and so on of a finding that is a reply of this session's peer. */
void repute_judge(const struct session *s, struct finding *finding);

/* Before an attempt is settled: every recipient has its finding. */
void repute_tell(const struct attempt *a, const struct hop *hop);
/* A session that was refused before it carried anything. */
void repute_tell_refused(const struct session *s, const struct finding *finding);
void repute_on_flush(struct timer *timer); /* of struct delivery */

/* Whom mail for these hosts goes to; mx NULL: the hosts of the route. Empty: not known. */
struct slice repute_provider_of(const struct delivery *d, const struct mx_set *mx,
                                const struct conf_route *route);
/* The same of the target's site. Valid until the target is freed. */
struct slice repute_provider(struct target *t);
/* Sets what the receiver makes of the egresses of the configuration. */
void repute_facts(const struct delivery *d, struct slice provider, struct egress_facts *facts);
/* Has control barred its egress, or the receiver, while the session was being opened? */
bool repute_may_carry(const struct session *s);
/* May this mail go from the address of this session, which is open? */
bool repute_suits(const struct session *s, const struct item *item);
enum { REPUTE_ADDRESSES_MAX = 256 }; /* of an egress; with more all are alike */
/* Where the session, which is about to be opened, leaves from. Addresses of its egress that the
 * receiver blocks, that have had what it takes of them, or that this mail was refused from are left
 * out while there are others. */
void repute_source(struct session *s, struct dial_source *source_r);
/* One mail is about to be given to this egress; `spilled`: instead of that one, or EGRESS_NONE.
 * False: the allowance is used up meanwhile. Nothing may be held yet. */
bool repute_take(struct target *t, int egress, int spilled, struct grant *grant);
/* What was taken is not used: any mail may have it. Nothing is held afterwards. */
void repute_give_back(struct target *t, struct grant *grant);

#endif
