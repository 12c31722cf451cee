/*
 * tests/unit/test_alarm_text — would somebody who is woken by it know what to do from it alone?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/daemon/alarm_join.h"
#include "gateway/daemon/alarm_text.h"
#include "gateway/daemon/link_frame.h"
#include "tests/support/standing_rig.h"

static const struct row {
    enum alarm_kind kind;
    const char *with, *state;
    const char *subject; /* behind the host, before the reason */
    const char *does;    /* a part; "": nothing is made of it */
    const char *todo;    /* likewise */
} rows[] = {
    { ALARM_LIST, "zen.test", "held", "the list zen.test suddenly lists most of our addresses",
      "mail goes on by all of them", "nothing at once" },
    { ALARM_LIST, "zen.test", "many", "the list zen.test goes on listing most of our addresses",
      "by at least half", "take it out of the configuration and reload" },
    { ALARM_LIST, "zen.test", "silent", "the list zen.test says nothing usable", "counts for a day",
      "resolvers" },
    { ALARM_LIST, "/f", "refused", "the list /f has content that cannot be used",
      "counts for another day", "the file" },
    { ALARM_LIST, "zen.test", "fine", "the list zen.test can be believed again", "", "" },
    { ALARM_POOL, "overseas", "empty", "no address of route overseas may carry mail",
      "its mail waits", "waypost egress list" },
    { ALARM_POOL, "overseas", "back", "route overseas has an address again that may carry mail", "",
      "" },
    { ALARM_PROVIDER, "gmail", "blocked", "a (192.0.2.1) is blocked by gmail",
      "goes by other addresses, or waits", "page to ask for removal" },
    { ALARM_ADDRESS, "", "draining", "a (192.0.2.1) carries no new mail (draining)",
      "what waits leaves by other egresses", "find out what was sent" },
    { ALARM_STATE, "", "", "the standing of the addresses is lost", "all addresses carry mail",
      "egress disable NAME" },
};

/* The part, and who says it, are there or not both. */
static void check_says(const char *text, const char *who, const char *part)
{
    const char *at = strstr(text, who);
    assert_int_equal(at != NULL, part[0] != '\0');
    assert_true(!at || strstr(at, part));
}

static void test_every_alarm_says_what_to_do(void **state)
{
    static const char *const ways[] = {
        ": look it up: what does not end by itself is removed there on request: https://",
        ": the entry ends by itself when nothing new comes: https://",
        ": see there how entries end\n",
        "Listed by bad.netset",
        "Listed by zen.spamhaus.org",
        "Listed by bl.spamcop.net",
    };
    struct standing_rig *r = *state;
    sr_list(r, 0, "zen.spamhaus.org", 100, true);
    sr_list(r, 0, "bl.spamcop.net", 40, false);
    sr_list(r, 0, "bad.netset", 40, false);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *w = &rows[i];
        bool of_address = w->kind == ALARM_PROVIDER || w->kind == ALARM_ADDRESS;
        struct alarm alarm = { .kind = (uint8_t)w->kind,
                               .egress = slice_of(of_address ? "a" : ""),
                               .with = slice_of(w->with),
                               .state = slice_of(w->state),
                               .reason = slice_of("the reason") };
        if (of_address)
            alarm.address = r->member[0].address;
        struct alarm_digest digest = { .fresh = &alarm, .fresh_n = 1 };
        struct alarm_message m = { slice_of("gw1.test"), r->now_ms, &digest, r->s };
        struct buf out;
        buf_init(&out, 1 << 16);
        alarm_put_subject(&out, &m);
        struct slice subject = buf_slice(&out);
        assert_true(slice_starts_with(subject, "Waypost gw1.test: "));
        assert_true(slice_ends_with(subject, ": the reason"));
        assert_true(slice_ends_with((struct slice){ subject.p, subject.n - strlen(": the reason") },
                                    w->subject));
        buf_clear(&out);
        alarm_put_text(&out, &m);
        buf_putc(&out, '\0');
        const char *text = buf_slice(&out).p;
        assert_non_null(strstr(text, "gw1.test"));
        assert_non_null(strstr(text, "the reason"));
        check_says(text, "What Waypost does: ", w->does);
        check_says(text, "What to do: ", w->todo);
        for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++)
            assert_int_equal(strstr(text, ways[k]) != NULL, w->kind == ALARM_ADDRESS);
        assert_int_equal(strstr(text, "asks for a person") != NULL, w->todo[0] != '\0');
        buf_clear(&out);
        alarm_put_json(&out, &m);
        buf_putc(&out, '\0');
        assert_non_null(strstr(buf_slice(&out).p, w->subject));
        check_says(buf_slice(&out).p, "\"does\"", w->does);
        check_says(buf_slice(&out).p, "\"todo\"", w->todo);
        assert_int_equal(strstr(buf_slice(&out).p, "\"listed_by\":[{\"list\":\"") != NULL,
                         w->kind == ALARM_ADDRESS);
        buf_free(&out);
    }
}

