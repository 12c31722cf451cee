#include "probes/limiter.h"

#include <string.h>

static const int64_t LONG_AGO_MS = INT64_MIN / 2;

void limiter_set(struct limiter *l, struct rate rate, int64_t now_ms)
{
    struct limiter old = *l;
    uint64_t count = rate.count > LIMITER_MOST ? LIMITER_MOST : rate.count;
    int64_t slack = rate.per_ms / 10 < 250 ? rate.per_ms / 10 : 250;
    *l = (struct limiter){ .count = (uint32_t)count, .window_ms = rate.per_ms + slack };
    for (uint32_t i = 0; i < LIMITER_MOST; i++)
        l->at_ms[i] = LONG_AGO_MS;
    for (uint32_t i = 0; i < old.count && l->count; i++) { /* oldest first */
        int64_t at = old.at_ms[(old.next + i) % old.count];
        if (at > now_ms - l->window_ms)
            limiter_take(l, at);
    }
}

uint32_t limiter_room(const struct limiter *l, int64_t now_ms)
{
    uint32_t room = 0;
    if (l->count == 0)
        return LIMITER_MOST;
    for (uint32_t i = 0; i < l->count; i++)
        room += l->at_ms[i] <= now_ms - l->window_ms;
    return room;
}

void limiter_take(struct limiter *l, int64_t now_ms)
{
    if (l->count == 0)
        return;
    l->at_ms[l->next] = now_ms;
    l->next = (l->next + 1) % l->count;
}

void limiter_fill(struct limiter *l, int64_t now_ms)
{
    l->count = l->count ? l->count : LIMITER_MOST;
    for (uint32_t i = 0; i < l->count; i++)
        limiter_take(l, now_ms);
}
