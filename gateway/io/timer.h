/*
 * io/timer — one-shot timers of a loop, lazy and free of allocation
 *
 *   Embedded in its owner; init before use, stop before the owner is freed. Moving a deadline to
 *   a LATER time only stores it: a session that re-arms its idle timer on every command costs two
 *   stores, not two list operations. Precision: never early, up to 20 ms late.
 */
#ifndef WAYPOST_IO_TIMER_H
#define WAYPOST_IO_TIMER_H

#include "gateway/io/loop.h"
#include "gateway/io/timerwheel.h"

struct timer {
    struct wheel_node node;          /* where it is filed; may be earlier than due_ms */
    int64_t due_ms;                  /* monotonic; 0: not set */
    void (*fn)(struct timer *timer); /* runs once; the timer may be set again or freed from it */
};

void timer_init(struct timer *timer, void (*fn)(struct timer *timer));
void timer_set(struct loop *loop, struct timer *timer, int64_t delay_ms);
void timer_stop(struct loop *loop, struct timer *timer); /* harmless when not set */
bool timer_is_set(const struct timer *timer);

#endif