/* Blocked, and it carries mail all the same: the others are blocked as well. */
static void test_the_last_resort_is_told(void **state)
{
    struct standing_rig *r = *state;
    struct alarm alarm = { .kind = ALARM_PROVIDER,
                           .egress = slice_of("a"),
                           .address = r->member[0].address,
                           .with = slice_of("gmail"),
                           .reason = slice_of("the reason") };
    struct alarm_digest digest = { .fresh = &alarm, .fresh_n = 1 };
    struct buf out;
    r->config.last_resort = STANDING_SEND;
    sr_configure(r);
    for (int i = 0; i < 12; i++)
        sr_reply(r, i / 3, "gmail", STANDING_IP_BLOCKED, 1, true);
    struct alarm_message m = { slice_of("gw1.test"), r->now_ms, &digest, r->s };
    buf_init(&out, 1 << 16);
    alarm_put_text(&out, &m);
    buf_putc(&out, '\0');
    check_says(buf_slice(&out).p, "What Waypost does: ", "it carries mail all the same");
    check_says(buf_slice(&out).p, "What to do: ", "page to ask for removal");
    buf_free(&out);
}

static uint32_t put_lists(struct alarm *at, const char *lists, const char *reason)
{
    uint32_t n = 0;
    for (; lists[n]; n++)
        at[n] = (struct alarm){ .kind = ALARM_LIST,
                                .with = { &lists[n], 1 },
                                .state = slice_of(list_fault_names[LIST_SILENT]),
                                .reason = slice_of(reason) };
    return n;
}

/* Of a minute: an alarm for each letter, which is the name of a list. */
static void put_message(struct buf *out, const char *lists, const char *withheld, int minute,
                        uint32_t more)
{
    const char *reason = minute % 2 ? "odd" : "even";
    struct alarm fresh[ALARM_LINES_MAX], held[4];
    struct alarm_digest digest = { .fresh = fresh, .held = held, .fresh_more = more };
    struct alarm_message m = { slice_of("gw1.test"), minute * RIG_MINUTE, &digest, NULL };
    digest.fresh_n = put_lists(fresh, lists, reason);
    digest.held_n = put_lists(held, withheld, reason);
    buf_clear(out);
    alarm_put_json(out, &m);
}

static unsigned times(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        n++;
    return n;
}

/* Three messages become one: the last is told as ever; of those before it the last word on each
 * subject, with its time. */
static void test_what_was_missed_is_summed_up(void **state)
{
    static const char *const parts[] = {
        "\"time\":\"1970-01-01T00:03:00.000Z\",\"text\":\"Waypost gw1.test: the list a says "
        "nothing "
        "usable: odd, and 2 more; 11 earlier could not be told in time\"",
        "\"alarms\":[{\"kind\":\"list\",\"with\":\"a\"", "\"time\":\"1970-01-01T00:02:00.000Z\"",
        "\"time\":\"1970-01-01T00:01:00.000Z\"", "\"more\":9"
    };
    struct buf first, second, third, joined, all;
    (void)state;
    struct buf *const bufs[] = { &first, &second, &third, &joined, &all };
    for (size_t i = 0; i < 5; i++)
        buf_init(bufs[i], 1 << 16);
    put_message(&first, "abc", "", 1, 5);
    put_message(&second, "abd", "", 2, 0);
    put_message(&third, "ae", "d", 3, 0);
    assert_true(alarm_join(buf_slice(&first), buf_slice(&second), &joined));
    assert_true(alarm_join(buf_slice(&joined), buf_slice(&third), &all));
    buf_putc(&all, '\0');
    const char *text = buf_slice(&all).p;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!strstr(text, parts[i]))
            print_error("no %s in %s\n", parts[i], text);
        assert_non_null(strstr(text, parts[i]));
    }
    assert_int_equal(times(text, "\"with\":\"a\""), 1);
    assert_int_equal(times(text, "\"with\":\"b\""), 1); /* as of the second */
    assert_int_equal(times(text, "\"with\":\"d\""), 1); /* as of the third */
    assert_int_equal(times(text, "\"reason\":\"even\""), 1);
    assert_int_equal(times(text, "\"time\":"), 1 + 2);
    assert_false(alarm_join(SLICE_LIT("{}"), buf_slice(&third), &joined));
    assert_false(alarm_join(buf_slice(&third), SLICE_LIT("no JSON"), &joined));
    for (size_t i = 0; i < 5; i++)
        buf_free(bufs[i]);
}

