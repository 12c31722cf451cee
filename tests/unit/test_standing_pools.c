/*
 * tests/unit/test_standing_pools — what a pool can spare, and what it does when it cannot
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/standing_rig.h"

static uint32_t eligible(const struct standing_rig *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < standing_member_n(r->s); i++)
        n += sr_view(r, (int)i).eligible;
    return n;
}

static void test_half_a_pool(void **state)
{
    struct standing_rig *r = *state;
    for (int m = 0; m < 4; m++)
        sr_condemn(r, m);
    assert_int_equal(eligible(r), 2);
    sr_state(r, 2, STANDING_SUSPECT);
    assert_true(sr_view(r, 2).capped && fabs(sr_view(r, 2).share - 0.5) < 1e-9);
    assert_non_null(strstr(sr_view(r, 2).todo, "cannot spare"));
    sr_list(r, 2, "drop", 100, true); /* hard lists always count */
    sr_list(r, 3, "drop", 100, true);
    assert_int_equal(eligible(r), 2); /* the others come back for them */
    assert_true(sr_logged(r, "a draining>suspect: its pool cannot spare it any more"));
    assert_true(sr_view(r, 0).capped && sr_view(r, 1).capped && !sr_logged(r, "pool_empty"));
    sr_list(r, 0, "drop", 100, true);
    sr_list(r, 1, "drop", 100, true);
    assert_int_equal(eligible(r), 0);
    assert_true(sr_logged(r, "pool_empty 0"));
    uint32_t events = r->events;
    sr_wait(r, 20 * RIG_MINUTE);
    for (uint32_t i = events; i < r->events; i++)
        assert_null(strstr(r->log[i], "pool_"));
    assert_false(sr_view(r, 0).last_resort); /* hold */
    assert_int_equal(sr_order(r, 0, STANDING_RESET), RC_OK);
    assert_true(sr_logged(r, "pool_back 0"));
}

static void blocked_by(struct standing_rig *r, int m, const char *provider)
{
    for (int i = 0; i < 3; i++)
        sr_reply(r, m, provider, STANDING_IP_BLOCKED, 1, true);
    assert_int_equal(sr_provider(r, m, provider).state, STANDING_BLOCKED);
}

/* Mail to a provider that blocks the last address it could take waits: somebody has to know. */
static void test_who_is_blocked_as_the_last_one_of_a_pool(void **state)
{
    struct standing_rig *r = *state;
    struct standing_set pools[2] = { { { 0x7 } }, { { 0x9 } } }; /* abc, ad */
    r->config.pool = pools;
    r->config.pool_n = 2;
    sr_configure(r);
    blocked_by(r, 1, "qq");
    blocked_by(r, 2, "gmail");
    blocked_by(r, 2, "qq");
    assert_false(sr_logged(r, "alone")); /* a is left everywhere */
    blocked_by(r, 3, "qq");
    assert_false(sr_logged(r, "alone"));
    blocked_by(r, 0, "qq");
    assert_true(sr_logged(r, "a@qq clean>blocked, alone"));
    sr_clear(r);
    standing_fault(r->s, 1, EGRESS_UNPLUMBED, r->now_ms);
    assert_int_equal(sr_order(r, 3, STANDING_DISABLE), RC_OK);
    blocked_by(r, 0, "gmail"); /* b has no line, d may not */
    assert_true(sr_logged(r, "a@gmail clean>blocked, alone"));
}

static void end_listing(struct standing_rig *r, int m)
{
    for (int i = 0; i < 3; i++) {
        sr_clear_check(r, m, "drop");
        sr_wait(r, 16 * RIG_MINUTE);
    }
}

/* A hard listing empties a pool; when it ends, what is left of it does not: it would be twenty
 * hours before it is worth little, for an entry that may have been a mistake of minutes. */
