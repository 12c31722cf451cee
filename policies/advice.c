#include "policies/advice.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

const char *const path_state_names[] = { "unknown", "up", "suspect", "down" };
const char *const egress_fault_names[] = { "fine", "unplumbed", "proxy down", "paths down",
                                           "barred" };

struct table {
    struct advice advice;
    atomic_uint references;
    struct arena *arena;
};

struct advice *advice_new(uint32_t egress_n, uint32_t group_n)
{
    assert(egress_n <= ADVICE_EGRESS_MAX && group_n <= ADVICE_GROUPS_MAX);
    struct table *t = mem_zero(sizeof *t);
    struct advice *a = &t->advice;
    atomic_init(&t->references, 1);
    t->arena = arena_new(4096);
    a->egress_n = egress_n;
    a->group_n = group_n;
    a->egress = mem_array(egress_n, sizeof *a->egress);
    a->group = mem_array(group_n, sizeof *a->group);
    a->path = mem_array((size_t)egress_n * group_n, sizeof *a->path);
    for (uint32_t e = 0; e < egress_n; e++)
        a->egress[e].share = 1;
    for (uint32_t g = 0; g < group_n; g++)
        a->group[g].preferred = a->group[g].preferred_large = ADVICE_NONE;
    return a;
}

struct slice advice_text(struct advice *advice, struct slice text)
{
    struct table *t = CONTAINER_OF(advice, struct table, advice);
    return (struct slice){ arena_strndup(t->arena, text.p ? text.p : "", text.n), text.n };
}

void advice_standings(struct advice *a, uint32_t standing_n, uint32_t barred_n)
{
    assert(!a->standing && !a->barred);
    assert(standing_n <= ADVICE_STANDINGS_MAX && barred_n <= ADVICE_BARRED_MAX);
    a->standing_n = standing_n;
    a->barred_n = barred_n;
    a->standing = mem_array(standing_n, sizeof *a->standing);
    a->barred = mem_array(barred_n, sizeof *a->barred);
}

struct advice *advice_ref(struct advice *advice)
{
    struct table *t = CONTAINER_OF(advice, struct table, advice);
    atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return advice;
}

