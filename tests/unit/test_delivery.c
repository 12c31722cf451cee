/*
 * test_delivery — whole sessions against scripted peers
 *
 *   What is compared is every byte the peer got, and what the delivery log says became of the mail.
 */
#include "tests/unit/delivery_rig.h"

#define HELLO(caps)                                                                                \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250-peer\r\n" caps "250 8BITMIME\r\n", GO_ON                       \
    }
#define PIPELINED HELLO("250-PIPELINING\r\n")
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
#define ENVELOPE "MAIL FROM:<a@s.example>\r\nRCPT TO:<b@d.example>\r\n"
#define BODY "Subject: x\r\n\r\nhello\r\n"
#define OK2 "250 ok\r\n250 ok\r\n"

static const struct mail_spec plain = { .from = "a@s.example",
                                        .to = { "b@d.example" },
                                        .body = BODY };

static void test_one_mail(void **state)
{
    (void)state;
    static const struct line script[] = {
        PIPELINED,
        { ENVELOPE "DATA\r\n", OK2 "354 go\r\n", ALONE },
        { "\r\n.\r\n", "250 2.0.0 taken\r\n", ALONE },
        SILENT,
    };
    play(0, script);
    rig_start("", "");
    rig_mail(&plain);
    until_logged(DELIVERED, 1);
    assert_string_equal(got(0, 0), "EHLO gw.example\r\n" ENVELOPE "DATA\r\n" BODY ".\r\n");
    assert_int_equal(rig.peers[0].conns_n, 1);
}

/* The next transaction travels behind the body, before the final reply is there. */
static void test_behind_the_body(void **state)
{
    (void)state;
    static const struct line script[] = {
        PIPELINED,
        { ENVELOPE "DATA\r\n", OK2 "354 go\r\n", ALONE },
        { BODY ".\r\n" ENVELOPE "DATA\r\n", "250 one\r\n" OK2 "354 go\r\n", ALONE },
        { BODY ".\r\n", "250 two\r\n", ALONE },
        SILENT,
    };
    play(0, script);
    rig_start("delivery: { connections: 1 }", "");
    rig_mail_held(&plain);
    rig_mail_held(&plain);
    rig_act(QUEUE_RELEASE, LANE_COUNT);
    until_logged(DELIVERED, 2);
    assert_int_equal(rig.peers[0].conns_n, 1);
}

