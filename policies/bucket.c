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
 * span - slack - lease, is less than the count. */
static void shape(struct bucket *b, struct rate rate, bool shared)
{
    int64_t slack = slack_of(rate);
    b->rate = rate;
    b->lease_us = shared ? slack : 0;
    b->span_us = rate.per_ms * 1000 + slack + b->lease_us;
    wide most = (wide)b->span_us + (wide)slack * (wide)rate.count;
    b->most = most < MOST ? (int64_t)most : MOST;
}

void bucket_init(struct bucket *b, struct rate rate, bool shared, int64_t now_us)
{
    *b = (struct bucket){ .at_us = now_us };
    shape(b, rate, shared);
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

/* In the unit of level; what no bucket can hold counts as all it can owe. */
static int64_t units(const struct bucket *b, uint64_t n)
{
    wide u = (wide)n * b->span_us;
    return u < MOST ? (int64_t)u : MOST;
}

/* What must be there for n to go. */
static int64_t needed(const struct bucket *b, uint64_t n)
{
    int64_t u = units(b, n);
    return u < b->most ? u : b->most;
}

void bucket_set(struct bucket *b, struct rate rate, int64_t now_us)
{
    if (rate.count == b->rate.count && rate.per_ms == b->rate.per_ms)
        return;
    int64_t old_span = b->span_us;
    if (b->rate.count == 0) {
        bucket_init(b, rate, b->lease_us > 0, now_us);
        return;
    }
    advance(b, now_us);
    int64_t missing = b->most - b->level;
    shape(b, rate, b->lease_us > 0);
    wide level = b->most - (wide)missing * b->span_us / old_span;
    b->level = level > -MOST ? (int64_t)level : -MOST;
}

bool bucket_take(struct bucket *b, uint64_t n, int64_t now_us)
{
    if (b->rate.count == 0)
        return true;
    advance(b, now_us);
    if (b->level < needed(b, n))
        return false;
    b->level -= units(b, n);
    return true;
}

int64_t bucket_wait_us(const struct bucket *b, uint64_t n, int64_t now_us)
{
    if (b->rate.count == 0)
        return 0;
    wide lacks = (wide)needed(b, n) - level_at(b, now_us);
    wide count = (wide)b->rate.count;
    return lacks > 0 ? (int64_t)((lacks + count - 1) / count) : 0;
}

void bucket_give_back(struct bucket *b, uint64_t n, int64_t now_us)
{
    if (b->rate.count == 0)
        return;
    advance(b, now_us);
    wide level = (wide)b->level + units(b, n);
    b->level = level < b->most ? (int64_t)level : b->most;
}

/* ---- leases ---- */

bool lease_take(struct lease *l, uint64_t n, int64_t now_us)
{
    if (now_us >= l->until_us || l->tokens < n)
        return false;
    l->tokens -= n;
    return true;
}

void lease_end(struct lease *l, struct bucket *shared, int64_t now_us)
{
    if (l->tokens)
        bucket_give_back(shared, l->tokens, now_us);
    l->tokens = 0;
}

static uint64_t whole_tokens(const struct bucket *b, int64_t now_us)
{
    if (b->rate.count == 0)
        return UINT64_MAX;
    int64_t level = level_at(b, now_us);
    return level > 0 ? (uint64_t)(level / b->span_us) : 0;
}

void lease_renew(struct lease *l, struct bucket *shared, uint64_t need, uint64_t more,
                 int64_t now_us)
{
    lease_end(l, shared, now_us);
    if (bucket_take(shared, need, now_us)) {
        uint64_t there = whole_tokens(shared, now_us);
        more = more < there ? more : there;
        bucket_take(shared, more, now_us);
        l->tokens = need + more;
    }
    l->until_us = now_us + shared->lease_us;
}
