/*
 * report/live — what is known of every path and egress now, as JSON
 *
 *   A view on the table that control has sent to the relay last and on the configuration: what is
 *   shown is what mail is sent by. Each put function appends one object; the names are those of
 *   `report links --json`. What is not known is left out.
 *
 * Pure. Everything in struct live is borrowed for the call.
 */
#ifndef WAYPOST_REPORT_LIVE_H
#define WAYPOST_REPORT_LIVE_H

#include "gateway/conf/conf.h"
#include "policies/advice.h"
#include "probes/links.h"
#include "reputation/standing.h"

#define LIVE_MEASURED_LEG "to the relay only" /* `measured` of what goes by a relay */

struct live {
    const struct advice *advice;     /* NULL: none yet */
    const struct conf *conf;         /* NULL: none yet */
    int64_t now_ms;                  /* monotonic */
    const struct standing *standing; /* NULL: not known */
    int64_t wall_ms;
};

/* Paths in the order of the table: all egresses of a group, group by group. */
uint32_t live_path_count(const struct live *live);
void live_path_put(struct buf *json, const struct live *live, uint32_t path);
/* Predicted time of a small mail that meets no open session; negative: never measured. */
double live_path_cost(const struct live *live, uint32_t path);
bool live_path_preferred(const struct live *live, uint32_t path); /* for small mail */
const struct advice_path *live_path(const struct live *live, uint32_t path);
const struct advice_egress *live_path_egress(const struct live *live, uint32_t path);
const struct advice_group *live_path_group(const struct live *live, uint32_t path);

/* The egresses of the configuration. `fault` members come from the table, when it has them. */
struct live_fault {
    int64_t since_ms; /* wall clock; 0: not known */
    const char *reason;
};
void live_egress_put(struct buf *json, const struct live *live, size_t egress,
                     const struct live_fault *fault);

/* A switch, a path or an egress that fails or is back. */
void link_event_put(struct buf *json, int64_t at_ms, const struct links_event *event);

#endif
