/*
 * tests/unit/test_standing — each row of the state machine, each weight, the caps
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "tests/support/standing_rig.h"

static int set_up(void **state)
{
    struct standing_rig *r = mem_zero(sizeof *r);
    sr_open(r, 4);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    sr_close(*state);
    free(*state);
    return 0;
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

/* ---- weights ---- */

static void w_throttled(struct standing_rig *r)
{
    sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
}

static void w_throttled_often(struct standing_rig *r)
{
    for (int i = 0; i < 50; i++)
        sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
}

static void w_blocked_one_domain(struct standing_rig *r)
{
    for (int i = 0; i < 20; i++)
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, false);
}

static void w_blocked_two_domains(struct standing_rig *r)
{
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, false);
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 2, false);
}

static void w_blocked_named(struct standing_rig *r)
{
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
}

static void w_blocked_domains_apart(struct standing_rig *r)
{
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, false);
    sr_wait(r, 15 * RIG_MINUTE);
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 2, false);
}

static void w_others(struct standing_rig *r)
{
    for (uint64_t i = 0; i < 30; i++)
        sr_reply(r, 0, "p", STANDING_OTHER, i, true);
}

static void w_names(struct standing_rig *r)
{
    standing_hygiene(r->s, 0, STANDING_NAME_BROKEN, STANDING_NAME_BROKEN, r->now_ms);
    standing_hygiene(r->s, 0, STANDING_NAME_UNKNOWN, STANDING_NAME_UNKNOWN, r->now_ms);
}

static void w_name_mended(struct standing_rig *r)
{
    w_names(r);
    standing_hygiene(r->s, 0, STANDING_NAME_OK, STANDING_NAME_OK, r->now_ms);
}

static void w_listed_twice(struct standing_rig *r)
{
    sr_list(r, 0, "z", 40, false);
    sr_list(r, 0, "z", 40, false);
}

static void w_listed_by_two(struct standing_rig *r)
{
    sr_list(r, 0, "z", 5, false);
    sr_list(r, 0, "y", 15, false);
}

static void w_unknown(struct standing_rig *r)
{
    struct standing_check c = {
        .source = slice_of("z"), .points = 100, .hard = true, .verdict = STANDING_UNKNOWN
    };
    standing_listing(r->s, 0, &c, r->now_ms);
}

static void w_good(struct standing_rig *r)
{
    sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
    sr_deliver(r, 0, "p", 20);
}

static void w_good_most(struct standing_rig *r)
{
    sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
    sr_deliver(r, 0, "p", 1000);
}

static void w_good_first(struct standing_rig *r)
{
    sr_deliver(r, 0, "p", 50); /* no credit for later */
    sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
}

/* 6 of 100 for a, nothing for b, c, d: they have 60 each. */
static void w_content(struct standing_rig *r)
{
    for (int m = 1; m < 4; m++)
        for (int i = 0; i < 60; i++)
            sr_reply(r, m, "p", STANDING_OTHER, 1, false);
    for (int i = 0; i < 94; i++)
        sr_reply(r, 0, "p", STANDING_OTHER, 1, false);
    for (int i = 0; i < 9; i++)
        sr_reply(r, 0, "p", STANDING_CONTENT, 1, false);
}

static void w_content_of_all(struct standing_rig *r)
{
    for (int i = 0; i < 800; i++)
        sr_reply(r, i % 4, "p", i % 40 < 4 ? STANDING_CONTENT : STANDING_OTHER, 1, false);
}

