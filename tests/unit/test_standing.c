/*
 * tests/unit/test_standing — each row of the table of states
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/standing_rig.h"

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

/* ---- rows of the state machine ---- */

static void test_suspect_and_back(void **state)
{
    struct standing_rig *r = *state;
    sr_names(r, 0, STANDING_NAME_BROKEN);
    sr_state(r, 0, STANDING_SUSPECT);
    assert_true(near(sr_view(r, 0).share, 0.5) && sr_view(r, 0).eligible);
    assert_non_null(strstr(sr_view(r, 0).todo, "PTR"));
    assert_int_equal(standing_check_every_ms(r->s, 0), RIG_MINUTE);
    assert_int_equal(standing_check_every_ms(r->s, 1), 5 * RIG_MINUTE);
    sr_wait(r, 12 * RIG_HOUR);
    sr_state(r, 0, STANDING_SUSPECT);
    sr_names(r, 0, STANDING_NAME_OK);
    sr_wait(r, 29 * RIG_MINUTE);
    sr_state(r, 0, STANDING_SUSPECT);
    sr_wait(r, 2 * RIG_MINUTE);
    sr_state(r, 0, STANDING_CLEAN);
    assert_true(sr_logged(r, "a suspect>clean: little evidence for 30 minutes"));
}

static void test_calm_is_interrupted(void **state)
{
    struct standing_rig *r = *state;
    sr_names(r, 0, STANDING_NAME_BROKEN);
    sr_names(r, 0, STANDING_NAME_OK);
    sr_wait(r, 20 * RIG_MINUTE);
    sr_list(r, 0, "z", 12, false);
    sr_wait(r, 20 * RIG_MINUTE);
    sr_state(r, 0, STANDING_SUSPECT);
}

/* Draining, listed, quarantined, probation, clean: all the way. */
static void test_hard_listing(void **state)
{
    struct standing_rig *r = *state;
    standing_sessions(r->s, 0, 0, r->now_ms); /* as of before: mail may have begun since */
    sr_list(r, 0, "drop", 100, true);
    sr_state(r, 0, STANDING_DRAINING);
    standing_sessions(r->s, 0, 3, r->now_ms);
    assert_false(sr_view(r, 0).eligible);
    assert_int_equal(sr_view(r, 0).until_ms, r->now_ms + 5 * RIG_MINUTE);
    sr_wait(r, RIG_MINUTE);
    sr_state(r, 0, STANDING_DRAINING);
    standing_sessions(r->s, 0, 0, r->now_ms);
    sr_state(r, 0, STANDING_LISTED);
    for (int i = 0; i < 3; i++) {
        sr_wait(r, 15 * RIG_MINUTE);
        sr_state(r, 0, STANDING_LISTED);
        sr_clear_check(r, 0, "drop");
    }
    sr_state(r, 0, STANDING_QUARANTINED);
    sr_wait(r, 2 * RIG_HOUR); /* the dwell is over, but E is not below 10 */
    sr_state(r, 0, STANDING_QUARANTINED);
    sr_wait(r, 24 * RIG_HOUR);
    sr_state(r, 0, STANDING_PROBATION);
    assert_true(sr_logged(r, "a draining>listed: no sessions are left"));
    sr_deliver(r, 0, "p", 499);
    sr_wait(r, 72 * RIG_HOUR);
    sr_state(r, 0, STANDING_PROBATION);
    sr_deliver(r, 0, "p", 1);
    sr_state(r, 0, STANDING_CLEAN);
    assert_true(near(sr_view(r, 0).share, 1));
}

static void test_drain_deadline(void **state)
{
    struct standing_rig *r = *state;
    sr_list(r, 0, "drop", 100, true); /* nobody said how many sessions there are */
    sr_wait(r, 5 * RIG_MINUTE - 1);
    sr_state(r, 0, STANDING_DRAINING);
    sr_wait(r, 1);
    sr_state(r, 0, STANDING_LISTED);
}

