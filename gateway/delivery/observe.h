/*
 * delivery/observe — collects what sessions and transactions were like, for control
 *
 *   One per worker. Failures leave at the end of the loop's turn, successes within 100 ms, and of
 *   those at most 20 a second for each egress and address: more would teach nothing. The others are
 *   counted: the next success of their path stands for them, or one of their own within a second
 *   or two, so the sums are right. What finds no
 *   room, here or further on, is dropped and counted: mail never waits for it. No allocation and no
 *   system call in any of it.
 */
#ifndef WAYPOST_DELIVERY_OBSERVE_H
#define WAYPOST_DELIVERY_OBSERVE_H

#include "gateway/io/loop.h"
#include "probes/observation.h"

/* Takes n observations away, or loses them; from the loop. */
typedef void observe_sink_fn(void *arg, const struct observation *at, unsigned n);

enum { OBSERVE_BATCH_MAX = 128, OBSERVE_PER_SECOND = 20 };

struct observer;

/* sink NULL: all is dropped. */
struct observer *observer_new(struct loop *loop, observe_sink_fn *sink, void *arg);
void observer_free(struct observer **observer); /* what is left is dropped */

/* Identifies a path for thinning; never 0. */
uint64_t observe_path(uint64_t egress, const struct addr *address);
/* Would one more success of this path be taken now? Counts it as taken. Costs next to nothing: ask
 * before putting an observation together. */
bool observe_wanted(struct observer *o, uint64_t path);
/* One that was not wanted: its reply (session or mail), segments and retransmissions are kept for
 * the next success of the path. */
void observe_withhold(struct observer *o, const struct observation *observation);
void observe_success(struct observer *o, const struct observation *observation);
void observe_failure(struct observer *o, const struct observation *observation);

#endif
