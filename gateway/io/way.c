#include "gateway/io/way.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/io/dial_socket.h"

unsigned way_family(const struct addr *a)
{
    return a->family == ADDR_V6 ? FAMILY_V6 : FAMILY_V4;
}

bool way_is_proxied(const struct conf_egress *e)
{
    return e->via.kind == CONF_VIA_SOCKS5 || e->via.kind == CONF_VIA_PROXY;
}

static void set_common(const struct conf_egress *e, struct dial_source *source)
{
    *source = (struct dial_source){ .interface = e->interface.n ? e->interface.p : NULL,
                                    .congestion = e->congestion.n ? e->congestion.p : NULL,
                                    .mark = (uint32_t)e->mark };
}

bool way_source_ours(const struct conf_egress *e, const struct addr *address)
{
    struct dial_source source;
    set_common(e, &source);
    if (address)
        *(address->family == ADDR_V6 ? &source.v6 : &source.v4) = *address;
    return dial_socket_try(&source);
}

bool way_congestion_works(const struct conf_egress *e)
{
    if (!e->congestion.n)
        return true;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    int rc =
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, e->congestion.p, (socklen_t)e->congestion.n);
    close(fd);
    return rc == 0;
}

/* Fills in what is missing. */
static void take_turn(const struct conf_egress *e, unsigned turn, const bool *gone,
                      const bool *rather_not, struct dial_source *source)
{
    size_t n = e->addresses.n;
    for (size_t k = 0; k < n; k++) {
        size_t i = (turn + k) % n;
        const struct addr *a = &e->addresses.at[i];
        struct addr *into = a->family == ADDR_V6 ? &source->v6 : &source->v4;
        if (into->family == ADDR_NONE && !(gone && gone[i]) && !(rather_not && rather_not[i]))
            *into = *a;
    }
}

void way_source(const struct conf_egress *e, unsigned turn, const bool *gone,
                const bool *rather_not, struct dial_source *source_r)
{
    set_common(e, source_r);
    take_turn(e, turn, gone, rather_not, source_r);
    if (rather_not)
        take_turn(e, turn, gone, NULL, source_r);
}

void way_source_now(const struct conf_egress *e, struct dial_source *source_r)
{
    set_common(e, source_r);
    for (size_t i = 0; e->addresses.n > 1 && i < e->addresses.n; i++) {
        const struct addr *a = &e->addresses.at[i];
        struct addr *into = a->family == ADDR_V6 ? &source_r->v6 : &source_r->v4;
        if (into->family == ADDR_NONE && way_source_ours(e, a))
            *into = *a;
    }
    take_turn(e, 0, NULL, NULL, source_r);
}

bool way_has_source(const struct conf_egress *e)
{
    bool any = e->addresses.n == 0 && way_source_ours(e, NULL);
    for (size_t i = 0; !any && i < e->addresses.n; i++)
        any = way_source_ours(e, &e->addresses.at[i]);
    return any;
}

unsigned way_families(const struct conf_egress *e, const bool *gone)
{
    unsigned families = 0;
    if (e->via.kind == CONF_VIA_PROXY && e->via.source.family != ADDR_NONE)
        return way_family(&e->via.source);
    if (e->addresses.n == 0)
        return FAMILY_V4 | FAMILY_V6;
    for (size_t i = 0; i < e->addresses.n; i++)
        if (!(gone && gone[i]))
            families |= way_family(&e->addresses.at[i]);
    return families;
}

void way_via(const struct conf_egress *e, const struct addr *proxy, size_t n,
             struct dial_via *via_r)
{
    const struct conf_via *via = &e->via;
    bool socks5 = via->kind == CONF_VIA_SOCKS5;
    *via_r = (struct dial_via){ .kind = socks5 ? DIAL_SOCKS5 : DIAL_PROXY_V2,
                                .source = via->source,
                                .user = via->user,
                                .password = via->password,
                                .proxy_ms = WAY_PROXY_MS };
    for (size_t i = 0; i < n && i < DIAL_VIA_ADDRS_MAX; i++) {
        via_r->addrs[i] = proxy[i];
        via_r->addrs[i].port = conf_via_host(via)->port;
        via_r->addr_count++;
    }
}
