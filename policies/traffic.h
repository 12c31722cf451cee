/*
 * policies/traffic — the limits towards a site: every matching rule, the strictest number of each
 * kind
 *
 *   What no rule limits comes from `delivery`. Rules whose facts are unknown do not apply (yet).
 */
#ifndef WAYPOST_POLICIES_TRAFFIC_H
#define WAYPOST_POLICIES_TRAFFIC_H

#include "policies/policies.h"

struct traffic_limits {
    uint64_t connections;             /* at the same time, to the site */
    uint64_t messages_per_connection; /* then the session is closed */
    uint64_t recipients_per_message;
    struct rate rate; /* messages; count 0: none */
};

/* Does a rule ask for the carrier or region of the site? */
bool policies_traffic_needs_place(const struct policies *p);

void policies_traffic(const struct policies *p, const struct facts *f,
                      struct traffic_limits *limits_r);

#endif
