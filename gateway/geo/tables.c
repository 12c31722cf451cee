#include "gateway/geo/tables.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/map.h"

struct asn_slot {
    uint32_t asn; /* 0: free */
    struct slice carrier;
};

struct labelled {
    struct network network;
    struct slice carrier, region;
};

/* The networks of one family and prefix length, sorted by address. */
struct prefix {
    uint8_t family, length;
    size_t first, n;
};

struct tables {
    struct arena *arena;
    struct asn_slot *asns; /* open addressing */
    size_t asn_mask;
    struct map *regions; /* code -> char * of the arena */
    struct labelled *networks;
    struct prefix *prefixes; /* longest first */
    size_t prefix_count;
};

static struct slice copy(struct tables *t, struct slice s)
{
    return (struct slice){ arena_strndup(t->arena, s.p ? s.p : "", s.n), s.n };
}

/* ---- carriers ---- */

static struct asn_slot *asn_slot(const struct tables *t, uint32_t asn)
{
    size_t at = (asn * 2654435761u) & t->asn_mask;
    while (t->asns[at].asn != 0 && t->asns[at].asn != asn)
        at = (at + 1) & t->asn_mask;
    return &t->asns[at];
}

static void add_carriers(struct tables *t, const struct conf_geo *conf)
{
    size_t count = 0, size = 16;
    for (size_t i = 0; i < conf->carriers.n; i++)
        count += conf->carriers.at[i].asns.n;
    while (size < count * 2)
        size *= 2;
    t->asns = arena_alloc(t->arena, size * sizeof *t->asns);
    t->asn_mask = size - 1;
    for (size_t i = 0; i < conf->carriers.n; i++) {
        const struct conf_carrier *c = &conf->carriers.at[i];
        struct slice name = copy(t, c->name);
        for (size_t k = 0; k < c->asns.n; k++) {
            uint64_t asn = 0;
            slice_to_u64(slice_skip(c->asns.at[k], 2), UINT32_MAX, &asn); /* "AS4134" */
            if (asn)
                *asn_slot(t, (uint32_t)asn) = (struct asn_slot){ (uint32_t)asn, name };
        }
    }
}

struct slice tables_carrier(const struct tables *t, uint32_t asn)
{
    return asn ? asn_slot(t, asn)->carrier : (struct slice){ NULL, 0 };
}

/* ---- regions ---- */

static bool is_continent(struct slice code)
{
    static const char *const codes[] = { "AF", "AN", "AS", "EU", "NA", "OC", "SA" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (slice_eq_str(code, codes[i]))
            return true;
    return false;
}

static void add_regions(struct tables *t, const struct conf_geo *conf)
{
    t->regions = map_new();
    for (size_t i = 0; i < conf->regions.n; i++) {
        const struct conf_region *r = &conf->regions.at[i];
        char *name = arena_strndup(t->arena, r->name.p, r->name.n);
        for (size_t k = 0; k < r->codes.n; k++)
            map_put(t->regions, r->codes.at[k], name);
    }
}

static struct slice region_of(const struct tables *t, const char *code)
{
    struct slice s = slice_of(code);
    return s.n ? slice_of(map_get(t->regions, s)) : s;
}

struct slice tables_region(const struct tables *t, const struct geo_facts *facts)
{
    struct slice name = region_of(t, facts->subdivision);
    if (!name.n && !is_continent(slice_of(facts->country)))
        name = region_of(t, facts->country);
    if (!name.n)
        name = region_of(t, facts->continent);
    return name;
}

/* ---- networks ---- */

static int compare_networks(const void *pa, const void *pb)
{
    const struct labelled *a = pa, *b = pb;
    if (a->network.prefix != b->network.prefix)
        return a->network.prefix > b->network.prefix ? -1 : 1;
    return addr_cmp(&a->network.base, &b->network.base);
}

static void add_networks(struct tables *t, const struct conf_geo *conf)
{
    size_t n = conf->networks.n;
    t->networks = arena_alloc(t->arena, (n + 1) * sizeof *t->networks);
    struct prefix *at = t->prefixes = arena_alloc(t->arena, (n + 1) * sizeof *at), *last = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct conf_geo_network *from = &conf->networks.at[i];
        t->networks[i] =
            (struct labelled){ from->network, copy(t, from->carrier), copy(t, from->region) };
    }
    qsort(t->networks, n, sizeof *t->networks, compare_networks);
    for (size_t i = 0; i < n; i++) {
        const struct network *net = &t->networks[i].network;
        if (!last || last->length != net->prefix || last->family != net->base.family) {
            last = at++;
            *last = (struct prefix){ net->base.family, net->prefix, i, 0 };
        }
        last->n++;
    }
    t->prefix_count = (size_t)(at - t->prefixes);
}

static struct addr masked(const struct addr *a, unsigned length)
{
    struct addr m = { .family = a->family };
    memcpy(m.bytes, a->bytes, length / 8);
    if (length % 8)
        m.bytes[length / 8] = (uint8_t)(a->bytes[length / 8] & (0xff00u >> length % 8));
    return m;
}

static const struct labelled *find(const struct tables *t, const struct prefix *p,
                                   const struct addr *address)
{
    struct addr base = masked(address, p->length);
    size_t low = p->first, high = p->first + p->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = addr_cmp(&base, &t->networks[middle].network.base);
        if (c == 0)
            return &t->networks[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void tables_networks(const struct tables *t, const struct addr *address, struct slice *carrier_r,
                     struct slice *region_r)
{
    *carrier_r = *region_r = (struct slice){ NULL, 0 };
    for (size_t i = 0; i < t->prefix_count && (!carrier_r->n || !region_r->n); i++) {
        const struct prefix *p = &t->prefixes[i];
        const struct labelled *found = p->family == address->family ? find(t, p, address) : NULL;
        if (found && !carrier_r->n)
            *carrier_r = found->carrier;
        if (found && !region_r->n)
            *region_r = found->region;
    }
}

/* ---- life ---- */

struct tables *tables_new(const struct conf_geo *conf)
{
    struct tables *t = mem_zero(sizeof *t);
    t->arena = arena_new(4096);
    add_carriers(t, conf);
    add_regions(t, conf);
    add_networks(t, conf);
    return t;
}

void tables_free(struct tables **tables)
{
    if (!*tables)
        return;
    map_free(&(*tables)->regions, NULL);
    arena_free(&(*tables)->arena);
    free(*tables);
    *tables = NULL;
}
