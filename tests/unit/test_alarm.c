/*
 * tests/unit/test_alarm — what needs a person, and how often people are told (reputation/alarm.h)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "reputation/alarm.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static int set_up(void **state)
{
    *state = alarms_new();
    return 0;
}

static int tear_down(void **state)
{
    alarms_free((struct alarms **)state);
    return 0;
}

/* ---- what needs a person ---- */

static const struct row {
    enum standing_event_kind kind;
    const char *provider;
    enum standing_state from, to;
    bool acknowledge, told;
    enum alarm_kind alarm;
} rows[] = {
    { STANDING_TRANSITION, "", STANDING_CLEAN, STANDING_SUSPECT, false, false, 0 },
    { STANDING_TRANSITION, "", STANDING_SUSPECT, STANDING_CLEAN, false, false, 0 },
    { STANDING_TRANSITION, "", STANDING_CLEAN, STANDING_DRAINING, false, true, ALARM_ADDRESS },
    { STANDING_TRANSITION, "", STANDING_DRAINING, STANDING_LISTED, false, true, ALARM_ADDRESS },
    { STANDING_TRANSITION, "", STANDING_DRAINING, STANDING_QUARANTINED, false, true,
      ALARM_ADDRESS },
    { STANDING_TRANSITION, "", STANDING_LISTED, STANDING_QUARANTINED, true, true,
      ALARM_ACKNOWLEDGE },
    { STANDING_TRANSITION, "", STANDING_QUARANTINED, STANDING_PROBATION, true, false, 0 },
    { STANDING_TRANSITION, "", STANDING_CLEAN, STANDING_DISABLED, false, false, 0 },
    { STANDING_TRANSITION, "a.example", STANDING_CLEAN, STANDING_THROTTLED, false, false, 0 },
    { STANDING_TRANSITION, "a.example", STANDING_CLEAN, STANDING_BLOCKED, false, false, 0 },
    { STANDING_TRANSITION, "b.example", STANDING_BLOCKED, STANDING_BLOCKED, false, true,
      ALARM_PROVIDER },
    { STANDING_POOL_EMPTY, "", STANDING_CLEAN, STANDING_CLEAN, false, true, ALARM_POOL },
    { STANDING_POOL_BACK, "", STANDING_CLEAN, STANDING_CLEAN, false, true, ALARM_POOL },
};

static void test_what_needs_a_person(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct alarms *alarms = alarms_new();
        struct standing_event e = { .kind = r->kind,
                                    .egress = slice_of("a"),
                                    .provider = slice_of(r->provider),
                                    .from = r->from,
                                    .to = r->to,
                                    .reason = slice_of("why") };
        struct alarm alarm;
        assert_int_equal(alarms_judge(alarms, &e, r->acknowledge, 0, &alarm), r->told);
        if (r->told) {
            assert_int_equal(alarm.kind, r->alarm);
            assert_true(slice_eq_str(alarm.reason, "why"));
        }
        alarms_free(&alarms);
    }
}

static void test_the_second_block_within_a_week(void **state)
{
    struct alarms *alarms = *state;
    struct standing_event e = { .kind = STANDING_TRANSITION,
                                .egress = slice_of("a"),
                                .provider = slice_of("gmail.com"),
                                .from = STANDING_CLEAN,
                                .to = STANDING_BLOCKED };
    struct alarm alarm;
    int64_t week = (int64_t)7 * 24 * HOUR;
    assert_false(alarms_judge(alarms, &e, false, HOUR, &alarm));
    e.provider = slice_of("qq.com"); /* another one's opinion */
    assert_false(alarms_judge(alarms, &e, false, HOUR, &alarm));
    e.provider = slice_of("gmail.com");
    assert_true(alarms_judge(alarms, &e, false, week, &alarm));
    assert_int_equal(alarm.kind, ALARM_PROVIDER);
    assert_false(alarms_judge(alarms, &e, false, 2 * week + HOUR, &alarm));
    e.provider = slice_of("yahoo"); /* the first one, and nobody else is left to carry its mail */
    e.alone = true;
    assert_true(alarms_judge(alarms, &e, false, 2 * week + HOUR, &alarm));
    assert_int_equal(alarm.kind, ALARM_PROVIDER);
}

