/*
 * test_delivery_crowd — how many sessions a server bears: begun with, grown, found out, kept to
 */
#include "tests/unit/delivery_rig.h"

#include "gateway/delivery/crowd.h"
#include "policies/concurrency.h"

#define HELLO                                                                                      \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250 peer\r\n", GO_ON                                               \
    }
#define TAKES                                                                                      \
    { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", ALONE },                                        \
        { "RCPT TO:<b@d.example>\r\n", "250 ok\r\n", ALONE },                                      \
    {                                                                                              \
        "DATA\r\n", "354 go\r\n", ALONE                                                            \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
/* Its final replies are said by the test. */
static const struct line keeps_silent[] = { HELLO, TAKES, TAKES, SILENT };
static const struct line refuses[] = { { "", "421 4.3.2 too many\r\n", CLOSE }, SILENT };
static const struct line refuses_mail[] = { HELLO,
                                            { "MAIL", "421 4.7.0 slow down\r\n", CLOSE },
                                            SILENT };

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n" };

static void start(const struct line *const *scripts, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        play(0, scripts[i]);
    peer_shut(&rig.peers[1]);
    rig_start("delivery: { connections: 20 }", "");
}

static void mails(unsigned n)
{
    while (n--)
        rig_mail(&mail);
}

static void answer(unsigned conn)
{
    say(0, conn, "250 ok\r\n");
}

static unsigned standing(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < rig.peers[0].conns_n; i++)
        n += rig.peers[0].conns[i].fd >= 0;
    return n;
}

/* Nothing more is opened while nothing goes through; each message that does lets one more in. */
static void test_it_grows_by_what_goes_through(void **state)
{
    static const struct line *const scripts[] = { keeps_silent };
    (void)state;
    start(scripts, 1);
    mails(14);
    until_connected(0, CONCURRENCY_FIRST);
    turns(40);
    assert_int_equal(rig.peers[0].conns_n, CONCURRENCY_FIRST);
    for (unsigned i = 0; i < 3; i++) {
        answer(i);
        until_logged(DELIVERED, i + 1);
        until_connected(0, CONCURRENCY_FIRST + 1 + i);
    }
    turns(20);
    assert_int_equal(rig.peers[0].conns_n, CONCURRENCY_FIRST + 3);
}

static void wait_longer_than(int64_t ms)
{
    for (int64_t end = loop_now_ms(rig.loop) + ms; loop_now_ms(rig.loop) <= end;)
        loop_turn(rig.loop, 10);
}

/* Two stand, all others are refused: after three or so there is no doubt, and whatever goes through
 * on the two, and however long it takes, no other is tried. */
static void test_refusals_are_heeded(void **state)
{
    static const struct line *const scripts[] = { keeps_silent, keeps_silent, refuses };
    (void)state;
    start(scripts, 3);
    mails(2);
    until_connected(0, 2);
    mails(1);
    until_connected(0, 3);
    turns(10); /* its other host has been tried, too, and is known not to be there */
    mails(4);
    for (int i = 0; i < 3000 && rig.peers[0].conns_n < 2 + 3; i++)
        loop_turn(rig.loop, 10);
    wait_longer_than(2 * CROWD_WAIT_MS);
    unsigned tried = rig.peers[0].conns_n;
    assert_in_range(tried, 2 + 3, 2 + 4); /* one may be on its way already */
    assert_int_equal(standing(), 2);
    answer(0);
    until_logged(DELIVERED, 1);
    wait_longer_than(2 * CROWD_WAIT_MS);
    assert_int_equal(rig.peers[0].conns_n, tried);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
}

/* The first refusal alone proves nothing: the next is opened, but not before a message has gone
 * through, or a while has passed. */
static void test_one_refusal_makes_it_wait(void **state)
{
    static const struct line *const scripts[] = { keeps_silent, refuses, keeps_silent };
    (void)state;
    start(scripts, 3);
    mails(1);
    until_connected(0, 1);
    mails(1);
    until_connected(0, 2);
    turns(10);
    mails(1);
    turns(10);
    assert_int_equal(rig.peers[0].conns_n, 2);
    answer(0);
    until_connected(0, 3); /* one mail takes the first session, one needs its own */
    assert_int_equal(standing(), 2);
}

