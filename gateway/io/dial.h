/*
 * io/dial — connects to the best of several addresses (RFC 8305)
 *
 *   Addresses are tried in the order given, families interleaved, a new attempt every
 *   `stagger_ms` or as soon as one fails; the first connection wins and the rest are dropped.
 *   Each attempt leaves from the source address of its family; an address whose family the source
 *   does not have is skipped. `via` (a proxy between the connection and its use) will be a step
 *   between "connected" and "ready"; today there is only the direct way.
 *
 * Guarantees: `done` runs exactly once, never from inside dial_start(); the handle dies when it
 *             returns. dial_cancel() ends it without `done`.
 * Errors:     DIAL_UNPLUMBED is an egress fault (the source address is not ours), not the
 *             destination's. RC_TIMEOUT, RC_IO with a line about the last failure.
 */
#ifndef WAYPOST_IO_DIAL_H
#define WAYPOST_IO_DIAL_H

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"
#include "gateway/io/loop.h"
#include "gateway/io/stream.h"

enum dial_fault {
    DIAL_UNTRIED,
    DIAL_CONNECTED,
    DIAL_REFUSED,
    DIAL_RESET,
    DIAL_TIMED_OUT,
    DIAL_UNREACHABLE, /* network, host, or no route for this family */
    DIAL_UNPLUMBED,   /* egress fault: source address, interface or mark not available */
    DIAL_SKIPPED,     /* no source address of this family */
    DIAL_LOST,        /* another address connected first */
    DIAL_FAILED       /* anything else, e.g. out of descriptors */
};
const char *dial_fault_name(enum dial_fault fault);

/* Where connections leave from. Zeroed: whatever the kernel chooses. */
struct dial_source {
    struct addr v4, v6;     /* ADDR_NONE in both: any; in one: that family is not used */
    const char *interface;  /* SO_BINDTODEVICE; NULL: none */
    const char *congestion; /* TCP congestion control; NULL: the system's; unknown: ignored */
    uint32_t mark;          /* SO_MARK; 0: none */
};

enum { DIAL_ADDRS_MAX = 16 }; /* addresses beyond are not tried */

struct dial_plan {
    const struct addr *addrs; /* with ports; copied */
    size_t addr_count;
    const struct dial_source
        *source;        /* NULL: any; its texts must live until dial_start() returns */
    int64_t stagger_ms; /* 250 is the RFC's */
    int64_t attempt_ms; /* per address */
    int64_t total_ms;
    struct stream_limits limits; /* of the stream that results */
};

struct dial_attempt {
    struct addr addr;
    enum dial_fault fault;
    int error; /* errno; 0 none */
    int64_t spent_ms;
};

struct dial_result {
    enum rc rc;            /* RC_OK, RC_TIMEOUT, RC_IO */
    struct stream *stream; /* RC_OK: now the callback's */
    const struct dial_attempt
        *attempts; /* all addresses in the order tried; until `done` returns */
    size_t attempt_count;
    size_t won;         /* RC_OK: index of the attempt that connected */
    int64_t connect_ms; /* RC_OK: of the attempt that won */
    bool egress_fault;  /* every attempt made ended UNPLUMBED */
    char text[128];     /* for people: "192.0.2.1:25: connection refused" */
};

typedef void dial_done_fn(void *arg, const struct dial_result *result);

struct dial;
struct dial *dial_start(struct loop *loop, const struct dial_plan *plan, dial_done_fn *done,
                        void *arg);
void dial_cancel(struct dial **dial);

#endif