void advice_unref(struct advice **advice)
{
    if (!*advice)
        return;
    struct table *t = CONTAINER_OF(*advice, struct table, advice);
    *advice = NULL;
    if (atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_free(&t->arena);
    free(t->advice.egress);
    free(t->advice.group);
    free(t->advice.path);
    free(t->advice.standing);
    free(t->advice.barred);
    free(t);
}

/* ---- looking up ---- */

int advice_egress(const struct advice *advice, struct slice name)
{
    for (uint32_t e = 0; e < advice->egress_n; e++)
        if (slice_eq(advice->egress[e].name, name))
            return (int)e;
    return ADVICE_NONE;
}

static int text_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

int advice_group_cmp(struct slice carrier_a, struct slice region_a, struct slice carrier_b,
                     struct slice region_b)
{
    int order = text_cmp(carrier_a, carrier_b);
    return order ? order : text_cmp(region_a, region_b);
}

static int find_group(const struct advice *a, struct slice carrier, struct slice region)
{
    uint32_t low = 0, high = a->group_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct advice_group *g = &a->group[mid];
        int order = advice_group_cmp(carrier, region, g->carrier, g->region);
        if (order == 0)
            return (int)mid;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return ADVICE_NONE;
}

int advice_group(const struct advice *advice, struct slice carrier, struct slice region)
{
    static const struct slice other = SLICE_INIT("other");
    int g = find_group(advice, carrier, region);
    if (g == ADVICE_NONE)
        g = find_group(advice, carrier, other);
    if (g == ADVICE_NONE)
        g = find_group(advice, other, region);
    return g != ADVICE_NONE ? g : find_group(advice, other, other);
}

const struct advice_path *advice_path(const struct advice *advice, int egress, int group)
{
    if (egress < 0 || group < 0 || (uint32_t)egress >= advice->egress_n ||
        (uint32_t)group >= advice->group_n)
        return NULL;
    return &advice->path[(size_t)egress * advice->group_n + (size_t)group];
}

int advice_standing_cmp(const struct advice_standing *a, const struct advice_standing *b)
{
    int order = (a->egress > b->egress) - (a->egress < b->egress);
    order = order ? order : text_cmp(a->provider, b->provider);
    return order ? order : addr_cmp(&a->source, &b->source);
}

static const struct advice_standing *find_standing(const struct advice *a,
                                                   struct advice_standing key)
{
    uint32_t low = 0, high = a->standing_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = advice_standing_cmp(&key, &a->standing[mid]);
        if (order == 0)
            return &a->standing[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const struct advice_standing *advice_standing(const struct advice *a, int egress,
                                              struct slice provider)
{
    struct advice_standing key = { .egress = (int16_t)egress, .provider = provider };
    const struct advice_standing *found = find_standing(a, key);
    key.provider = slice_of("");
    return found || !provider.n ? found : find_standing(a, key);
}

const struct advice_standing *advice_source(const struct advice *a, int egress,
                                            struct slice provider, const struct addr *source)
{
    struct advice_standing key = { .egress = (int16_t)egress,
                                   .provider = provider,
                                   .source = *source };
    key.source.port = 0;
    if (source->family == ADDR_NONE)
        return NULL;
    const struct advice_standing *found = find_standing(a, key);
    key.provider = slice_of("");
    return found || !provider.n ? found : find_standing(a, key);
}

static int by_address(const void *a, const void *b)
{
    return addr_cmp(a, b);
}

bool advice_bars(const struct advice *a, const struct addr *source)
{
    struct addr key = *source;
    key.port = 0;
    return a->barred_n && bsearch(&key, a->barred, a->barred_n, sizeof key, by_address);
}

/* ---- sealing ---- */

static void mix(uint64_t *digest, const void *p, size_t n)
{
    *digest = (*digest ^ slice_hash_stable((struct slice){ p, n })) * UINT64_C(0x9e3779b97f4a7c15);
    *digest ^= *digest >> 29;
}

static void mix_address(uint64_t *digest, const struct addr *a)
{
    mix(digest, &a->family, sizeof a->family);
    mix(digest, a->bytes, sizeof a->bytes);
}

void advice_seal(struct advice *a)
{
    uint64_t digest = a->egress_n ^ (uint64_t)a->standing_n << 16 ^ (uint64_t)a->barred_n << 40;
    for (uint32_t i = 0; i < a->egress_n; i++) {
        const struct advice_egress *e = &a->egress[i];
        bool barred = e->fault == EGRESS_BARRED;
        mix(&digest, e->name.p, e->name.n);
        mix(&digest, &barred, sizeof barred);
        mix(&digest, &e->share, sizeof e->share);
    }
    for (uint32_t i = 0; i < a->standing_n; i++) {
        const struct advice_standing *s = &a->standing[i];
        mix(&digest, s->provider.p, s->provider.n);
        mix(&digest, &s->share, sizeof s->share);
        mix(&digest, &s->per_hour, sizeof s->per_hour);
        mix(&digest, &s->last_resort, sizeof s->last_resort);
        mix(&digest, &s->egress, sizeof s->egress);
        mix_address(&digest, &s->source);
    }
    for (uint32_t i = 0; i < a->barred_n; i++)
        mix_address(&digest, &a->barred[i]);
    a->digest = digest ? digest : 1;
}

bool advice_same_standing(const struct advice *a, const struct advice *b)
{
    assert(a->digest && b->digest);
    return a->digest == b->digest;
}

bool advice_stale(const struct advice *advice, int64_t now_ms)
{
    return !advice || now_ms - advice->made_ms > ADVICE_STALE_MS;
}
