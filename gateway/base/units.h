/*
 * base/units — the forms in which users write times, sizes and rates (docs/CONFIG.md)
 *
 *   Times `500ms 30s 5m 4h 5d`, sizes `0 64KiB 50MiB 2GiB` (also plain bytes), rates `500/min`
 *   (per s, min, h, day), rates of bytes `10MiB/s`. No sign, no blanks. RC_PARSE for anything else,
 *   RC_LIMIT on overflow.
 */
#ifndef WAYPOST_BASE_UNITS_H
#define WAYPOST_BASE_UNITS_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

struct rate {
    uint64_t count;
    int64_t per_ms; /* 1000, 60000, 3600000 or 86400000; 0 count: no limit */
};

enum rc units_duration(struct slice s, int64_t *ms_r);
enum rc units_size(struct slice s, uint64_t *bytes_r);
enum rc units_rate(struct slice s, struct rate *rate_r);
enum rc units_byte_rate(struct slice s, struct rate *rate_r);

void units_put_duration(struct buf *b, int64_t ms); /* shortest exact form: "90s", "5m" */
void units_put_size(struct buf *b, uint64_t bytes);
void units_put_rate(struct buf *b, struct rate rate);
void units_put_byte_rate(struct buf *b, struct rate rate);

#endif
