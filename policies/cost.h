/*
 * policies/cost — how long one mail would take by one path, term by term
 *
 *   Pure arithmetic over what the advice table knows. The terms are kept apart so that `explain`
 *   can show them; `total_ms` is their sum. For small mail round trips decide, for large mail the
 *   goodput, so the cost is that of this mail and not of the path.
 *
 * Units: milliseconds; bytes per millisecond for goodput.
 */
#ifndef WAYPOST_POLICIES_COST_H
#define WAYPOST_POLICIES_COST_H

#include "policies/advice.h"

enum {
    COST_SMALL_BYTES = 16 * 1024,       /* of the mail that advice_group.preferred is for */
    COST_LARGE_BYTES = 8 * 1024 * 1024, /* and preferred_large */
    COST_LARGE_FROM = 1024 * 1024,      /* from here a mail is large */
    COST_RTT_UNKNOWN_MS = 250,          /* of a path nobody has measured, nor a coarser one */
    COST_FAILURE_MS = 10 * 1000         /* what a failed connection costs the mail */
};

/* What matters about the mail and the way it would go. */
struct cost_mail {
    uint64_t bytes;
    bool warm;       /* a session stands: no connection, greeting, EHLO or TLS */
    bool tls;        /* a new session would negotiate TLS */
    uint32_t active; /* bulk transfers under way on the egress: they share the rate */
};

struct cost {
    double setup_ms;    /* round trips until the session is ready; 0 when warm */
    double dialogue_ms; /* round trips of the transaction */
    double loss_ms;     /* expected waiting for lost segments */
    double think_ms;    /* what the destination needs by itself */
    double transfer_ms; /* size over goodput, shared with the active transfers */
    double failure_ms;  /* probability of a failed connection times what it costs */
    double policy_ms;   /* the configured cost of the egress */
    double total_ms;
};

/* `think_ms` of the group, `policy_ms` of the egress. `path` NULL: unknown. */
void cost_predict(const struct advice_path *path, double think_ms, double policy_ms,
                  const struct cost_mail *mail, struct cost *cost_r);
/* The path alone as an operator compares it: a cold session with TLS. */
double cost_of_path(const struct advice_path *path, double think_ms, double policy_ms,
                    uint64_t bytes);
/* The most that a loss-driven congestion control gets out of a path (Mathis), bytes per ms. */
double cost_goodput_bound(double rtt_ms, double loss);

#endif
