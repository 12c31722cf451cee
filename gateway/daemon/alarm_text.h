/*
 * daemon/alarm_text — a digest of alarms as text for people and as JSON for machines (pure)
 *
 *   What to do is that of the moment of writing, not of the alarm. Everything is borrowed for the
 *   call; what does not fit into `out` is cut off (`full`).
 */
#ifndef WAYPOST_DAEMON_ALARM_TEXT_H
#define WAYPOST_DAEMON_ALARM_TEXT_H

#include "gateway/base/buf.h"
#include "reputation/alarm.h"

struct alarm_message {
    struct slice hostname; /* ours */
    int64_t now_ms;        /* wall clock */
    const struct alarm_digest *digest;
    const struct standing *standing; /* what to do */
};

/* One line: the first of it, and how much more there is. */
void alarm_put_subject(struct buf *out, const struct alarm_message *message);
void alarm_put_text(struct buf *out, const struct alarm_message *message); /* lines end with LF */
/* {"hostname", "time", "text", "alarms":[...], "withheld":[...], "more"} */
void alarm_put_json(struct buf *out, const struct alarm_message *message);

#endif
