/*
 * tests/unit/test_standing_keep — orders, reloads, restarts, limits, odd clocks
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

/* ---- orders ---- */

static void test_orders(void **state)
{
    struct standing_rig *r = *state;
    assert_int_equal(sr_order(r, 9, STANDING_DRAIN), RC_NOT_FOUND);
    assert_int_equal(sr_order(r, 0, STANDING_RESUME), RC_DENIED);
    int64_t since = sr_view(r, 0).since_ms;
    sr_wait(r, RIG_HOUR);
    assert_int_equal(sr_order(r, 0, STANDING_DRAIN), RC_OK);
    sr_state(r, 0, STANDING_DRAINING);
    assert_int_equal(sr_order(r, 0, STANDING_DRAIN), RC_DENIED);
    assert_int_equal(sr_order(r, 0, STANDING_RESUME), RC_OK);
    sr_state(r, 0, STANDING_CLEAN);
    assert_int_equal(sr_view(r, 0).since_ms, since);
    sr_order(r, 0, STANDING_DRAIN);
    standing_sessions(r->s, 0, 0, r->now_ms);
    sr_state(r, 0, STANDING_DISABLED);
    assert_int_equal(sr_order(r, 0, STANDING_DISABLE), RC_DENIED);
    sr_list(r, 0, "drop", 100, true); /* is noted, and acted on when it is back */
    sr_state(r, 0, STANDING_DISABLED);
    assert_int_equal(sr_order(r, 0, STANDING_ENABLE), RC_OK);
    standing_sessions(r->s, 0, 0, r->now_ms);
    sr_state(r, 0, STANDING_LISTED);
    assert_int_equal(sr_order(r, 0, STANDING_DRAIN), RC_OK); /* there is nothing to drain */
    sr_state(r, 0, STANDING_DISABLED);
    sr_order(r, 0, STANDING_RESUME);
    sr_state(r, 0, STANDING_LISTED);
    assert_int_equal(sr_order(r, 0, STANDING_RESET), RC_OK);
    sr_state(r, 0, STANDING_CLEAN);
    assert_true(sr_points(r, 0) <= 0);
}

/* The operator's word and the configuration's: both have to let go. */
static void test_two_holds(void **state)
{
    struct standing_rig *r = *state;
    sr_names(r, 0, STANDING_NAME_BROKEN);
    r->member[0].disabled = true;
    sr_configure(r);
    sr_state(r, 0, STANDING_DISABLED);
    sr_order(r, 0, STANDING_DISABLE);
    r->member[0].disabled = false;
    sr_configure(r);
    sr_state(r, 0, STANDING_DISABLED); /* the operator's order stands */
    sr_order(r, 0, STANDING_ENABLE);
    sr_state(r, 0, STANDING_SUSPECT);
    sr_order(r, 0, STANDING_DRAIN); /* the configuration ends the drain, not the order */
    r->member[0].disabled = true;
    sr_configure(r);
    r->member[0].disabled = false;
    sr_configure(r);
    sr_state(r, 0, STANDING_DISABLED);
    sr_order(r, 0, STANDING_RESUME);
    sr_state(r, 0, STANDING_SUSPECT);
    r->member[0].disabled = true;
    sr_configure(r);
    assert_int_equal(sr_order(r, 0, STANDING_ENABLE), RC_DENIED);
    sr_state(r, 0, STANDING_DISABLED);
    r->member[0].disabled = false;
    sr_configure(r);
    sr_state(r, 0, STANDING_SUSPECT);
}

/* ---- reload and restart ---- */

