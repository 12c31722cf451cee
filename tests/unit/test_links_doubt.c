/*
 * test_links_doubt — how suspicion of a path comes, is told and goes, and how closely it is watched
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/links_rig.h"

/* ---- suspicion ---- */

static const struct advice_path *path_of_a(const struct links_rig *r)
{
    return advice_path(r->advice, A, 0);
}

static void start_well_known(struct links_rig *r)
{
    lr_start(r, LINKS_RIG_ADDRESSES);
    lr_learn(r, 240);
    assert_int_equal(r->advice->group[0].preferred, A);
}

/* What failed while the destination was away is no reproach to the path, then or later. */
static void test_failures_of_an_acquitted_run(void **state)
{
    (void)state;
    struct links_rig r;
    start_well_known(&r);
    for (int e = 0; e < LINKS_RIG_EGRESSES; e++)
        r.dead[e] = true;
    for (unsigned i = 0; i < 3 * LINKS_RIG_EGRESSES; i++) {
        struct addr to = lr_address(&r, i);
        lr_see(&r, (int)(i % LINKS_RIG_EGRESSES), &to, OBS_CONNECT, OBS_REFUSED, r.now_ms - 1, 1);
        lr_run(&r, 500);
    }
    assert_int_equal(r.events[LINKS_DESTINATION_SUSPECT], 1);
    for (int e = 0; e < LINKS_RIG_EGRESSES; e++)
        r.dead[e] = false;
    struct addr first = lr_address(&r, 10);
    lr_see(&r, B, &first, OBS_CONNECT, OBS_OK, r.now_ms - 1, 1);
    lr_run(&r, 50);
    assert_int_equal(r.events[LINKS_DESTINATION_FINE], 1); /* a is acquitted by the word of b */
    lr_learn(&r, 60);
    struct addr slow = lr_address(&r, 20);
    lr_see(&r, A, &slow, OBS_CONNECT, OBS_OVERDUE, r.now_ms - 300, 300);
    lr_run(&r, 3000);
    assert_int_equal(path_of_a(&r)->state, PATH_UP);
    assert_true(path_of_a(&r)->fail < 0.001F);
    lr_finish(&r);
}

/* The first connection that is overdue is mostly a lost packet; mail has to know of the second. */
static void test_doubt_is_told_as_it_grows(void **state)
{
    (void)state;
    struct links_rig r;
    start_well_known(&r);
    r.silent = true;
    for (unsigned i = 0; i < 2; i++) {
        struct addr to = lr_address(&r, i);
        lr_see(&r, A, &to, OBS_CONNECT, OBS_OVERDUE, r.now_ms - 300, 300);
        lr_run(&r, 100);
        assert_true(i == 0 ? path_of_a(&r)->fail < 0.1F : path_of_a(&r)->fail >= 0.25F);
    }
    lr_finish(&r);
}

/* That it is overdue is noticed a moment after it has got through, and told before. */
static void test_overdue_and_through(void **state)
{
    (void)state;
    struct links_rig r;
    start_well_known(&r);
    r.silent = true;
    struct addr to = lr_address(&r, 0);
    lr_see(&r, A, &to, OBS_CONNECT, OBS_OVERDUE, r.now_ms - 300, 300);
    lr_see(&r, A, &to, OBS_CONNECT, OBS_OK, r.now_ms - 300, 280);
    lr_run(&r, 100);
    assert_int_equal(path_of_a(&r)->state, PATH_UP);
    lr_finish(&r);
}

/* ---- a destination that is away for seconds ---- */

/* A connection to the one address. */
static void one(struct links_rig *r, int e, uint8_t result, int64_t start_ms, int64_t took_ms)
{
    struct addr to = lr_address(r, 0);
    lr_see(r, e, &to, OBS_CONNECT, result, start_ms, took_ms);
}

static void start_with_one(struct links_rig *r)
{
    lr_start(r, 1);
    lr_learn(r, 240);
    assert_int_equal(r->advice->group[0].preferred, A);
    r->now_ms += 8000;
}

/* Mail of `a` hangs, `b` takes over and is overdue as well; then both get through, by packets that
 * were repeated. */
static void blink(struct links_rig *r)
{
    int64_t zero = r->now_ms - 7000;
    one(r, A, OBS_TIMEOUT, zero, 700);
    one(r, B, OBS_OVERDUE, zero + 1000, 300);
    one(r, B, OBS_OK, zero + 1000, 3060);
    one(r, A, OBS_OK, zero + 1500, 3020);
}

enum what { NOTHING, BLINKS, FAILS, WITNESSED, WHATS };

/* Segments and sessions lost to it are no path's, nor is a failure at which nobody else got
 * through. */
