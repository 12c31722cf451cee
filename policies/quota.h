/*
 * policies/quota — so many per time, all at once if need be
 *
 *   In no stretch of `per` (half open, wherever it begins) is more taken than the rate says. Unlike
 *   a bucket (policies/bucket.h) all of it may be taken at the same moment; what was taken is free
 *   again after `per` and at most a 32nd of it. Memory is fixed: takes are counted in 33 parts.
 *
 *   Pure: time comes in, monotonic milliseconds; one that goes back counts as the last one.
 */
#ifndef WAYPOST_POLICIES_QUOTA_H
#define WAYPOST_POLICIES_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/units.h"

enum { QUOTA_PARTS = 33 };

struct quota {
    struct rate rate;                 /* count 0: no limit, and nothing is counted */
    int64_t part_ms;                  /* a 32nd of rate.per_ms, rounded up */
    int64_t part;                     /* number of the newest part */
    uint64_t taken[QUOTA_PARTS], sum; /* of part n: at n % QUOTA_PARTS */
};

void quota_init(struct quota *q, struct rate rate);
/* Another rate (the same: nothing happens). What was taken stays taken; with another `per` it
 * counts as taken now. */
void quota_set(struct quota *q, struct rate rate, int64_t now_ms);

/* How many may be taken now; UINT64_MAX: any number. */
uint64_t quota_left(struct quota *q, int64_t now_ms);
/* One; false: there is none. */
bool quota_take(struct quota *q, int64_t now_ms);
/* The one that was taken at taken_ms, which was not used after all. When another `per` came in
 * between it comes back in its time only. */
void quota_give_back(struct quota *q, int64_t taken_ms, int64_t now_ms);

#endif
