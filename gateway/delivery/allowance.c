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
    bool doubted;
    int64_t doubt_us; /* all were used up then, for all we know */
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

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* When the next mail would be due after one that went at the moment of doubt, as the last that
 * could. */
static int64_t doubted_us(const struct allowances *a, uint32_t per_hour)
{
    return a->doubted ? a->doubt_us + ahead_us(per_hour) + HOUR_US / per_hour : 0;
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
    int64_t due = p ? atomic_load_explicit(&p->due_us, memory_order_relaxed) : 0;
    return later(due, doubted_us(a, per_hour)) <= now_us + ahead_us(per_hour);
}

bool allowance_take(struct allowances *a, uint64_t key, uint32_t per_hour, int64_t now_us)
{
    assert(per_hour > 0);
    struct place *p = find_or_make(a, key, now_us);
    if (!p)
        return false;
    int64_t due = atomic_load_explicit(&p->due_us, memory_order_relaxed), next;
    do {
        int64_t from = later(due, doubted_us(a, per_hour));
        if (from > now_us + ahead_us(per_hour))
            return false;
        next = later(from, now_us) + HOUR_US / per_hour;
    } while (!atomic_compare_exchange_weak_explicit(&p->due_us, &due, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void allowance_give_back(struct allowances *a, uint64_t key, uint32_t per_hour, int64_t now_us)
{
    const struct place *known = find(a, key);
    if (!known)
        return;
    struct place *p = &a->at[known - a->at];
    int64_t due = atomic_load_explicit(&p->due_us, memory_order_relaxed);
    while (due > now_us &&
           !atomic_compare_exchange_weak_explicit(&p->due_us, &due, due - HOUR_US / per_hour,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

/* ---- over a restart ---- */

void allowances_doubt(struct allowances *a, int64_t at_us)
{
    a->doubted = true;
    a->doubt_us = at_us;
}

bool allowances_doubted(const struct allowances *a, int64_t *at_us_r)
{
    *at_us_r = a->doubt_us;
    return a->doubted;
}

void allowance_owe(struct allowances *a, uint64_t key, int64_t due_us)
{
    struct place *p = find_or_make(a, key, 0);
    if (p)
        atomic_store_explicit(&p->due_us, due_us, memory_order_relaxed);
}

void allowances_each(const struct allowances *a, int64_t now_us,
                     void (*fn)(void *arg, uint64_t key, int64_t left_us), void *arg)
{
    for (unsigned i = 0; i < ALLOWANCES_MAX; i++) {
        uint64_t key = atomic_load_explicit(&a->at[i].key, memory_order_acquire);
        int64_t due = atomic_load_explicit(&a->at[i].due_us, memory_order_relaxed);
        if (key && due > now_us)
            fn(arg, key, due - now_us);
    }
}
