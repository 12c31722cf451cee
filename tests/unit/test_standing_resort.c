/*
 * tests/unit/test_standing_resort — a provider blocks all that could carry its mail, and the
 * operator said `send`
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/advice_rig.h"
#include "tests/support/standing_rig.h"

static void block(struct standing_rig *r, int m)
{
    for (uint64_t i = 0; i < 3; i++)
        sr_reply(r, m, "p", STANDING_IP_BLOCKED, i, true);
    assert_int_equal(sr_provider(r, m, "p").state, STANDING_BLOCKED);
}

/* The member that carries its mail all the same, by what is shown of all. */
static int resort(const struct standing_rig *r)
{
    int found = STANDING_NONE;
    for (int m = 0; m < (int)standing_member_n(r->s); m++) {
        struct standing_provider_view v = sr_provider(r, m, "p");
        assert_int_equal(strstr(v.does, "all the same") != NULL, v.last_resort);
        assert_true(!v.last_resort || (found == STANDING_NONE && !v.eligible && !v.canary));
        found = v.last_resort ? m : found;
    }
    return found;
}

static uint32_t take(struct standing_rig *r, int m, uint32_t want)
{
    return standing_take(r->s, m, slice_of("p"), want, r->now_ms);
}

/* Four, of which d is disabled; a is blocked first, and both it and b had much mail before. */
static void all_are_blocked(struct standing_rig *r, enum standing_last_resort what)
{
    r->config.last_resort = (uint8_t)what;
    r->member[3].disabled = true;
    sr_configure(r);
    sr_deliver(r, 0, "p", 1597);
    sr_deliver(r, 1, "p", 1597);
    for (int m = 0; m < 3; m++) {
        assert_int_equal(resort(r), STANDING_NONE); /* one is free */
        block(r, m);
        sr_wait(r, RIG_MINUTE);
    }
}

static void test_hold(void **state)
{
    struct standing_rig *r = *state;
    all_are_blocked(r, STANDING_HOLD);
    assert_int_equal(resort(r), STANDING_NONE);
    for (int m = 0; m < 4; m++)
        assert_int_equal(take(r, m, 1), 0);
    sr_reply(r, 0, "p", STANDING_DELIVERED, 1, false); /* from before */
    assert_int_equal(sr_provider(r, 0, "p").state, STANDING_BLOCKED);
    r->config.last_resort = STANDING_SEND; /* a reload changes it, and back */
    uint64_t version = standing_version(r->s);
    sr_configure(r);
    assert_true(resort(r) == 0 && standing_version(r->s) > version);
    r->config.last_resort = STANDING_HOLD;
    sr_configure(r);
    assert_true(resort(r) == STANDING_NONE && take(r, 0, 1) == 0);
}

/* A sixteenth of a busy hour, a twelfth of that at once, whatever is asked for. */
static void test_at_the_lowest_rate(void **state)
{
    struct standing_rig *r = *state;
    all_are_blocked(r, STANDING_SEND);
    assert_int_equal(resort(r), 0);
    assert_true(fabs(sr_provider(r, 0, "p").quota_per_hour - 100) < 1e-6);
    assert_int_equal(take(r, 0, 50), 8);
    standing_give_back(r->s, 0, slice_of("p"), 3, r->now_ms);
    assert_int_equal(take(r, 0, 50), 3);
    uint32_t all = 0;
    for (int i = 0; i < 60; i++) {
        sr_wait(r, RIG_MINUTE);
        all += take(r, 0, 50);
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    }
    assert_in_range(all, 99, 100);
    assert_int_equal(take(r, 1, 1) + take(r, 2, 1) + take(r, 3, 1), 0);
}

/* Refused while it is known: nothing is added, and the mail stays with one address. After its time
 * it is blocked for longer, and the next is tried. */
static void test_who_is_refused_stays_for_a_while(void **state)
{
    struct standing_rig *r = *state;
    all_are_blocked(r, STANDING_SEND);
    int64_t until_ms = sr_provider(r, 0, "p").until_ms;
    double points = sr_points(r, 0);
    sr_clear(r);
    for (int i = 0; i < 20; i++) {
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, (uint64_t)i, true);
        assert_int_equal(resort(r), 0);
    }
    sr_restart(r);
    assert_int_equal(resort(r), 0);
    assert_true(r->events == 0 && sr_provider(r, 0, "p").until_ms == until_ms);
    assert_true(sr_points(r, 0) <= points);
    sr_wait(r, 2 * RIG_HOUR);
    assert_int_equal(resort(r), 0);
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    assert_true(sr_logged(r, "a@p blocked>blocked, alone: what is sent all the same is still"));
    assert_int_equal(sr_provider(r, 0, "p").until_ms - r->now_ms, 4 * RIG_HOUR);
    assert_int_equal(resort(r), 1);
    for (int m = 1; m < 3; m++)
        sr_reply(r, m, "p", STANDING_IP_BLOCKED, 1, true); /* each at its turn */
    assert_int_equal(resort(r), 0);                        /* alike: the first */
}

