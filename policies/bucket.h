/*
 * policies/bucket — so many per time, exactly: a token bucket
 *
 *   In no stretch of `per` (half open) is more taken than the rate says, and with enough to do at
 *   least 98 % of it is. Timers are late, so what was not used lately may be caught up: as much as
 *   comes in a hundredth of `per` (at most 250 ms), for which all comes that much slower. Whole
 *   arithmetic: nothing is lost by rounding, however often it is asked.
 *
 *   Pure: time comes in, monotonic microseconds, never going back.
 */
#ifndef WAYPOST_POLICIES_BUCKET_H
#define WAYPOST_POLICIES_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/units.h"

struct bucket {
    struct rate rate;    /* count 0: no limit */
    int64_t span_us;     /* in which rate.count tokens come in */
    int64_t level, most; /* in tokens times span_us; level < 0: taken under a faster rate */
    int64_t at_us;
};

/* Full at first. */
void bucket_init(struct bucket *b, struct rate rate, int64_t now_us);
/* Another rate (the same: nothing happens); what was taken stays taken, in proportion. */
void bucket_set(struct bucket *b, struct rate rate, int64_t now_us);

/* One; false: there is none. */
bool bucket_take(struct bucket *b, int64_t now_us);
/* Until bucket_take() can say yes; 0: now. */
int64_t bucket_wait_us(const struct bucket *b, int64_t now_us);

#endif