static void test_names_are_told_when_they_break(void **state)
{
    struct alarms *alarms = *state;
    struct addr a, b;
    addr_parse(slice_of("192.0.2.1"), &a);
    addr_parse(slice_of("192.0.2.2"), &b);
    assert_false(alarms_judge_names(alarms, &a, false));
    assert_true(alarms_judge_names(alarms, &a, true));
    assert_false(alarms_judge_names(alarms, &a, true)); /* looked at every hour */
    assert_true(alarms_judge_names(alarms, &b, true));
    assert_false(alarms_judge_names(alarms, &a, false));
    assert_true(alarms_judge_names(alarms, &a, true));
    assert_false(alarms_judge_names(alarms, &b, true));
}

/* Who is told of a list is told once, however often it is found to be so. */
static void test_lists_are_told_when_it_changes(void **state)
{
    struct alarms *alarms = *state;
    struct slice x = slice_of("x.test"), y = slice_of("y.test");
    struct alarm alarm;
    assert_false(alarms_judge_list(alarms, x, LIST_FINE, "", &alarm));
    assert_true(alarms_judge_list(alarms, x, LIST_HELD, "why", &alarm));
    assert_true(alarm.kind == ALARM_LIST && slice_eq_str(alarm.reason, "why"));
    assert_true(slice_eq_str(alarm.with, "x.test") && slice_eq_str(alarm.state, "held"));
    assert_false(alarms_judge_list(alarms, x, LIST_HELD, "why", &alarm));
    assert_true(alarms_judge_list(alarms, y, LIST_SILENT, "", &alarm));
    assert_true(alarms_judge_list(alarms, x, LIST_MANY, "", &alarm));
    assert_true(alarms_judge_list(alarms, x, LIST_FINE, "", &alarm));
    assert_false(alarms_judge_list(alarms, x, LIST_FINE, "", &alarm));
    assert_false(alarms_judge_list(alarms, y, LIST_SILENT, "", &alarm));
    assert_true(alarms_judge_list(alarms, x, LIST_HELD, "", &alarm));
    /* more than are remembered: the oldest is told again, the others are not */
    for (int i = 0; i < ALARM_LISTS_MAX - 1; i++) {
        char name[16];
        snprintf(name, sizeof name, "l%d", i);
        assert_true(alarms_judge_list(alarms, slice_of(name), LIST_MANY, "", &alarm));
    }
    assert_false(alarms_judge_list(alarms, x, LIST_HELD, "", &alarm));
    assert_false(alarms_judge_list(alarms, slice_of("l200"), LIST_MANY, "", &alarm));
    assert_true(alarms_judge_list(alarms, y, LIST_SILENT, "", &alarm));
}

/* Refused for so long that it is silent: that it is refused still, is no news. */
static void test_silent_lists_are_not_told_as_refused(void **state)
{
    struct alarms *alarms = *state;
    struct slice x = slice_of("x.test");
    struct alarm alarm;
    assert_true(alarms_judge_list(alarms, x, LIST_REFUSED, "no such file", &alarm));
    assert_true(alarms_judge_list(alarms, x, LIST_SILENT, "for three hours", &alarm));
    assert_false(alarms_judge_list(alarms, x, LIST_REFUSED, "not a feed", &alarm));
    assert_false(alarms_judge_list(alarms, x, LIST_SILENT, "for three hours", &alarm));
    assert_true(alarms_judge_list(alarms, x, LIST_FINE, "", &alarm));
    assert_true(alarms_judge_list(alarms, x, LIST_REFUSED, "no such file", &alarm));
}

