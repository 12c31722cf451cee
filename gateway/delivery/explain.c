/*
 * delivery/explain — the choice of an egress for a mail that is only asked about
 */
#include "gateway/conf/conf.h"
#include "gateway/delivery/repute.h"
#include "gateway/delivery/views.h"

static bool same_way(const struct site *site, const struct delivery_question *q)
{
    if (q->mx)
        return site->mx && slice_eq(slice_of(site->mx->site), slice_of(q->mx->site));
    return !site->mx && slice_eq(slice_of(site->name), q->route->name);
}

static struct target *find_target(struct delivery *d, const struct delivery_question *q)
{
    LIST_EACH (at, &d->targets) {
        struct target *t = CONTAINER_OF(at, struct target, link);
        if (same_way(t->site, q))
            return t;
    }
    return NULL;
}

static void find_address(struct delivery *d, const struct delivery_question *q,
                         struct addr *address_r)
{
    *address_r = (struct addr){ .family = ADDR_NONE };
    if (q->mx && q->mx->count) {
        struct slice name = slice_of(q->mx->hosts[0].name);
        const struct host_set *set = resolver_host_cached(d->resolver, name);
        if (set && set->count)
            *address_r = set->addrs[0];
    } else if (!q->mx && q->route->hosts.n && q->route->hosts.at[0].is_addr) {
        *address_r = q->route->hosts.at[0].addr;
    }
}

const struct choice *delivery_explain(struct delivery *d, const struct delivery_question *q,
                                      struct addr *address_r, bool *known_r)
{
    struct paths_question x = { .target = find_target(d, q),
                                .route = q->route,
                                .provider = repute_provider_of(d, q->mx, q->route),
                                .sender = q->sender,
                                .recipient = q->recipient,
                                .bytes = q->bytes,
                                .lane = q->lane };
    *known_r = x.target != NULL;
    if (q->policies != d->policies)
        return NULL;
    if (x.target && x.target->address.family != ADDR_NONE)
        x.address = x.target->address;
    else
        find_address(d, q, &x.address);
    *address_r = x.address;
    return paths_explain(d, &x);
}

unsigned delivery_rewriting(const struct delivery *d, int egress)
{
    return views_rewriting(d->views, egress);
}
