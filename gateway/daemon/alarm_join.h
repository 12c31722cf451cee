/*
 * daemon/alarm_join — two messages for the webhook as one (pure)
 *
 *   For one that was away: what is new stands where it always does, and of what it has missed it
 *   gets a summary. `alarms` are those of the newer message. `withheld` are its own, then those of
 *   the older one, the newest first and each with its `time`: the last word on each subject only,
 *   and no more than ALARM_LINES_MAX. `more` counts all others. `text` says how many are late.
 */
#ifndef WAYPOST_DAEMON_ALARM_JOIN_H
#define WAYPOST_DAEMON_ALARM_JOIN_H

#include "gateway/base/buf.h"

/* Both as alarm_put_json() or this wrote them. False: they are not, or `out` is full. */
bool alarm_join(struct slice older, struct slice newer, struct buf *out);

#endif
