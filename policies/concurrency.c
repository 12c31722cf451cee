#include "policies/concurrency.h"

#include <math.h>

enum {
    TRIAL_ENOUGH = 2,
    TRIAL_ENOUGH_AGAIN = 6, /* above a ceiling: a session that just left may have made room */
    HELD_MOST = 3,
    RATE_MEMORY = 400,
    BEST_MS = 600000,
    SMOOTH = 16,
    SAMPLES_FEW = 8,
    REFUSALS_FEW = 4,      /* fewer start no experiment */
    EXPERIMENT_MOST = 400, /* attempts */
    LOWER_PART = 10
};

/* A server that refuses for being too busy at this level refuses nine of ten. */
static const double REFUSES_IF_FULL = 0.9;
static const double SAID_BEFORE = 1.6;                  /* times, above a ceiling */
static const double BEYOND_DOUBT = 6.0;                 /* odds of 400 to 1, as a logarithm */
static const double RATE_LEAST = 0.02, RATE_MOST = 0.5; /* of usual refusals */
static const double RATE_PRIOR = 1.0, RATE_PRIOR_N = 20.0;
static const double UNUSUAL = 1.5;              /* times the known rate */
static const double SLOW = 2.0, TOO_SLOW = 2.5; /* times the best service time */

void concurrency_init(struct concurrency *c, uint32_t most)
{
    uint32_t first = most < CONCURRENCY_FIRST ? most : CONCURRENCY_FIRST;
    *c = (struct concurrency){ .most = most, .limit = first, .beginning = true };
}

void concurrency_set_most(struct concurrency *c, uint32_t most)
{
    c->most = most;
    if (c->limit > most)
        c->limit = most;
}

static double best_ms(const struct concurrency *c)
{
    double a = c->best_ms[0], b = c->best_ms[1];
    if (a <= 0 || b <= 0)
        return a > b ? a : b;
    return a < b ? a : b;
}

static bool slower_than(const struct concurrency *c, double times)
{
    return best_ms(c) > 0 && c->service_ms > CONCURRENCY_SLOW_MS &&
           c->service_ms > times * best_ms(c);
}

/* May one above the limit be tried? */
static bool on_trial(const struct concurrency *c, int64_t now_ms)
{
    if (c->beginning || c->limit >= c->most || c->lowered || c->served * 2 < c->limit ||
        slower_than(c, SLOW))
        return false;
    return c->ceiling == 0 || c->limit < c->ceiling ||
           (c->since_probe >= (uint32_t)CONCURRENCY_PROBE << c->held && now_ms >= c->probe_at_ms);
}

uint32_t concurrency_limit(const struct concurrency *c, int64_t now_ms)
{
    if (c->blocked)
        return now_ms >= c->until_ms;
    return c->limit + on_trial(c, now_ms);
}

int64_t concurrency_until(const struct concurrency *c)
{
    return c->blocked ? c->until_ms : 0;
}

/* ---- evidence ---- */

static double usual_rate(const struct concurrency *c)
{
    double rate = (c->refused + RATE_PRIOR) / (c->attempts + RATE_PRIOR_N);
    return rate < RATE_LEAST ? RATE_LEAST : rate > RATE_MOST ? RATE_MOST : rate;
}

/* The doubt came to nothing: what it was about was usual. */
static void settle_doubt(struct concurrency *c)
{
    c->refused += c->doubt_refused;
    c->attempts += c->doubt_refused + c->doubt_taken;
    if (c->attempts > RATE_MEMORY) {
        c->refused /= 2;
        c->attempts /= 2;
    }
    c->doubt = 0;
    c->doubt_refused = c->doubt_taken = c->low = 0;
}

static void changed(struct concurrency *c)
{
    c->trial_taken = c->served = c->slow_run = 0;
    c->now_refused = c->now_attempts = 0;
    c->lowered = 0;
    c->beginning = false;
}

static void pause_all(struct concurrency *c, int64_t now_ms)
{
    int64_t pause = (int64_t)CONCURRENCY_PAUSE_MS << c->pauses;
    c->blocked = true;
    c->until_ms = now_ms + (pause < CONCURRENCY_PAUSE_MOST_MS ? pause : CONCURRENCY_PAUSE_MOST_MS);
    if (pause < CONCURRENCY_PAUSE_MOST_MS)
        c->pauses++;
    c->limit = 1;
}

static void found_ceiling(struct concurrency *c, uint32_t ceiling, int64_t now_ms)
{
    if (ceiling && ceiling == c->ceiling)
        c->held += c->held < HELD_MOST;
    else
        c->held = 0;
    c->ceiling = ceiling;
    c->since_probe = 0;
    c->probe_at_ms = now_ms + ((int64_t)CONCURRENCY_PROBE_MS << c->held);
}

/* Beyond doubt the server takes no more than `ceiling`. */
static void fall_to(struct concurrency *c, uint32_t ceiling, int64_t now_ms)
{
    found_ceiling(c, ceiling, now_ms);
    c->doubt = 0;
    c->doubt_refused = c->doubt_taken = c->low = 0;
    changed(c);
    if (ceiling == 0)
        pause_all(c, now_ms);
    else if (c->limit > ceiling)
        c->limit = ceiling;
}

