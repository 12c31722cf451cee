/*
 * tests/unit/test_standing_quota — providers: overlays, canary, rates, warm-up and what may be sent
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

static uint32_t take(struct standing_rig *r, int m, const char *provider, uint32_t want)
{
    return standing_take(r->s, m, slice_of(provider), want, r->now_ms);
}

static void provider_state(const struct standing_rig *r, int m, const char *provider,
                           enum standing_state state)
{
    assert_string_equal(standing_state_names[sr_provider(r, m, provider).state],
                        standing_state_names[state]);
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-6;
}

/* ---- blocked ---- */

static void blocked(struct standing_rig *r, const char *provider)
{
    for (uint64_t i = 0; i < 3; i++)
        sr_reply(r, 0, provider, STANDING_IP_BLOCKED, i, false);
    provider_state(r, 0, provider, STANDING_BLOCKED);
}

static void test_block_needs(void **state)
{
    struct standing_rig *r = *state;
    for (int i = 0; i < 8; i++)
        sr_reply(r, 0, "one", STANDING_IP_BLOCKED, 1, false);
    provider_state(r, 0, "one", STANDING_CLEAN); /* one sender's fault */
    for (int i = 0; i < 3; i++)
        sr_reply(r, 1, "named", STANDING_IP_BLOCKED, 1, true);
    provider_state(r, 1, "named", STANDING_BLOCKED);
    for (uint64_t i = 0; i < 6; i++) {
        sr_reply(r, 2, "slow", STANDING_IP_BLOCKED, i, false);
        sr_wait(r, 8 * RIG_MINUTE);
    }
    provider_state(r, 2, "slow", STANDING_CLEAN); /* never three in 15 minutes */
    assert_true(take(r, 1, "other", 7) == 7 && take(r, 1, "named", 7) == 0);
}

/* 2 h, twice as long with each canary refused, at most a day; accepted: slowly again. */
static void test_canary(void **state)
{
    struct standing_rig *r = *state;
    static const int64_t hours[] = { 2, 4, 8, 16, 24, 24 };
    blocked(r, "p");
    double points = sr_points(r, 0);
    for (size_t i = 0; i < sizeof hours / sizeof hours[0]; i++) {
        assert_int_equal(sr_provider(r, 0, "p").until_ms - r->now_ms, hours[i] * RIG_HOUR);
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 9, true); /* from before: changes nothing */
        sr_reply(r, 0, "p", STANDING_DELIVERED, 9, true);
        provider_state(r, 0, "p", STANDING_BLOCKED);
        sr_wait(r, hours[i] * RIG_HOUR - RIG_MINUTE);
        assert_true(take(r, 0, "p", 1) == 0 && !sr_provider(r, 0, "p").canary);
        uint64_t version = standing_version(r->s);
        sr_wait(r, RIG_MINUTE);
        assert_true(sr_provider(r, 0, "p").canary && standing_version(r->s) > version);
        assert_int_equal(take(r, 0, "p", 50), 1);
        assert_int_equal(take(r, 0, "p", 50), 0);
        sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    }
    assert_true(sr_points(r, 0) < points); /* canaries give none */
    sr_wait(r, 24 * RIG_HOUR);
    assert_int_equal(take(r, 0, "p", 1), 1);
    sr_wait(r, 14 * RIG_MINUTE);
    assert_int_equal(take(r, 0, "p", 1), 0);
    sr_wait(r, RIG_MINUTE);
    assert_int_equal(take(r, 0, "p", 1), 1); /* lost */
    standing_give_back(r->s, 0, slice_of("p"), 1, r->now_ms);
    assert_int_equal(take(r, 0, "p", 1), 1); /* not flown */
    sr_reply(r, 0, "p", STANDING_OTHER, 1, false);
    assert_int_equal(take(r, 0, "p", 1), 1); /* told nothing */
    sr_reply(r, 0, "p", STANDING_DELIVERED, 1, false);
    provider_state(r, 0, "p", STANDING_THROTTLED);
    assert_true(sr_logged(r, "a@p blocked>throttled: the canary was accepted"));
}

