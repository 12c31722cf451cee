/*
 * report/link_row — what is kept and shown of a path: figures of a span of time, and events
 *
 *   A path is an egress towards a destination group (carrier x region). Slices are borrowed:
 *   whoever takes a row or an event copies what it keeps. A negative figure is unknown.
 */
#ifndef WAYPOST_REPORT_LINK_ROW_H
#define WAYPOST_REPORT_LINK_ROW_H

#include <stdint.h>

#include "probes/spread.h"

/* One path in one span: a minute when it is recorded, five or an hour when it is older. */
struct link_row {
    int64_t at_ms; /* wall clock: where the span begins */
    struct slice egress, carrier, region;
    uint8_t state;                /* enum path_state at the end of the span */
    const struct spread *connect; /* times until the greeting could be read; NULL: none */
    float rtt_ms;
    float loss;       /* 0..1 */
    float goodput;    /* bytes per ms of bulk transfers */
    float first_try;  /* share of mails whose first attempt got through; only when mails > 0 */
    float cost_ms;    /* predicted time of a small mail */
    uint32_t samples; /* connections and probes measured */
    uint32_t mails;
};

enum link_event_kind {
    LINK_SWITCH, /* a group's mail goes over `egress` now, over `from` before */
    LINK_DOWN,   /* a path: egress, carrier, region */
    LINK_UP,
    LINK_EGRESS_FAULT, /* an egress as a whole; no carrier, no region */
    LINK_EGRESS_BACK,
    LINK_DESTINATION_DOWN, /* a group fails from every egress: carrier, region */
    LINK_DESTINATION_UP,
    LINK_EVENTS
};
extern const char *const link_event_names[LINK_EVENTS]; /* "switch", "down", ... */

struct link_event {
    int64_t at_ms;                              /* wall clock */
    uint8_t kind;                               /* enum link_event_kind */
    struct slice egress, from, carrier, region; /* empty when they do not apply */
    struct slice reason;                        /* a few words: "loss", "blackhole" */
    struct slice evidence;                      /* figures behind it, for people */
};

#endif