/* 421 to the MAIL of a new session is a refusal, too. */
static void test_refused_mail_is_a_refusal(void **state)
{
    static const struct line *const scripts[] = { keeps_silent, refuses_mail, refuses_mail,
                                                  refuses_mail, keeps_silent };
    (void)state;
    start(scripts, 5);
    mails(1);
    until_connected(0, 1);
    for (unsigned i = 1; i <= 3; i++) {
        mails(1);
        until_logged(DEFERRED, i);
    }
    mails(1);
    wait_longer_than(2 * CROWD_WAIT_MS);
    assert_int_equal(standing(), 1);
    assert_int_equal(rig.peers[0].conns_n, 4);
}

/* Others are still being opened: the one that is refused says nothing about the site, its mail goes
 * by them and is not deferred. */
static void test_refused_while_others_are_opened(void **state)
{
    static const struct line silent_at_first[] = { SILENT };
    static const struct line *const scripts[] = { silent_at_first, refuses };
    (void)state;
    start(scripts, 2);
    mails(2);
    until_connected(0, 2);
    turns(20);
    static const struct line goes_on[] = { { "", "220 peer\r\n", GO_ON },
                                           { "EHLO gw.example\r\n", "250 peer\r\n", GO_ON },
                                           TAKES,
                                           { "\r\n.\r\n", "250 ok\r\n", GO_ON },
                                           TAKES,
                                           { "\r\n.\r\n", "250 ok\r\n", GO_ON },
                                           SILENT };
    rig.peers[0].conns[0].at = goes_on;
    conn_play(&rig.peers[0].conns[0]);
    until_logged(DELIVERED, 2);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
}

/* A connection that is being closed is one that the server has: the next is opened after that. */
static void test_those_that_leave_count(void **state)
{
    static const struct line *const scripts[] = { keeps_silent };
    (void)state;
    play(0, scripts[0]);
    peer_shut(&rig.peers[1]);
    rig_start("delivery: { connections: 1, messages_per_connection: 1 }", "");
    mails(2);
    until_connected(0, 1);
    struct conn *first = &rig.peers[0].conns[0];
    until_got(0, 0, "\r\n.\r\n", 1);
    loop_watch_free(&first->watch); /* it does not see the QUIT */
    answer(0);
    until_logged(DELIVERED, 1);
    turns(20);
    assert_int_equal(rig.peers[0].conns_n, 1);
    conn_close(first);
    until_connected(0, 2);
    until_got(0, 1, "\r\n.\r\n", 1);
    answer(1);
    until_logged(DELIVERED, 2);
}

#define FLIGHT                                                                                     \
    { "DATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n", GO_ON },                                       \
    {                                                                                              \
        "\r\n.\r\n", NULL, GO_ON                                                                   \
    }

/* On the one session mail stands behind another only as its final reply becomes due, so that what
 * is more urgent and comes meanwhile is next; and then it does, before the reply is there. */
static void test_late_behind_another(void **state)
{
    static const struct line script[] = { { "", "220 peer\r\n", GO_ON },
                                          { "EHLO", "250-peer\r\n250 PIPELINING\r\n", GO_ON },
                                          FLIGHT,
                                          FLIGHT,
                                          FLIGHT,
                                          SILENT };
    struct mail_spec urgent = mail, bulk = mail;
    urgent.lane = LANE_URGENT;
    urgent.from = "u@s.example";
    bulk.lane = LANE_BULK;
    (void)state;
    play(0, script);
    peer_shut(&rig.peers[1]);
    rig_start("delivery: { connections: 1 }", "");
    rig_mail(&bulk);
    until_connected(0, 1);
    until_got(0, 0, "\r\n.\r\n", 1);
    wait_longer_than(2000); /* so long it takes, as far as is known from now on */
    answer(0);
    until_logged(DELIVERED, 1);
    rig_mail(&bulk);
    until_got(0, 0, "\r\n.\r\n", 2);
    rig_mail(&bulk);
    turns(4);
    rig_mail(&urgent);
    turns(4);
    answer(0);
    until_got(0, 0, "MAIL", 3);
    assert_int_equal(count_in(got(0, 0), "MAIL FROM:<u@s.example>"), 1);
    until_got(0, 0, "MAIL", 4);
    assert_int_equal(count_in(rig_log(), DELIVERED), 2);
    say(0, 0, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    until_got(0, 0, "\r\n.\r\n", 4);
    answer(0);
    until_logged(DELIVERED, 4);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { T(test_it_grows_by_what_goes_through),
                                        T(test_refusals_are_heeded),
                                        T(test_one_refusal_makes_it_wait),
                                        T(test_refused_mail_is_a_refusal),
                                        T(test_refused_while_others_are_opened),
                                        T(test_those_that_leave_count),
                                        T(test_late_behind_another) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