static void test_two_providers(void **state)
{
    struct standing_rig *r = *state;
    r->idle = true;
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    sr_state(r, 0, STANDING_SUSPECT);
    sr_wait(r, 61 * RIG_MINUTE);
    sr_reply(r, 0, "q", STANDING_IP_BLOCKED, 1, true);
    sr_state(r, 0, STANDING_SUSPECT); /* 30 + 27 points, and not within an hour */
    sr_wait(r, 50 * RIG_MINUTE);
    sr_reply(r, 0, "o", STANDING_IP_BLOCKED, 1, true);
    assert_true(sr_logged(r, "a suspect>draining: two providers"));
    sr_state(r, 0, STANDING_QUARANTINED);
}

static void test_many_points(void **state)
{
    struct standing_rig *r = *state;
    sr_list(r, 0, "x", 40, false);
    sr_state(r, 0, STANDING_SUSPECT);
    sr_names(r, 0, STANDING_NAME_BROKEN);
    sr_state(r, 0, STANDING_DRAINING);
    sr_wait(r, 5 * RIG_MINUTE);
    sr_state(r, 0, STANDING_LISTED); /* a soft list of weight still names it */
}

static void test_probation_ends_early(void **state)
{
    struct standing_rig *r = *state;
    for (int m = 0; m < 3; m++)
        r->member[m].warmup_ms = r->now_ms;
    sr_configure(r);
    sr_wait(r, 2 * RIG_HOUR);
    sr_clear(r);
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    sr_state(r, 0, STANDING_QUARANTINED);
    sr_list(r, 1, "z", 9, false);
    sr_state(r, 1, STANDING_PROBATION); /* too weak to act by itself */
    sr_list(r, 1, "y", 15, false);
    sr_state(r, 1, STANDING_QUARANTINED);
    sr_list(r, 2, "drop", 100, true);
    sr_state(r, 2, STANDING_LISTED);
    assert_true(sr_logged(r, "c probation>quarantined: listed by drop"));
    assert_true(sr_logged(r, "c quarantined>listed: listed by drop"));
}

static void test_too_many_refused(void **state)
{
    struct standing_rig *r = *state;
    r->member[0].warmup_ms = r->now_ms;
    sr_configure(r);
    sr_deliver(r, 0, "p", 597);
    for (int i = 0; i < 3; i++)
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 7, false); /* one sender: no points */
    sr_wait(r, 73 * RIG_HOUR);
    sr_state(r, 0, STANDING_PROBATION); /* 0.5 % */
    sr_deliver(r, 0, "p", 1);
    sr_state(r, 0, STANDING_CLEAN);
}

static void fall_by_providers(struct standing_rig *r)
{
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    sr_reply(r, 0, "q", STANDING_IP_BLOCKED, 1, true);
}

static void fall_by_a_list(struct standing_rig *r)
{
    if (sr_view(r, 0).state == STANDING_CLEAN)
        fall_by_providers(r);
    else
        sr_list(r, 0, "z", 15, false);
}

static void check_dwells(struct standing_rig *r, void (*fall)(struct standing_rig *),
                         const int64_t *hours, size_t n)
{
    r->idle = true;
    for (size_t i = 0; i < n; i++) {
        fall(r);
        sr_state(r, 0, STANDING_QUARANTINED);
        int64_t dwell = sr_view(r, 0).until_ms - r->now_ms;
        assert_int_equal(dwell / RIG_HOUR, hours[i]);
        for (int k = 0; k < 3; k++) {
            sr_clear_check(r, 0, "z");
            sr_wait(r, 15 * RIG_MINUTE);
        }
        int64_t least = 18 * RIG_HOUR; /* 60 points fall below 10 in 15.5 h */
        sr_wait(r, (dwell > least ? dwell : least) - 45 * RIG_MINUTE);
        sr_state(r, 0, STANDING_PROBATION);
    }
}

/* One hour, doubled with each relapse within a week, at most a week. */
static void test_dwell(void **state)
{
    struct standing_rig *r = *state;
    static const int64_t hours[] = { 1, 2, 4, 8, 16, 32, 64, 128, 168, 168 };
    check_dwells(r, fall_by_a_list, hours, sizeof hours / sizeof hours[0]);
    sr_wait(r, 8 * RIG_DAY);
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    assert_int_equal(sr_view(r, 0).until_ms - r->now_ms, RIG_HOUR);
}

