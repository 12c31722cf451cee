/*
 * tests/unit/test_probes_parts — estimates, limits and the states of one path
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "policies/advice.h"
#include "policies/cost.h"
#include "probes/estimate.h"
#include "probes/limiter.h"
#include "probes/path.h"

static void assert_near(double value, double want, double off)
{
    if (value < want - off || value > want + off)
        fail_msg("%g instead of %g +- %g", value, want, off);
}

/* ---- estimates ---- */

static void test_round_trip(void **state)
{
    (void)state;
    struct estimate e = { .rtt_ms = 0 };
    struct rnd r;
    int64_t now = 1000;
    rnd_seed(&r, 3);
    for (int i = 0; i < 100; i++, now += 2000)
        estimate_rtt(&e, 50 + 10 * (rnd_unit(&r) - 0.5), now);
    assert_near(e.rtt_ms, 50, 2.5);
    assert_near(e.var_ms, 2.5, 1.5);
    assert_near(estimate_min_rtt(&e), 45, 1);
    assert_near(estimate_samples(&e, now), 100, 30);
    int samples = 0;
    while (e.rtt_ms < 95 && samples < 20) { /* it doubles: noticed in a few samples */
        estimate_rtt(&e, 100, now += 2000);
        samples++;
    }
    assert_in_range(samples, 2, 5);
    for (int i = 0; i < 10; i++)
        estimate_rtt(&e, 100, now += 2000);
    estimate_rtt(&e, 3000, now += 2000); /* one that is off changes little */
    assert_true(e.rtt_ms < 400);
    for (int i = 0; i < 400; i++)
        estimate_rtt(&e, 100, now += 2000);
    assert_near(estimate_min_rtt(&e), 100, 0.1); /* 10 minutes, then it is forgotten */
}

static void test_loss(void **state)
{
    (void)state;
    static const double truths[] = { 0, 0.02, 0.08, 0.3 };
    for (size_t t = 0; t < sizeof truths / sizeof truths[0]; t++) {
        struct estimate e = { .rtt_ms = 0 };
        struct rnd r;
        int64_t now = 1000;
        rnd_seed(&r, t);
        for (int i = 0; i < 300; i++) {
            double lost = 0;
            for (int k = 0; k < 10; k++)
                lost += rnd_unit(&r) < truths[t];
            estimate_loss(&e, lost, 10, now += 500);
        }
        assert_near(estimate_loss_share(&e, now), truths[t], 0.02);
    }
}

/* From nothing to 10 % and back: noticed long before the average has forgotten. */
static void test_loss_steps(void **state)
{
    (void)state;
    struct estimate e = { .rtt_ms = 0 };
    int64_t now = 1000;
    for (int i = 0; i < 100; i++)
        estimate_loss(&e, 0, 30, now += 2000);
    for (int i = 0; i < 6; i++)
        estimate_loss(&e, 3, 30, now += 2000);
    assert_near(estimate_loss_share(&e, now), 0.1, 0.03);
    for (int i = 0; i < 20; i++)
        estimate_loss(&e, 0, 30, now += 2000);
    assert_true(estimate_loss_share(&e, now) < 0.02);
    estimate_loss(&e, 1, 1, now += 2000); /* one packet is no step */
    assert_true(estimate_loss_share(&e, now) < 0.03);
}

static void test_sessions_and_goodput(void **state)
{
    (void)state;
    struct estimate e = { .rtt_ms = 0 };
    int64_t now = 1000;
    for (int i = 0; i < 20; i++)
        estimate_session(&e, i % 4 == 0, now += 1000);
    assert_near(estimate_fail_share(&e, now), 0.125, 0.02); /* 5 of 20, under the prior */
    estimate_forgive(&e);
    assert_near(estimate_fail_share(&e, now), 0, 1e-9);
    assert_near(estimate_goodput_now(&e, now), 0, 1e-9);
    estimate_goodput(&e, 1000, now);
    estimate_goodput(&e, 3000, now);
    assert_near(estimate_goodput_now(&e, now), 1500, 1); /* harmonic */
    estimate_rtt(&e, 100, now);
    for (int i = 0; i < 200; i++)
        estimate_loss(&e, 1, 20, now);
    double bound = cost_goodput_bound(e.rtt_ms, estimate_loss_share(&e, now));
    assert_true(bound < 1500);
    now += 20000 * 1000; /* old figures: what the path can give at most */
    for (int i = 0; i < 200; i++)
        estimate_loss(&e, 1, 20, now);
    assert_near(estimate_goodput_now(&e, now), bound, bound / 5);
}

/* ---- limits ---- */