static void test_a_pool_is_back_when_the_listing_ends(void **state)
{
    struct standing_rig *r = *state;
    for (int acknowledge = 0; acknowledge < 2; acknowledge++) {
        r->config.acknowledge = acknowledge;
        sr_configure(r);
        for (int m = 0; m < 4; m++)
            sr_list(r, m, "drop", 100, true);
        sr_wait(r, 6 * RIG_MINUTE);
        assert_int_equal(eligible(r), 0);
        sr_state(r, 0, STANDING_LISTED);
        sr_restart(r);
        for (int m = 0; m < 4; m++)
            end_listing(r, m);
        assert_int_equal(eligible(r), acknowledge ? 0 : 2);
        sr_clear(r);
        sr_wait(r, 2 * RIG_HOUR);
        assert_int_equal(eligible(r), acknowledge ? 0 : 2); /* no more than it needs */
        for (int m = 0; m < 4; m++) {
            sr_state(r, m, sr_view(r, m).eligible ? STANDING_SUSPECT : STANDING_QUARANTINED);
            assert_int_equal(sr_order(r, m, STANDING_RESET), RC_OK);
        }
    }
}

/* Of two that are out by soft evidence the one with less of it is back. */
static void test_the_least_evidence_is_let_back(void **state)
{
    struct standing_rig *r = *state;
    sr_list(r, 0, "policy", 50, false);
    for (int m = 0; m < 2; m++)
        sr_condemn(r, m);
    assert_false(sr_view(r, 0).eligible || sr_view(r, 1).eligible);
    assert_true(sr_points(r, 0) > sr_points(r, 1));
    sr_list(r, 2, "drop", 100, true);
    assert_true(sr_view(r, 1).eligible && !sr_view(r, 0).eligible);
}

/* No more than half is out, but fewer than min_active are left. */
static void test_let_back_for_min_active(void **state)
{
    struct standing_rig *r = *state;
    r->config.min_active = 3;
    sr_configure(r);
    sr_condemn(r, 0);
    assert_false(sr_view(r, 0).eligible);
    sr_list(r, 1, "drop", 100, true);
    assert_true(sr_view(r, 0).eligible && sr_view(r, 0).capped);
}

/* What it was capped for holds for an hour: after that the points decide. */
static void test_two_providers_an_hour_ago(void **state)
{
    struct standing_rig *r = *state;
    r->config.min_active = 4;
    sr_configure(r);
    sr_condemn(r, 0);
    assert_true(sr_view(r, 0).capped);
    sr_wait(r, 61 * RIG_MINUTE);
    assert_true(sr_points(r, 0) < standing_weights.drain);
    r->config.min_active = 0;
    sr_configure(r);
    assert_true(sr_view(r, 0).eligible && !sr_view(r, 0).capped);
}

static void list_with_most(struct standing_rig *r, int m, bool many)
{
    struct standing_check c = { .source = slice_of("drop"),
                                .points = 100,
                                .hard = true,
                                .many = many,
                                .verdict = STANDING_IS_LISTED };
    standing_listing(r->s, m, &c, r->now_ms);
}

/* A hard list that has most of us at once may be wrong: mail goes on by half. */
static void test_a_list_that_has_all_of_us_takes_half(void **state)
{
    struct standing_rig *r = *state;
    struct standing_evidence e;
    for (int m = 0; m < 4; m++)
        list_with_most(r, m, true);
    assert_int_equal(eligible(r), 2);
    assert_true(sr_view(r, 3).capped && sr_view(r, 3).eligible);
    sr_restart(r);
    sr_wait(r, RIG_DAY);
    assert_int_equal(eligible(r), 2);
    assert_int_equal(standing_evidence(r->s, 3, r->now_ms, &e, 1), 1);
    assert_true(e.many && !e.hard && e.standing);
    list_with_most(r, 3, false); /* it has let go of the others, not of this one */
    assert_false(sr_view(r, 3).eligible);
    assert_int_equal(eligible(r), 2);
    assert_false(sr_logged(r, "pool_empty"));
}

