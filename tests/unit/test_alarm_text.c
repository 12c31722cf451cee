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
#include "tests/support/standing_rig.h"

static const struct row {
    enum alarm_kind kind;
    const char *with, *state;
    const char *subject; /* behind the host */
    const char *todo;    /* a part; "": nothing is to be done */
} rows[] = {
    { ALARM_LIST, "zen.test", "held", "the list zen.test suddenly lists most of our addresses",
      "nothing at once: mail goes on by all of them" },
    { ALARM_LIST, "zen.test", "many", "the list zen.test goes on listing most of our addresses",
      "take it out of the configuration and reload" },
    { ALARM_LIST, "zen.test", "silent", "the list zen.test says nothing usable", "resolvers" },
    { ALARM_LIST, "/f", "refused", "the list /f has content that cannot be used", "the file" },
    { ALARM_LIST, "zen.test", "fine", "the list zen.test can be believed again", "" },
    { ALARM_POOL, "overseas", "empty", "no address of route overseas may carry mail",
      "waypost egress list" },
    { ALARM_POOL, "overseas", "back", "route overseas has an address again that may carry mail",
      "" },
    { ALARM_PROVIDER, "gmail", "blocked", "a (192.0.2.1) is blocked by gmail again",
      "page to ask for removal" },
    { ALARM_ADDRESS, "", "draining", "a (192.0.2.1) is draining", "list's own site" },
    { ALARM_STATE, "", "", "the standing of the addresses is lost", "egress disable NAME" },
};

static void test_every_alarm_says_what_to_do(void **state)
{
    struct standing_rig *r = *state;
    sr_list(r, 0, "zen.test", 100, true);
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
        assert_true(slice_ends_with(subject, w->subject));
        buf_clear(&out);
        alarm_put_text(&out, &m);
        buf_putc(&out, '\0');
        const char *text = buf_slice(&out).p, *todo = strstr(text, "What to do: ");
        assert_non_null(strstr(text, "gw1.test"));
        assert_non_null(strstr(text, "the reason"));
        assert_int_equal(todo != NULL, w->todo[0] != '\0');
        assert_true(!todo || strstr(todo, w->todo));
        assert_int_equal(strstr(text, "asks for a person") != NULL, w->todo[0] != '\0');
        buf_clear(&out);
        alarm_put_json(&out, &m);
        buf_putc(&out, '\0');
        assert_non_null(strstr(buf_slice(&out).p, w->subject));
        assert_int_equal(strstr(buf_slice(&out).p, "\"todo\"") != NULL, w->todo[0] != '\0');
        buf_free(&out);
    }
}

/* One for each egress of `egresses`, at that minute. */
static void put_message(struct buf *out, const char *egresses, int minute, uint32_t more)
{
    struct alarm fresh[ALARM_LINES_MAX];
    struct alarm_digest digest = { .fresh = fresh, .fresh_more = more };
    struct alarm_message m = { slice_of("gw1.test"), minute * RIG_MINUTE, &digest, NULL };
    for (; egresses[digest.fresh_n]; digest.fresh_n++)
        fresh[digest.fresh_n] = (struct alarm){ .kind = ALARM_LIST,
                                                .with = { &egresses[digest.fresh_n], 1 },
                                                .state = slice_of(list_fault_names[LIST_SILENT]),
                                                .reason = slice_of(minute % 2 ? "odd" : "even") };
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
        "usable, and 1 more; 11 earlier could not be told in time\"",
        "\"alarms\":[{\"kind\":\"list\",\"with\":\"a\"", "\"time\":\"1970-01-01T00:02:00.000Z\"",
        "\"time\":\"1970-01-01T00:01:00.000Z\"", "\"more\":8"
    };
    struct buf first, second, third, joined, all;
    (void)state;
    struct buf *const bufs[] = { &first, &second, &third, &joined, &all };
    for (size_t i = 0; i < 5; i++)
        buf_init(bufs[i], 1 << 16);
    put_message(&first, "abc", 1, 5);
    put_message(&second, "abd", 2, 0);
    put_message(&third, "ae", 3, 0);
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
    assert_int_equal(times(text, "\"reason\":\"even\""), 2);
    assert_int_equal(times(text, "\"time\":"), 1 + 3);
    assert_false(alarm_join(SLICE_LIT("{}"), buf_slice(&third), &joined));
    assert_false(alarm_join(buf_slice(&third), SLICE_LIT("no JSON"), &joined));
    for (size_t i = 0; i < 5; i++)
        buf_free(bufs[i]);
}

/* However many there were: no more lines than a message may have. */
static void test_a_summary_has_an_end(void **state)
{
    char egresses[ALARM_LINES_MAX + 1] = { 0 };
    struct buf sum, next, joined;
    (void)state;
    buf_init(&sum, 1 << 18);
    buf_init(&next, 1 << 18);
    buf_init(&joined, 1 << 18);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < ALARM_LINES_MAX; i++)
            egresses[i] = (char)('0' + (i + round * 17) % 70);
        put_message(&next, egresses, round, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_alarm_says_what_to_do, sr_set_up, sr_tear_down),
        cmocka_unit_test(test_what_was_missed_is_summed_up),
        cmocka_unit_test(test_a_summary_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
