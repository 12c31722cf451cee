/*
 * test_delivery_farewell — 421 to a recipient when all of the message is out: nobody gets it twice,
 *   and what nobody tells any more is what the 421 says
 */
#include "tests/unit/delivery_rig.h"

#define CHUNKS                                                                                     \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250-peer\r\n250-CHUNKING\r\n250 PIPELINING\r\n", GO_ON             \
    }
#define STOP                                                                                       \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }

static const struct mail_spec two = { .from = "a@s.example",
                                      .to = { "b@d.example", "c@d.example" },
                                      .notify = NOTIFY_NEVER,
                                      .body = "Subject: x\r\n\r\nhello\r\n" };

static void send_to(const struct line *script)
{
    play(0, script);
    peer_shut(&rig.peers[1]);
    rig_start("delivery: { connections: 1, timeouts: { final: 1s } }", "");
    rig_mail(&two);
}

/* By a server that goes on. The session carries nothing more. */
static void test_the_others_have_it(void **state)
{
    static const struct line script[] = {
        CHUNKS,
        { "hello\r\n", "250 ok\r\n250 ok\r\n421 4.3.0 not this one\r\n250 taken\r\n", GO_ON },
        STOP
    };
    (void)state;
    send_to(script);
    until_logged(DELIVERED, 1);
    until_logged(DEFERRED, 1);
    assert_int_equal(count_in(rig_log(), "\"recipient\":\"b@d.example\""), 1);
    assert_non_null(strstr(rig_log(), "not this one"));
    for (int i = 0; i < 500 && !strstr(got(0, 0), "QUIT\r\n"); i++)
        loop_turn(rig.loop, 10);
    assert_non_null(strstr(got(0, 0), "QUIT\r\n"));
    assert_int_equal(rig.peers[0].conns_n, 1);
}

/* By one that goes away, as the RFC has it, or says nothing more. */
static void check_nobody_has_it(enum then then)
{
    const struct line script[] = { CHUNKS,
                                   { "hello\r\n", "250 ok\r\n250 ok\r\n421 4.3.0 down\r\n", then },
                                   STOP };
    send_to(script);
    until_logged(DEFERRED, 2);
    assert_int_equal(count_in(rig_log(), "4.3.0 down"), 2);
    assert_int_equal(count_in(rig_log(), "may_duplicate"), 0);
}

static void test_the_connection_ends(void **state)
{
    (void)state;
    check_nobody_has_it(CLOSE);
}

static void test_the_connection_is_reset(void **state)
{
    (void)state;
    check_nobody_has_it(RESET);
}

static void test_nothing_more_is_said(void **state)
{
    (void)state;
    check_nobody_has_it(GO_ON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
        T(test_the_others_have_it),
        T(test_the_connection_ends),
        T(test_the_connection_is_reset),
        T(test_nothing_more_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
