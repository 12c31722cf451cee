#include "gateway/dns/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/dns/resolver_private.h"

enum { FAILURE_MS = 5000, LACKED_MS = 1000, STALE_AGAIN_MS = 30000, NAME_MAX_BYTES = 253 };

const struct resolver_conf resolver_defaults = {
    .timeout_ms = 3000,
    .try_ms = 700,
    .tries = 2,
    .cache_max = 20000,
    .ttl_min_ms = 30000,
    .ttl_max_ms = 3600000,
    .negative_max_ms = 300000,
    .stale_ms = 3600000,
    .prefer_v6_ms = 50,
};

/* One who waits: for a lookup, or (set != NULL) for the callback with what is there. */
struct dns_query {
    struct list node; /* lookup.waiters or resolver.ready */
    enum lookup_kind kind;
    void *set;
    bool running; /* its callback is on the stack */
    dns_mx_fn *mx_fn;
    dns_host_fn *host_fn;
    void *arg;
};

static void release_mx(void *value)
{
    struct mx_set *set = value;
    mx_set_unref(&set);
}

static void release_host(void *value)
{
    struct host_set *set = value;
    host_set_unref(&set);
}

void resolver_set_unref(enum lookup_kind kind, void *set)
{
    if (kind == LOOKUP_MX)
        release_mx(set);
    else
        release_host(set);
}

void *resolver_set_ref(enum lookup_kind kind, void *set)
{
    return kind == LOOKUP_MX ? (void *)mx_set_ref(set) : (void *)host_set_ref(set);
}

static void on_deliver(struct loop_task *task)
{
    struct resolver *r = CONTAINER_OF(task, struct resolver, deliver);
    for (struct list *node; (node = list_pop_front(&r->ready));) {
        struct dns_query *q = CONTAINER_OF(node, struct dns_query, node);
        q->running = true;
        if (q->kind == LOOKUP_MX)
            q->mx_fn(q->arg, q->set);
        else
            q->host_fn(q->arg, q->set);
        resolver_set_unref(q->kind, q->set);
        free(q);
    }
}

static void make_ready(struct resolver *r, struct dns_query *q, void *set)
{
    q->set = set;
    list_push_back(&r->ready, &q->node);
    loop_task_schedule(r->loop, &r->deliver);
}

int64_t resolver_ttl(const struct resolver *r, uint32_t seconds)
{
    int64_t ms = (int64_t)seconds * 1000;
    if (ms < r->conf.ttl_min_ms)
        return r->conf.ttl_min_ms;
    return ms < r->conf.ttl_max_ms ? ms : r->conf.ttl_max_ms;
}

int64_t resolver_negative_ttl(const struct resolver *r, const struct dns_answer *answer)
{
    int64_t ms = resolver_ttl(r, answer->has_negative_ttl ? answer->negative_ttl : 0);
    return ms < r->conf.negative_max_ms ? ms : r->conf.negative_max_ms;
}

static void cancel_all(struct list *queries)
{
    for (struct list *node; (node = list_pop_front(queries));) {
        struct dns_query *q = CONTAINER_OF(node, struct dns_query, node);
        dns_cancel(&q);
    }
}

void lookup_free(struct lookup *l)
{
    trail_end(&l->mx);
    trail_end(&l->v6.trail);
    trail_end(&l->v4.trail);
    dns_cancel(&l->implicit);
    if (l->kind == LOOKUP_HOST)
        timer_stop(l->r->loop, &l->wait);
    cancel_all(&l->waiters);
    list_del(&l->node);
    free(l);
}

static void put(struct lookup *l, void *set, int64_t expires_ms, int64_t stale_ms)
{
    struct resolver *r = l->r;
    struct slice key = slice_of(l->name);
    if (l->kind == LOOKUP_MX)
        ((struct mx_set *)set)->expires_ms = expires_ms;
    else
        ((struct host_set *)set)->expires_ms = expires_ms;
    share_publish(r, l->kind, key, set, expires_ms, stale_ms);
    cache_put(r->cache[l->kind], key, set, expires_ms, stale_ms);
    for (struct list *node; (node = list_pop_front(&l->waiters));)
        make_ready(r, CONTAINER_OF(node, struct dns_query, node), resolver_set_ref(l->kind, set));
    if (map_get(r->pending[l->kind], key) == l)
        map_del(r->pending[l->kind], key);
    l->published = true;
    /* An address lookup may have published half: the rest still comes, for the cache. */
    if (l->kind == LOOKUP_MX || (l->v6.done && l->v4.done))
        lookup_free(l);
}

