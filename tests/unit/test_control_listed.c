/*
 * tests/unit/test_control_listed — from a line in a feed's file to the table the workers obey
 *
 *   The supervisor's look at the file, control as a whole and the relay's end are on one loop, with
 *   the timers they have in the daemon, and a clock that stands still but for what the test adds:
 *   what is measured is what these timers add up to, whatever the machine is doing.
 */
#include "tests/unit/listed_rig.h"

/* One more address is listed, at another moment between two looks each time: within two seconds the
 * table that bars it is at the worker, and bars no other. */
static void test_a_line_in_a_file_bars_within_two_seconds(void **state)
{
    enum { PROMISED_MS = 2000, LISTED = EGRESSES / 2, APART_MS = 370 };
    int64_t longest_ms = 0;
    (void)state;
    for (int i = 0; i < EGRESSES; i++)
        assert_false(rig.barred[i]);
    for (int n = 1; n <= LISTED; n++) {
        int64_t took_ms = 0;
        advance(3000 + n * APART_MS);
        list_first(n);
        for (; !rig.barred[n - 1] && took_ms < NEVER_MS; took_ms += STEP_MS)
            advance(STEP_MS);
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
        for (int i = 0; i < EGRESSES; i++)
            assert_int_equal(rig.barred[i], i < n);
    }
    print_message("from the file to the worker: %lld ms of the timers\n", (long long)longest_ms);
    assert_true(longest_ms <= PROMISED_MS);
}

/* Which row of the table stands for it is that of its egress, whose address nobody configured. */
static int far_member(void)
{
    static const struct addr none = { .family = ADDR_NONE };
    const char name[2] = { 'a' + FAR, '\0' };
    return standing_find(control_standing_core(rig.parts.standing), slice_of(name), &none);
}

static const char *far_state(void)
{
    struct standing_view v;
    assert_true(standing_view(control_standing_core(rig.parts.standing), far_member(), 0, &v));
    return standing_state_names[v.state];
}

/* Mail was taken there, from this address. */
static void mail_from(const char *address)
{
    const char name[2] = { 'a' + FAR, '\0' };
    struct reply_report r = { .egress = slice_hash_stable(slice_of(name)),
                              .count = 1,
                              .code = 250 };
    assert_int_equal(addr_parse(slice_of(address), &r.source), RC_OK);
    relay_links_report(rig.outbox, &r, 1);
    advance(100);
}

/* An address that no configuration names is watched as soon as it turns out; what is listed is its
 * egress, and a new control knows where it left from: by now no mail would tell it. */
static void test_an_address_that_turns_out_is_watched(void **state)
{
    enum { LISTED = 7 };
    (void)state;
    list_first(LISTED);
    advance(5000);
    for (int i = 0; i < EGRESSES; i++)
        assert_int_equal(rig.barred[i], i < LISTED);
    mail_from("10.1.2.3"); /* not what receivers see */
    mail_from("198.51.7.1");
    advance(3000);
    assert_true(rig.barred[FAR]);
    pass(5 * 60 * 1000 + 5000); /* draining ends */
    assert_string_equal(far_state(), "listed");
    restart_control();
    pass(10 * 1000);
    assert_string_equal(far_state(), "listed");
    list_first(0); /* three looks that find nothing, a quarter of an hour apart */
    pass(40 * 60 * 1000);
    assert_string_equal(far_state(), "quarantined");
}

/* An egress that leaves by several addresses is judged as one: that nobody lists the one speaks not
 * for the other. */
static void test_another_address_of_it_is_clear(void **state)
{
    enum { LISTED = 7 };
    struct standing_evidence e[STANDING_LISTINGS_MAX];
    (void)state;
    list_first(LISTED);
    mail_from("198.51.7.1");
    pass(5 * 60 * 1000);
    mail_from("2001:db8:7::1");
    mail_from("198.52.8.1");
    for (int i = 0; i < 60; i++) {
        pass(60 * 1000);
        assert_int_equal(standing_evidence(control_standing_core(rig.parts.standing), far_member(),
                                           0, e, STANDING_LISTINGS_MAX),
                         1);
        assert_true(e[0].standing && e[0].clear == 0);
    }
    assert_string_equal(far_state(), "listed");
}

