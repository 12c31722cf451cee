/*
 * io/timer_run — the loop's side of its timers
 *
 *   Runs every timer that is due; a timer whose deadline moved to a later time is filed again
 *   without its callback. Only io/loop.c calls this, once a turn.
 */
#ifndef WAYPOST_IO_TIMER_RUN_H
#define WAYPOST_IO_TIMER_RUN_H

#include "gateway/io/loop.h"

void timer_run_due(struct loop *loop);

#endif
