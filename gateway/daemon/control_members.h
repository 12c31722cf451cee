/*
 * daemon/control_members — a configuration in the terms of reputation/standing.h
 *
 *   Members are the addresses of all egresses, in their order; a pool is what one route may use,
 *   its fallback included. Everything is written into the caller's arrays, whose texts are those of
 *   the configuration; what is beyond the limits of reputation/standing.h is left out.
 */
#ifndef WAYPOST_DAEMON_CONTROL_MEMBERS_H
#define WAYPOST_DAEMON_CONTROL_MEMBERS_H

#include "gateway/conf/conf.h"
#include "policies/policies.h"
#include "reputation/standing.h"

/* The addresses of an egress as receivers and lists see them, at least one; `one` is room for
 * it. */
size_t members_addresses(const struct conf_egress *e, struct addr *one, const struct addr **at_r);
/* Of all egresses; room for STANDING_MEMBERS_MAX. */
uint32_t members_name(const struct conf *conf, struct standing_member *at);
/* The lists and feeds; room for all of them. Listings by others are of an earlier configuration. */
uint32_t members_sources(const struct conf *conf, struct slice *at);
/* One for each route; room for STANDING_POOLS_MAX. */
uint32_t members_pools(const struct policies *p, const struct standing_member *member,
                       uint32_t member_n, struct standing_set *pool);

#endif