/* ---- how often ---- */

static void take(struct alarms *alarms, const char *egress, const char *reason, int64_t now_ms)
{
    struct alarm alarm = { .kind = ALARM_ADDRESS,
                           .egress = slice_of(egress),
                           .reason = slice_of(reason) };
    alarms_take(alarms, &alarm, now_ms);
}

static void test_gathered_then_withheld_then_told(void **state)
{
    struct alarms *alarms = *state;
    struct alarm_digest d;
    assert_int_equal(alarms_due_ms(alarms), -1);
    take(alarms, "a", "first", 0);
    take(alarms, "b", "beside it", 600);
    take(alarms, "a", "again", 700);
    assert_false(alarms_begin(alarms, ALARMS_GATHER_MS - 1, &d));
    assert_true(alarms_begin(alarms, ALARMS_GATHER_MS, &d));
    assert_int_equal(d.fresh_n, 2);
    assert_int_equal(d.held_n, 1);
    assert_true(slice_eq_str(d.fresh[0].reason, "first"));
    assert_true(slice_eq_str(d.held[0].reason, "again"));
    alarms_end(alarms);
    assert_int_equal(alarms_due_ms(alarms), -1);

    take(alarms, "a", "within the hour", 2 * MINUTE);
    assert_int_equal(alarms_due_ms(alarms), 2 * MINUTE + ALARMS_EACH_MS);
    take(alarms, "c", "another", 5 * MINUTE); /* takes it along */
    assert_true(alarms_begin(alarms, 5 * MINUTE + ALARMS_GATHER_MS, &d));
    assert_true(slice_eq_str(d.held[0].reason, "within the hour"));
    assert_true(slice_eq_str(d.fresh[0].egress, "c"));
    alarms_end(alarms);

    take(alarms, "a", "alone", 10 * MINUTE);
    assert_false(alarms_begin(alarms, HOUR + 10 * MINUTE - 1, &d));
    assert_true(alarms_begin(alarms, HOUR + 10 * MINUTE, &d));
    assert_int_equal(d.fresh_n, 0);
    assert_int_equal(d.held_n, 1);
    alarms_end(alarms);
    take(alarms, "a", "an hour is over", HOUR + 20 * MINUTE);
    assert_true(alarms_begin(alarms, HOUR + 20 * MINUTE + ALARMS_GATHER_MS, &d));
    assert_int_equal(d.fresh_n, 1);
    alarms_end(alarms);
}

/* What is known goes through bytes; `now_ms` begins anew, as after a reboot. */
static struct alarms *restart(struct alarms *alarms, int64_t before_ms, int64_t now_ms,
                              int64_t passed_ms)
{
    static const int64_t wall_ms = 1750000000000;
    struct alarms *after;
    struct buf bytes;
    struct err err;
    buf_init(&bytes, ALARMS_PACK_MAX);
    alarms_pack(alarms, before_ms, wall_ms, &bytes);
    assert_false(bytes.full);
    assert_int_equal(alarms_unpack(buf_slice(&bytes), now_ms, wall_ms + passed_ms, &after, &err),
                     RC_OK);
    struct alarms *none;
    struct slice cut = { buf_slice(&bytes).p, buf_len(&bytes) - 1 };
    assert_int_equal(alarms_unpack(cut, now_ms, wall_ms, &none, &err), RC_PARSE);
    buf_free(&bytes);
    alarms_free(&alarms);
    return after;
}

