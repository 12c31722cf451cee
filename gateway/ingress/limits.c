#include "gateway/ingress/limits.h"

#include <string.h>

/* The two places of a hash are independent: upper and lower half. */
static _Atomic uint32_t *sketch_place(struct sketch *s, unsigned row, uint64_t hash)
{
    return &s->at[row][(row ? hash >> 32 : hash) % SKETCH_WIDTH];
}

uint64_t client_hash(const struct addr *addr)
{
    char key[9] = { (char)addr->family };
    size_t n = addr->family == ADDR_V6 ? 8 : 4;
    memcpy(key + 1, addr->bytes, n);
    return slice_hash((struct slice){ key, n + 1 });
}

uint32_t sketch_add(struct sketch *s, uint64_t hash)
{
    uint32_t a = atomic_fetch_add_explicit(sketch_place(s, 0, hash), 1, memory_order_relaxed) + 1;
    uint32_t b = atomic_fetch_add_explicit(sketch_place(s, 1, hash), 1, memory_order_relaxed) + 1;
    return a < b ? a : b;
}

void sketch_sub(struct sketch *s, uint64_t hash)
{
    atomic_fetch_sub_explicit(sketch_place(s, 0, hash), 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(sketch_place(s, 1, hash), 1, memory_order_relaxed);
}

bool client_rate_take(struct client_counter *c, const struct rate *rate, int64_t now_ms)
{
    if (rate->count == 0)
        return true;
    int64_t period = rate->per_ms * 1000000, now = now_ms * 1000000;
    int64_t step = period / (int64_t)rate->count;
    int64_t old = atomic_load_explicit(&c->schedule_ns, memory_order_relaxed), next;
    do {
        next = (old > now ? old : now) + step;
        if (next - now > period)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&c->schedule_ns, &old, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static unsigned penalty_bump(_Atomic uint64_t *cell, uint64_t minute)
{
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed), count;
    do {
        uint64_t passed = minute > old >> 32 ? minute - (old >> 32) : 0; /* loops differ a little */
        count = (passed < 32 ? (old & UINT32_MAX) >> passed : 0) + 1;
    } while (!atomic_compare_exchange_weak_explicit(cell, &old, minute << 32 | count,
                                                    memory_order_relaxed, memory_order_relaxed));
    return (unsigned)count;
}

unsigned penalty_add(struct penalties *p, uint64_t hash, int64_t now_ms)
{
    uint64_t minute = (uint64_t)now_ms / 60000 & UINT32_MAX;
    unsigned a = penalty_bump(&p->at[0][hash % PENALTY_WIDTH], minute);
    unsigned b = penalty_bump(&p->at[1][(hash >> 32) % PENALTY_WIDTH], minute);
    return a < b ? a : b;
}

int64_t penalty_delay_ms(unsigned count)
{
    return count < 1 ? 0 : count > 5 ? 30000 : 1000 << (count - 1);
}
