/*
 * delivery/refusal — which of our addresses a mail was refused for already
 *
 *   A receiver refuses an address, not an egress: a mail that was refused from one of several
 *   addresses of an egress may leave by another of them. An item remembers a few (queue/item.h);
 *   for an egress with one address, or none of its own, that is the egress.
 */
#ifndef WAYPOST_DELIVERY_REFUSAL_H
#define WAYPOST_DELIVERY_REFUSAL_H

#include "gateway/conf/plan.h"
#include "gateway/queue/item.h"

/* False: there is no room, it was refused often enough. The last one can be taken back by counting
 * item->refused_n down. */
bool refusal_note(struct item *item, const struct conf_egress *egress, const struct addr *source);
/* Must it not leave from this address? */
bool refusal_covers(const struct item *item, const struct conf_egress *egress,
                    const struct addr *source);
/* Is nothing left of the egress: all its addresses of a family have been refused? */
bool refusal_bars(const struct item *item, const struct conf_egress *egress);

#endif
