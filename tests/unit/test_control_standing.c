/*
 * tests/unit/test_control_standing — what replies and lists are made of on their way into standing,
 *   and when it is on the disk
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/conf/bundle.h"
#include "gateway/conf/errors.h"
#include "gateway/daemon/control_standing.h"
#include "tests/support/clock_rig.h"
#include "tests/support/temp_dir.h"

static struct {
    struct loop *loop;
    char dir[64], file[96];
    struct policies *policies;
    struct control_standing *standing;
} rig;

static const struct addr ours = { .family = ADDR_V4, .bytes = { 192, 0, 2, 1 } };

static void advance(int64_t ms)
{
    for (int64_t done = 0; done < ms; done += 100) {
        clocks.ahead_ms += 100;
        loop_turn(rig.loop, 0);
    }
}

static int set_up(void **state)
{
    struct bundle *b = bundle_new();
    struct conf_errors *errors = conf_errors_new();
    (void)state;
    clocks_stop();
    temp_dir_make(rig.dir, sizeof rig.dir);
    snprintf(rig.file, sizeof rig.file, "%s/standing.bin", rig.dir);
    rig.loop = loop_new();
    bundle_put(b, "/w.yaml",
               SLICE_LIT("hostname: gw.example\nstate: /tmp\n"
                         "listen: [ { address: \"127.0.0.1:2525\" } ]\n"
                         "clients: [ { network: 127.0.0.0/8 } ]\n"
                         "egress: [ { name: a, address: 192.0.2.1,\n"
                         "            warmup: { start: 2020-01-01 } } ]\n"));
    assert_int_equal(policies_load(b, "/w.yaml", &rig.policies, errors), RC_OK);
    conf_errors_free(&errors);
    bundle_free(&b);
    rig.standing =
        control_standing_new(&(struct control_standing_env){ .loop = rig.loop, .folder = rig.dir });
    control_standing_configure(rig.standing, rig.policies);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    control_standing_free(&rig.standing);
    policies_unref(&rig.policies);
    loop_free(&rig.loop);
    temp_dir_remove(rig.dir);
    clocks_run();
    clocks.ahead_ms = 0;
    return 0;
}

static void report(enum reply_class class, uint16_t code, uint32_t count)
{
    struct reply_report r = { .egress = slice_hash_stable(SLICE_LIT("a")),
                              .source = ours,
                              .count = count,
                              .class = (uint8_t) class,
                              .code = code,
                              .provider = "p" };
    control_standing_report(rig.standing, &r);
}

/* Of the warm-up after a day with these. */
static uint32_t step_after(enum reply_class class, uint16_t code, uint32_t count)
{
    struct standing_provider_view v;
    report(REPLY_NONE, 250, 57);
    report(class, code, count);
    clocks.ahead_ms += INT64_C(25) * 3600 * 1000;
    advance(2000);
    assert_true(standing_provider_find(control_standing_core(rig.standing), 0, SLICE_LIT("p"),
                                       loop_wall_ms(rig.loop), &v));
    return v.warmup_step;
}

/* 4yz in great numbers ends a day of warm-up badly; 5yz about the mail does not, nor what is about
 * the mailbox or greylisting. */
static void test_what_counts_as_temporary(void **state)
{
    (void)state;
    assert_int_equal(step_after(REPLY_DOMAIN_BLOCKED, 550, 3), 1);
    assert_int_equal(step_after(REPLY_GREYLIST, 450, 30), 2);
    assert_int_equal(step_after(REPLY_MAILBOX, 452, 30), 3);
    assert_int_equal(step_after(REPLY_TEMP, 451, 3), 2);
}

static struct standing_view listed(enum zone_kind kind, enum listing_state state, bool many)
{
    struct standing_view v;
    struct listing l = { .source = SLICE_LIT("bl.example"),
                         .address = ours,
                         .state = state,
                         .points = 100,
                         .kind = kind,
                         .many = many,
                         .what = "listed",
                         .text = "" };
    control_standing_listing(rig.standing, SLICE_LIT("a"), &l);
    assert_true(standing_view(control_standing_core(rig.standing), 0, loop_wall_ms(rig.loop), &v));
    return v;
}

static bool is_hard(bool *many_r)
{
    struct standing_evidence e;
    assert_int_equal(
        standing_evidence(control_standing_core(rig.standing), 0, loop_wall_ms(rig.loop), &e, 1),
        1);
    *many_r = e.many;
    return e.hard;
}

/* One that is only reported weighs nothing; UNKNOWN changes nothing. */
static void test_what_a_listing_weighs(void **state)
{
    bool many = false;
    (void)state;
    assert_true(listed(ZONE_REPORT, LIST_LISTED, false).points < 1);
    assert_true(listed(ZONE_HARD, LIST_UNKNOWN, false).points < 1);
    assert_true(listed(ZONE_SOFT, LIST_LISTED, true).points > 99);
    assert_true(!is_hard(&many) && many);
    assert_true(listed(ZONE_HARD, LIST_LISTED, false).points > 99);
    assert_true(is_hard(&many) && !many);
}

static bool is_kept(int64_t for_ms)
{
    advance(for_ms);
    for (int i = 0; i < 500 && access(rig.file, R_OK) != 0; i++)
        loop_turn(rig.loop, 10); /* the clock stands still: no tick comes, only the disk's word */
    return access(rig.file, R_OK) == 0;
}

static void test_a_change_is_on_the_disk_within_a_second_or_so(void **state)
{
    (void)state;
    assert_true(is_kept(20000));
    assert_int_equal(unlink(rig.file), 0);
    (void)listed(ZONE_HARD, LIST_LISTED, false);
    assert_true(is_kept(1100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_counts_as_temporary, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_listing_weighs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_change_is_on_the_disk_within_a_second_or_so, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