static void test_what_a_blink_costs(void **state)
{
    (void)state;
    float loss[WHATS], loss_of_b[WHATS], fail[WHATS];
    for (enum what what = 0; what < WHATS; what++) {
        struct links_rig r;
        start_with_one(&r);
        if (what == BLINKS)
            blink(&r);
        if (what == FAILS || what == WITNESSED)
            one(&r, A, OBS_TIMEOUT, r.now_ms - 7000, 700);
        if (what == WITNESSED) {
            one(&r, B, OBS_OK, r.now_ms - 6000, 60);
            one(&r, A, OBS_TIMEOUT, r.now_ms - 5000, 700);
        }
        lr_run(&r, 50);
        one(&r, A, OBS_OK, r.now_ms - 20, 20);
        lr_run(&r, 2000);
        assert_int_equal(path_of_a(&r)->state, PATH_UP);
        loss[what] = path_of_a(&r)->loss;
        fail[what] = path_of_a(&r)->fail;
        loss_of_b[what] = advice_path(r.advice, B, 0)->loss;
        lr_finish(&r);
    }
    for (enum what what = BLINKS; what <= FAILS; what++) {
        assert_true(fail[what] <= fail[NOTHING]);
        assert_true(loss[what] < 1.2F * loss[NOTHING]);
        assert_true(loss_of_b[what] < 1.2F * loss_of_b[NOTHING]);
    }
    assert_true(fail[WITNESSED] > fail[NOTHING]);
    assert_true(loss[WITNESSED] > 1.2F * loss[NOTHING]);
}

/* Such a run may also end in a word of another egress; then what is lost later is lost. */
static void test_loss_after_an_acquittal(void **state)
{
    (void)state;
    struct links_rig r;
    start_with_one(&r);
    r.silent = true; /* no probe of `a` ends its run */
    for (unsigned i = 0; i < 2 * LINKS_RIG_EGRESSES; i++)
        one(&r, (int)(i % LINKS_RIG_EGRESSES), OBS_REFUSED, r.now_ms - 6000 + 1000 * i, 1);
    lr_run(&r, 100);
    assert_int_equal(r.events[LINKS_DESTINATION_SUSPECT], 1);
    one(&r, B, OBS_OK, r.now_ms - 1, 1);
    lr_run(&r, 50);
    assert_int_equal(r.events[LINKS_DESTINATION_FINE], 1);
    r.silent = false;
    lr_run(&r, 5000);
    assert_int_equal(path_of_a(&r)->state, PATH_UP);
    float loss = path_of_a(&r)->loss;
    for (unsigned i = 0; i < 10; i++) {
        one(&r, A, OBS_OK, r.now_ms - 1060, 1060); /* the first packet was lost */
        lr_run(&r, 2000);
    }
    assert_true(path_of_a(&r)->loss > 2 * loss);
    lr_finish(&r);
}

/* What mail that goes elsewhere for that time finds out is no reason to stay there at once. */
static void test_nothing_soft_after_a_blink(void **state)
{
    (void)state;
    for (int blinks = 0; blinks < 2; blinks++) {
        struct links_rig r;
        start_with_one(&r);
        if (blinks)
            blink(&r);
        lr_configure(&r, 800);
        lr_learn(&r, 40);
        assert_int_equal(r.advice->group[0].preferred, blinks ? A : B);
        lr_learn(&r, 60);
        assert_int_equal(r.advice->group[0].preferred, B);
        lr_finish(&r);
    }
}

/* ---- how closely a path is watched ---- */

static unsigned probes_of_a(struct links_rig *r, int64_t ms)
{
    unsigned before = r->sent[A];
    lr_run(r, ms);
    return r->sent[A] - before;
}

/* There is little mail: the path in use is asked each 5 s, and each 2 s after it got slower. */
static void test_slower_is_watched_closely(void **state)
{
    (void)state;
    struct links_rig r;
    start_well_known(&r);
    assert_in_range(probes_of_a(&r, 30000), 5, 7);
    r.rtt_ms[A] = 50;
    lr_run(&r, 20000);
    assert_in_range(probes_of_a(&r, 30000), 12, 20);
    lr_run(&r, 120000);
    assert_in_range(probes_of_a(&r, 30000), 5, 7);
    assert_int_equal(r.advice->group[0].preferred, A);
    lr_finish(&r);
}

/* 15 s dead, 35 s alive for a quarter of an hour: that it went down long ago does not mean that it
 * is away for long. Once it lives for longer than before it is UP, wherever in the rhythm. */
static void test_flapping_path_is_looked_for(void **state)
{
    const int64_t alive_ms = 35000, dead_ms = 15000, longer_ms = 60000;
    (void)state;
    for (int times = 14; times < 20; times++) {
        struct links_rig r;
        start_well_known(&r);
        for (int i = 0; i < times; i++) {
            lr_run(&r, i > 0 ? alive_ms : 0);
            r.dead[A] = true;
            lr_run(&r, dead_ms);
            r.dead[A] = false;
        }
        assert_int_equal(r.events[LINKS_PATH_DOWN], 1);
        assert_int_equal(r.events[LINKS_PATH_UP], 0);
        lr_run(&r, longer_ms);
        assert_int_equal(r.events[LINKS_PATH_UP], 1);
        lr_finish(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_of_an_acquitted_run),
        cmocka_unit_test(test_doubt_is_told_as_it_grows),
        cmocka_unit_test(test_overdue_and_through),
        cmocka_unit_test(test_what_a_blink_costs),
        cmocka_unit_test(test_loss_after_an_acquittal),
        cmocka_unit_test(test_nothing_soft_after_a_blink),
        cmocka_unit_test(test_slower_is_watched_closely),
        cmocka_unit_test(test_flapping_path_is_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
