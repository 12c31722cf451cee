/*
 * test_delivery_said — what the next hop says of its limits (RFC 9422) holds for the session that
 * heard it
 */
#include "tests/unit/delivery_rig.h"

#define HELLO(caps)                                                                                \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250-peer\r\n" caps "250 8BITMIME\r\n", GO_ON                       \
    }
#define RCPT                                                                                       \
    {                                                                                              \
        "RCPT TO", "250 ok\r\n", GO_ON                                                             \
    }
#define MAIL                                                                                       \
    {                                                                                              \
        "MAIL FROM", "250 ok\r\n", GO_ON                                                           \
    }
#define BODY                                                                                       \
    { "DATA\r\n", "354 go\r\n", GO_ON },                                                           \
    {                                                                                              \
        "\r\n.\r\n", "250 ok\r\n", GO_ON                                                           \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
#define ONE MAIL, RCPT, BODY
#define TWO MAIL, RCPT, RCPT, BODY
#define THREE MAIL, RCPT, RCPT, RCPT, BODY
#define PIPELINED(rcpts)                                                                           \
    { "DATA\r\n", "250 ok\r\n" rcpts "354 go\r\n", GO_ON },                                        \
    {                                                                                              \
        "\r\n.\r\n", "250 ok\r\n", GO_ON                                                           \
    }

static const struct mail_spec three = { .from = "a@s.example",
                                        .to = { "b@d.example", "c@d.example", "e@d.example" },
                                        .body = "Subject: x\r\n\r\nhello\r\n" };

static unsigned mails_on(unsigned peer, unsigned conn)
{
    return count_in(got(peer, conn), "MAIL FROM");
}

static unsigned recipients_on(unsigned peer, unsigned conn)
{
    return count_in(got(peer, conn), "RCPT TO");
}

static void start(const char *conf, const char *rules)
{
    static char second[80];
    snprintf(second, sizeof second, " }\n  - { name: s, hosts: [\"127.0.0.1:%u\"]",
             rig.peers[1].port);
    rig.route_extra = second;
    rig_start(conf, rules);
}

/* Parts of one message are messages to the server: those it takes no more of go by another session,
 * at once. They have not been tried: nothing is logged of them, and it is no attempt of theirs. */
static void check_parts(const struct line *first, const struct line *then)
{
    play(0, first);
    play(0, then);
    start("", "");
    rig_mail(&three);
    until_logged(DELIVERED, 3);
    assert_int_equal(rig.peers[0].conns_n, 2);
    assert_int_equal(mails_on(0, 0), 2);
    assert_int_equal(recipients_on(0, 0), 2);
    assert_int_equal(mails_on(0, 1), 1);
    assert_int_equal(recipients_on(0, 1), 1);
    until_got(0, 0, "QUIT\r\n", 1);
    assert_int_equal(count_in(rig_log(), "\"event\":"), 3);
    assert_int_equal(count_in(rig_log(), "\"attempt\":1,"), 3);
}

static void test_mailmax_counts_parts(void **state)
{
    static const struct line script[] = { HELLO("250-LIMITS MAILMAX=2 RCPTMAX=1\r\n"), ONE, ONE,
                                          SILENT };
    (void)state;
    check_parts(script, script);
}

static void test_mailmax_counts_parts_in_a_row(void **state)
{
    static const struct line script[] = {
        HELLO("250-PIPELINING\r\n250-LIMITS MAILMAX=2 RCPTMAX=1\r\n"), PIPELINED("250 ok\r\n"),
        PIPELINED("250 ok\r\n"), SILENT
    };
    (void)state;
    check_parts(script, script);
}

/* So does our own limit. */
static void test_messages_per_connection_counts_parts(void **state)
{
    static const struct line script[] = { HELLO("250-LIMITS MAILMAX=9 RCPTMAX=1\r\n"), ONE, ONE,
                                          SILENT };
    (void)state;
    play(0, script);
    start("delivery: { messages_per_connection: 2 }", "");
    rig_mail(&three);
    until_logged(DELIVERED, 3);
    assert_int_equal(rig.peers[0].conns_n, 2);
    assert_int_equal(mails_on(0, 0), 2);
    assert_int_equal(mails_on(0, 1), 1);
}

/* Who refused it before is not asked again for those that are left. */
static void test_parts_go_by_who_may_send_them(void **state)
{
    static const struct line script[] = { HELLO("250-LIMITS MAILMAX=1 RCPTMAX=1\r\n"), ONE,
                                          SILENT };
    struct mail_spec refused = three;
    (void)state;
    refused.refused[0] = "one";
    play(0, script);
    start("egress: [ { name: one }, { name: two, weight: 0 } ]", "");
    rig_mail(&refused);
    until_logged(DELIVERED, 3);
    assert_int_equal(rig.peers[0].conns_n, 3);
    assert_int_equal(count_in(rig_log(), "\"egress\":\"two\""), 3);
}

/* Urgent mail does not wait for all parts of a message that is under way. */
static void test_urgent_mail_goes_between_parts(void **state)
{
    static const struct line script[] = {
        HELLO("250-LIMITS RCPTMAX=1\r\n"), MAIL, RCPT, { "DATA\r\n", "354 go\r\n", GO_ON }, SILENT
    };
    struct mail_spec urgent = three, bulk = three;
    (void)state;
    bulk.lane = LANE_BULK;
    urgent.from = "boss@s.example";
    urgent.to[1] = NULL;
    urgent.lane = LANE_URGENT;
    play(0, script);
    start("delivery: { connections: 1 }", "");
    rig_mail(&bulk);
    until_connected(0, 1);
    until_got(0, 0, "\r\n.\r\n", 1);
    rig_mail(&urgent);
    turns(5);
    say(0, 0, "250 ok\r\n");
    until_got(0, 0, "MAIL FROM", 2);
    assert_non_null(strstr(got(0, 0), "MAIL FROM:<boss@s.example>"));
    say(0, 0, "250 ok\r\n");
    until_got(0, 0, "RCPT TO", 2);
    say(0, 0, "250 ok\r\n");
    until_got(0, 0, "DATA\r\n", 2);
    say(0, 0, "354 go\r\n");
    until_got(0, 0, "\r\n.\r\n", 2);
    say(0, 0, "250 ok\r\n");
    until_got(0, 0, "MAIL FROM:<a@s.example>", 2); /* and so do the others, at once */
}

/* The server says something else to each connection. */
static void test_each_session_goes_by_what_it_heard(void **state)
{
    static const struct line strict[] = { HELLO("250-LIMITS MAILMAX=1 RCPTMAX=1\r\n"), ONE,
                                          SILENT };
    static const struct line looser[] = { HELLO("250-LIMITS MAILMAX=2\r\n"), TWO, THREE, SILENT };
    static const struct line stricter[] = { HELLO("250-LIMITS RCPTMAX=2\r\n"), TWO, ONE, SILENT };
    (void)state;
    play(0, strict);
    play(0, looser);
    play(0, stricter);
    start("", "");
    rig_mail(&three);
    until_logged(DELIVERED, 3);
    rig_mail(&three);
    until_logged(DELIVERED, 6);
    rig_mail(&three);
    until_logged(DELIVERED, 9);
    assert_int_equal(rig.peers[0].conns_n, 3);
    assert_int_equal(mails_on(0, 0), 1);
    assert_int_equal(mails_on(0, 1), 2);
    assert_int_equal(recipients_on(0, 1), 5);
    assert_int_equal(mails_on(0, 2), 2);
    assert_int_equal(recipients_on(0, 2), 3);
}

/* What one site says is nothing to another. */
static void test_each_site_has_its_own(void **state)
{
    static const struct line one[] = { HELLO("250-LIMITS RCPTMAX=1\r\n"), ONE, ONE, ONE, SILENT };
    static const struct line two[] = { HELLO("250-LIMITS RCPTMAX=2\r\n"), TWO, ONE, SILENT };
    struct mail_spec to_s = three;
    (void)state;
    to_s.route = "s";
    play(0, one);
    play(1, two);
    start("", "");
    rig_mail(&three);
    rig_mail(&to_s);
    until_logged(DELIVERED, 6);
    assert_int_equal(mails_on(0, 0), 3);
    assert_int_equal(mails_on(1, 0), 2);
}

/* Zero, more than there can be, and what is no number limit nothing. */
static void test_absurd_limits_are_none(void **state)
{
    static const struct line zero[] = { HELLO("250-LIMITS MAILMAX=0 RCPTMAX=0 RCPTDOMAINMAX=0\r\n"),
                                        THREE, THREE, SILENT };
    static const struct line huge[] = { HELLO("250-LIMITS MAILMAX=18446744073709551617 "
                                              "RCPTMAX=18446744073709551617 "
                                              "RCPTDOMAINMAX=4294967296\r\n"),
                                        THREE, THREE, SILENT };
    static const struct line garbage[] = {
        HELLO("250-LIMITS MAILMAX= RCPTMAX=-1 RCPTDOMAINMAX=one =1 1\r\n"), THREE, THREE, SILENT
    };
    static const struct line *const scripts[] = { zero, huge, garbage };
    struct mail_spec domains = three;
    (void)state;
    domains.to[1] = "c@other.example";
    for (unsigned i = 0; i < 3; i++)
        play(0, scripts[i]);
    start("", "");
    for (unsigned i = 0; i < 3; i++) {
        rig_mail(&domains);
        until_logged(DELIVERED, 6 * i + 3);
        rig_mail(&domains);
        until_logged(DELIVERED, 6 * i + 6);
        assert_int_equal(rig.peers[0].conns_n, i + 1);
        assert_int_equal(mails_on(0, i), 2);
        conn_close(&rig.peers[0].conns[i]); /* the next one says it otherwise */
        turns(10);
    }
}

/* Of what we allow and what the server does the smaller number holds. */
static void check_smaller(const char *rules, const struct line *script, unsigned mails)
{
    play(0, script);
    start("", rules);
    rig_mail(&three);
    until_logged(DELIVERED, 3);
    assert_int_equal(mails_on(0, 0), mails);
}

static void test_our_rule_is_smaller(void **state)
{
    static const struct line script[] = { HELLO("250-LIMITS RCPTMAX=2\r\n"), ONE, ONE, ONE,
                                          SILENT };
    (void)state;
    check_smaller("traffic: [ { recipients_per_message: 1 } ]", script, 3);
}

static void test_what_they_said_is_smaller(void **state)
{
    static const struct line script[] = { HELLO("250-LIMITS RCPTMAX=1\r\n"), ONE, ONE, ONE,
                                          SILENT };
    (void)state;
    check_smaller("traffic: [ { recipients_per_message: 2 } ]", script, 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_mailmax_counts_parts),
        T(test_mailmax_counts_parts_in_a_row),
        T(test_messages_per_connection_counts_parts),
        T(test_parts_go_by_who_may_send_them),
        T(test_urgent_mail_goes_between_parts),
        T(test_each_session_goes_by_what_it_heard),
        T(test_each_site_has_its_own),
        T(test_absurd_limits_are_none),
        T(test_our_rule_is_smaller),
        T(test_what_they_said_is_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
