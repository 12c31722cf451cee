/*
 * policies/ahead — sessions that are opened before the rate lets their mail go
 *
 *   A rate is counted as MAIL is sent, so a token that comes while no session is ready is lost. To
 *   use all of them a session is opened as long before its token as openings take: when the mail
 *   that goes k-th from now may go within that time, k sessions (or fewer that carry several) have
 *   to be there or on their way. Where sessions last, those that stand are enough; where each
 *   carries one message and openings take a second, a rate of 10/s needs ten on their way.
 *
 *   A session that is ready too early waits, and the mail it was opened for is in the queue again:
 *   the token is for the mail whose turn it is then.
 *
 *   Pure. Microseconds.
 */
#ifndef WAYPOST_POLICIES_AHEAD_H
#define WAYPOST_POLICIES_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/units.h"

/* Of one way to a site. */
struct ahead {
    uint64_t messages; /* that a session may carry; 0: no limit */
    int64_t open_us;   /* ahead_learn() of openings; 0: not known */
    int64_t busy_us;   /* that a session is with a message; 0: not known */
};

/* How long openings take, as is seen again and again: what takes longer counts at once, what takes
 * less with patience. `before_us` 0: this is the first. */
int64_t ahead_learn(int64_t before_us, int64_t took_us);

/* Messages that are to have a session now. The next may go in wait_us, after it as many as the rate
 * says; each takes `each` of it. */
uint64_t ahead_needs(const struct ahead *a, struct rate rate, uint64_t each, int64_t wait_us);
/* Until more than `supply` are to have one; 0: now. */
int64_t ahead_in_us(const struct ahead *a, uint64_t supply, struct rate rate, uint64_t each,
                    int64_t wait_us);

/* Those that one which is being opened will carry meanwhile, or one that stands and may carry
 * `left` more (0: no more), at rest or busy with one. */
uint64_t ahead_opening(const struct ahead *a);
uint64_t ahead_standing(const struct ahead *a, uint64_t left, bool rests);

#endif