static void test_block_forgotten(void **state)
{
    struct standing_rig *r = *state;
    blocked(r, "p");
    sr_wait(r, 2 * RIG_HOUR);
    assert_int_equal(take(r, 0, "p", 1), 1);
    sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
    provider_state(r, 0, "p", STANDING_THROTTLED);
    sr_wait(r, 24 * RIG_HOUR);
    blocked(r, "p");
    assert_int_equal(sr_provider(r, 0, "p").until_ms - r->now_ms, 2 * RIG_HOUR);
}

/* ---- throttled ---- */

static void test_throttle(void **state)
{
    struct standing_rig *r = *state;
    sr_deliver(r, 0, "p", 600);
    assert_true(sr_provider(r, 0, "p").quota_per_hour < 0);
    sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
    sr_wait(r, 10 * RIG_MINUTE);
    sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
    provider_state(r, 0, "p", STANDING_CLEAN); /* not within 10 minutes */
    sr_wait(r, 9 * RIG_MINUTE);
    sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
    provider_state(r, 0, "p", STANDING_THROTTLED);
    double cap = 603;
    assert_true(near(sr_provider(r, 0, "p").quota_per_hour, cap / 2));
    assert_true(near(sr_provider(r, 0, "p").share, 0.5));
    sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false); /* one overload, one halving */
    assert_true(near(sr_provider(r, 0, "p").quota_per_hour, cap / 2));
    for (int i = 0; i < 10; i++) {
        sr_wait(r, RIG_MINUTE);
        sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
    }
    assert_true(near(sr_provider(r, 0, "p").quota_per_hour, cap / 16));
    assert_true(near(sr_provider(r, 0, "p").share, 0.5)); /* at most half goes elsewhere */
    sr_wait(r, RIG_HOUR);
    assert_true(near(sr_provider(r, 0, "p").quota_per_hour, cap / 16)); /* without success */
    for (int i = 1; i < 10; i++) {
        sr_deliver(r, 0, "p", 3);
        assert_true(near(sr_provider(r, 0, "p").quota_per_hour, cap * (1.0 / 16 + 0.1 * i)));
        sr_wait(r, 5 * RIG_MINUTE);
    }
    provider_state(r, 0, "p", STANDING_THROTTLED);
    sr_deliver(r, 0, "p", 1);
    provider_state(r, 0, "p", STANDING_CLEAN);
    assert_true(sr_provider(r, 0, "p").quota_per_hour < 0);
    provider_state(r, 1, "p", STANDING_CLEAN);
}

/* What it carried in a busy hour counts for less with each hour since. */
static void test_a_busy_hour_fades(void **state)
{
    struct standing_rig *r = *state;
    sr_deliver(r, 0, "p", 600);
    for (int i = 0; i < 3; i++) {
        sr_wait(r, 61 * RIG_MINUTE);
        sr_deliver(r, 0, "p", 1);
    }
    for (int i = 0; i < 2; i++)
        sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
    assert_true(near(sr_provider(r, 0, "p").quota_per_hour, 600 * 0.98 * 0.98 / 2));
}

/* ---- warm-up ---- */

static int set_up_new(void **state)
{
    sr_set_up(state);
    struct standing_rig *r = *state;
    r->member[0].warmup_ms = r->now_ms + RIG_HOUR;
    sr_configure(r);
    return 0;
}

/* Sends all the quota allows for some hours; how much that was. */
static uint32_t flood(struct standing_rig *r, const char *provider, int hours)
{
    uint32_t sent = 0;
    for (int i = 0; i < hours * 60; i++) {
        uint32_t n = take(r, 0, provider, 1000);
        sr_deliver(r, 0, provider, n);
        sent += n;
        sr_wait(r, RIG_MINUTE);
    }
    return sent;
}

static void test_warmup_starts(void **state)
{
    struct standing_rig *r = *state;
    assert_int_equal(sr_view(r, 0).until_ms, r->member[0].warmup_ms); /* why it carries nothing */
    assert_non_null(strstr(sr_view(r, 0).todo, "has not begun"));
    assert_int_equal(take(r, 1, "p", 10), 10);
    sr_configure(r);
    assert_false(sr_view(r, 0).eligible);
    assert_int_equal(take(r, 0, "p", 1), 0);
    sr_wait(r, RIG_HOUR);
    assert_true(sr_view(r, 0).eligible);
    provider_state(r, 0, "p", STANDING_PROBATION);
    assert_true(near(sr_provider(r, 0, "never heard of").quota_per_hour, 20));
}

