/*
 * report/delivery_event — one event as a line of JSON
 *
 *   Pure: the time comes in. The line ends with '\n' and is valid JSON whatever bytes the event
 *   holds; texts are cut at 1024 bytes, `reply` at 512.
 */
#ifndef WAYPOST_REPORT_DELIVERY_EVENT_H
#define WAYPOST_REPORT_DELIVERY_EVENT_H

#include "gateway/report/delivery_log.h"

enum { EVENT_CLOCK_FRACTION = 20, EVENT_CLOCK_TEXT = 24 };

/* The text of the last second shown, so that not each line pays for a calendar. Starts zeroed. */
struct event_clock {
    int64_t second;
    char text[EVENT_CLOCK_TEXT + 1];
};

void delivery_event_put(struct buf *b, const struct delivery_event *e, int64_t wall_ms,
                        struct event_clock *clock);

#endif
