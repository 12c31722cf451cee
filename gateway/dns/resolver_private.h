/*
 * dns/resolver_private — lookups, shared by the resolver files of dns/
 *
 *   resolver.c     the calls, the cache, the waiters and their callbacks
 *   lookup_mx.c    one MX lookup: the question, CNAMEs left open, the implicit MX
 *   lookup_host.c  one address lookup: A and AAAA side by side
 *   trail.c        one question of a lookup, over CNAMEs
 *   share.c        answers from and for the resolvers of other workers
 *
 *   A lookup is shared by all who wait for the same name. It ends with lookup_publish(), which
 *   puts the set into the cache and hands it to the waiters.
 */
#ifndef WAYPOST_DNS_RESOLVER_PRIVATE_H
#define WAYPOST_DNS_RESOLVER_PRIVATE_H

#include <stdatomic.h>

#include "gateway/base/list.h"
#include "gateway/base/map.h"
#include "gateway/dns/cache.h"
#include "gateway/dns/resolver.h"
#include "gateway/dns/sets.h"
#include "gateway/dns/upstream.h"
#include "gateway/io/timer.h"

enum lookup_kind { LOOKUP_MX, LOOKUP_HOST, LOOKUP_KINDS };
enum { CNAME_HOPS_MAX = 8 };

/* What other resolvers have found. */
struct note;
struct inbox {
    struct note *_Atomic top;
    _Atomic uint32_t n;
};

struct resolver {
    struct loop *loop;
    struct resolver_conf conf;
    struct upstream *upstream;
    struct cache *cache[LOOKUP_KINDS]; /* name → set */
    struct map *pending[LOOKUP_KINDS]; /* name → lookup */
    struct list lookups;               /* all, the late ones too */
    struct list ready;                 /* queries whose set is there */
    struct loop_task deliver;
    uint64_t count, hits, stale_served;
    struct resolver *const *all; /* those that share their answers, this one among them */
    size_t all_n;
    struct inbox inbox; /* written by the others */
};

/* One question under way and the CNAMEs it has led over. */
struct trail {
    struct ask *ask;
    char *name; /* what is asked now; NULL: the lookup's own name */
    unsigned hops;
};

struct family {
    struct trail trail;
    bool done;
    enum dns_status status;
    int64_t ttl_ms;
    size_t count;
    struct addr addrs[HOST_ADDRS_MAX];
};

struct lookup {
    struct resolver *r;
    enum lookup_kind kind;
    struct list node;    /* r->lookups */
    struct list waiters; /* struct dns_query */
    bool published;
    bool lacked;   /* some question could not be asked for want of our own */
    char text[96]; /* the last thing that went wrong */

    struct trail mx;
    struct dns_query *implicit; /* address lookup of a domain without MX */
    int64_t no_mx_ttl_ms;

    struct family v6, v4;
    struct timer wait; /* for the slower family */
    char name[];
};

void lookup_mx_start(struct lookup *l);
void lookup_host_start(struct lookup *l);

/* Takes the set over: caches it for ttl_ms and gives it to the waiters. */
void lookup_publish(struct lookup *l, void *set, int64_t ttl_ms);
/* No server has an answer: an expired set if there is one, else DNS_TEMPORARY with l->text. */
void lookup_publish_failure(struct lookup *l);
void lookup_free(struct lookup *l); /* published, or silently */

/* Asks for the trail's name; the answer to `type` comes to fn(l). */
void trail_ask(struct lookup *l, struct trail *trail, uint16_t type, ask_fn *fn);
/* The chain ended without data and without proof that there is none: asks for its end.
 * False: there is nothing more to ask. */
bool trail_follow(struct lookup *l, struct trail *trail, const struct dns_answer *answer,
                  const struct dns_found *found, uint16_t type, ask_fn *fn);
const char *trail_name(const struct lookup *l, const struct trail *trail);
void trail_end(struct trail *trail);

void *resolver_set_ref(enum lookup_kind kind, void *set);
void resolver_set_unref(enum lookup_kind kind, void *set);

/* Gives the answer to the others; any that would not be of use to them is kept back. */
void share_publish(struct resolver *r, enum lookup_kind kind, struct slice name, void *set,
                   int64_t expires_ms, int64_t stale_ms);
void share_take(struct resolver *r); /* what the others have given, into the cache */
void share_drop(struct resolver *r); /* or away */

int64_t resolver_ttl(const struct resolver *r, uint32_t seconds);
int64_t resolver_negative_ttl(const struct resolver *r, const struct dns_answer *answer);

#endif
