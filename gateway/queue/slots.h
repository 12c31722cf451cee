/*
 * queue/slots — how many sessions of a site each kind of mail may hold at a time
 *
 *   A slot is a session that carries a message or is being opened for one; a site has as many as it
 *   may have connections. Some are kept for the lanes above, so that mail that matters finds one
 *   free, and large mail is held to a part of them, so that small mail does:
 *
 *     slots          kept for urgent      kept for high (and urgent)   large at most
 *     1, 2           none                 none                         1
 *     3 .. 7         1                    none                         1 (a quarter, at least 1)
 *     8 and more     an eighth            an eighth                    a quarter
 *
 *   So normal and bulk mail together hold 2 of 3, 4 of 5, 6 of 8, 16 of 20. With one or two slots
 *   one kept free would cost half or all of the throughput; there urgent mail waits for the end of
 *   one message. What has begun is never interrupted: when the number of slots falls, the excess
 *   ends by itself.
 *
 *   Where a lane below urgent may have eight slots or more and several clients use it, those that
 *   send more than others leave one of them to the others (slots_allow_more), who so find it free.
 *
 *   Of large messages one is always under way while some wait; more only while nothing small can
 *   go. With a single slot, small mail has SLOTS_SMALL_TURNS before the next large one.
 *
 *   Plain counts, pure, no failure.
 */
#ifndef WAYPOST_QUEUE_SLOTS_H
#define WAYPOST_QUEUE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/conf/rules.h"

enum { SLOTS_SMALL_TURNS = 16 };

struct slots {
    uint32_t all; /* that there are; at least 1 */
    uint32_t busy[LANE_COUNT], large;
    uint32_t small_turns; /* taken since the last large one */
};

/* Of `all`, those that mail of this lane leaves free. */
uint32_t slots_kept(uint32_t all, enum lane lane);
uint32_t slots_large_most(uint32_t all);
/* May mail of clients that send more than others do hold `more` of them besides those that mail of
 * its lane and below holds now? One is left to the others, unless there are too few. */
bool slots_allow_more(const struct slots *s, enum lane lane, uint32_t more);
/* Where a server bears that many sessions and not `most`: the fewest slots of which mail of any
 * lane may hold as many as it bears. What is kept for the lanes above costs nothing there. */
uint32_t slots_for(uint32_t most, uint32_t sessions);

uint32_t slots_held(const struct slots *s); /* of all kinds together */
/* May mail of this kind hold one more? */
bool slots_allow(const struct slots *s, enum lane lane, bool large);
void slots_take(struct slots *s, enum lane lane, bool large);
void slots_leave(struct slots *s, enum lane lane, bool large);

/* Both could go (each lane the one whose turn it is among its kind): the large one? */
bool slots_large_first(const struct slots *s, enum lane small, enum lane large);

#endif
