#include "policies/quota.h"

#include <string.h>

static int64_t part_of(struct rate rate)
{
    return (rate.per_ms + QUOTA_PARTS - 2) / (QUOTA_PARTS - 1);
}

void quota_init(struct quota *q, struct rate rate)
{
    *q = (struct quota){ .rate = rate, .part_ms = part_of(rate) };
}

/* Two takes less than `per` apart are at most 32 parts apart: 33 parts hold all that counts. */
static void advance(struct quota *q, int64_t now_ms)
{
    int64_t now = q->part_ms > 0 ? now_ms / q->part_ms : 0;
    if (now - q->part >= QUOTA_PARTS) {
        memset(q->taken, 0, sizeof q->taken);
        q->sum = 0;
        q->part = now;
    }
    while (q->part < now) {
        uint64_t *oldest = &q->taken[++q->part % QUOTA_PARTS];
        q->sum -= *oldest;
        *oldest = 0;
    }
}

void quota_set(struct quota *q, struct rate rate, int64_t now_ms)
{
    if (rate.per_ms == q->rate.per_ms) {
        q->rate = rate;
        return;
    }
    advance(q, now_ms);
    uint64_t sum = q->sum;
    quota_init(q, rate);
    advance(q, now_ms);
    q->taken[q->part % QUOTA_PARTS] = q->sum = sum;
}

uint64_t quota_left(struct quota *q, int64_t now_ms)
{
    if (q->rate.count == 0)
        return UINT64_MAX;
    advance(q, now_ms);
    return q->sum < q->rate.count ? q->rate.count - q->sum : 0;
}

bool quota_take(struct quota *q, int64_t now_ms)
{
    uint64_t left = quota_left(q, now_ms);
    if (left == 0)
        return false;
    if (left != UINT64_MAX) {
        q->taken[q->part % QUOTA_PARTS]++;
        q->sum++;
    }
    return true;
}

void quota_give_back(struct quota *q, int64_t taken_ms, int64_t now_ms)
{
    if (q->rate.count == 0)
        return;
    advance(q, now_ms);
    int64_t part = taken_ms / q->part_ms;
    uint64_t *taken = &q->taken[part % QUOTA_PARTS];
    if (part > q->part || q->part - part >= QUOTA_PARTS || *taken == 0)
        return;
    --*taken;
    q->sum--;
}
