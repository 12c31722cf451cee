/*
 * dns/resolver — asynchronous MX and address lookups with a cache, one per loop
 *
 *   The answer to "where does mail for this domain go" is a struct mx_set, to "which addresses
 *   has this host" a struct host_set. Both are immutable and refcounted atomically, so an MX set
 *   may travel with an item to another worker.
 *
 *   Servers are asked in turn: no answer within try_ms, SERVFAIL, REFUSED or a malformed answer
 *   moves on to the next one, up to `tries` rounds and timeout_ms in all. Equal lookups under way
 *   share one query. Positive answers are kept for their TTL within ttl_min..ttl_max, negative
 *   ones for the SOA's up to negative_max; when every server fails, an expired positive answer
 *   serves for up to stale_ms more and is marked so.
 *
 * Callbacks: run exactly once, never from inside the call that asked (use the _cached calls first
 *            on the hot path: no query object, no callback). The set is borrowed: *_ref() to keep
 *            it. The query handle dies with the callback; dns_cancel() before that ends it without.
 * See:       RFC 5321 section 5.1, RFC 7505 (null MX), RFC 2308, RFC 8305, RFC 8767 (stale).
 */
#ifndef WAYPOST_DNS_RESOLVER_H
#define WAYPOST_DNS_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"
#include "gateway/base/slice.h"
#include "gateway/io/dial.h"
#include "gateway/io/loop.h"

enum dns_status {
    DNS_OK,
    DNS_NULL_MX,  /* permanent: the domain takes no mail (556 5.1.10) */
    DNS_NXDOMAIN, /* permanent: no such name (5.1.2; 5.4.4 for a host) */
    DNS_NO_DATA,  /* permanent: the name has no MX nor address (5.1.2; 5.4.4) */
    DNS_UNUSABLE, /* permanent: what it names can never be right: loops, only bogus hosts (5.4.4) */
    DNS_TEMPORARY /* servers silent, failing or answering nonsense (4.4.3) */
};
const char *dns_status_name(enum dns_status status);

struct mx_host {
    uint16_t preference;
    const char *name; /* lower case, no dot at the end; or a literal "[192.0.2.1]" */
};

enum { MX_HOSTS_MAX = 32 }; /* of more, those with the lowest preferences are kept */

struct mx_set {
    enum dns_status status;
    bool implicit; /* no MX: the domain itself is the host (RFC 5321 5.1) */
    bool stale;    /* past its TTL, served because no server answers */
    bool followed_cname;
    int64_t expires_ms; /* monotonic, of the loop's clock */
    const char *site; /* DNS_OK: canonical text of the sorted set, equal for equal sets; "" else */
    char text[96];    /* for logs and bounces when status is not DNS_OK: what went wrong */
    size_t count;
    struct mx_host hosts[]; /* by preference, then by name */
};
struct mx_set *mx_set_ref(struct mx_set *set);
void mx_set_unref(struct mx_set **set); /* any thread */

enum { HOST_ADDRS_MAX = 16 };

struct host_set {
    enum dns_status status; /* never DNS_NULL_MX */
    bool stale;
    bool lacked; /* DNS_TEMPORARY: for want of a descriptor or memory of our own */
    int64_t expires_ms;
    char text[96];
    size_t count;
    struct addr addrs[]; /* port 0; IPv6 and IPv4 alternating, IPv6 first */
};
struct host_set *host_set_ref(struct host_set *set);
void host_set_unref(struct host_set **set);

struct resolver_conf {
    const struct addr *servers; /* port 0 means 53; none at all: the system's resolv.conf */
    size_t server_count;
    const struct dial_source *source; /* where questions leave from; NULL: as the system likes */
    int64_t timeout_ms;               /* of one lookup in all; 3000 */
    int64_t try_ms;                   /* of one server; 700 */
    unsigned tries;                   /* rounds over the servers; 2 */
    size_t cache_max;                 /* names kept; 20000; least recently used go first */
    int64_t ttl_min_ms, ttl_max_ms;   /* 30 s, 1 h */
    int64_t negative_max_ms;          /* 5 min */
    int64_t stale_ms;                 /* 1 h */
    int64_t prefer_v6_ms;             /* wait so long for the slower of A and AAAA; 50 */
    bool allow_loopback;              /* MX hosts may live on 127/8, ::1: laboratories and tests */
};
extern const struct resolver_conf resolver_defaults;

struct resolver;
enum rc resolver_new(struct loop *loop, const struct resolver_conf *conf,
                     struct resolver **resolver_r, struct err *err);
void resolver_free(struct resolver **r); /* ends every query without callback; not from one */

struct dns_query;
typedef void dns_mx_fn(void *arg, struct mx_set *set);
typedef void dns_host_fn(void *arg, struct host_set *set);

/* domain: A-label form or a literal "[192.0.2.1]", "[IPv6:2001:db8::1]"; any case, dot at the end
 * allowed. */
struct dns_query *resolver_mx(struct resolver *r, struct slice domain, dns_mx_fn *fn, void *arg);
struct dns_query *resolver_host(struct resolver *r, struct slice host, dns_host_fn *fn, void *arg);
/* The same, but the servers are asked even while an answer is fresh: where our own proxies and
 * relays are, when they do not answer where they were. No server says: what is known. */
struct dns_query *resolver_host_anew(struct resolver *r, struct slice host, dns_host_fn *fn,
                                     void *arg);
void dns_cancel(struct dns_query **query);

/* What is known now and still fresh; NULL: ask. Borrowed until the next call of the resolver. */
struct mx_set *resolver_mx_cached(struct resolver *r, struct slice domain);
struct host_set *resolver_host_cached(struct resolver *r, struct slice host);

/* From now on r gives its answers to the others of all[0..n), each on its own thread, and the other
 * way round when they are told the same: one question for all workers, and any of them can serve
 * an old answer when no server gives one. `all` outlives them; before any question is asked. None
 * may be freed while another one works. */
void resolver_share(struct resolver *r, struct resolver *const *all, size_t n);

bool resolver_allows_loopback(const struct resolver *r);
void resolver_flush(struct resolver *r); /* forgets all answers */

struct resolver_stats {
    uint64_t lookups, hits, queries, server_failures, timeouts, stale_served;
    size_t cached, under_way;
};
void resolver_stats(const struct resolver *r, struct resolver_stats *stats_r);

#endif
