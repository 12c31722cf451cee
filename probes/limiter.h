/*
 * probes/limiter — at most so many in any window of time
 *
 *   Remembers the last LIMITER_MOST times, so the limit holds for every window and not on average,
 *   and a new limit for what went before it was set. A tenth of the window (at most 250 ms) is
 *   added, since what leaves evenly arrives unevenly. Pure; a plain value; zeroed memory is no
 *   limit. A rate above LIMITER_MOST per window is held to LIMITER_MOST; count 0 is no limit.
 */
#ifndef WAYPOST_PROBES_LIMITER_H
#define WAYPOST_PROBES_LIMITER_H

#include <stdint.h>

#include "gateway/base/units.h"

enum { LIMITER_MOST = 256 }; /* divides 2^32: `next` may wrap */

struct limiter {
    uint32_t count; /* 0: no limit */
    uint32_t next;  /* modulo LIMITER_MOST: where the next time goes */
    uint32_t taken; /* times that are known */
    int64_t window_ms;
    int64_t at_ms[LIMITER_MOST];
};

void limiter_set(struct limiter *l, struct rate rate);
uint32_t limiter_room(const struct limiter *l, int64_t now_ms); /* how many may go now */
void limiter_fill(struct limiter *l, int64_t now_ms); /* as if as many as ever may had gone */
void limiter_take(struct limiter *l, int64_t now_ms);

#endif