/* Others use an address before we do: it is to be seen to before the warm-up begins. */
static void test_listed_before_its_warmup(void **state)
{
    struct standing_rig *r = *state;
    sr_list(r, 0, "z", 100, true);
    assert_non_null(strstr(sr_view(r, 0).todo, "go by what the list says"));
}

static void test_warmup_grows(void **state)
{
    struct standing_rig *r = *state;
    double quota = 20;
    sr_wait(r, RIG_HOUR);
    for (int day = 0; day < 8; day++) {
        assert_true(near(sr_provider(r, 0, "p").quota_per_hour, quota));
        uint32_t sent = flood(r, "p", 24);
        assert_true(sent <= quota * 24 + quota / 12 + 1 && sent >= quota * 24 * 0.97);
        sr_wait(r, RIG_MINUTE);
        quota *= 1.4;
    }
    sr_state(r, 0, STANDING_CLEAN);                /* 72 h and 500 mails */
    provider_state(r, 0, "p", STANDING_PROBATION); /* wants more than it may: goes on growing */
    assert_true(near(sr_provider(r, 0, "q").quota_per_hour, 20)); /* each provider by itself */
    sr_deliver(r, 0, "p", 5);
    sr_wait(r, 25 * RIG_HOUR);
    sr_deliver(r, 0, "p", 5);
    sr_wait(r, 25 * RIG_HOUR);
    provider_state(r, 0, "p", STANDING_CLEAN);
    assert_int_equal(take(r, 0, "p", 100000), 100000);
    assert_true(sr_logged(r, "a@p probation>clean"));
}

static void test_warmup_idle(void **state)
{
    struct standing_rig *r = *state;
    sr_wait(r, RIG_HOUR);
    sr_deliver(r, 0, "p", 10);
    sr_wait(r, RIG_DAY);
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 1);
    sr_wait(r, 6 * RIG_DAY);
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 1); /* frozen */
    sr_deliver(r, 0, "p", 10);
    sr_wait(r, RIG_DAY);
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 2);
    sr_wait(r, 29 * RIG_DAY);
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 0); /* 30 idle days: cold */
    assert_int_equal(standing_provider_n(r->s, 0), 0);
}

/* The same over restarts; nobody was there as the time passed. */
static void test_warmup_idle_and_away(void **state)
{
    struct standing_rig *r = *state;
    sr_wait(r, RIG_HOUR);
    sr_deliver(r, 0, "p", 10);
    sr_wait(r, RIG_DAY);
    r->now_ms += 29 * RIG_DAY - 1;
    sr_restart(r);
    standing_tick(r->s, r->now_ms);
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 1);
    r->now_ms++;
    sr_restart(r);
    standing_tick(r->s, r->now_ms);
    assert_int_equal(standing_provider_n(r->s, 0), 0);
    assert_true(near(sr_provider(r, 0, "p").quota_per_hour, 20));
}

static void test_warmup_gates(void **state)
{
    struct standing_rig *r = *state;
    struct standing_reply temporary = { .reply_class = STANDING_OTHER, .temporary = true };
    sr_wait(r, RIG_HOUR);
    for (int day = 0; day < 3; day++) {
        sr_deliver(r, 0, "p", 10);
        sr_wait(r, RIG_DAY + RIG_MINUTE);
    }
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 3);
    sr_deliver(r, 0, "p", 57);
    for (int i = 0; i < 3; i++)
        standing_reply(r->s, 0, slice_of("p"), &temporary, r->now_ms);
    sr_wait(r, RIG_DAY + RIG_MINUTE);
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 2); /* 3 of 60: 5 % */
    sr_deliver(r, 0, "p", 58);
    for (int i = 0; i < 3; i++)
        standing_reply(r->s, 0, slice_of("p"), &temporary, r->now_ms);
    sr_wait(r, RIG_DAY + RIG_MINUTE);
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 3); /* below */
    sr_names(r, 0, STANDING_NAME_BROKEN);
    sr_deliver(r, 0, "p", 10);
    sr_wait(r, RIG_DAY + RIG_MINUTE);
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 3); /* in doubt: no growth */
    sr_names(r, 0, STANDING_NAME_OK);
    sr_deliver(r, 0, "p", 10);
    sr_list(r, 0, "z", 15, false);
    sr_wait(r, RIG_DAY + RIG_MINUTE);
    assert_int_equal(sr_provider(r, 0, "p").warmup_step, 2);
}