static void test_limiter(void **state)
{
    (void)state;
    struct limiter l = { .count = 0 };
    struct rnd r;
    static int64_t sent[20000];
    size_t n = 0;
    rnd_seed(&r, 9);
    assert_true(limiter_room(&l, 5) > 100); /* none */
    limiter_set(&l, (struct rate){ 3, 1000 });
    for (int64_t now = 0; now < 2000000; now += (int64_t)rnd_below(&r, 400)) {
        if (limiter_room(&l, now) == 0)
            continue;
        limiter_take(&l, now);
        sent[n++] = now;
        if (now == 1000000) /* a reload forgets nothing */
            limiter_set(&l, (struct rate){ 3, 1000 });
    }
    assert_true(n > 4000);
    for (size_t i = 3; i < n; i++)
        assert_true(sent[i] - sent[i - 3] >= 1000);
    limiter_take(&l, 3000000);
    limiter_set(&l, (struct rate){ 1, 60000 });
    assert_int_equal(limiter_room(&l, 3030000), 0);
    assert_int_equal(limiter_room(&l, 3070000), 1);
}

/* What went under the limit of before counts under the one of now, as far back as its window goes:
 * `sent` of them, evenly, the last at 0. How many may go at once, and how long it takes until one
 * may? Unlimited before, too. */
static void test_limiter_changes(void **state)
{
    static const struct {
        struct rate before, after;
        unsigned sent;
        int64_t every_ms;
        uint32_t room;
        int64_t one_ms;
    } rows[] = {
        { { 1, 1000 }, { 5, 10000 }, 10, 1100, 0, 5850 }, /* of six or more within 10.25 s */
        { { 1, 1000 }, { 5, 10000 }, 4, 1100, 1, 0 },
        { { 10, 1000 }, { 2, 1000 }, 10, 10, 0, 1090 },
        { { 0, 1000 }, { 2, 1000 }, 3, 100, 0, 1000 },
        { { 2, 1000 }, { 0, 1000 }, 2, 10, 256, 0 },
        { { 2, 1000 }, { 999, 60000 }, 100, 600, 156, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct limiter l = { .count = 0 };
        limiter_set(&l, rows[i].before);
        for (unsigned k = rows[i].sent; k-- > 0;)
            limiter_take(&l, -(int64_t)k * rows[i].every_ms);
        limiter_set(&l, rows[i].after);
        assert_int_equal(limiter_room(&l, 0), rows[i].room);
        int64_t now = 0;
        while (limiter_room(&l, now) == 0)
            now++;
        assert_int_equal(now, rows[i].one_ms);
    }
}

/* ---- states ---- */

static void test_up_and_suspect(void **state)
{
    (void)state;
    struct path p = { .state = PATH_UNKNOWN };
    assert_int_equal(path_success(&p, 100, 120), PATH_NOW_UP);
    assert_int_equal(path_failure(&p, 1, false, 1000, 1300), PATH_NOW_SUSPECT);
    assert_near(path_doubt(&p), 0.06, 1e-9);
    assert_int_equal(path_failure(&p, 1, true, 1010, 2500), PATH_SAME); /* the same connection */
    assert_int_equal(p.n, 1);
    assert_int_equal(path_failures(&p), 1);
    assert_true(path_doubt(&p) > 0.25);
    assert_int_equal(path_success(&p, 900, 1100), PATH_SAME); /* older than the failure */
    assert_int_equal(path_success(&p, 2400, 2600), PATH_NOW_UP);
    assert_near(path_doubt(&p), 0, 1e-9);
    assert_int_equal(path_failure(&p, 2, true, 1500, 12000),
                     PATH_SAME); /* begun long before that */
    assert_int_equal(p.state, PATH_UP);
}

static void test_condemned(void **state)
{
    (void)state;
    static const struct {
        struct {
            uint64_t address;
            bool failed;
        } at[5];
        bool condemned;
    } rows[] = {
        { { { 1, true }, { 2, true } }, false },
        { { { 1, true }, { 2, true }, { 3, true } }, true },
        { { { 1, true }, { 1, true }, { 1, true } }, false }, /* one address */
        { { { 1, false }, { 2, true }, { 3, true } }, true },
        { { { 1, false }, { 2, false }, { 3, true } }, false },
        { { { 1, false }, { 2, false }, { 3, false }, { 4, false }, { 5, true } }, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct path p = { .state = PATH_UP };
        for (int k = 0; k < 5 && rows[i].at[k].address; k++)
            path_failure(&p, rows[i].at[k].address, rows[i].at[k].failed, 1000 * (k + 1),
                         1000 * (k + 1) + 900);
        assert_int_equal(path_condemned(&p, 2), rows[i].condemned);
        assert_int_equal(path_run_start(&p), 1000);
    }
}

/* Down for `outage_ms`; then a success each second: ms from the first one until it is UP. */
static int64_t down_and_up(struct path *p, int64_t *now_ms, int64_t outage_ms)
{
    path_failure(p, 1, true, *now_ms, *now_ms + 900);
    path_down(p, false, *now_ms + 1000);
    int64_t alive = *now_ms += outage_ms;
    assert_int_equal(path_success(p, *now_ms - 10, *now_ms), PATH_SAME);
    while (p->state == PATH_DOWN) {
        *now_ms += 1000;
        path_success(p, *now_ms - 10, *now_ms);
        assert_true(*now_ms < alive + 1000000);
    }
    return *now_ms - alive;
}

static void test_flap_damping(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t outage_ms, after_ms; /* it stays up for so long afterwards */
        int64_t takes_ms;            /* of life until it is UP */
    } rows[] = {
        { "long outages need three successes 2 s apart", 60000, 300000, 4000 },
        { "six after a relapse", 60000, 25000, 10000 },
        { "alive for 35 s only: 70 s", 60000, 20000, 70000 },
        { "alive for 90 s: 2 minutes at most", 60000, 1200000, 120000 },
        { "a short one may be one of many", 15000, 1200000, 46000 },
    };
    struct path p = { .state = PATH_UP };
    int64_t now = 1000000;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].what);
        assert_int_equal(down_and_up(&p, &now, rows[i].outage_ms), rows[i].takes_ms);
        now += rows[i].after_ms;
    }
    path_failure(&p, 1, true, now, now + 900);
    path_down(&p, false, now + 1000);
    assert_int_equal(p.need, PATH_NEED);
    path_success(&p, now + 40000, now + 40010);
    path_failure(&p, 1, true, now + 41000, now + 42000); /* starts it over */
    assert_int_equal(p.ups, 0);
}

