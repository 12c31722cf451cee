#include "gateway/daemon/control_members.h"

#include "policies/route.h"

size_t members_addresses(const struct conf_egress *e, struct addr *one, const struct addr **at_r)
{
    *one = e->via.source;
    one->port = 0;
    *at_r = e->addresses.n ? e->addresses.at : one;
    return e->addresses.n ? e->addresses.n : 1;
}

uint32_t members_name(const struct conf *conf, struct standing_member *at)
{
    uint32_t n = 0;
    for (size_t i = 0; i < conf->egress.n; i++) {
        const struct conf_egress *e = &conf->egress.at[i];
        struct addr one;
        const struct addr *address;
        size_t count = members_addresses(e, &one, &address);
        for (size_t k = 0; k < count && n < STANDING_MEMBERS_MAX; k++)
            at[n++] = (struct standing_member){ .egress = e->name,
                                                .address = address[k],
                                                .warmup_ms = e->warmup_start,
                                                .disabled = !e->usable };
    }
    return n;
}

uint32_t members_sources(const struct conf *conf, struct slice *at)
{
    uint32_t n = 0;
    for (size_t i = 0; i < conf->reputation.blocklists.n; i++)
        at[n++] = conf->reputation.blocklists.at[i].zone;
    for (size_t i = 0; i < conf->reputation.feeds.n; i++) {
        const struct conf_feed *f = &conf->reputation.feeds.at[i];
        at[n++] = f->file.n ? f->file : f->url;
    }
    return n;
}

static void add_egress(const struct conf *conf, const struct standing_member *member, uint32_t n,
                       struct egress_set set, struct standing_set *pool)
{
    for (size_t i = 0; i < set.n; i++)
        for (uint32_t m = 0; m < n; m++)
            if (slice_eq(member[m].egress, conf->egress.at[set.at[i]].name))
                pool->bits[m / 64] |= UINT64_C(1) << (m % 64);
}

uint32_t members_pools(const struct policies *p, const struct standing_member *member,
                       uint32_t member_n, struct standing_set *pool)
{
    const struct conf *conf = policies_conf(p);
    uint32_t n = 0;
    for (size_t r = 0; r < conf->rules.routes.n && n < STANDING_POOLS_MAX; r++) {
        const struct conf_route *route = &conf->rules.routes.at[r];
        add_egress(conf, member, member_n, policies_route_egress(p, route), &pool[n]);
        add_egress(conf, member, member_n, policies_route_fallback(p, route), &pool[n]);
        n++;
    }
    return n;
}
