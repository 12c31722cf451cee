/*
 * tests/unit/test_standing_points — each weight, and how points decay or stand
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "tests/support/standing_rig.h"

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

/* 10 of 100 for a; of the others two have 6 of 60, so its senders may be to blame. */
static void w_content_of_most(struct standing_rig *r)
{
    for (int m = 1; m < 4; m++)
        for (int i = 0; i < 60; i++)
            sr_reply(r, m, "p", i < 6 && m > 1 ? STANDING_CONTENT : STANDING_OTHER, 1, false);
    for (int i = 0; i < 100; i++)
        sr_reply(r, 0, "p", i % 10 ? STANDING_OTHER : STANDING_CONTENT, 1, false);
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
        { "content refused to most of us", w_content_of_most, 0 },
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

/* A list that died after it named us: it bars the address for a day after it was last heard of, and
 * a restart changes nothing about that. */
static void test_a_dead_list_is_forgotten(void **state)
{
    struct standing_rig *r = *state;
    sr_list(r, 0, "dead", 100, true);
    sr_list(r, 1, "alive", 100, true);
    sr_wait(r, 40 * RIG_HOUR);
    sr_list(r, 0, "dead", 100, true);
    for (int hour = 3; hour < 24; hour++) {
        sr_wait(r, RIG_HOUR);
        sr_silent(r, 0, "dead");
        sr_list(r, 1, "alive", 100, true);
        sr_silent(r, 1, "alive");
        if (hour == 10)
            sr_restart(r);
    }
    sr_state(r, 0, STANDING_LISTED);
    sr_wait(r, 3 * RIG_HOUR);
    sr_state(r, 0, STANDING_LISTED); /* nobody looked: silence is what the list's watch says */
    sr_silent(r, 0, "dead");
    sr_silent(r, 1, "alive");
    sr_state(r, 0, STANDING_QUARANTINED);
    sr_state(r, 1, STANDING_LISTED);
    assert_true(near(sr_points(r, 0), 100 * pow(0.5, 64.0 / 6)));
    sr_wait(r, RIG_HOUR);
    sr_state(r, 0, STANDING_PROBATION);
    sr_list(r, 0, "dead", 100, true); /* it was only away */
    sr_state(r, 0, STANDING_LISTED);
}

/* As the version before wrote it: what that did not know of is as if it had never been. */
static void test_kept_by_the_version_before(void **state)
{
    static const struct standing_hooks none = { NULL, NULL };
    static char bytes[65536];
    struct standing *s = NULL;
    struct buf again;
    (void)state;
    FILE *f = fopen("tests/fuzz/corpus/standing/lived", "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    assert_int_equal(fclose(f), 0);
    assert_memory_equal(bytes, "WPs1", 4);
    assert_int_equal(standing_unpack((struct slice){ bytes, n }, &none, &s, NULL), RC_OK);
    buf_init(&again, STANDING_PACK_MAX);
    standing_pack(s, &again);
    standing_free(&s);
    assert_memory_equal(buf_slice(&again).p, "WPs3", 4);
    assert_int_equal(standing_unpack(buf_slice(&again), &none, &s, NULL), RC_OK);
    standing_free(&s);
    buf_free(&again);
}

/* One receiver that refuses slowly, for two days: suspect, but out of nothing. A second one that
 * says the same is another matter. */
static void test_one_receiver_drains_nobody(void **state)
{
    struct standing_rig *r = *state;
    for (int i = 0; i < 180; i++) {
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
        sr_wait(r, 16 * RIG_MINUTE);
        assert_true(sr_points(r, 0) <= 30 + 1e-9);
        assert_true(sr_view(r, 0).eligible);
    }
    sr_state(r, 0, STANDING_SUSPECT);
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    sr_reply(r, 0, "q", STANDING_IP_BLOCKED, 1, true);
    sr_wait(r, RIG_MINUTE);
    assert_false(sr_view(r, 0).eligible);
}

/* A bounce of theirs has no domain: it makes no second sender. */
static void test_the_null_sender_is_nobody(void **state)
{
    struct standing_rig *r = *state;
    for (int i = 0; i < 5; i++) {
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, false);
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 0, false);
    }
    assert_true(near(sr_points(r, 0), 0));
    sr_reply(r, 0, "q", STANDING_IP_BLOCKED, 1, false);
    sr_reply(r, 0, "q", STANDING_IP_BLOCKED, 0, false);
    sr_reply(r, 0, "q", STANDING_IP_BLOCKED, 2, false); /* nor does it hide one */
    assert_true(near(sr_points(r, 0), 30));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test_setup_teardown(test_decay, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_listing_holds, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_a_dead_list_is_forgotten, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_kept_by_the_version_before, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_one_receiver_drains_nobody, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_the_null_sender_is_nobody, sr_set_up, sr_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
