#include "gateway/dns/honesty.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

enum { LETTERS = 24, VERDICT_BITS = 2, VERDICT_MASK = (1 << VERDICT_BITS) - 1 };

/* The time of the next question, and the verdict in its lowest bits. */
struct place {
    _Atomic uint64_t key; /* 0: free */
    _Atomic int64_t state;
};

struct honesties {
    struct place at[HONESTIES_MAX];
};

struct honesties *honesties_new(void)
{
    return mem_zero(sizeof(struct honesties));
}

void honesties_free(struct honesties **honesties)
{
    free(*honesties);
    *honesties = NULL;
}

uint64_t honesty_key(struct slice egress, const struct addr *server)
{
    uint64_t e = slice_hash_stable(egress);
    uint64_t s =
        slice_hash_stable((struct slice){ (const char *)server->bytes, sizeof server->bytes });
    uint64_t key = e ^ (s << 29 | s >> 35) ^ server->port;
    return key ? key : 1;
}

static const struct place *find(const struct honesties *h, uint64_t key)
{
    for (unsigned i = 0; i < HONESTIES_MAX; i++) {
        const struct place *p = &h->at[(key + i) % HONESTIES_MAX];
        uint64_t there = atomic_load_explicit(&p->key, memory_order_acquire);
        if (there == key)
            return p;
        if (!there)
            return NULL;
    }
    return NULL;
}

static struct place *find_or_make(struct honesties *h, uint64_t key)
{
    for (unsigned i = 0; i < HONESTIES_MAX; i++) {
        struct place *p = &h->at[(key + i) % HONESTIES_MAX];
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&p->key, &there, key) || there == key)
            return p;
    }
    return NULL;
}

static int64_t state_of(enum honesty verdict, int64_t due_ms)
{
    return due_ms * (1 << VERDICT_BITS) + (int64_t)verdict;
}

static enum honesty verdict_of(int64_t state)
{
    return (enum honesty)(state & VERDICT_MASK);
}

static int64_t due_of(int64_t state)
{
    return state / (1 << VERDICT_BITS);
}

enum honesty honesty_of(const struct honesties *h, uint64_t key)
{
    const struct place *p = find(h, key);
    return p ? verdict_of(atomic_load_explicit(&p->state, memory_order_relaxed)) : HONESTY_UNKNOWN;
}

bool honesty_due(struct honesties *h, uint64_t key, int64_t now_ms)
{
    struct place *p = find_or_make(h, key);
    if (!p)
        return false;
    int64_t state = atomic_load_explicit(&p->state, memory_order_relaxed);
    if (due_of(state) > now_ms)
        return false;
    return atomic_compare_exchange_strong(&p->state, &state,
                                          state_of(verdict_of(state), now_ms + HONESTY_AGAIN_MS));
}

enum honesty honesty_judge(enum dns_status status)
{
    switch (status) {
    case DNS_OK:
    case DNS_UNUSABLE: /* an address that no mail host can have */
        return HONESTY_REWRITES;
    case DNS_NXDOMAIN:
    case DNS_NO_DATA:
        return HONESTY_HONEST;
    case DNS_NULL_MX:
    case DNS_TEMPORARY:
        break;
    }
    return HONESTY_UNKNOWN;
}

enum honesty honesty_told(struct honesties *h, uint64_t key, enum honesty verdict, int64_t now_ms)
{
    struct place *p = find_or_make(h, key);
    if (!p)
        return HONESTY_UNKNOWN;
    if (verdict == HONESTY_UNKNOWN) /* honesty_due() has seen to the next question */
        return verdict_of(atomic_load_explicit(&p->state, memory_order_relaxed));
    int64_t state = state_of(verdict, now_ms + HONESTY_EVERY_MS);
    return verdict_of(atomic_exchange(&p->state, state));
}

void honesty_name(struct rnd *rnd, char name_r[HONESTY_NAME_SIZE])
{
    static const char tld[] = ".com";
    for (int i = 0; i < LETTERS; i++)
        name_r[i] = (char)('a' + rnd_below(rnd, 26));
    memcpy(name_r + LETTERS, tld, sizeof tld);
}
