/*
 * probes/observation — what one connection, transaction or probe was like
 *
 *   The relay reports what its own deliveries tell (passive), the probe runners what they measured
 *   (active); both go into the same estimators. A fixed-size record without pointers, so it travels
 *   between processes as it is. Lossy: whoever cannot send one drops it and counts.
 *
 *   Fields that do not apply are negative (times) or zero (counts).
 */
#ifndef WAYPOST_PROBES_OBSERVATION_H
#define WAYPOST_PROBES_OBSERVATION_H

#include <stdint.h>

#include "gateway/base/addr.h"

enum observation_kind {
    OBS_CONNECT,  /* a session was set up, or was not: `result`, times up to EHLO/TLS, TCP_INFO */
    OBS_MAIL,     /* a transaction ended: reply, app_rtt, final, goodput, TCP_INFO */
    OBS_PROBE,    /* active: connect, banner, QUIT */
    OBS_BEACON,   /* active: the operator's own target */
    OBS_RESOLVER, /* active: a question to the carrier's resolver */
    OBS_EGRESS,   /* the egress itself: unplumbed, proxy down, back again */
    OBS_KINDS
};

enum observation_result {
    OBS_OK,
    OBS_REFUSED,     /* connect: RST */
    OBS_TIMEOUT,     /* connect or greeting */
    OBS_UNREACHABLE, /* ICMP, no route */
    OBS_RESET,       /* after connect, before the greeting */
    OBS_UNPLUMBED,   /* egress fault */
    OBS_PROXY_DOWN,  /* egress fault: the proxy or relay could not be reached, or refused us */
    OBS_REPLY_4XX,   /* the destination answered: the path works */
    OBS_REPLY_5XX,
    OBS_BROKEN,    /* lost in the middle of a dialogue */
    OBS_OVERDUE,   /* a connection has not answered after choice_overdue_ms(); its end follows */
    OBS_CONNECTED, /* OBS_PROBE: the connection stands, its greeting and end follow */
    OBS_SILENT,    /* OBS_PROBE: it stood (to a proxy at least), and nobody has greeted in time */
    OBS_UNSENT,    /* a probe that had no socket to leave by: nothing was tried */
    OBS_RESULTS
};

struct observation {
    uint8_t kind, result;
    uint8_t proxied;      /* TCP_INFO sees the first leg only: rtt_us is not the path's */
    uint8_t app_limited;  /* goodput is what we offered, not what the path gives */
    uint16_t code;        /* SMTP reply code; 0 none */
    uint32_t retransmits; /* segments */
    uint32_t segments;    /* sent; 0 unknown */
    /* It stands for so many more that succeeded by this path and told nothing of their own; their
     * segments are in those of this one. */
    uint32_t more_sessions, more_mails;
    uint64_t egress;     /* slice_hash_stable() of the egress's name */
    struct addr address; /* destination, with port */
    int64_t at_us;       /* monotonic, when it ended */
    int64_t connect_us;  /* TCP handshake as we saw it; through a proxy: until it was ready;
                              * when it failed or is overdue: how long it was tried */
    int64_t longest_us;  /* proxied: of what that is made of the longest wait for one answer */
    int64_t greeting_us; /* from then to the 220 */
    int64_t rtt_us;      /* tcpi_min_rtt of this connection */
    int64_t app_rtt_us;  /* shortest command to reply seen: proxied, the round trip of the path */
    int64_t final_us;    /* end of data to its reply */
    uint64_t bytes, data_us; /* of the body, when >= 256 KiB: goodput */
};

/* A destination failure says nothing against the path; an egress fault nothing against either. What
 * silence says depends on who is silent (links_observe()). */
int observation_is_path_failure(const struct observation *o);
int observation_is_egress_fault(const struct observation *o);

#endif