static enum dns_status status_of(const struct lookup *l, const void *set)
{
    return l->kind == LOOKUP_MX ? ((const struct mx_set *)set)->status
                                : ((const struct host_set *)set)->status;
}

void lookup_publish(struct lookup *l, void *set, int64_t ttl_ms)
{
    int64_t expires_ms = loop_now_ms(l->r->loop) + ttl_ms;
    put(l, set, expires_ms,
        status_of(l, set) == DNS_OK ? expires_ms + l->r->conf.stale_ms : expires_ms);
}

static void *failed_set(const struct lookup *l)
{
    if (l->kind == LOOKUP_MX)
        return mx_set_failed(DNS_TEMPORARY, l->text);
    struct host_set *set = host_set_failed(DNS_TEMPORARY, l->text);
    set->lacked = l->lacked;
    return set;
}

void lookup_publish_failure(struct lookup *l)
{
    struct resolver *r = l->r;
    int64_t now_ms = loop_now_ms(r->loop), stale_ms = 0;
    share_take(r);
    void *old = cache_get_stale(r->cache[l->kind], slice_of(l->name), now_ms, &stale_ms);
    if (!old || status_of(l, old) == DNS_TEMPORARY) { /* an earlier failure says less than this */
        int64_t until_ms = now_ms + (l->lacked ? LACKED_MS : FAILURE_MS);
        put(l, failed_set(l), until_ms, until_ms);
        return;
    }
    r->stale_served++;
    if (l->kind == LOOKUP_MX) {
        struct mx_set *copy = mx_set_copy(old);
        copy->stale = true;
        put(l, copy, now_ms + STALE_AGAIN_MS, stale_ms);
    } else {
        struct host_set *copy = host_set_copy(old);
        copy->stale = true;
        put(l, copy, now_ms + STALE_AGAIN_MS, stale_ms);
    }
}

static void start_lookup(struct resolver *r, enum lookup_kind kind, struct slice name,
                         struct dns_query *q)
{
    struct lookup *l = map_get(r->pending[kind], name);
    bool fresh = !l;
    if (fresh) {
        l = mem_zero(sizeof *l + name.n + 1);
        l->r = r;
        l->kind = kind;
        memcpy(l->name, name.p, name.n);
        list_init(&l->waiters);
        list_push_back(&r->lookups, &l->node);
        map_put(r->pending[kind], name, l);
    }
    list_push_back(&l->waiters, &q->node);
    if (fresh && kind == LOOKUP_MX)
        lookup_mx_start(l);
    else if (fresh)
        lookup_host_start(l);
}

/* Lower case, without the dot at the end. False: can be no name at all. */
static bool normalise(struct slice in, char *out, struct slice *name_r)
{
    if (in.n && in.p[in.n - 1] == '.')
        in.n--;
    if (in.n == 0 || in.n > NAME_MAX_BYTES)
        return false;
    ascii_lower_copy(out, in.p, in.n);
    out[in.n] = '\0';
    *name_r = (struct slice){ out, in.n };
    return true;
}

/* What needs no question: literals, and what is no name. NULL: ask. */
static void *answer_at_once(struct resolver *r, enum lookup_kind kind, struct slice name)
{
    struct addr addr;
    bool bare, literal = dns_parse_literal(name, &addr, &bare);
    int64_t expires_ms = loop_now_ms(r->loop) + r->conf.ttl_max_ms;
    bool onion = slice_ends_with(name, ".onion"); /* RFC 7686: nobody is asked */
    if (!literal && !onion && dns_is_host_name(name.p))
        return NULL;
    if (kind == LOOKUP_MX) {
        struct mx_set *set = literal && !bare ? mx_set_single(name.p, false)
                                              : mx_set_failed(DNS_NXDOMAIN, "not a domain name");
        set->expires_ms = expires_ms;
        return set;
    }
    /* A bare address is an operator's word and not judged. */
    struct host_set *set = literal
                               ? host_set_build(NULL, 0, &addr, 1, bare || r->conf.allow_loopback)
                               : host_set_failed(DNS_NXDOMAIN, "not a host name");
    set->expires_ms = expires_ms;
    return set;
}

static struct dns_query *query(struct resolver *r, enum lookup_kind kind, struct slice text,
                               bool anew, dns_mx_fn *mx_fn, dns_host_fn *host_fn, void *arg)
{
    char lower[NAME_MAX_BYTES + 1] = "";
    struct slice name = { lower, 0 };
    struct dns_query *q = mem_zero(sizeof *q);
    *q = (struct dns_query){ .kind = kind, .mx_fn = mx_fn, .host_fn = host_fn, .arg = arg };
    list_init(&q->node);
    r->count++;
    normalise(text, lower, &name);
    share_take(r);
    void *cached = anew ? NULL : cache_get(r->cache[kind], name, loop_now_ms(r->loop));
    void *at_once = cached ? NULL : answer_at_once(r, kind, name);
    if (cached) {
        r->hits++;
        make_ready(r, q, resolver_set_ref(kind, cached));
    } else if (at_once) {
        make_ready(r, q, at_once);
    } else {
        start_lookup(r, kind, name, q);
    }
    return q;
}

