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

bool advice_stale(const struct advice *advice, int64_t now_ms)
{
    return !advice || now_ms - advice->made_ms > ADVICE_STALE_MS;
}