/* The proxy has another address by now, of which no mail can tell while the one before is listed:
 * after a reset that one is asked about no more. Without one its listing ends a day after it was
 * last looked up. */
static void test_an_address_that_is_forgotten_is_listed_no_more(void **state)
{
    enum { LISTED = 7 };
    const char name[2] = { 'a' + FAR, '\0' };
    struct err err;
    (void)state;
    list_first(LISTED);
    mail_from("198.51.7.1");
    pass(5 * 60 * 1000 + 5000);
    assert_string_equal(far_state(), "listed");
    assert_int_equal(standing_order(control_standing_core(rig.parts.standing), far_member(),
                                    STANDING_RESET, loop_wall_ms(rig.loop), &err),
                     RC_OK);
    control_standing_forget(rig.parts.standing, slice_of(name));
    pass(10 * 60 * 1000);
    assert_string_equal(far_state(), "clean");
    mail_from("198.51.7.1");
    pass(5 * 60 * 1000 + 5000);
    assert_string_equal(far_state(), "listed");
    control_standing_forget(rig.parts.standing, slice_of(name));
    pass(23 * HOUR_MS);
    assert_string_equal(far_state(), "listed");
    pass(2 * HOUR_MS);
    assert_string_not_equal(far_state(), "listed");
}

static ino_t kept(void)
{
    struct stat st;
    char path[96];
    snprintf(path, sizeof path, "%s/standing.bin", rig.dir);
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* The disk is full when an order is given, and then not any more: it is kept without another
 * change, for there may come none before a kill. */
static void test_what_could_not_be_written_is_when_it_can(void **state)
{
    enum { WAITS = 60 };
    char aside[96];
    struct err err;
    (void)state;
    snprintf(aside, sizeof aside, "%s.aside", rig.dir);
    assert_true(control_standing_save_now(rig.parts.standing));
    ino_t before = kept();
    assert_int_equal(rename(rig.dir, aside), 0);
    int64_t now_ms = loop_wall_ms(rig.loop);
    assert_int_equal(standing_order(control_standing_core(rig.parts.standing), 0, STANDING_DISABLE,
                                    now_ms, &err),
                     RC_OK);
    control_standing_touched(rig.parts.standing);
    assert_false(control_standing_save_now(rig.parts.standing));
    assert_int_equal(rename(aside, rig.dir), 0);
    assert_int_equal(kept(), before);
    for (int i = 0; i < WAITS && kept() == before; i++) {
        pass(1000);
        usleep(5000); /* it is written beside the loop */
    }
    assert_int_not_equal(kept(), before);
}

static void assert_first_is(const char *state)
{
    struct standing_view v;
    assert_true(
        standing_view(control_standing_core(rig.parts.standing), 0, loop_wall_ms(rig.loop), &v));
    assert_string_equal(standing_state_names[v.state], state);
}

/* That nothing is under way ends a drain when every worker obeys a table with the bar: it need not
 * be the newest. Before that mail may still begin. */
static void test_a_drain_ends_when_the_bar_is_obeyed(void **state)
{
    enum { SOON_MS = 5000 };
    struct err err;
    (void)state;
    line_says.answers = true;
    line_says.egress = "a";
    line_says.table_ms = rig.table_ms;
    assert_int_equal(standing_order(control_standing_core(rig.parts.standing), 0, STANDING_DRAIN,
                                    loop_wall_ms(rig.loop), &err),
                     RC_OK);
    control_standing_touched(rig.parts.standing);
    pass(SOON_MS);
    assert_true(rig.barred[0] && rig.barred_since[0] > line_says.table_ms);
    assert_first_is("draining");
    line_says.table_ms = rig.barred_since[0];
    line_says.transactions = 1;
    list_first(2);
    pass(SOON_MS);
    assert_true(rig.barred[1] && rig.table_ms > line_says.table_ms);
    assert_first_is("draining");
    line_says.transactions = 0;
    pass(SOON_MS);
    assert_first_is("disabled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_address_that_turns_out_is_watched, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_another_address_of_it_is_clear, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_address_that_is_forgotten_is_listed_no_more, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_could_not_be_written_is_when_it_can, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_drain_ends_when_the_bar_is_obeyed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_line_in_a_file_bars_within_two_seconds, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
