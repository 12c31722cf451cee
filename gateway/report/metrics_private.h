/*
 * report/metrics_private — what the files of the metrics share
 *
 *   metrics.c           the relay, egresses, paths, groups
 *   metrics_standing.c  our addresses: states, points, listings, providers
 */
#ifndef WAYPOST_REPORT_METRICS_PRIVATE_H
#define WAYPOST_REPORT_METRICS_PRIVATE_H

#include "gateway/report/metrics.h"

/* The lines before the samples of a metric; name without the prefix. */
void metrics_put_head(struct buf *out, const char *name, const char *type, const char *help);
/* After "waypost_name{" or another label; the caller closes the bracket. */
void metrics_put_label(struct buf *out, const char *name, struct slice value);
void metrics_put_value(struct buf *out, double value);

void metrics_put_standing(struct buf *out, const struct standing *standing, int64_t now_ms);

#endif
