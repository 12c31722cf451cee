/*
 * delivery/open_via — what a session through a proxy or to a relay knows about it
 */
#include <string.h>

#include "gateway/conf/conf.h"
#include "gateway/delivery/detour.h"
#include "gateway/io/stream.h"

static const struct conf_egress *egress_of(const struct session *s)
{
    return &policies_conf(s->policies)->egress.at[s->egress];
}

/* A relay is the next hop, whatever the route says; but a route that wants more TLS gets it. */
struct terms session_terms(const struct conf_egress *e, const struct conf_route *route)
{
    struct terms t = { .tls = route->tls, .user = route->user, .password = route->password };
    if (e->via.kind != CONF_VIA_RELAY)
        return t;
    bool stricter = route->tls >= CONF_TLS_REQUIRED && route->tls > e->via.tls;
    t.tls = stricter ? route->tls : e->via.tls;
    t.user = e->via.user;
    t.password = e->via.password;
    return t;
}

bool terms_same(const struct terms *a, const struct terms *b)
{
    return a->tls == b->tls && slice_eq(a->user, b->user) && slice_eq(a->password, b->password);
}

/* What the other side takes for our address; ADDR_NONE: nobody tells. */
void open_note_source(struct session *s, const struct dial_result *r)
{
    const struct conf_via *via = &egress_of(s)->via;
    s->source = *stream_local(s->stream);
    if (via->kind == CONF_VIA_SOCKS5)
        s->source = r->source;
    if (via->kind != CONF_VIA_RELAY && via->source.family != ADDR_NONE)
        s->source = via->source;
}

static void on_proxy_host(void *arg, struct host_set *set)
{
    struct session *s = arg;
    struct target *target = s->target;
    s->query = NULL;
    if (set->status == DNS_OK) {
        s->proxy_n = set->count < DIAL_VIA_ADDRS_MAX ? (unsigned)set->count : DIAL_VIA_ADDRS_MAX;
        memcpy(s->proxy, set->addrs, s->proxy_n * sizeof s->proxy[0]);
        open_next_address(s);
    } else if (set->lacked) {
        open_lacked(s, set->text);
    } else {
        detour_proxy_lost(s, set->text);
    }
    target_run(target);
}

bool open_find_proxy(struct session *s)
{
    const struct conf_host *host = conf_via_host(&egress_of(s)->via);
    if (s->proxy_n)
        return true;
    if (host->is_addr) {
        s->proxy[s->proxy_n++] = host->addr;
        return true;
    }
    s->query = resolver_host(s->delivery->resolver, host->host, on_proxy_host, s);
    return false;
}