static void test_one_command_at_a_time(void **state)
{
    (void)state;
    static const struct line script[] = {
        HELLO(""),
        { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", ALONE },
        { "RCPT TO:<b@d.example>\r\n", "250 ok\r\n", ALONE },
        { "RCPT TO:<c@d.example>\r\n", "550 5.1.1 no\r\n", ALONE },
        { "DATA\r\n", "354 go\r\n", ALONE },
        { BODY ".\r\n", "250 taken\r\n", ALONE },
        SILENT,
    };
    static const struct mail_spec two = { .from = "a@s.example",
                                          .to = { "b@d.example", "c@d.example" },
                                          .notify = NOTIFY_NEVER,
                                          .body = BODY };
    play(0, script);
    rig_start("", "");
    rig_mail(&two);
    until_logged(DELIVERED, 1);
    until_logged(BOUNCED, 1);
}

static void test_helo(void **state)
{
    (void)state;
    static const struct line script[] = {
        { "", "220 peer\r\n", GO_ON },
        { "EHLO gw.example\r\n", "502 what\r\n", GO_ON },
        { "HELO gw.example\r\n", "250 peer\r\n", GO_ON },
        { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", ALONE },
        { "RCPT TO:<b@d.example>\r\n", "250 ok\r\n", ALONE },
        { "DATA\r\n", "354 go\r\n", ALONE },
        { ".\r\n", "250 taken\r\n", ALONE },
        SILENT,
    };
    play(0, script);
    rig_start("", "");
    rig_mail(&plain);
    until_logged(DELIVERED, 1);
}

static void test_bdat_in_one_flight(void **state)
{
    (void)state;
    static const struct line script[] = {
        HELLO("250-PIPELINING\r\n250-CHUNKING\r\n"),
        { ENVELOPE "BDAT 21 LAST\r\n" BODY, OK2 "250 taken\r\n", ALONE },
        SILENT,
    };
    play(0, script);
    rig_start("", "");
    rig_mail(&plain);
    until_logged(DELIVERED, 1);
}

/* No recipient, but the server wants the data all the same: a lone dot; the next one is clean. */
static void test_lone_dot(void **state)
{
    (void)state;
    static const struct line script[] = {
        PIPELINED,
        { ENVELOPE "DATA\r\n", "250 ok\r\n550 no\r\n354 go\r\n", ALONE },
        { ".\r\n", "554 nobody\r\n", ALONE },
        { ENVELOPE "DATA\r\n", OK2 "354 go\r\n", ALONE },
        { BODY ".\r\n", "250 taken\r\n", ALONE },
        SILENT,
    };
    static const struct mail_spec quiet = {
        .from = "a@s.example", .to = { "b@d.example" }, .notify = NOTIFY_NEVER, .body = BODY
    };
    play(0, script);
    rig_start("", "");
    rig_mail(&quiet);
    until_logged(BOUNCED, 1);
    rig_mail(&plain);
    until_logged(DELIVERED, 1);
}

static void test_rset_when_needed(void **state)
{
    (void)state;
    static const struct line script[] = {
        PIPELINED,
        { ENVELOPE "DATA\r\n", "250 ok\r\n550 no\r\n503 no\r\n", ALONE },
        { "RSET\r\n" ENVELOPE "DATA\r\n", "250 ok\r\n" OK2 "354 go\r\n", ALONE },
        { BODY ".\r\n", "250 taken\r\n", ALONE },
        SILENT,
    };
    static const struct mail_spec quiet = {
        .from = "a@s.example", .to = { "b@d.example" }, .notify = NOTIFY_NEVER, .body = BODY
    };
    play(0, script);
    rig_start("", "");
    rig_mail(&quiet);
    until_logged(BOUNCED, 1);
    rig_mail(&plain);
    until_logged(DELIVERED, 1);
    assert_int_equal(rig.peers[0].conns_n, 1);
}

static const struct line taker[] = {
    PIPELINED,
    { "DATA\r\n", OK2 "354 go\r\n", GO_ON },
    { "\r\n.\r\n", "250 taken\r\n", GO_ON },
    { "DATA\r\n", OK2 "354 go\r\n", GO_ON },
    { "\r\n.\r\n", "250 taken\r\n", GO_ON },
    SILENT,
};

/* A kept session that the peer ended meanwhile is no attempt. */
static void test_kept_session_gone(void **state)
{
    (void)state;
    static const struct line script[] = {
        PIPELINED,
        { "DATA\r\n", OK2 "354 go\r\n", GO_ON },
        { "\r\n.\r\n", "250 taken\r\n", GO_ON },
        { "MAIL FROM", "421 4.4.2 too slow\r\n", CLOSE },
        SILENT,
    };
    play(0, script);
    play(0, taker);
    rig_start("", "");
    rig_mail(&plain);
    until_logged(DELIVERED, 1);
    rig_mail(&plain);
    until_logged(DELIVERED, 2);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
    assert_int_equal(count_in(rig_log(), "\"attempt\":1"), 2);
    assert_int_equal(rig.peers[0].conns_n, 2);
}

static void test_closed_while_idle(void **state)
{
    (void)state;
    static const struct line script[] = {
        PIPELINED,
        { "DATA\r\n", OK2 "354 go\r\n", GO_ON },
        { "\r\n.\r\n", "250 taken\r\n421 4.3.2 bye\r\n", CLOSE },
        SILENT,
    };
    play(0, script);
    play(0, taker);
    rig_start("", "");
    rig_mail(&plain);
    until_logged(DELIVERED, 1);
    turns(5);
    struct delivery_stats stats;
    delivery_get_stats(rig.delivery, &stats);
    assert_int_equal(stats.sessions, 0);
    rig_mail(&plain);
    until_logged(DELIVERED, 2);
}

static void test_messages_per_connection(void **state)
{
    (void)state;
    play(0, taker);
    rig_start("delivery: { messages_per_connection: 1 }", "");
    rig_mail(&plain);
    until_logged(DELIVERED, 1);
    rig_mail(&plain);
    until_logged(DELIVERED, 2);
    turns(5);
    assert_int_equal(rig.peers[0].conns_n, 2);
    assert_int_equal(count_in(got(0, 0), "QUIT\r\n"), 1);
    assert_int_equal(count_in(got(0, 0), "MAIL"), 1);
}

/* RCPTMAX and a plain 452 both lead to a second transaction on the same session. */
static void test_many_recipients(void **state)
{
    (void)state;
    static const struct line script[] = {
        HELLO("250-PIPELINING\r\n250-LIMITS RCPTMAX=2\r\n"),
        { "RCPT TO:<b@d.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
          "250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n354 go\r\n", ALONE },
        { BODY ".\r\n", "250 taken\r\n", ALONE },
        { "RCPT TO:<c@d.example>\r\nRCPT TO:<e@d.example>\r\nDATA\r\n",
          "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", ALONE },
        { BODY ".\r\n", "250 taken\r\n", ALONE },
        SILENT,
    };
    static const struct mail_spec three = { .from = "a@s.example",
                                            .to = { "b@d.example", "c@d.example", "e@d.example" },
                                            .body = BODY };
    play(0, script);
    rig_start("", "");
    rig_mail(&three);
    until_logged(DELIVERED, 3);
}

/* ---- bodies ---- */

static char *lines_with_dots(size_t n)
{
    char *body = mem_zero(n + 1);
    for (size_t i = 0; i < n; i++)
        body[i] = ".abc.efghijklmnop\r\n"[i % 19];
    memcpy(body + n - 2, "\r\n", 2);
    return body;
}

static void check_body(size_t n, bool from_spool)
{
    static const struct line script[] = {
        PIPELINED,
        { "DATA\r\n", OK2 "354 go\r\n", GO_ON },
        { "\r\n.\r\n", "250 taken\r\n", ALONE },
        SILENT,
    };
    char *body = lines_with_dots(n);
    struct mail_spec spec = plain;
    spec.body = body;
    spec.from_spool = from_spool;
    play(0, script);
    rig_start("", "");
    rig_mail(&spec);
    until_logged(DELIVERED, 1);
    const char *sent = strstr(got(0, 0), "DATA\r\n") + 6;
    size_t in = 0, out = 0;
    for (; in < n; in++, out++) {
        if (body[in] == '.' && (in == 0 || body[in - 1] == '\n'))
            assert_int_equal(sent[out++], '.');
        assert_int_equal(sent[out], body[in]);
    }
    assert_string_equal(sent + out, ".\r\n");
    free(body);
}

static void test_body_in_memory(void **state)
{
    (void)state;
    check_body(100000, false);
}

static void test_body_from_spool(void **state)
{
    (void)state;
    check_body(100000, true);
}

static void test_large_body(void **state)
{
    (void)state;
    check_body(3 * 1024 * 1024 + 77, true);
}

static void test_large_bdat(void **state)
{
    (void)state;
    static const struct line script[] = {
        HELLO("250-PIPELINING\r\n250-CHUNKING\r\n"),
        { ENVELOPE, OK2, ALONE }, /* a large chunk waits for a recipient */
        { "BDAT 2000000 LAST\r\n", NULL, GO_ON },
        { "!\r\n", "250 taken\r\n", ALONE },
        SILENT,
    };
    char *body = lines_with_dots(2000000);
    struct mail_spec spec = plain;
    memcpy(body + 2000000 - 3, "!\r\n", 3);
    spec.body = body;
    spec.from_spool = true;
    play(0, script);
    rig_start("", "");
    rig_mail(&spec);
    until_logged(DELIVERED, 1);
    const char *sent = strstr(got(0, 0), "LAST\r\n") + 6;
    assert_memory_equal(sent, body, 2000000);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
        T(test_one_mail),
        T(test_behind_the_body),
        T(test_one_command_at_a_time),
        T(test_helo),
        T(test_bdat_in_one_flight),
        T(test_lone_dot),
        T(test_rset_when_needed),
        T(test_kept_session_gone),
        T(test_closed_while_idle),
        T(test_messages_per_connection),
        T(test_many_recipients),
        T(test_body_in_memory),
        T(test_body_from_spool),
        T(test_large_body),
        T(test_large_bdat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
