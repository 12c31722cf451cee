/*
 * test_delivery_rates — a rate is taken as MAIL is sent, whoever a session was opened for
 */
#include "gateway/queue/inspect.h"
#include "tests/unit/delivery_rig.h"

/* The greeting comes when the test says it. */
static const struct line late[] = { { "EHLO gw.example\r\n", "250 peer\r\n", GO_ON },
                                    { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", GO_ON },
                                    { "RCPT TO:<b@d.example>\r\n", "250 ok\r\n", GO_ON },
                                    { "DATA\r\n", "354 go\r\n", GO_ON },
                                    { "\r\n.\r\n", "250 ok\r\n", GO_ON },
                                    { NULL, NULL, GO_ON } };

static const struct mail_spec first = { .from = "a@s.example",
                                        .to = { "b@d.example" },
                                        .body = "Subject: x\r\n\r\nhello\r\n",
                                        .lane = LANE_NORMAL };
static const struct mail_spec urgent = { .from = "a@s.example",
                                         .to = { "b@d.example" },
                                         .body = "Subject: x\r\n\r\nhello\r\n",
                                         .lane = LANE_URGENT,
                                         .route = "s" };

/* Two sites; one message an hour for both. */
static void start(const char *rules)
{
    static char second[80];
    snprintf(second, sizeof second, " }\n  - { name: s, hosts: [\"127.0.0.1:%u\"]",
             rig.peers[1].port);
    rig.route_extra = second;
    play(0, late);
    play(1, late);
    rig_start("egress: [ { name: one } ]", rules);
}

static void until_connected(unsigned peer, unsigned n)
{
    for (int i = 0; i < 3000 && rig.peers[peer].conns_n < n; i++)
        loop_turn(rig.loop, 5);
    assert_int_equal(rig.peers[peer].conns_n, n);
}

static void greet(unsigned peer, unsigned conn)
{
    const char text[] = "220 peer\r\n";
    size_t n = sizeof text - 1;
    assert_int_equal(send(rig.peers[peer].conns[conn].fd, text, n, MSG_NOSIGNAL), n);
}

static void until_got(unsigned peer, unsigned conn, const char *needle)
{
    for (int i = 0; i < 3000 && !count_in(got(peer, conn), needle); i++)
        loop_turn(rig.loop, 5);
    assert_int_equal(count_in(got(peer, conn), needle), 1);
}

/* A session that waits for its greeting has taken nothing: who is ready first gets the token. The
 * other rests, and its mail waits as if nothing had been tried. */
static void test_who_is_ready_first_goes(void **state)
{
    (void)state;
    start("traffic: [ { when: { egress: one }, rate: 1/h } ]");
    rig_mail(&first);
    until_connected(0, 1);
    rig_mail(&urgent);
    until_connected(1, 1);
    greet(1, 0);
    until_logged(DELIVERED, 1);
    greet(0, 0);
    until_got(0, 0, "EHLO");
    turns(40);
    assert_int_equal(count_in(got(0, 0), "MAIL"), 0);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
    assert_int_equal(rig.peers[0].conns_n, 1);
    struct delivery_stats stats;
    delivery_get_stats(rig.delivery, &stats);
    assert_int_equal(stats.idle, 2);
    assert_int_equal(stats.transactions, 0);
}

static const struct mail_spec second = { .from = "a@s.example",
                                         .to = { "b@d.example" },
                                         .body = "Subject: x\r\n\r\nhello\r\n",
                                         .lane = LANE_NORMAL };

static void reload(const char *rules)
{
    struct policies *p = rig_policies("egress: [ { name: one } ]", rules);
    queue_reconfigure(rig.queue, p);
    delivery_reconfigure(rig.delivery, p);
    policies_unref(&rig.policies);
    rig.policies = p;
}

/* What was being opened when the limit came is under it. */
static void test_a_reload_limits_what_is_being_opened(void **state)
{
    (void)state;
    start("");
    rig_mail(&first);
    rig_mail(&second);
    until_connected(0, 2);
    reload("traffic: [ { when: { egress: one }, rate: 1/h } ]");
    greet(0, 0);
    greet(0, 1);
    until_connected(0, 3);
    greet(0, 2);
    until_logged(DELIVERED, 1);
    turns(40);
    assert_int_equal(count_in(rig_log(), "\"event\":"), 1);
    assert_int_equal(rig.peers[0].conns_n, 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_who_is_ready_first_goes),
        T(test_a_reload_limits_what_is_being_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
