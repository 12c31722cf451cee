/*
 * policies/bucket — so many per time, exactly: a token bucket, and leases of it for threads
 *
 *   In no stretch of `per` (half open) is more taken than the rate says, and with enough to do at
 *   least 98 % of it is. Timers are late, so what was not used lately may be caught up: as much as
 *   comes in a hundredth of `per` (at most 250 ms), for which all comes that much slower. Whole
 *   arithmetic: nothing is lost by rounding, however often it is asked.
 *
 *   One thing may cost more than the bucket ever holds (a large message and bytes per second): it
 *   goes when the bucket is full, and what it costs beyond that is paid before the next.
 *
 *   Threads share one through leases. A worker takes tokens ahead and may use them until the lease
 *   ends, a hundredth of `per` later (at most 250 ms); what it cannot use it gives back, at the
 *   latest then, and others use it. Tokens of a lease count from when they were lent to when it
 *   ends, and the refill allows for that, too.
 *
 *   Pure: time comes in, monotonic microseconds, never going back. The caller locks what is shared.
 */
#ifndef WAYPOST_POLICIES_BUCKET_H
#define WAYPOST_POLICIES_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/units.h"

struct bucket {
    struct rate rate;    /* count 0: no limit */
    int64_t span_us;     /* in which rate.count tokens come in */
    int64_t level, most; /* in tokens times span_us; level < 0: to be paid first */
    int64_t at_us;
    int64_t lease_us; /* how long one may be kept; 0: not shared */
};

/* Full at first. `shared`: it is lent from. */
void bucket_init(struct bucket *b, struct rate rate, bool shared, int64_t now_us);
/* Another rate (the same: nothing happens); what was taken stays taken, in proportion. */
void bucket_set(struct bucket *b, struct rate rate, int64_t now_us);

bool bucket_take(struct bucket *b, uint64_t n, int64_t now_us);
/* Until bucket_take() of n can say yes; 0: now. */
int64_t bucket_wait_us(const struct bucket *b, uint64_t n, int64_t now_us);
/* Taken and not used. */
void bucket_give_back(struct bucket *b, uint64_t n, int64_t now_us);

/* ---- leases: of one worker, from a shared bucket ---- */

struct lease {
    uint64_t tokens;
    int64_t until_us;
};

/* From the worker's own alone; false: it needs a new one. */
bool lease_take(struct lease *l, uint64_t n, int64_t now_us);
/* What is left of the old one goes back. The new one has tokens for `need` (the next thing to go)
 * and up to `more` besides, as far as there are; or none when there are not enough for `need`. */
void lease_renew(struct lease *l, struct bucket *shared, uint64_t need, uint64_t more,
                 int64_t now_us);
/* The worker has nothing more to do, or the lease has ended. */
void lease_end(struct lease *l, struct bucket *shared, int64_t now_us);

#endif
