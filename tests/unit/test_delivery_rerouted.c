/*
 * test_delivery_rerouted — mail that is refused for our address leaves by another egress at once
 *
 *   The clock is the test's: from the mail's coming to its leaving it goes on by a second at most,
 *   so whatever happens waits for no timer longer than that, however slow the machine is.
 */
#include "tests/unit/delivery_rig.h"

/* The linker gives these to whoever asks for the time (tests/CMakeLists.txt). */
int64_t real_mono_us(void) __asm__("__real_clock_mono_us");
int64_t real_mono_ms(void) __asm__("__real_clock_mono_ms");
int64_t real_wall_ms(void) __asm__("__real_clock_wall_ms");
int64_t test_mono_us(void) __asm__("__wrap_clock_mono_us");
int64_t test_mono_ms(void) __asm__("__wrap_clock_mono_ms");
int64_t test_wall_ms(void) __asm__("__wrap_clock_wall_ms");

static int64_t stopped_us, stopped_wall_ms; /* 0: it is the real one */

int64_t test_mono_us(void)
{
    return stopped_us ? stopped_us : real_mono_us();
}

int64_t test_mono_ms(void)
{
    return stopped_us ? stopped_us / 1000 : real_mono_ms();
}

int64_t test_wall_ms(void)
{
    return stopped_wall_ms ? stopped_wall_ms : real_wall_ms();
}

static void stop_clock(void)
{
    stopped_us = real_mono_us();
    stopped_wall_ms = real_wall_ms();
}

/* A millisecond each turn. */
static void until_delivered(unsigned n)
{
    for (int i = 0; i < 1000 && count_in(rig_log(), DELIVERED) < n; i++) {
        stopped_us += 1000;
        stopped_wall_ms++;
        loop_turn(rig.loop, 10);
    }
    until_logged(DELIVERED, n);
}

static int tear_down(void **state)
{
    stopped_us = stopped_wall_ms = 0;
    return rig_tear_down(state);
}

#define REROUTED "\"event\":\"rerouted\""
#define BLOCKED                                                                                    \
    "550 5.7.1 Service unavailable; client [127.0.0.2] blocked using zen.spamhaus.org\r\n"
#define HELLO                                                                                      \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250 peer\r\n", GO_ON                                               \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
#define MAIL                                                                                       \
    {                                                                                              \
        "MAIL FROM", "250 ok\r\n", GO_ON                                                           \
    }
#define RCPT(says)                                                                                 \
    {                                                                                              \
        "RCPT TO", says, GO_ON                                                                     \
    }
#define BODY(says)                                                                                 \
    { "DATA\r\n", "354 go\r\n", GO_ON },                                                           \
    {                                                                                              \
        "\r\n.\r\n", says, GO_ON                                                                   \
    }
#define OK "250 ok\r\n"

static const struct line takes[] = { HELLO, MAIL, RCPT(OK), BODY(OK), SILENT };
static const struct line at_greeting[] = { { "", BLOCKED, CLOSE }, SILENT };
static const struct line at_mail[] = { HELLO, { "MAIL FROM", BLOCKED, GO_ON }, SILENT };
static const struct line at_rcpt[] = { HELLO, MAIL, RCPT(BLOCKED), SILENT };
static const struct line at_final[] = { HELLO, MAIL, RCPT(OK), BODY(BLOCKED), SILENT };
static const struct line at_second_rcpt[] = {
    HELLO, MAIL, RCPT(OK), RCPT(BLOCKED), BODY(OK), SILENT
};

static const struct mail_spec one_recipient = { .from = "a@s.example",
                                                .to = { "b@d.example" },
                                                .body = "Subject: x\r\n\r\nhello\r\n" };
static const struct mail_spec two_recipients = { .from = "a@s.example",
                                                 .to = { "b@d.example", "c@d.example" },
                                                 .body = "Subject: x\r\n\r\nhello\r\n" };

/* `one` carries what it can; `two` is the reserve. */
static void start(const struct line *refuses)
{
    play(0, refuses);
    play(0, takes);
    peer_shut(&rig.peers[1]);
    rig.replies = reply_rules_shipped();
    rig.allowances = allowances_new();
    rig_start("egress:\n  - { name: one, address: 127.0.0.2 }\n"
              "  - { name: two, address: 127.0.0.3, weight: 0 }\n",
              "");
}

/* The line of the log with both of these, and no other. */
static const char *line_with(const char *event, const char *also)
{
    static char line[4096];
    unsigned n = 0;
    for (const char *at = rig_log(); *at; at = strchr(at, '\n') + 1) {
        char text[sizeof line];
        snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "\n"), at);
        if (strstr(text, event) && strstr(text, also)) {
            memcpy(line, text, sizeof line);
            n++;
        }
    }
    assert_int_equal(n, 1);
    return line;
}

/* What an operator asks: which mail, who took it, who did not, and what was said. */
static void check_explained(const char *recipient)
{
    const char *line = line_with(DELIVERED, recipient);
    static const char *const parts[] = { "\"id\":\"",
                                         "\"sender\":\"a@s.example\"",
                                         "\"egress\":\"two\"",
                                         "\"source\":\"127.0.0.3\"",
                                         "\"previous\":\"one\"",
                                         "550 5.7.1 Service unavailable",
                                         "blocked using zen.spamhaus.org\"" };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!strstr(line, parts[i]))
            print_error("no %s in: %s\n", parts[i], line);
        assert_non_null(strstr(line, parts[i]));
    }
}

static void test_at_once_and_one_line_says_why(void **state)
{
    static const struct {
        const char *name;
        const struct line *script;
    } moments[] = { { "greeting", at_greeting },
                    { "MAIL", at_mail },
                    { "RCPT", at_rcpt },
                    { "final reply", at_final } };
    (void)state;
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        if (i)
            rig_set_up(state);
        start(moments[i].script);
        stop_clock();
        rig_mail(&one_recipient);
        until_delivered(1);
        assert_int_equal(count_in(rig_log(), REROUTED), 1);
        assert_int_equal(count_in(rig_log(), DEFERRED), 0);
        check_explained("b@d.example");
        if (i + 1 < sizeof moments / sizeof moments[0])
            tear_down(state);
    }
}

/* Only of those whom it concerns. */
static void test_of_each_recipient_its_own(void **state)
{
    (void)state;
    start(at_second_rcpt);
    stop_clock();
    rig_mail(&two_recipients);
    until_delivered(2);
    check_explained("c@d.example");
    const char *first = line_with(DELIVERED, "b@d.example");
    assert_non_null(strstr(first, "\"egress\":\"one\""));
    assert_null(strstr(first, "previous"));
    assert_null(strstr(first, "reason"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_at_once_and_one_line_says_why),
        T(test_of_each_recipient_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
