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

#include <stdint.h>

#include "gateway/base/units.h"

/* Of one way to a site. */
struct ahead {
    uint32_t opening, resting, working; /* sessions */
    uint64_t messages;                  /* that a session may carry; 0: no limit */
    int64_t open_us;                    /* ahead_learn() of openings; 0: not known */
    int64_t busy_us;                    /* that a session is with a message; 0: not known */
};

/* How long openings take, as is seen again and again: what takes longer counts at once, what takes
 * less with patience. `before_us` 0: this is the first. */
int64_t ahead_learn(int64_t before_us, int64_t took_us);

/* The messages that these sessions carry while one more would be opened. */
uint64_t ahead_supply(const struct ahead *a);
/* That those at rest carry, whenever they may. */
uint64_t ahead_resting(const struct ahead *a);

/* In what time one more has to be opened, when `supply` messages have a session; 0: now. The next
 * message may go in wait_us; each takes `each` of the rate. */
int64_t ahead_in_us(const struct ahead *a, uint64_t supply, struct rate rate, uint64_t each,
                    int64_t wait_us);

#endif
