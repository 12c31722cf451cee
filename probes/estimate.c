#include "probes/estimate.h"

#include <math.h>
#include <string.h>

#include "policies/cost.h"

static const double RTT_TAU = 60e3, RTT_GAIN_LEAST = 0.1;
static const double LOSS_TAU = 120e3, SESSION_TAU = 300e3, SAMPLES_TAU = 300e3;
static const double LOSS_PRIOR = 0.002, LOSS_PRIOR_ALL = 200, LOSS_PRIOR_STEP = 15;
static const int64_t STEP_MS = 600 * 1000; /* so long the past says less about the loss */
static const double SESSION_PRIOR = 20;
/* Page-Hinkley: drift that is tolerated, sum that is a change, most that one sample adds. */
static const double PH_DRIFT = 0.1, PH_CHANGE = 1.5, PH_MOST = 0.75;
/* Loss test: a path is thought to lose at least LEAST; a change is a factor and at least WORSE. */
static const double LOSS_LEAST = 0.004, LOSS_FACTOR = 4, LOSS_WORSE = 0.04, LOSS_WORTH = 0.02;
static const double LOSS_CHANGE = 8, LOSS_MOST = 2.5;
static const double LOSS_DOUBT = 1; /* evidence of a change worth a closer look: one lost segment */
/* What got slower at a step is likely to lose more as well: less evidence will do for a while. */
static const double LOSS_CHANGE_SLOWER = 4;
static const int64_t LATELY_MS = 120 * 1000;
static const int64_t MIN_HALF_MS = 300 * 1000;
static const double GOODPUT_TAU = 1800e3;
static const uint32_t SATURATED = 1000;

static double kept(int64_t from_ms, int64_t now_ms, double tau)
{
    return now_ms > from_ms ? exp((double)(from_ms - now_ms) / tau) : 1;
}

static void decaying_add(struct decaying *d, double hits, double all, int64_t now_ms, double tau)
{
    double keep = kept(d->at_ms, now_ms, tau);
    d->hits = d->hits * keep + hits;
    d->all = d->all * keep + all;
    d->at_ms = now_ms > d->at_ms ? now_ms : d->at_ms;
}

/* ---- round trip ---- */

static void minimum(struct estimate *e, double rtt_ms, int64_t now_ms)
{
    if (e->min_ms[0] <= 0 || now_ms - e->min_at_ms >= MIN_HALF_MS) {
        bool recent = e->min_ms[0] > 0 && now_ms - e->min_at_ms < 2 * MIN_HALF_MS;
        e->min_ms[1] = recent ? e->min_ms[0] : rtt_ms;
        e->min_ms[0] = rtt_ms;
        e->min_at_ms = now_ms;
    }
    e->min_ms[0] = fmin(e->min_ms[0], rtt_ms);
}

/* True when the samples have left the average for good. */
static bool stepped(struct estimate *e, double rtt_ms)
{
    double off = log(rtt_ms / e->rtt_ms);
    off = fmin(fmax(off, -PH_MOST), PH_MOST);
    e->ph_up = fmax(0, e->ph_up + off - PH_DRIFT);
    e->ph_down = fmax(0, e->ph_down - off - PH_DRIFT);
    return e->ph_up > PH_CHANGE || e->ph_down > PH_CHANGE;
}

/* The path is another one than its past tells of: of the loss the share stays, not its weight. */
static void doubt_loss(struct estimate *e, int64_t now_ms)
{
    double weight = fmin(1, LOSS_PRIOR_STEP / fmax(e->loss.all, 1));
    e->loss.hits *= weight;
    e->loss.all *= weight;
    e->loss_step_ms = e->slower_ms = now_ms;
}

static void start_over(struct estimate *e, int64_t now_ms)
{
    if (e->ph_up > PH_CHANGE)
        doubt_loss(e, now_ms);
    double a = e->recent[0], b = e->recent[1], c = e->recent[2];
    e->rtt_ms = fmax(fmin(a, b), fmin(fmax(a, b), c));
    e->var_ms = (fabs(a - e->rtt_ms) + fabs(b - e->rtt_ms) + fabs(c - e->rtt_ms)) / 3;
    e->ph_up = e->ph_down = 0;
    e->rtt_n = ESTIMATE_RECENT;
}

void estimate_rtt(struct estimate *e, double rtt_ms, int64_t now_ms)
{
    const double least = 0.01;
    double sample = fmax(rtt_ms, least);
    decaying_add(&e->samples, 0, 1, now_ms, SAMPLES_TAU);
    minimum(e, sample, now_ms);
    memmove(e->recent + 1, e->recent, (ESTIMATE_RECENT - 1) * sizeof e->recent[0]);
    e->recent[0] = sample;
    if (e->rtt_n == 0) {
        e->rtt_ms = sample;
        e->var_ms = sample / 4;
    } else if (e->rtt_n >= ESTIMATE_RECENT && stepped(e, sample)) {
        start_over(e, now_ms);
    } else {
        double gain = fmax(1 - kept(e->rtt_at_ms, now_ms, RTT_TAU), RTT_GAIN_LEAST);
        gain = fmax(gain, 1.0 / (e->rtt_n + 1));
        e->var_ms += gain * (fabs(sample - e->rtt_ms) - e->var_ms);
        e->rtt_ms += gain * (sample - e->rtt_ms);
    }
    e->rtt_n += e->rtt_n < SATURATED;
    e->rtt_all += e->rtt_all < SATURATED;
    e->rtt_at_ms = now_ms;
}

