/*
 * probes/estimate — what one path is like, from single samples
 *
 *   Round trip: an average with time constant 60 s (a sample weighs at least 0.1) and its mean
 *   deviation; a Page-Hinkley test on the logarithm notices a step and starts over from the last
 *   three samples. The minimum is that of the last 10 minutes. Loss: decaying counts (120 s) under
 *   a Beta prior; a likelihood-ratio test notices a step up or down and keeps only what came since,
 *   under a weaker prior. A step up of the round trip is a hint: the past weighs less from then
 *   on, and for two minutes less evidence makes a step of the loss.
 *   Failed sessions: decaying counts (300 s). Goodput: harmonic mean of the last 20 bulk transfers,
 *   moving towards the loss bound (Mathis) as they age.
 *
 *   A plain value; zeroed memory knows nothing. Pure. Units: milliseconds, bytes per millisecond.
 */
#ifndef WAYPOST_PROBES_ESTIMATE_H
#define WAYPOST_PROBES_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

enum { ESTIMATE_TRANSFERS = 20, ESTIMATE_RECENT = 3 };

/* A count that forgets: each call ages it first. */
struct decaying {
    double hits, all;
    int64_t at_ms;
};

/* Evidence for a change, and what was counted since it began. */
struct drift {
    double score, hits, all;
};

struct estimate {
    double rtt_ms, var_ms;
    double recent[ESTIMATE_RECENT]; /* the last samples, newest first */
    double ph_up, ph_down;          /* Page-Hinkley sums */
    int64_t rtt_at_ms;
    uint32_t rtt_n;   /* since the last change, saturating */
    uint32_t rtt_all; /* ever, saturating */
    double min_ms[2];
    int64_t min_at_ms; /* when min_ms[0] began */
    struct decaying loss, session, samples;
    struct drift worse, better;
    int64_t loss_step_ms; /* when the loss last changed, or may have; 0: never */
    int64_t slower_ms;    /* when the round trip last rose at a step; 0: never */
    float transfers[ESTIMATE_TRANSFERS];
    uint8_t transfer_n, transfer_next;
    int64_t transfer_at_ms;
};

void estimate_rtt(struct estimate *e, double rtt_ms, int64_t now_ms);
void estimate_loss(struct estimate *e, double lost, double sent, int64_t now_ms);
void estimate_session(struct estimate *e, double failed, int64_t now_ms); /* 0 or 1 */
void estimate_goodput(struct estimate *e, double bytes_per_ms, int64_t now_ms);
/* After an outage: what it did to the figures says nothing about the time after it. */
void estimate_forgive(struct estimate *e);

double estimate_min_rtt(const struct estimate *e); /* 0: unknown */
double estimate_loss_share(const struct estimate *e, int64_t now_ms);
/* Its standard error: how far off that may well be. */
double estimate_loss_error(const struct estimate *e, int64_t now_ms);
double estimate_fail_share(const struct estimate *e, int64_t now_ms);
double estimate_goodput_now(const struct estimate *e, int64_t now_ms); /* 0: unknown */
double estimate_samples(const struct estimate *e, int64_t now_ms);     /* effective number */
/* Has it changed in the last two minutes, or may it be changing: is it worth a closer look? */
bool estimate_in_doubt(const struct estimate *e, int64_t now_ms);

#endif