static void test_weights(void **state)
{
    static const struct {
        const char *what;
        void (*act)(struct standing_rig *r);
        double points;
    } rows[] = {
        { "throttled", w_throttled, 8 },
        { "throttled by one provider, on and on", w_throttled_often, 16 },
        { "blocked, one sender", w_blocked_one_domain, 0 },
        { "blocked, two senders", w_blocked_two_domains, 30 },
        { "blocked, our address named, once in 15 min", w_blocked_named, 30 },
        { "blocked, two senders 15 min apart", w_blocked_domains_apart, 0 },
        { "other classes", w_others, 0 },
        { "names broken", w_names, 20 },
        { "names mended", w_name_mended, 0 },
        { "listed, told twice", w_listed_twice, 40 },
        { "listed by two", w_listed_by_two, 20 },
        { "a check without an answer", w_unknown, 0 },
        { "good deliveries", w_good, 7 },
        { "good deliveries, most of an hour", w_good_most, 3 },
        { "good deliveries come first", w_good_first, 8 },
        { "content burst, once", w_content, 10 },
        { "content refused everywhere", w_content_of_all, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct standing_rig *r = mem_zero(sizeof *r);
        sr_open(r, 4);
        rows[i].act(r);
        if (!near(sr_points(r, 0), rows[i].points))
            fail_msg("%s: %f, expected %f", rows[i].what, sr_points(r, 0), rows[i].points);
        sr_close(r);
        free(r);
    }
}

static void test_decay(void **state)
{
    struct standing_rig *r = *state;
    w_blocked_two_domains(r);
    for (int64_t h = 1; h < 48; h++) {
        struct standing_view v;
        assert_true(standing_view(r->s, 0, r->now_ms + h * RIG_HOUR, &v));
        assert_true(near(v.points, 30 * pow(0.5, (double)h / 6)));
    }
    sr_wait(r, 6 * RIG_HOUR);
    assert_true(near(sr_points(r, 0), 15));
    sr_reply(r, 0, "q", STANDING_IP_THROTTLED, 1, false);
    assert_true(near(sr_points(r, 0), 23));
}

/* A listing holds while it stands and then is worth what it would have decayed to. */
static void test_listing_holds(void **state)
{
    struct standing_rig *r = *state;
    sr_list(r, 0, "z", 16, false);
    sr_wait(r, 12 * RIG_HOUR);
    assert_true(near(sr_points(r, 0), 16));
    for (int i = 0; i < 3; i++) {
        sr_clear_check(r, 0, "z");
        sr_clear_check(r, 0, "z"); /* too early to count */
        assert_true(near(sr_points(r, 0), i < 2 ? 16 : 16 * pow(0.5, 12.5 / 6)));
        sr_wait(r, 15 * RIG_MINUTE);
    }
    sr_list(r, 1, "z", 16, false);
    sr_clear_check(r, 1, "z");
    sr_wait(r, 15 * RIG_MINUTE);
    sr_clear_check(r, 1, "z");
    sr_list(r, 1, "z", 16, false); /* the count of clear checks begins anew */
    sr_wait(r, 15 * RIG_MINUTE);
    sr_clear_check(r, 1, "z");
    assert_true(near(sr_points(r, 1), 16));
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
    standing_sessions(r->s, 0, 3, r->now_ms);
    sr_list(r, 0, "drop", 100, true);
    sr_state(r, 0, STANDING_DRAINING);
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
    standing_sessions(r->s, 0, 0, r->now_ms);
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

/* One hour, doubled with each relapse within a week, at most a week. */
static void test_dwell(void **state)
{
    struct standing_rig *r = *state;
    static const int64_t hours[] = { 1, 2, 4, 8, 16, 32, 64, 128, 168, 168 };
    standing_sessions(r->s, 0, 0, r->now_ms);
    for (size_t i = 0; i < sizeof hours / sizeof hours[0]; i++) {
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
        sr_reply(r, 0, "q", STANDING_IP_BLOCKED, 1, true);
        sr_state(r, 0, STANDING_QUARANTINED);
        int64_t dwell = sr_view(r, 0).until_ms - r->now_ms;
        assert_int_equal(dwell / RIG_HOUR, hours[i]);
        int64_t least = 18 * RIG_HOUR; /* 60 points fall below 10 in 15.5 h */
        sr_wait(r, dwell > least ? dwell : least);
        sr_state(r, 0, STANDING_PROBATION);
    }
    sr_wait(r, 8 * RIG_DAY);
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    assert_int_equal(sr_view(r, 0).until_ms - r->now_ms, RIG_HOUR);
}

static void test_acknowledge(void **state)
{
    struct standing_rig *r = *state;
    struct err err;
    r->config.acknowledge = true;
    sr_configure(r);
    standing_sessions(r->s, 0, 0, r->now_ms);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test_setup_teardown(test_decay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_listing_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_suspect_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calm_is_interrupted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hard_listing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drain_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_providers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_points, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_probation_ends_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dwell, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_acknowledge, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
