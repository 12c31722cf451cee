/*
 * policies/bucket — so many per time, exactly, whoever takes them: a token bucket
 *
 *   Kept as the time at which all that was taken is paid for (GCRA), one number that is moved by
 *   compare-and-swap: any number of threads share a bucket, and none ever waits for another.
 *
 *   Of what is taken one by one, in no stretch of `per` (half open) is more taken than the rate
 *   says. What is taken several at a time (the recipients or bytes of a message) may go when all
 *   before it is paid for, so such a stretch may have more by what the last take is more than one;
 *   over any time the average holds. With enough to do at least 98 % is used. All comes a hundredth
 *   of `per` (250 ms at most) slower than that would be. Half of this is for timers that are late:
 *   what was not used lately is caught up so far. The other half is for the way: what reaches the
 *   other side that much unevenly is no more than the rate there, either. What one take costs is
 *   rounded up to nanoseconds: nothing is gained by rounding.
 *
 *   The rate is the caller's; when it changes, bucket_change() keeps what was taken.
 *
 *   Pure: time comes in, monotonic microseconds.
 */
#ifndef WAYPOST_POLICIES_BUCKET_H
#define WAYPOST_POLICIES_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/units.h"

/* Zeroed: full. */
struct bucket {
    _Atomic int64_t due_ns; /* what was taken is paid for then */
};

/* n at once. False: what went before is not paid for, and nothing is taken. A rate of
 * count 0 is no limit; with n 0 it is only asked. */
bool bucket_take(struct bucket *b, struct rate rate, uint64_t n, int64_t now_us);
/* What is under way already: it counts, whatever was taken before. */
void bucket_charge(struct bucket *b, struct rate rate, uint64_t n, int64_t now_us);
/* n that were taken were of no use: they come back. */
void bucket_give_back(struct bucket *b, struct rate rate, uint64_t n);
/* Until bucket_take() can say yes; 0: now. */
int64_t bucket_wait_us(const struct bucket *b, struct rate rate, int64_t now_us);
/* Another rate from now on: what is not paid for stays so, token by token. */
void bucket_change(struct bucket *b, struct rate from, struct rate to, int64_t now_us);

#endif
