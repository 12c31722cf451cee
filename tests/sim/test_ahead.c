/*
 * tests/sim/test_ahead — sessions that take their time to open, and a rate that the receiver counts
 *
 *   Sites share a rate and have mail all the time. Each opens sessions as policies/ahead says, at
 *   the pace of the gauge; an opening takes as long as is drawn, some fail. The receiver notes when
 *   each MAIL comes, which takes longer now and then: none of its windows has more than the rate,
 *   and hardly a token is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "gateway/base/rnd.h"
#include "gateway/delivery/gauge.h"
#include "policies/ahead.h"

enum { SITES_MOST = 8, SESSIONS_MOST = 128, MAILS_MOST = 20000, SEEDS = 2, LATE_US = 2000 };

static const int64_t SECOND = 1000000, NEVER = INT64_MAX;

enum phase { UNUSED, OPENING, RESTING, WORKING };

struct sim_session {
    enum phase phase;
    int64_t began_us, ends_us; /* of the phase; resting: never */
    uint64_t carried;
};

struct sim_site {
    struct ahead ahead;
    uint32_t in[WORKING + 1]; /* sessions, by phase */
    struct sim_session session[SESSIONS_MOST];
    int64_t look_us;
};

/* What it is like where the mail goes. */
struct terms {
    size_t sites;
    struct rate rate;
    uint64_t messages;           /* of a session */
    int64_t open_us[2], busy_us; /* from, to */
    unsigned fail_percent;
};

static struct sim {
    struct terms terms;
    struct rnd rnd;
    struct gauges *all;
    struct gauge *gauge;
    struct sim_site site[SITES_MOST];
    int64_t now_us;
    int64_t mail_us[MAILS_MOST]; /* when the receiver saw each */
    size_t mail_n;
    int64_t opened_us[MAILS_MOST];
    size_t opened_n;
    uint32_t peak; /* of sessions that do not carry a message */
} sim;

static int64_t drawn(int64_t from, int64_t to)
{
    return from + (int64_t)rnd_below(&sim.rnd, (uint64_t)(to - from) + 1);
}

static void enter(struct sim_site *site, struct sim_session *s, enum phase phase, int64_t ends_us)
{
    site->in[s->phase]--;
    site->in[phase]++;
    s->phase = phase;
    s->began_us = sim.now_us;
    s->ends_us = ends_us;
    uint32_t waiting = site->in[OPENING] + site->in[RESTING];
    if (waiting > sim.peak)
        sim.peak = waiting;
}

/* Messages that have a session. */
static uint64_t supply(const struct sim_site *site)
{
    uint64_t n = site->in[OPENING] * ahead_opening(&site->ahead);
    for (size_t i = 0; i < SESSIONS_MOST; i++) {
        const struct sim_session *s = &site->session[i];
        uint64_t left = sim.terms.messages ? sim.terms.messages - s->carried : UINT64_MAX;
        if (s->phase == RESTING || s->phase == WORKING)
            n += ahead_standing(&site->ahead, left, s->phase == RESTING);
    }
    return n;
}

/* The first that is in this phase; SESSIONS_MOST: none. */
static size_t find(const struct sim_site *site, enum phase phase)
{
    size_t i = 0;
    while (i < SESSIONS_MOST && site->session[i].phase != phase)
        i++;
    return i;
}

static void look_at(struct sim_site *site, int64_t in_us)
{
    int64_t at = sim.now_us + in_us + 1 + (int64_t)rnd_below(&sim.rnd, LATE_US);
    if (at < site->look_us)
        site->look_us = at;
}

/* As delivery does. */
static bool open_one(struct sim_site *site, int64_t wait_us)
{
    struct rate rate = sim.terms.rate;
    uint64_t have = wait_us ? supply(site) : site->in[OPENING];
    int64_t in_us = ahead_in_us(&site->ahead, have, rate, 1, wait_us);
    int64_t pace_us = gauge_pace_wait_us(sim.gauge, TRAFFIC_MESSAGES, rate, sim.now_us);
    if (in_us > 0 || pace_us > 0) {
        look_at(site, in_us > pace_us ? in_us : pace_us);
        return false;
    }
    size_t at = find(site, UNUSED);
    assert_true(at < SESSIONS_MOST);
    struct sim_session *s = &site->session[at];
    gauge_pace(sim.gauge, TRAFFIC_MESSAGES, rate, 1, sim.now_us);
    assert_true(sim.opened_n < MAILS_MOST);
    sim.opened_us[sim.opened_n++] = sim.now_us;
    s->carried = 0;
    int64_t took = drawn(sim.terms.open_us[0], sim.terms.open_us[1]);
    enter(site, s, OPENING, sim.now_us + took);
    return true;
}