/* A place that gets free goes to the one that waits for it. */
static void test_cap_is_looked_at_again(void **state)
{
    struct standing_rig *r = *state;
    for (int m = 0; m < 3; m++)
        sr_condemn(r, m);
    sr_state(r, 2, STANDING_SUSPECT);
    assert_int_equal(sr_order(r, 0, STANDING_RESET), RC_OK);
    assert_false(sr_view(r, 2).eligible);
}

static void test_min_active(void **state)
{
    struct standing_rig *r = *state;
    r->config.min_active = 3;
    sr_configure(r);
    for (int m = 0; m < 4; m++)
        sr_condemn(r, m);
    assert_int_equal(eligible(r), 3);
}

static void test_pools(void **state)
{
    struct standing_rig *r = *state;
    struct standing_set pools[2] = { { { 0x3 } }, { { 0xe } } }; /* a b, b c d */
    r->config.pool = pools;
    r->config.pool_n = 2;
    sr_configure(r);
    sr_condemn(r, 1); /* b is of both */
    sr_condemn(r, 0);
    sr_condemn(r, 2);
    sr_state(r, 0, STANDING_SUSPECT);
    sr_state(r, 2, STANDING_SUSPECT); /* 2 of 3 would be more than half */
    sr_list(r, 0, "drop", 100, true);
    sr_state(r, 1, STANDING_SUSPECT); /* both pools can do without it, but not the first one now */
    sr_list(r, 1, "drop", 100, true);
    assert_true(sr_logged(r, "pool_empty 0") && !sr_logged(r, "pool_empty 1"));
}

static void test_last_resort(void **state)
{
    struct standing_rig *r = *state;
    r->config.last_resort = STANDING_SEND;
    sr_configure(r);
    sr_order(r, 3, STANDING_DISABLE);
    sr_list(r, 0, "drop", 100, true);
    sr_condemn(r, 1);
    sr_list(r, 2, "drop", 100, true);
    sr_list(r, 1, "pbl", 60, false);
    sr_condemn(r, 1);
    assert_int_equal(eligible(r), 1); /* b: 1 of 3 left */
    sr_list(r, 1, "drop", 100, true);
    assert_int_equal(eligible(r), 0);
    sr_wait(r, 10 * RIG_MINUTE);
    assert_true(sr_view(r, 0).last_resort && !sr_view(r, 0).eligible);
    assert_false(sr_view(r, 1).last_resort || sr_view(r, 3).last_resort);
    assert_true(standing_take(r->s, 0, slice_of("x"), 3, r->now_ms) == 3);
    assert_true(standing_take(r->s, 1, slice_of("x"), 3, r->now_ms) == 0);
    sr_order(r, 3, STANDING_ENABLE);
    assert_false(sr_view(r, 0).last_resort);
}

/* None is on a hard list any more: quarantined before listed. */
static void test_last_resort_by_state(void **state)
{
    struct standing_rig *r = *state;
    r->config.last_resort = STANDING_SEND;
    r->config.member_n = 2;
    r->config.acknowledge = true;
    r->idle = true;
    sr_configure(r);
    for (int m = 0; m < 2; m++)
        sr_list(r, m, "drop", 100, true);
    sr_list(r, 0, "policy", 60, false);
    for (int i = 0; i < 3; i++) {
        sr_wait(r, 15 * RIG_MINUTE);
        for (int m = 0; m < 2; m++)
            sr_clear_check(r, m, "drop");
    }
    sr_state(r, 0, STANDING_LISTED);
    sr_state(r, 1, STANDING_QUARANTINED);
    assert_true(sr_view(r, 1).last_resort && !sr_view(r, 0).last_resort);
}

/* No state changes, but who is on a hard list does: another is the least bad, and the relay is to
 * be told. */
