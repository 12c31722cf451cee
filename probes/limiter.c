#include "probes/limiter.h"

void limiter_set(struct limiter *l, struct rate rate)
{
    uint64_t count = rate.count > LIMITER_MOST ? LIMITER_MOST : rate.count;
    int64_t slack = rate.per_ms / 10 < 250 ? rate.per_ms / 10 : 250;
    l->count = (uint32_t)count;
    l->window_ms = rate.per_ms + slack;
}

uint32_t limiter_room(const struct limiter *l, int64_t now_ms)
{
    uint32_t known = l->taken < l->count ? l->taken : l->count, within = 0;
    if (l->count == 0)
        return LIMITER_MOST;
    for (uint32_t i = 1; i <= known; i++) /* the newest first */
        within += l->at_ms[(l->next - i) % LIMITER_MOST] > now_ms - l->window_ms;
    return l->count - within;
}

void limiter_take(struct limiter *l, int64_t now_ms)
{
    l->at_ms[l->next++ % LIMITER_MOST] = now_ms;
    l->taken += l->taken < LIMITER_MOST;
}

void limiter_fill(struct limiter *l, int64_t now_ms)
{
    for (uint32_t i = 0; i < LIMITER_MOST; i++)
        limiter_take(l, now_ms);
}