/* That may be between two commands more or less than when they were sent (policies/bucket.h). */
static int64_t way_us(void)
{
    int64_t us = sim.terms.rate.per_ms * 1000 / 200;
    return us < 125000 ? us : 125000;
}

static bool send_one(struct sim_site *site)
{
    size_t at = find(site, RESTING);
    if (at == SESSIONS_MOST ||
        !gauge_take(sim.gauge, TRAFFIC_MESSAGES, sim.terms.rate, 1, sim.now_us))
        return false;
    assert_true(sim.mail_n < MAILS_MOST);
    sim.mail_us[sim.mail_n++] = sim.now_us + drawn(0, way_us());
    struct sim_session *s = &site->session[at];
    s->carried++;
    enter(site, s, WORKING, sim.now_us + sim.terms.busy_us);
    return true;
}

static void run_site(struct sim_site *site)
{
    int64_t wait_us;
    site->look_us = NEVER;
    while (send_one(site))
        ;
    do {
        wait_us = gauge_wait_us(sim.gauge, TRAFFIC_MESSAGES, sim.terms.rate, LANE_BULK, sim.now_us);
        if (wait_us)
            look_at(site, wait_us);
    } while (open_one(site, wait_us));
}

static void go_on(struct sim_site *site, struct sim_session *s)
{
    if (s->phase == OPENING && rnd_below(&sim.rnd, 100) < sim.terms.fail_percent) {
        gauge_pace_back(sim.gauge, TRAFFIC_MESSAGES, sim.terms.rate, 1);
        enter(site, s, UNUSED, NEVER);
    } else if (s->phase == OPENING) {
        site->ahead.open_us = ahead_learn(site->ahead.open_us, sim.now_us - s->began_us);
        enter(site, s, RESTING, NEVER);
    } else {
        site->ahead.busy_us = sim.terms.busy_us;
        bool used_up = sim.terms.messages && s->carried == sim.terms.messages;
        enter(site, s, used_up ? UNUSED : RESTING, NEVER);
    }
    run_site(site);
}

/* The next thing that happens. */
static void step(void)
{
    struct sim_site *site = NULL;
    struct sim_session *s = NULL;
    sim.now_us = NEVER;
    for (size_t i = 0; i < sim.terms.sites; i++) {
        struct sim_site *at = &sim.site[i];
        if (at->look_us < sim.now_us) {
            sim.now_us = at->look_us;
            site = at;
            s = NULL;
        }
        for (size_t k = 0; k < SESSIONS_MOST; k++)
            if (at->session[k].phase != UNUSED && at->session[k].ends_us < sim.now_us) {
                sim.now_us = at->session[k].ends_us;
                site = at;
                s = &at->session[k];
            }
    }
    assert_non_null(site);
    if (s)
        go_on(site, s);
    else
        run_site(site);
}