static void test_last_resort_follows_the_lists(void **state)
{
    struct standing_rig *r = *state;
    r->config.last_resort = STANDING_SEND;
    r->config.member_n = 2;
    r->idle = true;
    sr_configure(r);
    for (int m = 0; m < 2; m++) {
        sr_list(r, m, "drop", 100, true);
        sr_list(r, m, "policy", 60, false);
    }
    assert_true(sr_view(r, 0).last_resort && !sr_view(r, 1).last_resort);
    for (int i = 0; i < 3; i++) {
        uint64_t version = standing_version(r->s);
        sr_wait(r, 15 * RIG_MINUTE);
        sr_clear_check(r, 1, "drop");
        assert_true((standing_version(r->s) > version) == (i == 2));
    }
    sr_state(r, 1, STANDING_LISTED);
    assert_true(sr_view(r, 1).last_resort && !sr_view(r, 0).last_resort);
    sr_list(r, 1, "drop", 100, true);
    assert_true(sr_view(r, 0).last_resort && !sr_view(r, 1).last_resort);
}

/* ---- faults ---- */

/* It carries nothing just now, so the other has to, whatever speaks against that. */
static void test_a_pool_does_not_rely_on_a_fault(void **state)
{
    struct standing_rig *r = *state;
    r->config.member_n = 2;
    sr_configure(r);
    standing_fault(r->s, 1, EGRESS_PATHS_DOWN, r->now_ms);
    sr_condemn(r, 0);
    assert_true(sr_view(r, 0).eligible && sr_view(r, 0).capped);
    sr_restart(r);
    assert_true(sr_view(r, 0).eligible);
    standing_fault(r->s, 1, EGRESS_FINE, r->now_ms);
    sr_state(r, 0, STANDING_DRAINING); /* now there is another */
    sr_wait(r, 10 * RIG_MINUTE);
    sr_state(r, 0, STANDING_QUARANTINED);
    standing_fault(r->s, 1, EGRESS_PROXY_DOWN, r->now_ms);
    sr_state(r, 0, STANDING_SUSPECT);
    assert_true(sr_logged(r, "a quarantined>suspect: its pool cannot spare it any more"));
    assert_false(sr_logged(r, "pool_empty"));
}

/* Nothing is known against it: it is usable as soon as it is back, and nobody is alarmed. */
static void test_a_fault_is_no_bar(void **state)
{
    struct standing_rig *r = *state;
    for (int m = 0; m < 4; m++)
        standing_fault(r->s, m, EGRESS_UNPLUMBED, r->now_ms);
    assert_int_equal(eligible(r), 4);
    assert_int_equal(r->events, 0);
    assert_non_null(strstr(sr_view(r, 0).todo, "on this machine"));
    standing_fault(r->s, 0, EGRESS_PATHS_DOWN, r->now_ms);
    assert_non_null(strstr(sr_view(r, 0).todo, "others get through"));
    sr_condemn(r, 0); /* none works: none is taken out */
    assert_int_equal(eligible(r), 4);
    sr_list(r, 0, "drop", 100, true); /* but that stands whatever happens */
    sr_state(r, 0, STANDING_DRAINING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_is_blocked_as_the_last_one_of_a_pool, sr_set_up,
                                        sr_tear_down),
        cmocka_unit_test_setup_teardown(test_a_pool_is_back_when_the_listing_ends, sr_set_up,
                                        sr_tear_down),
        cmocka_unit_test_setup_teardown(test_half_a_pool, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_the_least_evidence_is_let_back, sr_set_up,
                                        sr_tear_down),
        cmocka_unit_test_setup_teardown(test_let_back_for_min_active, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_two_providers_an_hour_ago, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_last_resort_by_state, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_last_resort_follows_the_lists, sr_set_up,
                                        sr_tear_down),
        cmocka_unit_test_setup_teardown(test_a_list_that_has_all_of_us_takes_half, sr_set_up,
                                        sr_tear_down),
        cmocka_unit_test_setup_teardown(test_cap_is_looked_at_again, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_min_active, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_pools, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_last_resort, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_a_pool_does_not_rely_on_a_fault, sr_set_up,
                                        sr_tear_down),
        cmocka_unit_test_setup_teardown(test_a_fault_is_no_bar, sr_set_up, sr_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
