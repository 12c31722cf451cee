/*
 * policies/traffic — limits: every matching rule applies, the strictest number of each kind holds
 *
 *   What a limit is counted over follows from what its `when` names, each value by itself:
 *
 *     mx, site, recipient (_domain), or nothing of all this     each site
 *     provider, recipient_carrier, recipient_region             each of them, over all its sites
 *     egress                                                    each egress, or, with one of the
 *                                                               above, each pair
 *
 *   Keys in a `not` decide which mail is meant, not over what is counted. What is counted over more
 *   than one site is a toll: a count that all workers share, named by a key that is the same
 *   everywhere and after a reload, as long as the `when` reads the same. Rates are always tolls.
 *   The rest are plain numbers of the site; what no rule limits comes from `delivery`. Rules whose
 *   facts are unknown do not apply (yet).
 */
#ifndef WAYPOST_POLICIES_TRAFFIC_H
#define WAYPOST_POLICIES_TRAFFIC_H

#include "policies/policies.h"

struct traffic_limits {
    uint64_t connections;             /* at the same time, to the site; 0: no limit */
    uint64_t messages_per_connection; /* then the session is closed */
    uint64_t recipients_per_message;
};

enum traffic_over {
    OVER_SITE = 1 << 0,
    OVER_PROVIDER = 1 << 1,
    OVER_CARRIER = 1 << 2,
    OVER_REGION = 1 << 3,
    OVER_EGRESS = 1 << 4
};

enum traffic_rate { TRAFFIC_MESSAGES, TRAFFIC_RECIPIENTS, TRAFFIC_BYTES, TRAFFIC_OPENED };
enum { TRAFFIC_RATES = TRAFFIC_OPENED + 1 };

struct traffic_toll {
    uint64_t key;                    /* never 0 */
    unsigned over;                   /* set of enum traffic_over */
    uint64_t connections;            /* at the same time, all together; 0: says nothing */
    struct rate rate[TRAFFIC_RATES]; /* count 0: says nothing */
    const struct conf_traffic *rule; /* the first with this `when` */
};

/* Towards one site, by one egress or (WHEN_EGRESS unknown) by any. `f` has what is known of the
 * site; `site_key` is its own; `by_domain` says of each rule whether the domains of its mail meet
 * it (policies_traffic_meets), NULL: f has the domain. */
struct traffic_question {
    const struct facts *f;
    struct slice site_key;
    const bool *by_domain;
};

/* Do rules ask for the carrier or region of the site; for its domains; for the egress? */
bool policies_traffic_needs_place(const struct policies *p);
bool policies_traffic_needs_domain(const struct policies *p);
bool policies_traffic_needs_egress(const struct policies *p);
size_t policies_traffic_count(const struct policies *p); /* of rules */

void policies_traffic(const struct policies *p, const struct traffic_question *q,
                      struct traffic_limits *limits_r);
/* Fills tolls_r, of which there is one for each rule at most; returns how many. */
size_t policies_tolls(const struct policies *p, const struct traffic_question *q,
                      struct traffic_toll *tolls_r);

/* Notes the rules that ask for the recipient's domain or address and that mail for this one meets,
 * with what is known of its site. True: some were not met before. */
bool policies_traffic_meets(const struct policies *p, const struct facts *site,
                            struct slice recipient, bool *by_domain);

/* For people: "provider google.com and egress gz-1"; empty for a site. */
void traffic_put_over(struct buf *out, unsigned over, const struct facts *f);

#endif