/* From a tenth of what it used to carry, doubled with every hour of mail without trouble. */
static void test_release(void **state)
{
    struct standing_rig *r = *state;
    static const double ramp[] = { 0.1, 0.2, 0.4, 0.8, 1 };
    sr_deliver(r, 0, "p", 900);
    sr_wait(r, 61 * RIG_MINUTE);
    sr_deliver(r, 0, "p", 900);
    blocked(r, "q");
    blocked(r, "o");
    sr_wait(r, 16 * RIG_HOUR);
    sr_state(r, 0, STANDING_PROBATION);
    for (size_t i = 0; i < sizeof ramp / sizeof ramp[0]; i++) {
        double quota = sr_provider(r, 0, "p").quota_per_hour;
        assert_true(near(sr_view(r, 0).share, ramp[i]));
        assert_true(i == 4 ? quota < 0 : near(quota, fmax(20, ramp[i] * 900)));
        sr_wait(r, 70 * RIG_MINUTE); /* no mail: proves nothing */
        assert_true(near(sr_view(r, 0).share, ramp[i]));
        if (i == 1) { /* an hour with trouble proves nothing either */
            sr_deliver(r, 0, "p", 1);
            sr_reply(r, 0, "p", STANDING_IP_THROTTLED, 1, false);
            sr_wait(r, 70 * RIG_MINUTE);
            assert_true(near(sr_view(r, 0).share, ramp[i]));
        }
        sr_deliver(r, 0, "p", 1);
        sr_wait(r, RIG_HOUR);
    }
    sr_state(r, 0, STANDING_PROBATION);
}

static void test_give_back(void **state)
{
    struct standing_rig *r = *state;
    sr_wait(r, 25 * RIG_HOUR);
    assert_int_equal(take(r, 0, "p", 5), 1); /* a twelfth of 20 */
    assert_int_equal(take(r, 0, "p", 5), 0);
    standing_give_back(r->s, 0, slice_of("p"), 1, r->now_ms);
    assert_int_equal(take(r, 0, "p", 5), 1);
    standing_give_back(r->s, 0, slice_of("p"), 1000, r->now_ms);
    assert_int_equal(take(r, 0, "p", 1000), 1);
    standing_give_back(r->s, 0, slice_of("unheard of"), 1, r->now_ms);
    standing_give_back(r->s, 99, slice_of("p"), 1, r->now_ms);
    assert_int_equal(standing_take(r->s, 99, slice_of("p"), 1, r->now_ms), 0);
}

/* A new date in the configuration begins anew; without a date the address is warm. */
static void test_warmup_changed(void **state)
{
    struct standing_rig *r = *state;
    sr_deliver(r, 1, "p", 10);
    r->member[1].warmup_ms = r->now_ms;
    sr_configure(r);
    sr_state(r, 1, STANDING_PROBATION);
    provider_state(r, 1, "p", STANDING_PROBATION);
    assert_true(near(sr_provider(r, 1, "p").quota_per_hour, 20));
    r->member[1].warmup_ms = 0;
    sr_configure(r);
    sr_state(r, 1, STANDING_CLEAN);
    provider_state(r, 1, "p", STANDING_CLEAN);
    assert_true(sr_provider(r, 1, "p").quota_per_hour < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_block_needs, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_canary, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_block_forgotten, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_throttle, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_a_busy_hour_fades, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_warmup_starts, set_up_new, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_listed_before_its_warmup, set_up_new, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_warmup_grows, set_up_new, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_warmup_idle, set_up_new, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_warmup_idle_and_away, set_up_new, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_warmup_gates, set_up_new, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_release, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_give_back, set_up_new, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_warmup_changed, sr_set_up, sr_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