/* The same two losses are a step of the loss only where the round trip has just risen, too. */
static void test_loss_when_slower(void **state)
{
    (void)state;
    double share[2];
    for (int slower = 0; slower < 2; slower++) {
        struct estimate e = { .rtt_ms = 0 };
        int64_t now = 1000000;
        for (int i = 0; i < 100; i++, now += 1000) {
            estimate_rtt(&e, 20, now);
            estimate_loss(&e, 0, 4, now);
        }
        for (int i = 0; i < 6; i++, now += 1000) {
            estimate_rtt(&e, slower ? 50 : 20, now);
            estimate_loss(&e, i >= 4, 4, now);
        }
        share[slower] = estimate_loss_share(&e, now);
    }
    assert_true(share[0] < 0.01);
    assert_true(share[1] > 0.02);
}

/* Once it has got slower few segments are believed: one in eight is lost now, and after the 60 of
 * half a minute of probes that shows. */
static void test_loss_rises_from_few_segments(void **state)
{
    (void)state;
    struct estimate e = { .rtt_ms = 0 };
    int64_t now = 1000000;
    for (int i = 0; i < 100; i++, now += 5000) {
        estimate_rtt(&e, 20, now);
        estimate_loss(&e, 0, 4, now);
    }
    assert_false(estimate_in_doubt(&e, now));
    for (int i = 0; i < 15; i++, now += 2000) {
        estimate_rtt(&e, 50, now);
        estimate_loss(&e, i % 2, 4, now);
    }
    assert_near(estimate_loss_share(&e, now), 0.125, 0.04);
    assert_true(estimate_in_doubt(&e, now));
    now += 121000;
    estimate_loss(&e, 0, 4, now);
    assert_false(estimate_in_doubt(&e, now));
}

static void test_acquit(void **state)
{
    (void)state;
    struct path p = { .state = PATH_UNKNOWN };
    path_success(&p, 1, 2);
    path_failure(&p, 1, true, 1000, 2000);
    path_acquit(&p);
    assert_int_equal(p.state, PATH_UP);
    assert_int_equal(p.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_loss_steps),
        cmocka_unit_test(test_loss_when_slower),
        cmocka_unit_test(test_loss_rises_from_few_segments),
        cmocka_unit_test(test_sessions_and_goodput),
        cmocka_unit_test(test_limiter),
        cmocka_unit_test(test_limiter_changes),
        cmocka_unit_test(test_up_and_suspect),
        cmocka_unit_test(test_condemned),
        cmocka_unit_test(test_flap_damping),
        cmocka_unit_test(test_acquit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