static void run(uint64_t seed, struct terms terms, int64_t for_us)
{
    struct traffic_toll toll = { .key = 1 };
    memset(&sim, 0, sizeof sim);
    sim.terms = terms;
    toll.rate[TRAFFIC_MESSAGES] = terms.rate;
    rnd_seed(&sim.rnd, seed);
    sim.now_us = SECOND;
    sim.all = gauges_new();
    sim.gauge = gauge_get(sim.all, &toll, sim.now_us);
    for (size_t i = 0; i < terms.sites; i++) {
        sim.site[i].ahead.messages = terms.messages;
        sim.site[i].look_us = sim.now_us + drawn(0, LATE_US);
    }
    while (sim.now_us < for_us)
        step();
    gauge_put(sim.all, &sim.gauge);
    gauges_free(&sim.all);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Half open windows of the period, each that begins with a MAIL. */
static void check_never_exceeded(void)
{
    struct rate rate = sim.terms.rate;
    qsort(sim.mail_us, sim.mail_n, sizeof sim.mail_us[0], by_time);
    for (size_t i = rate.count; i < sim.mail_n; i++)
        assert_true(sim.mail_us[i] - sim.mail_us[i - rate.count] >= rate.per_ms * 1000);
}

/* All sites together open at its pace, a quarter faster at most; those that come to nothing do not
 * count. */
static void check_paced(void)
{
    size_t most = sim.terms.rate.count * 5 / 4 + 1;
    for (size_t i = most; sim.terms.fail_percent == 0 && i < sim.opened_n; i++)
        assert_true(sim.opened_us[i] - sim.opened_us[i - most] >= sim.terms.rate.per_ms * 1000);
}

/* Of what the rate lets through after `from_us`. */
static double used(int64_t from_us, int64_t to_us)
{
    double could = (double)(to_us - from_us) / 1000 * (double)sim.terms.rate.count /
                   (double)sim.terms.rate.per_ms;
    size_t n = 0;
    for (size_t i = 0; i < sim.mail_n; i++)
        n += sim.mail_us[i] >= from_us && sim.mail_us[i] < to_us;
    return (double)n / could;
}

static const struct terms cases[] = {
    { 1, { 10, 1000 }, 1, { 0, 5000000 }, 50000, 0 },
    { 1, { 10, 1000 }, 1, { 1000000, 1000000 }, 50000, 0 },
    { 1, { 10, 1000 }, 1, { 0, 5000000 }, 50000, 10 },
    { 1, { 10, 1000 }, 4, { 0, 5000000 }, 50000, 0 },
    { 1, { 10, 1000 }, 100, { 0, 5000000 }, 20000, 0 },
    { 1, { 10, 1000 }, 0, { 0, 5000000 }, 1000000, 0 },
    { 1, { 60, 60000 }, 1, { 0, 5000000 }, 50000, 0 },
    { 1, { 10, 60000 }, 1, { 2000000, 5000000 }, 50000, 0 },
    { 5, { 10, 1000 }, 1, { 0, 5000000 }, 50000, 5 },
    { 8, { 30, 1000 }, 3, { 0, 2000000 }, 200000, 0 },
};
static const size_t cases_n = sizeof cases / sizeof cases[0];

/* Tokens that come within the longest opening. */
static double most_waiting(const struct terms *t)
{
    return (double)t->open_us[1] / 1000 * (double)t->rate.count / (double)t->rate.per_ms;
}

/* The first fifth is for finding out how long openings take. */
static void the_receiver_never_counts_more_and_all_is_used(void **state)
{
    (void)state;
    for (size_t k = 0; k < cases_n; k++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            int64_t end_us = 200 * SECOND + cases[k].rate.per_ms * 10000;
            run(seed, cases[k], end_us);
            check_never_exceeded();
            check_paced();
            assert_true(used(end_us / 5, end_us) >= 0.98);
            assert_true(sim.peak <= 1.1 * most_waiting(&cases[k]) + 2 * (double)cases[k].sites);
        }
}

/* Once known how long an opening takes, a session is ready just before the token: it does not stand
 * there for the rest of a period. */
static void a_session_is_opened_when_its_token_is_near(void **state)
{
    (void)state;
    struct ahead a = { .messages = 1, .open_us = 1000000 };
    struct rate rate = { 1, 60000 };
    assert_int_equal(ahead_needs(&a, rate, 1, 30 * SECOND), 0);
    int64_t in_us = ahead_in_us(&a, 0, rate, 1, 30 * SECOND);
    assert_in_range(in_us, 28 * SECOND, 29 * SECOND);
    assert_int_equal(ahead_needs(&a, rate, 1, 30 * SECOND - in_us), 1);
    assert_int_equal(ahead_in_us(&a, 0, rate, 1, 30 * SECOND - in_us), 0);
    assert_in_range(ahead_in_us(&a, 1, rate, 1, 30 * SECOND - in_us), 59 * SECOND, 61 * SECOND);
}

/* Where sessions last and a transaction is short, one that stands is enough. */
static void those_that_last_need_no_others(void **state)
{
    (void)state;
    struct ahead a = { .open_us = 1000000, .busy_us = 20000 };
    struct rate rate = { 10, 1000 };
    assert_true(ahead_needs(&a, rate, 1, 0) <= 12);
    assert_true(ahead_standing(&a, UINT64_MAX, false) >= 12);
    assert_int_equal(ahead_standing(&a, 3, true), 3); /* but no more than it may carry */
    assert_int_equal(ahead_standing(&a, 0, false), 0);
    a.messages = 2;
    assert_int_equal(ahead_opening(&a), 2);
    a.busy_us = 4 * a.open_us;
    assert_int_equal(ahead_opening(&a), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_receiver_never_counts_more_and_all_is_used),
        cmocka_unit_test(a_session_is_opened_when_its_token_is_near),
        cmocka_unit_test(those_that_last_need_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
