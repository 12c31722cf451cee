#include "gateway/delivery/hosts.h"

#include <string.h>

static struct slice without_brackets(struct slice s)
{
    if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']') {
        s = (struct slice){ s.p + 1, s.n - 2 };
        if (slice_istarts_with(s, "IPv6:"))
            s = (struct slice){ s.p + 5, s.n - 5 };
    }
    return s;
}

static struct next_host host_of_mx(const struct conf *conf, const struct mx_host *mx)
{
    struct next_host h = { .name = slice_of(mx->name),
                           .preference = mx->preference,
                           .port = (uint16_t)conf->delivery.port };
    if (mx->name[0] == '[' && addr_parse(without_brackets(h.name), &h.addr) == RC_OK) {
        h.is_addr = true;
        h.addr.port = h.port;
    }
    return h;
}

static void shuffle_equals(struct next_host *at, unsigned n, struct rnd *rnd)
{
    for (unsigned from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && at[to].preference == at[from].preference; to++)
            ;
        for (unsigned left = to - from; left > 1; left--) {
            unsigned pick = from + (unsigned)rnd_below(rnd, left);
            struct next_host last = at[from + left - 1];
            at[from + left - 1] = at[pick];
            at[pick] = last;
        }
    }
}

static bool is_own(const struct conf *conf, const struct next_host *h)
{
    return slice_ieq(h->name, conf->hostname) || (h->is_addr && hosts_is_own(conf, &h->addr));
}

void hosts_of_mx(struct hosts *hosts, const struct conf *conf, struct mx_set *mx, struct rnd *rnd)
{
    *hosts = (struct hosts){ .mx = mx_set_ref(mx) };
    for (size_t i = 0; i < mx->count && i < MX_HOSTS_MAX; i++)
        hosts->at[hosts->n++] = host_of_mx(conf, &mx->hosts[i]);
    for (unsigned i = 0; i < hosts->n; i++)
        if (is_own(conf, &hosts->at[i])) {
            hosts_cut_from(hosts, i);
            break;
        }
    shuffle_equals(hosts->at, hosts->n, rnd);
}

void hosts_of_route(struct hosts *hosts, const struct conf *conf, const struct conf_route *route)
{
    *hosts = (struct hosts){ .n = 0 };
    for (size_t i = 0; i < route->hosts.n && i < MX_HOSTS_MAX; i++) {
        const struct conf_host *c = &route->hosts.at[i];
        uint16_t port = c->port ? c->port : (uint16_t)conf->delivery.port;
        struct next_host *h = &hosts->at[hosts->n++];
        *h = (struct next_host){
            .name = c->host, .port = port, .is_addr = c->is_addr, .addr = c->addr
        };
        h->addr.port = port;
    }
}

void hosts_of_relay(struct hosts *hosts, const struct conf_host *relay)
{
    *hosts = (struct hosts){ .n = 1 };
    hosts->at[0] = (struct next_host){
        .name = relay->host, .port = relay->port, .is_addr = relay->is_addr, .addr = relay->addr
    };
}

void hosts_clear(struct hosts *hosts)
{
    if (hosts->mx)
        mx_set_unref(&hosts->mx);
    hosts->n = 0;
}

bool hosts_is_own(const struct conf *conf, const struct addr *addr)
{
    for (size_t i = 0; i < conf->listen.n; i++) {
        const struct addr *own = &conf->listen.at[i].address;
        if (own->port != addr->port)
            continue;
        if (addr_same_host(own, addr) || (addr_is_any(own) && addr_is_loopback(addr)))
            return true;
        for (size_t e = 0; addr_is_any(own) && e < conf->egress.n; e++)
            for (size_t a = 0; a < conf->egress.at[e].addresses.n; a++)
                if (addr_same_host(&conf->egress.at[e].addresses.at[a], addr))
                    return true;
    }
    return false;
}

void hosts_cut_from(struct hosts *hosts, unsigned at)
{
    uint16_t limit = hosts->at[at].preference;
    unsigned kept = 0;
    for (unsigned i = 0; i < hosts->n; i++)
        if (hosts->at[i].preference < limit)
            hosts->at[kept++] = hosts->at[i];
    hosts->n = kept;
    hosts->looped = true;
}
