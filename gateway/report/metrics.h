/*
 * report/metrics — everything countable as Prometheus text (version 0.0.4)
 *
 *   Names begin with waypost_, units are base units (seconds, bytes, ratios), counters end in
 *   _total. docs/grafana.json draws them; tests/unit/test_report_metrics.c compares the two.
 *
 *   Bounded: METRICS_PATHS_MAX paths. The preferred path of every group comes first, then those
 *   measured best; what is left out is counted in waypost_paths_left_out. So it is with the
 *   providers that an address is not clean with: METRICS_PROVIDERS_MAX.
 *
 * Pure: all input is borrowed for the call.
 */
#ifndef WAYPOST_REPORT_METRICS_H
#define WAYPOST_REPORT_METRICS_H

#include <jansson.h>

#include "gateway/report/live.h"

enum { METRICS_PATHS_MAX = 1500, METRICS_PROVIDERS_MAX = 1000, METRICS_BYTES_MAX = 8 << 20 };

/* A figure of control's own. */
struct metric {
    const char *name, *help; /* without the prefix */
    bool counter;
    double value;
};

struct metrics {
    const json_t *relay; /* the row of the relay's verb `totals`; NULL: it does not answer */
    const struct live *live;
    const struct metric *own;
    size_t own_n;
};

void metrics_put(struct buf *out, const struct metrics *metrics);

#endif
