/*
 * probes/sketch — quantiles with a relative error of 1 %, in bounded memory
 *
 *   A DDSketch: counts of values by power of (1 + 1 %)/(1 - 1 %). Any two can be merged without
 *   loss of accuracy, so minutes become hours. Values below SKETCH_MIN count as SKETCH_MIN. The
 *   window of buckets has SKETCH_BUCKETS places; when the values span more, the lowest are put
 *   together, so the high quantiles stay exact (512 buckets span a factor of 27,000).
 *
 * Ownership: a plain value; zeroed memory is an empty sketch. Units: the caller's.
 * Wire:      sketch_pack()/sketch_unpack(); a few bytes per bucket in use.
 */
#ifndef WAYPOST_PROBES_SKETCH_H
#define WAYPOST_PROBES_SKETCH_H

#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum { SKETCH_BUCKETS = 512 };
#define SKETCH_MIN 0.001

struct sketch {
    uint64_t n;
    int32_t low; /* index of count[0]'s power */
    uint32_t count[SKETCH_BUCKETS];
};

void sketch_clear(struct sketch *s);
void sketch_add(struct sketch *s, double value);
void sketch_merge(struct sketch *into, const struct sketch *from);
double sketch_quantile(const struct sketch *s, double q); /* 0 <= q <= 1; 0 when empty */

void sketch_pack(const struct sketch *s, struct buf *out);
enum rc sketch_unpack(struct slice bytes, struct sketch *s_r); /* RC_PARSE; checks everything */

#endif
