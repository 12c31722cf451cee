/*
 * ingress/ruleset — one configuration as a worker's sessions use it
 *
 *   Holds a reference of the policies and what the sessions would otherwise compute for each
 *   message: the header fields that rules ask for, the shared counter of each `clients` entry, and
 *   the quotas of urgent mail.
 *   Belongs to one loop; plain references. A reload makes a new one; transactions keep theirs.
 */
#ifndef WAYPOST_INGRESS_RULESET_H
#define WAYPOST_INGRESS_RULESET_H

#include "gateway/ingress/shared.h"
#include "policies/client.h"
#include "policies/policies.h"

struct ruleset {
    unsigned refs;
    struct arena *arena; /* holds the lists below */
    struct policies *policies;
    const struct conf *conf;
    struct slice *headers; /* lower case, no doubles, at most HEADER_WANTED_MAX */
    size_t headers_n;
    struct client_counter **counters; /* parallel to conf->clients */
    struct ingress_hub *hub;
    struct quota_entry **client_quotas, **user_quotas; /* parallel to conf's; NULL: no limit */
};

struct ruleset *ruleset_new(struct policies *policies, struct ingress_hub *hub, int64_t now_ms);
struct ruleset *ruleset_ref(struct ruleset *r);
void ruleset_unref(struct ruleset **r);

/* The entry that holds the address and its counter; both NULL when there is none. */
const struct conf_client *ruleset_client(const struct ruleset *r, const struct addr *addr,
                                         struct client_counter **counter_r);

/* The places of a message in the quotas of urgent mail; valid as long as the ruleset. */
struct urgent_place {
    struct quota_entry *user, *client;
    int64_t taken_ms;
};

/* May one more message of these, of which each may be NULL, be urgent? True: it was counted. */
bool ruleset_take_urgent(struct ruleset *r, const struct conf_client *client,
                         const struct conf_user *user, int64_t now_ms,
                         struct urgent_place *place_r);
/* It was not accepted after all. */
void ruleset_give_back_urgent(struct ruleset *r, const struct urgent_place *place, int64_t now_ms);

#endif
