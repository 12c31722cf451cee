/*
 * policies/route — the route of one recipient and the egresses it allows
 *
 *   The first matching route wins; a configuration always ends with one that matches all.
 */
#ifndef WAYPOST_POLICIES_ROUTE_H
#define WAYPOST_POLICIES_ROUTE_H

#include "policies/policies.h"

struct egress_set {
    const uint16_t *at; /* indexes into conf->egress, ascending */
    size_t n;
};

struct route_choice {
    const struct conf_route *route; /* never NULL */
    bool undecided; /* an earlier route needs facts not known yet (mx, ...): ask again with them */
};

struct route_choice policies_route(const struct policies *p, const struct facts *f);

/* A choice that needs the destination (MX names, carrier, region) is made in two steps, since the
 * header of the message is known only in the first. policies_route_put_open() writes down which
 * routes are left: "*overseas,default" (at most ROUTE_OPEN_MAX bytes; "*" alone: any). In the
 * second step policies_route_late() asks those about the facts of the destination alone; `route` is
 * NULL when none of them is in the configuration any more. */
enum { ROUTE_OPEN_MAX = 640 };
void policies_route_put_open(const struct policies *p, const struct facts *f, struct buf *out);
struct route_choice policies_route_late(const struct policies *p, struct slice open,
                                        const struct facts *f);
const struct conf_route *policies_route_named(const struct policies *p, struct slice name);

/* What the route's globs allow; and all when its fallback is `any`, else none. */
struct egress_set policies_route_egress(const struct policies *p, const struct conf_route *route);
struct egress_set policies_route_fallback(const struct policies *p, const struct conf_route *route);
/* Are all it allows relays? Then nobody here needs to know where the destination is. */
bool policies_route_relayed(const struct policies *p, const struct conf_route *route);

#endif
