#include "policies/ahead.h"

enum { RISES = 4, FALLS = 32, MARGIN_PART = 8, MARGIN_US = 20000 };

int64_t ahead_learn(int64_t before_us, int64_t took_us)
{
    int64_t more = took_us - before_us;
    return before_us == 0 ? took_us : before_us + more / (more > 0 ? RISES : FALLS);
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
    return n < most ? n : most;
}

/* Messages that a session which stands carries in that time, one after the other. */
static uint64_t turns(const struct ahead *a)
{
    return a->busy_us > 0 ? (uint64_t)(a->open_us / a->busy_us) : 0;
}

uint64_t ahead_resting(const struct ahead *a)
{
    uint64_t each = turns(a) + 1;
    return a->resting * (a->messages ? at_most(each, (a->messages + 1) / 2) : each);
}

/* Those that stand have carried half of what they may, on average. */
uint64_t ahead_supply(const struct ahead *a)
{
    uint64_t fresh = turns(a) + 1, working = turns(a);
    if (a->messages) {
        fresh = at_most(fresh, a->messages);
        working = at_most(working, (a->messages - 1) / 2);
    }
    return a->opening * fresh + ahead_resting(a) + a->working * working;
}

int64_t ahead_in_us(const struct ahead *a, uint64_t supply, struct rate rate, uint64_t each,
                    int64_t wait_us)
{
    double token_us = (double)rate.per_ms * 1000 * (double)each / (double)rate.count;
    double in_us = (double)wait_us + (double)supply * token_us - (double)a->open_us -
                   (double)(a->open_us / MARGIN_PART) - MARGIN_US;
    if (in_us <= 0)
        return 0;
    return in_us < (double)(INT64_MAX / 2) ? (int64_t)in_us : INT64_MAX / 2;
}
