/*
 * probes/spread — how times are spread: a histogram with logarithmic buckets, for percentiles
 *
 *   A bucket is 2 % wide, so a percentile is right within 1 %. Two spreads are added bucket by
 *   bucket, without any further error: minutes become hours. At most SPREAD_BUCKETS are kept,
 *   enough for values of which the largest is 25,000 times the smallest; when a value needs another
 *   the two lowest become one, so high percentiles stay right.
 *
 * Pure. Values are milliseconds, from a microsecond to 10^9; what is outside counts as the nearest,
 * what is negative or no number not at all. At most 2^32-1 of a bucket.
 */
#ifndef WAYPOST_PROBES_SPREAD_H
#define WAYPOST_PROBES_SPREAD_H

#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum { SPREAD_BUCKETS = 512, SPREAD_PACKED_MAX = 1 + 7 * SPREAD_BUCKETS };

/* Zeroed: empty. */
struct spread {
    uint32_t used;
    struct spread_bucket {
        int32_t index;
        uint32_t count;
    } at[SPREAD_BUCKETS]; /* by index */
};

void spread_add(struct spread *spread, double ms);
void spread_merge(struct spread *into, const struct spread *from);
uint64_t spread_count(const struct spread *spread);
/* The value that the share `q` (0..1) of them is not above; negative when it is empty. */
double spread_quantile(const struct spread *spread, double q);

/* Some 2 bytes a bucket. RC_PARSE: not what spread_pack() wrote; the result is empty then. */
void spread_pack(const struct spread *spread, struct buf *out);
enum rc spread_unpack(struct slice bytes, struct spread *spread_r);

#endif
