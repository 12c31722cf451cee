/*
 * base/clock — the only place that reads a clock
 *
 *   Pure code takes times as arguments: `now_ms` monotonic for durations and timers, `wall_ms`
 *   (Unix time in milliseconds) for what is stored or shown.
 */
#ifndef WAYPOST_BASE_CLOCK_H
#define WAYPOST_BASE_CLOCK_H

#include <stdint.h>

#include "gateway/base/buf.h"

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);

/* "2026-11-22T13:00:31.123Z", RFC 3339 in UTC. */
void clock_put_rfc3339(struct buf *b, int64_t wall_ms);
/* What RFC 3339 section 5.6 allows, since 1970: any offset, fractions (cut to milliseconds), a leap
 * second (as the next second). False: it is something else. */
bool clock_parse_rfc3339(struct slice text, int64_t *wall_ms_r);
/* "Sun, 22 Nov 2026 13:00:31 +0000", RFC 5322 section 3.3, in UTC. */
void clock_put_rfc5322(struct buf *b, int64_t wall_ms);

#endif
