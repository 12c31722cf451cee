/*
 * tests/support/dns_rig — two scripted DNS servers, a loop and a resolver that asks them
 *
 *   Both servers know one small zone (two.example, null.example, alias.example, ...); each has a
 *   mood that spoils its answers. Lookups made with dns_rig_mx() and dns_rig_host() wait for the
 *   callback and check that it does not come from inside the call. The sets are the rig's until
 *   the next one.
 */
#ifndef WAYPOST_TESTS_SUPPORT_DNS_RIG_H
#define WAYPOST_TESTS_SUPPORT_DNS_RIG_H

#include "gateway/dns/resolver.h"
#include "tests/support/fakedns.h"

enum dns_mood { NORMAL, SERVFAIL, REFUSED, SILENT, WRONG_ID, CUT, TRUNCATED, NO_EDNS };

struct dns_rig {
    atomic_int moods[2];
    struct fakedns *servers[2];
    struct loop *loop;
    struct resolver *resolver;
    struct mx_set *mx; /* the last results */
    struct host_set *host;
    int calls;
};

int dns_rig_open(struct dns_rig *rig);
int dns_rig_close(struct dns_rig *rig);
/* The defaults with short times and the rig's servers, whose addresses go to addrs. */
struct resolver_conf dns_rig_conf(const struct dns_rig *rig, struct addr addrs[2], size_t n);
void dns_rig_renew(struct dns_rig *rig, const struct resolver_conf *conf); /* a fresh resolver */

struct mx_set *dns_rig_mx(struct dns_rig *rig, const char *domain);
struct host_set *dns_rig_host(struct dns_rig *rig, const char *name);
/* The callbacks that count and keep; arg is the rig. */
void dns_rig_on_mx(void *arg, struct mx_set *set);
void dns_rig_on_host(void *arg, struct host_set *set);
void dns_rig_wait(struct dns_rig *rig, int calls); /* fails the test when they do not come */
void dns_rig_turn_for(struct dns_rig *rig, int64_t ms);

#endif