/* However many there were: no more lines than a message may have. */
static void test_a_summary_has_an_end(void **state)
{
    char lists[ALARM_LINES_MAX + 1] = { 0 };
    struct buf sum, next, joined;
    (void)state;
    buf_init(&sum, 1 << 18);
    buf_init(&next, 1 << 18);
    buf_init(&joined, 1 << 18);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < ALARM_LINES_MAX; i++)
            lists[i] = (char)('0' + (i + round * 17) % 70);
        put_message(&next, lists, "", round, 0);
        if (round)
            assert_true(alarm_join(buf_slice(&sum), buf_slice(&next), &joined));
        buf_clear(&sum);
        buf_put_slice(&sum, buf_slice(round ? &joined : &next));
        buf_clear(&joined);
    }
    buf_putc(&sum, '\0');
    unsigned shown = times(buf_slice(&sum).p, "\"kind\":");
    char more[32];
    snprintf(more, sizeof more, "\"more\":%u}", 4 * ALARM_LINES_MAX - shown);
    assert_in_range(shown, ALARM_LINES_MAX + 1, 2 * ALARM_LINES_MAX);
    assert_non_null(strstr(buf_slice(&sum).p, more));
    buf_free(&sum);
    buf_free(&next);
    buf_free(&joined);
}

/* A whole network is listed by many: what a letter cannot hold is counted, and the text ends. */
static void test_a_letter_has_an_end(void **state)
{
    struct standing_rig *r = *state;
    char list[32], more[32];
    struct alarm fresh[ALARM_LINES_MAX];
    struct buf out;
    for (int i = 0; i < STANDING_LISTINGS_MAX; i++) {
        snprintf(list, sizeof list, "list-%d.test", i);
        sr_list(r, 0, list, 40, false);
    }
    for (int i = 0; i < ALARM_LINES_MAX; i++)
        fresh[i] = (struct alarm){ .kind = ALARM_ADDRESS,
                                   .egress = slice_of("a"),
                                   .address = r->member[0].address,
                                   .state = slice_of("draining"),
                                   .reason = slice_of("the reason") };
    struct alarm_digest digest = { .fresh = fresh, .fresh_n = ALARM_LINES_MAX, .fresh_more = 7 };
    struct alarm_message m = { slice_of("gw1.test"), r->now_ms, &digest, r->s };
    buf_init(&out, LINK_LETTER_MAX);
    alarm_put_text(&out, &m);
    assert_false(out.full);
    buf_putc(&out, '\0');
    unsigned shown = times(buf_slice(&out).p, "- a (");
    snprintf(more, sizeof more, "- and %u more\n", ALARM_LINES_MAX + 7 - shown);
    assert_in_range(shown, 1, ALARM_LINES_MAX - 1);
    assert_non_null(strstr(buf_slice(&out).p, more));
    assert_non_null(strstr(buf_slice(&out).p, "asks for a person"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_alarm_says_what_to_do, sr_set_up, sr_tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_resort_is_told, sr_set_up, sr_tear_down),
        cmocka_unit_test(test_what_was_missed_is_summed_up),
        cmocka_unit_test(test_a_summary_has_an_end),
        cmocka_unit_test_setup_teardown(test_a_letter_has_an_end, sr_set_up, sr_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