static void test_a_restart_repeats_nothing(void **state)
{
    struct alarms *alarms = *state;
    struct alarm_digest d;
    struct alarm alarm;
    struct standing_event blocks = { .kind = STANDING_TRANSITION,
                                     .egress = slice_of("a"),
                                     .provider = slice_of("p"),
                                     .from = STANDING_CLEAN,
                                     .to = STANDING_BLOCKED };
    struct addr broken;
    addr_parse(slice_of("2001:db8::1"), &broken);
    assert_false(alarms_judge(alarms, &blocks, false, 0, &alarm));
    assert_true(alarms_judge_names(alarms, &broken, true));
    struct slice list = slice_of("l.test");
    assert_true(alarms_judge_list(alarms, list, LIST_HELD, "", &alarm));
    for (int i = 0; i < ALARMS_PER_HOUR - 1; i++) {
        char name[8];
        snprintf(name, sizeof name, "e%d", i);
        take(alarms, name, "told", (i + 1) * MINUTE);
        assert_true(alarms_begin(alarms, (i + 1) * MINUTE + ALARMS_GATHER_MS, &d));
        alarms_end(alarms);
    }
    take(alarms, "e3", "withheld", 10 * MINUTE);
    take(alarms, "fresh", "not yet told", 10 * MINUTE);
    /* ten minutes later, on another clock */
    alarms = *state = restart(alarms, 10 * MINUTE, 5, 10 * MINUTE);
    assert_false(alarms_judge_names(alarms, &broken, true));
    assert_false(alarms_judge_list(alarms, list, LIST_HELD, "", &alarm));
    assert_true(alarms_judge(alarms, &blocks, false, 5, &alarm));
    take(alarms, "e8", "told a moment ago", 5);
    assert_true(alarms_begin(alarms, 5, &d)); /* the last for which the hour has room */
    assert_int_equal(d.fresh_n, 1);
    assert_int_equal(d.held_n, 2);
    assert_true(slice_eq_str(d.fresh[0].reason, "not yet told"));
    assert_true(slice_eq_str(d.held[0].reason, "withheld"));
    alarms_end(alarms);
    take(alarms, "other", "new", 6);
    assert_int_equal(alarms_due_ms(alarms), 41 * MINUTE + ALARMS_GATHER_MS + 5);
    /* A clock that was set back makes nothing older, nor younger. */
    alarms = *state = restart(alarms, 6, 6, -(int64_t)HOUR);
    assert_int_equal(alarms_due_ms(alarms), 41 * MINUTE + ALARMS_GATHER_MS + 5);
}

/* A day of chaos, with restarts: never more than the limit in any hour, and every alarm is told or
 * counted. */
static void test_a_storm(void **state)
{
    struct alarms *alarms = *state;
    struct rnd rnd;
    int64_t sent[24 * ALARMS_PER_HOUR + ALARMS_PER_HOUR] = { 0 };
    uint64_t taken = 0, told = 0;
    unsigned messages = 0;
    rnd_seed(&rnd, 7);
    for (int64_t now = HOUR; now < (int64_t)25 * HOUR || alarms_due_ms(alarms) >= 0; now += 500) {
        struct alarm_digest d;
        char name[16];
        if (now < (int64_t)25 * HOUR && rnd_below(&rnd, 20) == 0) {
            snprintf(name, sizeof name, "e%u", (unsigned)rnd_below(&rnd, 300));
            take(alarms, name, "storm", now);
            taken++;
        }
        if (rnd_below(&rnd, 200) == 0)
            alarms = *state = restart(alarms, now, now, 0);
        if (!alarms_begin(alarms, now, &d))
            continue;
        told += (uint64_t)d.fresh_n + d.fresh_more + d.held_n + d.held_more;
        alarms_end(alarms);
        assert_true(messages < sizeof sent / sizeof sent[0]);
        if (messages >= ALARMS_PER_HOUR)
            assert_true(now - sent[messages - ALARMS_PER_HOUR] >= HOUR);
        sent[messages++] = now;
    }
    assert_true(taken > 5000);
    assert_int_equal(told, taken);
    assert_true(messages > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_needs_a_person),
        cmocka_unit_test_setup_teardown(test_the_second_block_within_a_week, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_are_told_when_they_break, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists_are_told_when_it_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silent_lists_are_not_told_as_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_gathered_then_withheld_then_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_restart_repeats_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_storm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