/* ---- the experiment ---- */

static double rate_now(const struct concurrency *c)
{
    return (double)c->now_refused / c->now_attempts;
}

static void consider_lowering(struct concurrency *c)
{
    double known = c->rate_above > RATE_LEAST ? c->rate_above * UNUSUAL : RATE_LEAST;
    if (c->now_refused >= REFUSALS_FEW && c->limit > 1 && rate_now(c) > known) {
        double rate = rate_now(c);
        uint32_t by = 1 + c->limit / (LOWER_PART + 1);
        c->limit -= by;
        changed(c);
        c->rate_above = rate;
        c->lowered = by;
    } else if (c->now_attempts >= EXPERIMENT_MOST) {
        c->now_refused = c->now_attempts = 0;
    }
}

/* Long enough for eight refusals at the rate before. */
static void conclude(struct concurrency *c, int64_t now_ms)
{
    double enough = 8 / c->rate_above, rate = rate_now(c);
    if (c->now_attempts < (enough < EXPERIMENT_MOST ? enough : EXPERIMENT_MOST))
        return;
    bool better = rate < c->rate_above / 2;
    c->limit += better ? 0 : c->lowered;
    if (better)
        found_ceiling(c, c->limit, now_ms);
    changed(c);
    c->rate_above = rate;
    c->attempts = RATE_MEMORY * 0.5;
    c->refused = rate * c->attempts;
}

static void count_attempt(struct concurrency *c, bool refused, int64_t now_ms)
{
    c->now_attempts++;
    c->now_refused += refused;
    if (c->lowered)
        conclude(c, now_ms);
    else
        consider_lowering(c);
}

void concurrency_refused(struct concurrency *c, uint32_t level, int64_t now_ms)
{
    if (c->blocked) {
        pause_all(c, now_ms);
        return;
    }
    if (level > c->limit + 1)
        return;
    count_attempt(c, true, now_ms);
    c->trial_taken = 0;
    bool again = c->ceiling && c->limit == c->ceiling && level > c->ceiling;
    c->doubt += log(REFUSES_IF_FULL / usual_rate(c)) * (again ? SAID_BEFORE : 1);
    c->doubt_refused++;
    if (c->low == 0 || level < c->low)
        c->low = level;
    if (c->doubt >= BEYOND_DOUBT)
        fall_to(c, c->low > 1 ? c->low - 1 : 0, now_ms);
}

/* ---- growing ---- */

static void grow(struct concurrency *c)
{
    c->limit++;
    changed(c);
    if (c->limit > c->ceiling)
        c->ceiling = c->held = 0;
}

void concurrency_taken(struct concurrency *c, uint32_t level, int64_t now_ms)
{
    if (c->blocked) {
        c->blocked = false;
        c->pauses = 0;
    }
    count_attempt(c, false, now_ms);
    c->since_probe += c->since_probe < UINT32_MAX;
    if (level >= c->low) {
        c->doubt += log((1 - REFUSES_IF_FULL) / (1 - usual_rate(c)));
        c->doubt_taken++;
        if (c->doubt <= 0)
            settle_doubt(c);
    }
    uint32_t enough = c->limit == c->ceiling ? TRIAL_ENOUGH_AGAIN : TRIAL_ENOUGH;
    if (level > c->limit && on_trial(c, now_ms) && ++c->trial_taken >= enough)
        grow(c);
}

/* ---- service time ---- */

static void note_best(struct concurrency *c, int64_t now_ms)
{
    if (now_ms - c->best_at_ms >= BEST_MS || c->best_ms[0] <= 0) {
        c->best_ms[1] = c->best_ms[0];
        c->best_ms[0] = c->service_ms;
        c->best_at_ms = now_ms;
    } else if (c->service_ms < c->best_ms[0]) {
        c->best_ms[0] = c->service_ms;
    }
}

static void grow_at_first(struct concurrency *c, uint32_t standing)
{
    bool is_used = (uint64_t)standing * 3 >= (uint64_t)c->limit * 2;
    if (c->beginning && is_used && c->doubt <= 0 && !slower_than(c, SLOW) && c->limit < c->most)
        c->limit++;
}

void concurrency_served(struct concurrency *c, uint32_t standing, double took_ms, int64_t now_ms)
{
    if (c->service_ms <= 0)
        c->service_ms = took_ms;
    else
        c->service_ms += (took_ms - c->service_ms) / SMOOTH;
    c->served++;
    c->samples += c->samples < SAMPLES_FEW;
    if (c->samples == SAMPLES_FEW)
        note_best(c, now_ms);
    grow_at_first(c, standing);
    c->slow_run = slower_than(c, TOO_SLOW) ? c->slow_run + 1 : 0;
    if (c->slow_run > c->limit && c->limit > 1) {
        c->limit--;
        changed(c);
    }
}