static void test_reload(void **state)
{
    struct standing_rig *r = *state;
    struct standing_member a = r->member[0], b = r->member[1];
    sr_list(r, 0, "z", 40, false);
    sr_list(r, 1, "y", 40, false);
    r->member[0] = b;
    r->member[1] = a;
    r->config.member_n = 2;
    sr_configure(r);
    assert_int_equal(standing_find(r->s, slice_of("a"), &a.address), 1);
    sr_state(r, 1, STANDING_SUSPECT);
    assert_int_equal(standing_find(r->s, slice_of("a"), &b.address), STANDING_NONE);
    assert_int_equal(standing_find(r->s, slice_of("c"), &r->member[2].address), STANDING_NONE);
    r->config.member_n = 1; /* a is gone, and comes back within 30 days */
    sr_configure(r);
    sr_wait(r, 29 * RIG_DAY);
    sr_restart(r);
    r->config.member_n = 2;
    sr_configure(r);
    sr_state(r, 1, STANDING_SUSPECT);
    r->config.member_n = 1;
    sr_configure(r);
    sr_wait(r, 31 * RIG_DAY);
    r->config.member_n = 2;
    sr_configure(r);
    sr_state(r, 1, STANDING_CLEAN);
    struct slice sources[] = { slice_of("z") };
    r->config.source = sources;
    r->config.source_n = 1;
    sr_configure(r); /* y is no list of ours any more */
    assert_true(sr_points(r, 0) < 1);
    r->member[1] = b; /* named twice: two members */
    sr_configure(r);
    assert_int_equal(standing_member_n(r->s), 2);
    sr_condemn(r, 1);
    sr_configure(r);
    assert_true(sr_points(r, 1) > 50 && sr_points(r, 0) < 1);
}

/* Renamed, swapped, or back under another name: it is the same address. */
static void test_an_address_takes_its_standing_along(void **state)
{
    struct standing_rig *r = *state;
    struct standing_member a = r->member[0], b = r->member[1];
    struct standing_provider_view blocked;
    sr_list(r, 0, "drop", 100, true);
    sr_order(r, 1, STANDING_DISABLE);
    for (uint64_t i = 0; i < 3; i++)
        sr_reply(r, 2, "p", STANDING_IP_BLOCKED, i, true);
    r->member[0].egress = slice_of("renamed");
    r->member[2].egress = slice_of("c2");
    sr_configure(r);
    assert_false(sr_view(r, 0).eligible);
    sr_list(r, 0, "drop", 100, true); /* as the list says of it next */
    assert_int_equal(standing_find(r->s, slice_of("a"), &a.address), STANDING_NONE);
    assert_true(standing_provider_find(r->s, 2, slice_of("p"), r->now_ms, &blocked));
    assert_int_equal(blocked.state, STANDING_BLOCKED);
    r->member[0].egress = b.egress; /* two swap their addresses: each name is known, and so are */
    r->member[1].egress = slice_of("renamed"); /* the addresses, but no longer together */
    sr_configure(r);
    assert_false(sr_view(r, 0).eligible);
    assert_int_equal(standing_evidence(r->s, 0, r->now_ms, &(struct standing_evidence){ 0 }, 1), 1);
    sr_state(r, 1, STANDING_DISABLED);
    r->member[1] = r->member[2]; /* taken out, and back a week later as another's */
    r->config.member_n = 2;
    sr_configure(r);
    sr_wait(r, 7 * RIG_DAY);
    sr_restart(r);
    r->member[2] = (struct standing_member){ .egress = slice_of("new"), .address = b.address };
    r->config.member_n = 3;
    sr_configure(r);
    sr_state(r, 2, STANDING_DISABLED);
    r->member[3] = (struct standing_member){ .egress = slice_of("too"), .address = b.address };
    r->config.member_n = 4; /* in use by two: the other begins with nothing */
    sr_configure(r);
    sr_state(r, 2, STANDING_DISABLED);
    sr_state(r, 3, STANDING_CLEAN);
}

