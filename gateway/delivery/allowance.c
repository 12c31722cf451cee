#include "gateway/delivery/allowance.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

enum { PROBES_MAX = 32, BURST_PARTS = 60 };
static const int64_t HOUR_US = INT64_C(3600) * 1000 * 1000;

/* A key whose next mail is not due in the future owes nothing: its place may be another's. */
struct place {
    _Atomic uint64_t key; /* 0: free */
    _Atomic int64_t due_us;
};

struct allowances {
    struct place at[ALLOWANCES_MAX];
};

struct allowances *allowances_new(void)
{
    return mem_zero(sizeof(struct allowances));
}

void allowances_free(struct allowances **allowances)
{
    free(*allowances);
    *allowances = NULL;
}

uint64_t allowance_key(struct slice egress, struct slice provider)
{
    uint64_t e = slice_hash_stable(egress), p = slice_hash_stable(provider);
    uint64_t key = e ^ (p << 29 | p >> 35);
    return key ? key : 1;
}

/* How far ahead of the clock the next mail may be due and still go now. */
static int64_t ahead_us(uint32_t per_hour)
{
    int64_t burst = per_hour / BURST_PARTS;
    return burst > 1 ? (burst - 1) * (HOUR_US / per_hour) : 0;
}

static const struct place *find(const struct allowances *a, uint64_t key)
{
    for (unsigned i = 0; i < PROBES_MAX; i++) {
        const struct place *p = &a->at[(key + i) % ALLOWANCES_MAX];
        if (atomic_load_explicit(&p->key, memory_order_acquire) == key)
            return p;
    }
    return NULL;
}

static struct place *find_or_make(struct allowances *a, uint64_t key, int64_t now_us)
{
    const struct place *known = find(a, key);
    if (known)
        return &a->at[known - a->at];
    for (unsigned i = 0; i < PROBES_MAX; i++) {
        struct place *p = &a->at[(key + i) % ALLOWANCES_MAX];
        uint64_t was = atomic_load_explicit(&p->key, memory_order_acquire);
        if (was && atomic_load_explicit(&p->due_us, memory_order_relaxed) > now_us)
            continue;
        if (atomic_compare_exchange_strong(&p->key, &was, key) || was == key)
            return p;
    }
    return NULL;
}

bool allowance_left(const struct allowances *a, uint64_t key, uint32_t per_hour, int64_t now_us)
{
    const struct place *p = find(a, key);
    return !p ||
           atomic_load_explicit(&p->due_us, memory_order_relaxed) <= now_us + ahead_us(per_hour);
}

bool allowance_take(struct allowances *a, uint64_t key, uint32_t per_hour, int64_t now_us)
{
    assert(per_hour > 0);
    struct place *p = find_or_make(a, key, now_us);
    if (!p)
        return false;
    int64_t due = atomic_load_explicit(&p->due_us, memory_order_relaxed), next;
    do {
        if (due > now_us + ahead_us(per_hour))
            return false;
        next = (due > now_us ? due : now_us) + HOUR_US / per_hour;
    } while (!atomic_compare_exchange_weak_explicit(&p->due_us, &due, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}