static void test_accepted(void **state)
{
    struct standing_rig *r = *state;
    all_are_blocked(r, STANDING_SEND);
    sr_reply(r, 1, "p", STANDING_DELIVERED, 1, false); /* from before */
    sr_reply(r, 0, "p", STANDING_CONTENT, 1, false);   /* tells nothing */
    assert_int_equal(resort(r), 0);
    sr_reply(r, 0, "p", STANDING_DELIVERED, 1, false);
    assert_true(sr_logged(r, "a@p blocked>throttled: it accepts what is sent all the same"));
    assert_int_equal(sr_provider(r, 0, "p").state, STANDING_THROTTLED);
    assert_true(fabs(sr_provider(r, 0, "p").quota_per_hour - 100) < 1);
    assert_int_equal(resort(r), STANDING_NONE); /* one is free */
    block(r, 0);
    assert_int_equal(sr_provider(r, 0, "p").until_ms - r->now_ms, 4 * RIG_HOUR);
    assert_int_equal(resort(r), 1);
    sr_reply(r, 1, "p", STANDING_IP_THROTTLED, 1, false);
    assert_int_equal(sr_provider(r, 1, "p").state, STANDING_THROTTLED);
}

/* Who cannot send at all just now is no resort; and who is free but for that is waited for. */
static void test_faults(void **state)
{
    struct standing_rig *r = *state;
    all_are_blocked(r, STANDING_SEND);
    standing_fault(r->s, 0, EGRESS_PROXY_DOWN, r->now_ms);
    assert_int_equal(resort(r), 1);
    standing_fault(r->s, 1, EGRESS_PATHS_DOWN, r->now_ms);
    standing_fault(r->s, 2, EGRESS_UNPLUMBED, r->now_ms);
    assert_int_equal(resort(r), 0);
    r->member[3].disabled = false;
    sr_configure(r);
    assert_int_equal(resort(r), STANDING_NONE);
    standing_fault(r->s, 3, EGRESS_UNPLUMBED, r->now_ms);
    assert_int_equal(resort(r), STANDING_NONE);
}

/* Each pool has one of its own; and who may carry nothing at all is none. */
static void test_pools(void **state)
{
    struct standing_rig *r = *state;
    struct standing_set pools[2] = { { { 0x3 } }, { { 0xc } } }; /* ab, cd */
    r->config.pool = pools;
    r->config.pool_n = 2;
    r->config.last_resort = STANDING_SEND;
    sr_configure(r);
    block(r, 1);
    block(r, 2);
    assert_int_equal(resort(r), STANDING_NONE);
    assert_int_equal(sr_order(r, 3, STANDING_DISABLE), RC_OK);
    assert_int_equal(resort(r), 2);
    assert_int_equal(sr_order(r, 3, STANDING_ENABLE), RC_OK);
    sr_list(r, 0, "drop", 100, true);
    assert_int_equal(resort(r), 1);
    sr_list(r, 1, "drop", 100, true); /* nothing is left: the least bad of all, there too */
    assert_int_equal(sr_view(r, 0).last_resort + sr_view(r, 1).last_resort, 1);
    assert_int_equal(resort(r), sr_view(r, 1).last_resort ? 1 : STANDING_NONE);
    assert_int_equal(sr_order(r, 1, STANDING_RESET), RC_OK);
    assert_int_equal(resort(r), STANDING_NONE);
}

/* Blocked for equally long: rather one that has not fallen again and again. */
static void test_falls(void **state)
{
    struct standing_rig *r = *state;
    r->idle = true;
    r->config.last_resort = STANDING_SEND;
    sr_configure(r);
    for (int i = 0; i < 2; i++) {
        sr_condemn(r, 0);
        sr_wait(r, 24 * RIG_HOUR);
        sr_state(r, 0, STANDING_PROBATION);
    }
    assert_int_equal(sr_view(r, 0).relapses, 1);
    r->config.min_active = 4; /* nobody can be spared */
    sr_configure(r);
    for (int m = 0; m < 4; m++)
        block(r, m);
    assert_int_equal(resort(r), 1);
}

static void set_send(struct standing *s, const struct standing_member *member, uint32_t n)
{
    struct standing_config config = { .member = member,
                                      .member_n = n,
                                      .last_resort = STANDING_SEND };
    standing_configure(s, &config, T0);
}

/* One address of an egress carries it, at the pace of the row; the others are left out. */
static void test_what_the_relay_is_told(void **state)
{
    (void)state;
    struct standing_member member[] = {
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.1") },
        { .egress = SLICE_LIT("two"), .address = advice_rig_address("203.0.113.2") },
        { .egress = SLICE_LIT("two"), .address = advice_rig_address("203.0.113.3") },
    };
    struct standing *s = advice_rig_of(member, 3);
    struct slice google = SLICE_LIT("google");
    set_send(s, member, 3);
    for (int m = 2; m >= 0; m--)
        for (uint64_t i = 1; i <= 3; i++)
            advice_rig_refuse(s, m, "google", i, T0 + (2 - m));
    struct advice *a = advice_rig_table(s, T0 + 3);
    const struct advice_standing *one = advice_standing(a, ONE, google),
                                 *two = advice_standing(a, TWO, google),
                                 *out = advice_source(a, TWO, google, &member[1].address);
    assert_true(one && one->share <= 0 && !one->last_resort);
    assert_true(two && two->share > 0 && two->share < 1 && two->per_hour == 1);
    assert_true(two->last_resort);
    assert_null(advice_source(a, TWO, google, &member[2].address));
    assert_true(out && out->share <= 0 && !out->last_resort);
    advice_unref(&a);
    standing_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hold, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_at_the_lowest_rate, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_who_is_refused_stays_for_a_while, sr_set_up,
                                        sr_tear_down),
        cmocka_unit_test_setup_teardown(test_accepted, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_faults, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_pools, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_falls, sr_set_up, sr_tear_down),
        cmocka_unit_test(test_what_the_relay_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
