/*
 * daemon/kept_allowances — what egresses have left to send to receivers, over a relay's restart
 *
 *   Written when the relay ends in order, and then exact. While it runs the file says just that, so
 *   one that was killed finds it and counts every allowance as used up a moment ago
 *   (allowances_doubt()): never more goes than was granted, and what waits for an allowance waits
 *   for at most the time of one mail longer, or a minute. No file: nothing was ever sent.
 *
 *   Blocks for two small writes at the start. Times are the monotonic clock's and, over a restart,
 *   Unix ms.
 */
#ifndef WAYPOST_DAEMON_KEPT_ALLOWANCES_H
#define WAYPOST_DAEMON_KEPT_ALLOWANCES_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"
#include "gateway/delivery/allowance.h"

struct keeper;

enum { KEPT_ALLOWANCES_MAX = 64 + 16 * ALLOWANCES_MAX }; /* bytes */

/* Before the workers run. */
void kept_allowances_begin(struct keeper *keeper, struct allowances *allowances, int64_t now_us,
                           int64_t wall_ms);
/* When they have ended. */
void kept_allowances_end(struct keeper *keeper, const struct allowances *allowances, int64_t now_us,
                         int64_t wall_ms);

/* What the file holds, while nobody else uses the allowances. RC_PARSE: it is none; what was read
 * by then stays, which grants nothing. */
enum rc kept_allowances_read(struct slice bytes, struct allowances *allowances, int64_t now_us,
                             int64_t wall_ms, struct err *err);
void kept_allowances_put(struct buf *out, const struct allowances *allowances, int64_t now_us,
                         int64_t wall_ms);

#endif
