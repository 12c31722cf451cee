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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_alarm_says_what_to_do, sr_set_up, sr_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