double estimate_min_rtt(const struct estimate *e)
{
    return fmin(e->min_ms[0], e->min_ms[1]);
}

/* ---- loss ---- */

/* Adds to the evidence that the share is `then` rather than `now`. True: it has become so. */
static bool drifted(struct drift *d, double lost, double sent, double now, double then,
                    double change)
{
    double gain = lost * log(then / now) + (sent - lost) * log((1 - then) / (1 - now));
    d->score += fmin(fmax(gain, -LOSS_MOST), LOSS_MOST);
    d->hits += lost;
    d->all += sent;
    if (d->score <= 0)
        memset(d, 0, sizeof *d);
    return d->score > change;
}

static void keep_since(struct estimate *e, struct drift *d, int64_t now_ms)
{
    e->loss_step_ms = now_ms;
    e->loss.hits = d->hits;
    e->loss.all = d->all;
    memset(&e->worse, 0, sizeof e->worse);
    memset(&e->better, 0, sizeof e->better);
}

void estimate_loss(struct estimate *e, double lost, double sent, int64_t now_ms)
{
    if (sent <= 0)
        return;
    double hits = fmin(lost, sent), share = fmax(estimate_loss_share(e, now_ms), LOSS_LEAST);
    decaying_add(&e->loss, hits, sent, now_ms, LOSS_TAU);
    double worse = fmin(fmax(share * LOSS_FACTOR, LOSS_WORSE), 0.9);
    bool slower = e->slower_ms && now_ms - e->slower_ms < LATELY_MS;
    double change = slower ? LOSS_CHANGE_SLOWER : LOSS_CHANGE;
    if (share < worse && drifted(&e->worse, hits, sent, share, worse, change))
        keep_since(e, &e->worse, now_ms);
    else if (share > LOSS_WORTH &&
             drifted(&e->better, hits, sent, share, share / LOSS_FACTOR, LOSS_CHANGE))
        keep_since(e, &e->better, now_ms);
}

static double loss_prior(const struct estimate *e, int64_t now_ms)
{
    bool changed = e->loss_step_ms && now_ms - e->loss_step_ms < STEP_MS;
    return changed ? LOSS_PRIOR_STEP : LOSS_PRIOR_ALL;
}

double estimate_loss_share(const struct estimate *e, int64_t now_ms)
{
    double keep = kept(e->loss.at_ms, now_ms, LOSS_TAU), all = loss_prior(e, now_ms);
    return (e->loss.hits * keep + LOSS_PRIOR * all) / (e->loss.all * keep + all);
}

double estimate_loss_error(const struct estimate *e, int64_t now_ms)
{
    double keep = kept(e->loss.at_ms, now_ms, LOSS_TAU), share = estimate_loss_share(e, now_ms);
    return sqrt(share * (1 - share) / (e->loss.all * keep + loss_prior(e, now_ms)));
}

/* ---- sessions ---- */

void estimate_session(struct estimate *e, double failed, int64_t now_ms)
{
    decaying_add(&e->session, failed, 1, now_ms, SESSION_TAU);
}

double estimate_fail_share(const struct estimate *e, int64_t now_ms)
{
    double keep = kept(e->session.at_ms, now_ms, SESSION_TAU);
    return e->session.hits * keep / (e->session.all * keep + SESSION_PRIOR);
}

void estimate_forgive(struct estimate *e)
{
    e->session.hits = 0;
    e->loss.hits = e->loss.all = 0;
    memset(&e->worse, 0, sizeof e->worse);
    memset(&e->better, 0, sizeof e->better);
}

double estimate_samples(const struct estimate *e, int64_t now_ms)
{
    return e->samples.all * kept(e->samples.at_ms, now_ms, SAMPLES_TAU);
}

bool estimate_in_doubt(const struct estimate *e, int64_t now_ms)
{
    bool lately = e->loss_step_ms && now_ms - e->loss_step_ms < LATELY_MS;
    return lately || e->worse.score > LOSS_DOUBT;
}

/* ---- goodput ---- */

void estimate_goodput(struct estimate *e, double bytes_per_ms, int64_t now_ms)
{
    if (bytes_per_ms <= 0)
        return;
    e->transfers[e->transfer_next] = (float)bytes_per_ms;
    e->transfer_next = (uint8_t)((e->transfer_next + 1) % ESTIMATE_TRANSFERS);
    if (e->transfer_n < ESTIMATE_TRANSFERS)
        e->transfer_n++;
    e->transfer_at_ms = now_ms;
}

double estimate_goodput_now(const struct estimate *e, int64_t now_ms)
{
    double inverse = 0;
    for (unsigned i = 0; i < e->transfer_n; i++)
        inverse += 1 / (double)e->transfers[i];
    if (inverse <= 0)
        return 0;
    double measured = e->transfer_n / inverse;
    if (e->rtt_ms <= 0)
        return measured;
    double bound = cost_goodput_bound(e->rtt_ms, estimate_loss_share(e, now_ms));
    double keep = kept(e->transfer_at_ms, now_ms, GOODPUT_TAU);
    return measured * keep + fmin(measured, bound) * (1 - keep);
}
