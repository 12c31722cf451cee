/*
 * report/live — what is known of every path and egress now, for whoever shows it
 *
 *   A narrow view on the link core, as functions: the web page, the metrics and the tests need no
 *   more. All calls come from the loop that owns the core and end before they return; slices live
 *   until then. A negative figure is unknown.
 */
#ifndef WAYPOST_REPORT_LIVE_H
#define WAYPOST_REPORT_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "policies/advice.h"

struct live_path {
    struct slice egress, carrier, region;
    uint8_t state;  /* enum path_state */
    bool preferred; /* small mail of this group goes this way */
    bool destination_suspect;
    double cost_ms; /* predicted time of a small mail, everything included */
    double rtt_ms, loss, fail, goodput, samples;
    int64_t age_ms; /* of the newest sample */
};

struct live_egress {
    struct slice name;
    struct slice kind;    /* "system", "address", "socks5", "proxy", "relay" */
    struct slice address; /* its source, or where it is reached; may be empty */
    struct slice carrier, region;
    uint8_t fault;       /* enum egress_fault_kind */
    struct slice reason; /* evidence of the fault; may be empty */
    int64_t since_ms;    /* wall clock: in this state since; 0 unknown */
    double weight, share;
};

typedef void live_path_fn(void *to, const struct live_path *path);
typedef void live_egress_fn(void *to, const struct live_egress *egress);

/* Any function may be NULL: nothing is known yet. */
struct live {
    void *arg;
    uint64_t (*version)(void *arg); /* another value: something shown has changed */
    void (*paths)(void *arg, live_path_fn *each, void *to);
    void (*egresses)(void *arg, live_egress_fn *each, void *to);
    /* Counters of the probes and the like, ready for Prometheus: name, help, value. */
    void (*counters)(void *arg,
                     void (*each)(void *to, const char *name, const char *help, double value),
                     void *to);
};

#endif
