#include "gateway/geo/group.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/map.h"
#include "gateway/geo/database.h"
#include "gateway/geo/tables.h"

struct geo {
    atomic_uint references;
    struct tables *tables;
    struct database *asn, *city; /* NULL: none; may be the same */
};

/* ---- the shared state ---- */

static enum rc open_one(const char *path, struct database **database_r, struct err *err)
{
    struct err why;
    if (!path)
        return RC_OK;
    enum rc rc = database_open(path, database_r, &why);
    return rc == RC_OK ? RC_OK : err_set(err, rc, "%s: %s", path, why.text);
}

enum rc geo_new(const struct conf_geo *conf, const struct geo_files *files, struct geo **geo_r,
                struct err *err)
{
    struct geo *geo = mem_zero(sizeof *geo);
    atomic_init(&geo->references, 1);
    enum rc rc = open_one(files->asn, &geo->asn, err);
    if (rc == RC_OK)
        rc = open_one(files->city, &geo->city, err);
    if (rc != RC_OK) {
        geo_unref(&geo);
        return rc;
    }
    geo->tables = tables_new(conf);
    *geo_r = geo;
    return RC_OK;
}

struct geo *geo_ref(struct geo *geo)
{
    atomic_fetch_add_explicit(&geo->references, 1, memory_order_relaxed);
    return geo;
}

void geo_unref(struct geo **geo_p)
{
    struct geo *geo = *geo_p;
    *geo_p = NULL;
    if (!geo || atomic_fetch_sub_explicit(&geo->references, 1, memory_order_acq_rel) != 1)
        return;
    tables_free(&geo->tables);
    database_close(&geo->asn);
    database_close(&geo->city);
    free(geo);
}

/* Either file may know both; each is believed first in what it is there for. */
static void ask_databases(const struct geo *geo, const struct addr *address,
                          struct geo_facts *facts)
{
    if (geo->asn)
        database_ask(geo->asn, address, facts);
    struct geo_facts places = { 0 };
    if (geo->city)
        database_ask(geo->city, address, &places);
    if (places.country[0] || places.continent[0]) {
        memcpy(facts->country, places.country, sizeof facts->country);
        memcpy(facts->continent, places.continent, sizeof facts->continent);
        memcpy(facts->subdivision, places.subdivision, sizeof facts->subdivision);
    }
    if (!facts->asn) {
        facts->asn = places.asn;
        memcpy(facts->organisation, places.organisation, sizeof facts->organisation);
    }
}

void geo_facts(const struct geo *geo, const struct addr *address, struct geo_facts *facts_r)
{
    struct slice carrier, region;
    *facts_r = (struct geo_facts){ 0 };
    ask_databases(geo, address, facts_r);
    tables_networks(geo->tables, address, &carrier, &region);
    facts_r->carrier_by_network = carrier.n > 0;
    facts_r->region_by_network = region.n > 0;
}

/* ---- answers ---- */

enum { SLOTS = 4096, WAYS = 2 };

struct answer {
    uint8_t bytes[16];
    uint8_t family; /* ADDR_NONE: free */
    const struct geo_group *group;
};

struct geo_cache {
    struct geo *geo;
    struct arena *arena;
    struct map *names; /* carrier NUL region -> struct geo_group */
    size_t groups_max, groups;
    const struct geo_group *other;
    struct answer answers[SLOTS][WAYS]; /* the first of each slot is the newer one */
};

static const struct slice other = SLICE_INIT("other");

const struct geo_group *geo_group_named(struct geo_cache *cache, struct slice carrier,
                                        struct slice region)
{
    char key[160];
    carrier = carrier.n ? carrier : other;
    region = region.n ? region : other;
    if (carrier.n + region.n + 1 > sizeof key)
        return cache->other; /* names are up to 64 bytes: an odd one of a log or a peer */
    memcpy(key, carrier.p, carrier.n);
    key[carrier.n] = '\0';
    memcpy(key + carrier.n + 1, region.p, region.n);
    struct slice s = { key, carrier.n + 1 + region.n };
    struct geo_group *group = map_get(cache->names, s);
    if (group)
        return group;
    if (cache->groups == cache->groups_max)
        return cache->other;
    group = arena_alloc(cache->arena, sizeof *group);
    group->carrier = (struct slice){ arena_strndup(cache->arena, carrier.p, carrier.n), carrier.n };
    group->region = (struct slice){ arena_strndup(cache->arena, region.p, region.n), region.n };
    group->index = (uint32_t)cache->groups++;
    map_put(cache->names, s, group);
    return group;
}

struct geo_cache *geo_cache_new(size_t groups_max)
{
    struct geo_cache *cache = mem_zero(sizeof *cache);
    cache->arena = arena_new(4096);
    cache->names = map_new();
    cache->groups_max = groups_max ? groups_max : 1;
    cache->other = geo_group_named(cache, other, other);
    return cache;
}

void geo_cache_free(struct geo_cache **cache_p)
{
    struct geo_cache *cache = *cache_p;
    if (!cache)
        return;
    geo_unref(&cache->geo);
    map_free(&cache->names, NULL);
    arena_free(&cache->arena);
    free(cache);
    *cache_p = NULL;
}

void geo_cache_use(struct geo_cache *cache, struct geo *geo)
{
    struct geo *old = cache->geo;
    cache->geo = geo ? geo_ref(geo) : NULL;
    geo_unref(&old);
    memset(cache->answers, 0, sizeof cache->answers);
}

const struct geo *geo_cache_state(const struct geo_cache *cache)
{
    return cache->geo;
}

size_t geo_groups_count(const struct geo_cache *cache)
{
    return cache->groups;
}

static const struct geo_group *find(struct geo_cache *cache, const struct addr *address)
{
    struct geo_facts facts = { 0 };
    struct slice carrier, region;
    char asn[16];
    tables_networks(cache->geo->tables, address, &carrier, &region);
    if (!carrier.n || !region.n)
        ask_databases(cache->geo, address, &facts);
    if (!carrier.n)
        carrier = tables_carrier(cache->geo->tables, facts.asn);
    if (!carrier.n && facts.asn) {
        snprintf(asn, sizeof asn, "AS%u", facts.asn);
        carrier = slice_of(asn);
    }
    if (!region.n)
        region = tables_region(cache->geo->tables, &facts);
    if (!region.n)
        region = slice_of(facts.country);
    return geo_group_named(cache, carrier, region);
}

const struct geo_group *geo_group(struct geo_cache *cache, const struct addr *address)
{
    if (!cache->geo || address->family == ADDR_NONE)
        return cache->other;
    struct slice bytes = { (const char *)address->bytes, sizeof address->bytes };
    struct answer *slot = cache->answers[slice_hash(bytes) % SLOTS];
    for (size_t i = 0; i < WAYS; i++)
        if (slot[i].family == address->family && memcmp(slot[i].bytes, address->bytes, 16) == 0)
            return slot[i].group;
    memmove(slot + 1, slot, (WAYS - 1) * sizeof *slot);
    slot->family = address->family;
    memcpy(slot->bytes, address->bytes, sizeof slot->bytes);
    slot->group = find(cache, address);
    return slot->group;
}