/* Two had it since, one after the other: what the later one of them learned is what is known. */
static void test_the_last_one_to_have_it(void **state)
{
    struct standing_rig *r = *state;
    const struct standing_member gone = r->member[3];
    const char *const names[] = { "first", "second" };
    for (int i = 0; i < 2; i++) {
        r->member[2] = gone;
        r->member[2].egress = slice_of(names[i]);
        r->config.member_n = 4;
        sr_configure(r);
        sr_list(r, 2, names[i], 20, false); /* while "d" has it, too: each for itself */
    }
    r->member[2].egress = slice_of("second");
    r->config.member_n = 3;
    sr_configure(r);
    sr_wait(r, RIG_HOUR);
    r->config.member_n = 2;
    sr_configure(r);
    r->member[2].egress = slice_of("third");
    r->config.member_n = 3;
    sr_configure(r);
    struct standing_evidence e;
    assert_int_equal(standing_evidence(r->s, 2, r->now_ms, &e, 1), 1);
    assert_true(slice_eq_str(e.source, "second"));
}

static void test_restart(void **state)
{
    struct standing_rig *r = *state;
    struct standing_evidence before[8], after[8];
    sr_close(r);
    sr_open(r, 8);
    r->member[3].warmup_ms = r->now_ms;
    sr_configure(r);
    sr_deliver(r, 3, "p", 30);
    sr_list(r, 0, "drop", 100, true);
    sr_condemn(r, 1);
    sr_order(r, 2, STANDING_DRAIN);
    sr_wait(r, 3 * RIG_MINUTE);
    uint32_t n = standing_evidence(r->s, 1, r->now_ms, before, 8);
    assert_true(n == 2 && slice_eq_str(before[0].source, "q") &&
                slice_eq_str(before[0].text, "5xx  yes"));
    assert_int_equal(before[0].gone_ms - before[0].at_ms,
                     (int64_t)(log2(30) * STANDING_HALF_LIFE_MS));
    uint32_t events = r->events;
    sr_restart(r);
    assert_int_equal(r->events, events);
    assert_int_equal(standing_evidence(r->s, 1, r->now_ms, after, 8), 2);
    assert_true(slice_eq_str(after[1].source, "p") && after[0].points > 29);
    sr_wait(r, 3 * RIG_MINUTE);
    sr_state(r, 0, STANDING_LISTED);
    sr_state(r, 1, STANDING_QUARANTINED);
    sr_state(r, 2, STANDING_DISABLED);
    sr_state(r, 3, STANDING_PROBATION);
}

/* What was counted before the restart counts after it: 3 of 63, then 1 more. */
static void test_counts_kept(void **state)
{
    struct standing_rig *r = *state;
    for (int i = 0; i < 240; i++)
        sr_reply(r, i % 4, "p", STANDING_OTHER, 1, false);
    for (int i = 0; i < 3; i++)
        sr_reply(r, 0, "p", STANDING_CONTENT, 1, false);
    sr_wait(r, 31 * RIG_MINUTE);
    sr_reply(r, 0, "p", STANDING_OTHER, 1, false);
    sr_restart(r);
    assert_true(sr_points(r, 0) <= 0);
    sr_reply(r, 0, "p", STANDING_CONTENT, 1, false);
    assert_true(sr_points(r, 0) > 9);
}

static void test_damage(void **state)
{
    struct standing_rig *r = *state;
    static const struct standing_hooks none = { NULL, NULL };
    struct standing *again = NULL;
    struct err err;
    struct buf kept;
    sr_deliver(r, 3, "p", 30);
    sr_condemn(r, 1);
    buf_init(&kept, STANDING_PACK_MAX);
    standing_pack(r->s, &kept);
    struct slice whole = buf_slice(&kept);
    for (size_t n = 0; n < whole.n; n++)
        assert_int_equal(standing_unpack((struct slice){ whole.p, n }, &none, &again, &err),
                         RC_PARSE);
    for (size_t i = 0; i < whole.n; i++) { /* one bit: refused, or something that was written so */
        struct buf out;
        char saved = kept.mem[kept.start + i];
        kept.mem[kept.start + i] ^= (char)(1 << i % 8);
        if (standing_unpack(buf_slice(&kept), &none, &again, &err) == RC_OK) {
            buf_init(&out, STANDING_PACK_MAX);
            standing_pack(again, &out);
            assert_true(slice_eq(buf_slice(&out), buf_slice(&kept)));
            buf_free(&out);
            standing_free(&again);
        }
        assert_null(again);
        kept.mem[kept.start + i] = saved;
    }
    buf_putc(&kept, 0);
    assert_int_equal(standing_unpack(buf_slice(&kept), &none, &again, &err), RC_PARSE);
    buf_free(&kept);
}