struct dns_query *resolver_mx(struct resolver *r, struct slice domain, dns_mx_fn *fn, void *arg)
{
    return query(r, LOOKUP_MX, domain, false, fn, NULL, arg);
}

struct dns_query *resolver_host(struct resolver *r, struct slice host, dns_host_fn *fn, void *arg)
{
    return query(r, LOOKUP_HOST, host, false, NULL, fn, arg);
}

struct dns_query *resolver_host_anew(struct resolver *r, struct slice host, dns_host_fn *fn,
                                     void *arg)
{
    return query(r, LOOKUP_HOST, host, true, NULL, fn, arg);
}

void dns_cancel(struct dns_query **query_p)
{
    struct dns_query *q = *query_p;
    *query_p = NULL;
    if (!q || q->running)
        return;
    list_del(&q->node);
    if (q->set)
        resolver_set_unref(q->kind, q->set);
    free(q);
}

static void *cached(struct resolver *r, enum lookup_kind kind, struct slice text)
{
    char lower[NAME_MAX_BYTES + 1];
    struct slice name;
    if (!normalise(text, lower, &name))
        return NULL;
    share_take(r);
    void *set = cache_get(r->cache[kind], name, loop_now_ms(r->loop));
    if (set) {
        r->count++;
        r->hits++;
    }
    return set;
}

struct mx_set *resolver_mx_cached(struct resolver *r, struct slice domain)
{
    return cached(r, LOOKUP_MX, domain);
}

struct host_set *resolver_host_cached(struct resolver *r, struct slice host)
{
    return cached(r, LOOKUP_HOST, host);
}

enum rc resolver_new(struct loop *loop, const struct resolver_conf *conf,
                     struct resolver **resolver_r, struct err *err)
{
    struct resolver *r = mem_zero(sizeof *r);
    r->loop = loop;
    r->conf = *conf;
    r->conf.servers = NULL; /* read by upstream_new() only */
    list_init(&r->lookups);
    list_init(&r->ready);
    loop_task_init(&r->deliver, on_deliver);
    for (int kind = 0; kind < LOOKUP_KINDS; kind++)
        r->pending[kind] = map_new();
    r->cache[LOOKUP_MX] = cache_new(conf->cache_max, release_mx);
    r->cache[LOOKUP_HOST] = cache_new(conf->cache_max, release_host);
    enum rc rc = upstream_new(loop, conf, &r->upstream, err);
    if (rc != RC_OK)
        resolver_free(&r);
    *resolver_r = r;
    return rc;
}

void resolver_free(struct resolver **resolver)
{
    struct resolver *r = *resolver;
    if (!r)
        return;
    LIST_EACH (node, &r->lookups) {
        dns_cancel(&CONTAINER_OF(node, struct lookup, node)->implicit); /* held by another lookup */
    }
    for (struct list *node; (node = list_pop_front(&r->lookups));)
        lookup_free(CONTAINER_OF(node, struct lookup, node));
    cancel_all(&r->ready);
    share_drop(r);
    upstream_free(&r->upstream);
    loop_task_cancel(&r->deliver);
    for (int kind = 0; kind < LOOKUP_KINDS; kind++) {
        map_free(&r->pending[kind], NULL);
        cache_free(&r->cache[kind]);
    }
    free(r);
    *resolver = NULL;
}

bool resolver_allows_loopback(const struct resolver *r)
{
    return r->conf.allow_loopback;
}

void resolver_flush(struct resolver *r)
{
    share_drop(r);
    for (int kind = 0; kind < LOOKUP_KINDS; kind++)
        cache_flush(r->cache[kind]);
}

void resolver_stats(const struct resolver *r, struct resolver_stats *stats_r)
{
    *stats_r = (struct resolver_stats){
        .lookups = r->count,
        .hits = r->hits,
        .stale_served = r->stale_served,
        .cached = cache_count(r->cache[LOOKUP_MX]) + cache_count(r->cache[LOOKUP_HOST]),
        .under_way = map_count(r->pending[LOOKUP_MX]) + map_count(r->pending[LOOKUP_HOST]),
    };
    upstream_stats(r->upstream, stats_r);
}
