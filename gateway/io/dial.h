/*
 * io/dial — connects to the best of several addresses (RFC 8305)
 *
 *   Addresses are tried in the order given, families interleaved, a new attempt every
 *   `stagger_ms` or as soon as one fails; the first connection wins and the rest are dropped.
 *   Each attempt leaves from the source address of its family; an address whose family the source
 *   does not have is skipped.
 *
 *   With `via` every attempt is a connection to a proxy that is asked for the address: SOCKS5, or a
 *   PROXY header in front (version 2). It is ready when the proxy says so, or when the header is
 *   sent; the stream that results begins with the first byte of the target. The family of the
 *   target has nothing to do with that of the proxy. Once the proxy turns out to be down no further
 *   address is tried.
 *
 * Guarantees: `done` runs exactly once, never from inside dial_start(); the handle dies when it
 *             returns. dial_cancel() ends it without `done`.
 * Errors:     DIAL_UNPLUMBED (the source is not ours) and DIAL_PROXY are faults of the egress, not
 *             of the destination. DIAL_DENIED may be either's: the proxy is there and would not, or
 *             could not and does not say why. RC_TIMEOUT, RC_IO with a line about the last failure.
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
    DIAL_PROXY,       /* egress fault: the proxy does not answer, or not as one */
    DIAL_DENIED,      /* the proxy would not connect us to this address */
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

enum dial_via_kind { DIAL_DIRECT, DIAL_SOCKS5, DIAL_PROXY_V2 };

enum {
    DIAL_ADDRS_MAX = 16,    /* addresses beyond are not tried */
    DIAL_VIA_ADDRS_MAX = 4, /* of the proxy */
};

struct dial_via {
    enum dial_via_kind kind;
    struct addr addrs[DIAL_VIA_ADDRS_MAX]; /* of the proxy, with ports; the next when one fails */
    size_t addr_count;
    struct addr source; /* PROXY_V2: told as the sender's; ADDR_NONE: our own address. An address of
                           the other family than the target's cannot be: the target is skipped */
    struct slice user, password; /* SOCKS5; empty: none. Must live until the dial is over */
    bool check_only;             /* SOCKS5: ready after the login, without any target */
    int64_t
        proxy_ms; /* to connect to it and for each of its answers but the one about the target */
};

struct dial_plan {
    const struct addr *addrs; /* with ports; copied */
    size_t addr_count;
    const struct dial_source
        *source;                /* NULL: any; its texts must live until dial_start() returns */
    const struct dial_via *via; /* NULL: the direct way; copied */
    int64_t stagger_ms;         /* 250 is the RFC's */
    int64_t attempt_ms;         /* per address */
    int64_t total_ms;
    struct stream_limits limits; /* of the stream that results */
};

struct dial_attempt {
    struct addr addr;
    enum dial_fault fault;
    int error;        /* errno; 0 none */
    const char *text; /* what the proxy said; NULL: nothing. Static */
    int64_t spent_ms;
};

struct dial_result {
    enum rc rc;            /* RC_OK, RC_TIMEOUT, RC_IO */
    struct stream *stream; /* RC_OK: now the callback's */
    const struct dial_attempt
        *attempts; /* all addresses in the order tried; until `done` returns */
    size_t attempt_count;
    size_t won;           /* RC_OK: index of the attempt that connected */
    int64_t connect_us;   /* RC_OK: of the attempt that won, all of it */
    int64_t first_leg_us; /* RC_OK: of that the TCP connection to the proxy; 0: direct */
    int64_t beyond_us;    /* RC_OK: of that from asking SOCKS5 for the target to its yes; 0 else */
    struct addr source;   /* RC_OK: what the target sees, when the proxy says so; else ADDR_NONE */
    bool egress_fault;    /* the proxy is down, or every attempt made ended UNPLUMBED */
    char text[128];       /* for people: "192.0.2.1:25: connection refused" */
};

/* RC_OK, through a proxy: the longest wait for an answer among those that connect_us is made of; of
 * a direct connection -1. */
int64_t dial_longest_us(const struct dial_result *result);

typedef void dial_done_fn(void *arg, const struct dial_result *result);

struct dial;
struct dial *dial_start(struct loop *loop, const struct dial_plan *plan, dial_done_fn *done,
                        void *arg);
void dial_cancel(struct dial **dial);

#endif
