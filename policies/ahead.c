#include "policies/ahead.h"

enum { RISES = 4, FALLS = 32, MARGIN_PART = 8, MARGIN_US = 20000 };

int64_t ahead_learn(int64_t before_us, int64_t took_us)
{
    int64_t more = took_us - before_us;
    return before_us == 0 ? took_us : before_us + more / (more > 0 ? RISES : FALLS);
}

/* ---- what is needed ---- */

static double horizon_us(const struct ahead *a)
{
    int64_t margin_us = a->open_us / MARGIN_PART + MARGIN_US;
    return (double)(a->open_us + margin_us);
}

static double token_us(struct rate rate, uint64_t each)
{
    return (double)rate.per_ms * 1000 * (double)each / (double)rate.count;
}

uint64_t ahead_needs(const struct ahead *a, struct rate rate, uint64_t each, int64_t wait_us)
{
    double from_us = horizon_us(a) - (double)wait_us;
    if (from_us < 0)
        return 0;
    double n = from_us / token_us(rate, each);
    return n < (double)UINT32_MAX ? (uint64_t)n + 1 : UINT32_MAX;
}

int64_t ahead_in_us(const struct ahead *a, uint64_t supply, struct rate rate, uint64_t each,
                    int64_t wait_us)
{
    double in_us = (double)wait_us + (double)supply * token_us(rate, each) - horizon_us(a);
    if (in_us <= 0)
        return 0;
    return in_us < (double)(INT64_MAX / 2) ? (int64_t)in_us + 1 : INT64_MAX / 2;
}

/* ---- what is there ---- */

/* Messages that a session which stands carries in that time, one after the other. */
static uint64_t turns(const struct ahead *a)
{
    return a->busy_us > 0 ? (uint64_t)(a->open_us / a->busy_us) : 0;
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
    return n < most ? n : most;
}

uint64_t ahead_opening(const struct ahead *a)
{
    return a->messages ? at_most(turns(a) + 1, a->messages) : turns(a) + 1;
}

uint64_t ahead_standing(const struct ahead *a, uint64_t left, bool rests)
{
    return at_most(turns(a) + rests, left);
}
