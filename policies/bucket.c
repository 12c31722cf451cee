#include "policies/bucket.h"

enum { SLACK_PART = 100, SLACK_MOST_US = 250000 };

__extension__ typedef __int128 wide;

static const int64_t MOST = INT64_MAX / 4; /* of what a bucket can hold or owe */

static int64_t slack_of(struct rate rate)
{
    int64_t slack = rate.per_ms * 1000 / SLACK_PART;
    return slack < SLACK_MOST_US ? slack : SLACK_MOST_US;
}

/* A full bucket is one token and what `slack` brings; what comes in afterwards, in a stretch of
 * span - slack, is less than the count. */
static void shape(struct bucket *b, struct rate rate)
{
    int64_t slack = slack_of(rate);
    b->rate = rate;
    b->span_us = rate.per_ms * 1000 + slack;
    wide most = (wide)b->span_us + (wide)slack * (wide)rate.count;
    b->most = most < MOST ? (int64_t)most : MOST;
}

void bucket_init(struct bucket *b, struct rate rate, int64_t now_us)
{
    *b = (struct bucket){ .at_us = now_us };
    shape(b, rate);
    b->level = b->most;
}

static int64_t level_at(const struct bucket *b, int64_t now_us)
{
    wide level = b->level + (wide)(now_us - b->at_us) * (wide)b->rate.count;
    return level < b->most ? (int64_t)level : b->most;
}

static void advance(struct bucket *b, int64_t now_us)
{
    b->level = level_at(b, now_us);
    b->at_us = now_us;
}

void bucket_set(struct bucket *b, struct rate rate, int64_t now_us)
{
    if (rate.count == b->rate.count && rate.per_ms == b->rate.per_ms)
        return;
    int64_t old_span = b->span_us;
    if (b->rate.count == 0) {
        bucket_init(b, rate, now_us);
        return;
    }
    advance(b, now_us);
    int64_t missing = b->most - b->level;
    shape(b, rate);
    wide level = b->most - (wide)missing * b->span_us / old_span;
    b->level = level > -MOST ? (int64_t)level : -MOST;
}

bool bucket_take(struct bucket *b, int64_t now_us)
{
    if (b->rate.count == 0)
        return true;
    advance(b, now_us);
    if (b->level < b->span_us)
        return false;
    b->level -= b->span_us;
    return true;
}

int64_t bucket_wait_us(const struct bucket *b, int64_t now_us)
{
    if (b->rate.count == 0)
        return 0;
    wide lacks = (wide)b->span_us - level_at(b, now_us);
    wide count = (wide)b->rate.count;
    return lacks > 0 ? (int64_t)((lacks + count - 1) / count) : 0;
}
