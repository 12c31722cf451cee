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

#include "gateway/base/rc.h"
#include "gateway/delivery/allowance.h"

struct keeper;

/* Before the workers run. */
void kept_allowances_begin(struct keeper *keeper, struct allowances *allowances, int64_t now_us,
                           int64_t wall_ms);
/* When they have ended. */
void kept_allowances_end(struct keeper *keeper, const struct allowances *allowances, int64_t now_us,
                         int64_t wall_ms);

#endif