/* ---- limits and clocks ---- */

static void test_limits(void **state)
{
    struct standing_rig *r = *state;
    struct standing_evidence at[60];
    char name[400];
    for (uint64_t i = 0; i < 3; i++)
        sr_reply(r, 0, "blocks", STANDING_IP_BLOCKED, i, false);
    for (int i = 0; i < 2 * STANDING_PROVIDERS_MAX; i++) {
        r->now_ms++;
        (void)snprintf(name, sizeof name, "provider-%d", i);
        sr_deliver(r, 0, name, 1);
    }
    assert_int_equal(standing_provider_n(r->s, 0), STANDING_PROVIDERS_MAX);
    assert_true(sr_provider(r, 0, "blocks").state == STANDING_BLOCKED); /* the idle go first */
    for (int i = 0; i < 3 * STANDING_LISTINGS_MAX; i++) {
        (void)snprintf(name, sizeof name, "list-%d", i);
        sr_list(r, 1, name, i, false);
    }
    assert_int_equal(standing_evidence(r->s, 1, r->now_ms, at, 60),
                     STANDING_LISTINGS_MAX + STANDING_EVIDENCE_MAX);
    assert_true(slice_eq_str(at[0].source, "list-47"));
    sr_list(r, 1, "no-stronger", 32, false); /* than the weakest of those sixteen */
    assert_int_equal(standing_evidence(r->s, 1, r->now_ms, at, 60),
                     STANDING_LISTINGS_MAX + STANDING_EVIDENCE_MAX);
    for (int i = 0; i < STANDING_LISTINGS_MAX; i++)
        assert_false(slice_eq_str(at[i].source, "no-stronger"));
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    sr_list(r, 2, name, 1e300, false);
    sr_deliver(r, 2, name, 1);
    sr_deliver(r, 2, "", 1);
    assert_int_equal(standing_evidence(r->s, 2, r->now_ms, at, 60), 1);
    assert_true(at[0].source.n == STANDING_NAME_MAX && at[0].points <= 1000);
    assert_int_equal(sr_provider(r, 2, name).provider.n, STANDING_NAME_MAX);
    sr_restart(r);
    assert_int_equal(standing_provider_n(r->s, 0), STANDING_PROVIDERS_MAX);
}

static void test_clock_set_back(void **state)
{
    struct standing_rig *r = *state;
    sr_reply(r, 0, "p", STANDING_IP_BLOCKED, 1, true);
    sr_wait(r, 6 * RIG_HOUR);
    r->now_ms -= 100 * RIG_DAY;
    standing_tick(r->s, r->now_ms);
    assert_true(fabs(sr_points(r, 0) - 15) < 1e-9); /* no time has passed */
    struct standing_evidence e;
    assert_int_equal(standing_evidence(r->s, 0, r->now_ms, &e, 1), 1);
    assert_int_equal(e.at_ms, r->now_ms - 6 * RIG_HOUR); /* as this clock has it */
    sr_wait(r, 6 * RIG_HOUR);
    assert_true(fabs(sr_points(r, 0) - 7.5) < 1e-9);
    standing_tick(r->s, INT64_MAX);
    standing_tick(r->s, INT64_MIN);
    r->now_ms = 5;
    sr_wait(r, RIG_DAY);
    sr_restart(r);
    sr_state(r, 0, STANDING_CLEAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_orders, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_two_holds, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_reload, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_an_address_takes_its_standing_along, sr_set_up,
                                        sr_tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_one_to_have_it, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_restart, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_counts_kept, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_damage, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_limits, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_clock_set_back, sr_set_up, sr_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