/* What one provider says while it proves itself keeps it out for a day at most. */
static void test_dwell_for_one_provider(void **state)
{
    static const int64_t hours[] = { 1, 2, 4, 8, 16, 24, 24, 24 };
    check_dwells(*state, fall_by_providers, hours, sizeof hours / sizeof hours[0]);
}

/* A weak listing stands on, for years perhaps: let out to prove itself it may become clean, and
 * only what is new puts it back. */
static void test_a_weak_listing_ends_no_quarantine(void **state)
{
    struct standing_rig *r = *state;
    sr_list(r, 0, "z", 15, false);
    fall_by_providers(r);
    sr_wait(r, 6 * RIG_MINUTE);
    sr_state(r, 0, STANDING_QUARANTINED);
    sr_wait(r, 17 * RIG_HOUR);
    sr_state(r, 0, STANDING_PROBATION);
    assert_true(near(sr_view(r, 0).share, 0.1));
    sr_list(r, 0, "z", 15, false); /* as before */
    sr_state(r, 0, STANDING_PROBATION);
    sr_deliver(r, 0, "p", 600);
    sr_wait(r, 73 * RIG_HOUR);
    sr_state(r, 0, STANDING_CLEAN);
    sr_list(r, 1, "z", 15, false);
    sr_list(r, 1, "y", 5, false);
    sr_wait(r, RIG_MINUTE);
    sr_state(r, 1, STANDING_SUSPECT);
}

static void test_acknowledge(void **state)
{
    struct standing_rig *r = *state;
    struct err err;
    r->config.acknowledge = true;
    sr_configure(r);
    r->idle = true;
    assert_int_equal(standing_order(r->s, 0, STANDING_ACKNOWLEDGE, r->now_ms, &err), RC_DENIED);
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    sr_reply(r, 0, "q", STANDING_IP_BLOCKED, 1, true);
    sr_wait(r, 3 * RIG_DAY);
    sr_state(r, 0, STANDING_QUARANTINED);
    assert_true(sr_view(r, 0).wants_ack);
    sr_names(r, 0, STANDING_NAME_BROKEN);
    assert_int_equal(standing_order(r->s, 0, STANDING_ACKNOWLEDGE, r->now_ms, &err), RC_OK);
    assert_false(sr_view(r, 0).wants_ack);
    sr_wait(r, RIG_MINUTE);
    sr_state(r, 0, STANDING_QUARANTINED); /* names are checked before it is let out */
    sr_names(r, 0, STANDING_NAME_OK);
    sr_state(r, 0, STANDING_PROBATION);
}

/* What was known is lost: nobody is sure of anything, but mail goes on. */
static void test_in_doubt(void **state)
{
    struct standing_rig *r = *state;
    struct standing_hooks hooks = { NULL, NULL };
    standing_free(&r->s);
    r->s = standing_new(&hooks, r->now_ms);
    r->member[3].warmup_ms = r->now_ms;
    standing_doubt(r->s);
    sr_configure(r);
    sr_state(r, 0, STANDING_SUSPECT);
    sr_state(r, 3, STANDING_PROBATION);
    for (int m = 0; m < 4; m++)
        assert_true(sr_view(r, m).eligible);
    assert_non_null(strstr(sr_view(r, 0).reason.p, "lost"));
    sr_wait(r, 29 * RIG_MINUTE);
    sr_state(r, 0, STANDING_SUSPECT);
    sr_wait(r, 2 * RIG_MINUTE);
    sr_state(r, 0, STANDING_CLEAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_suspect_and_back, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_calm_is_interrupted, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_hard_listing, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_drain_deadline, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_two_providers, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_many_points, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_probation_ends_early, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_refused, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_dwell, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_dwell_for_one_provider, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_a_weak_listing_ends_no_quarantine, sr_set_up,
                                        sr_tear_down),
        cmocka_unit_test_setup_teardown(test_acknowledge, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_in_doubt, sr_set_up, sr_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
