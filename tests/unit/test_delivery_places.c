/*
 * test_delivery_places — a connection counts from its beginning until it is closed, once, towards
 * the limits that hold at the time
 */
#include "tests/unit/delivery_rig.h"

#include "gateway/queue/internal.h"

#define HELLO                                                                                      \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250 peer\r\n", GO_ON                                               \
    }
#define TAKES(rcpt)                                                                                \
    { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", ALONE },                                        \
        { "RCPT TO:<" rcpt "@d.example>\r\n", "250 ok\r\n", ALONE },                               \
    {                                                                                              \
        "DATA\r\n", "354 go\r\n", ALONE                                                            \
    }
#define TAKEN                                                                                      \
    {                                                                                              \
        "\r\n.\r\n", "250 ok\r\n", ALONE                                                           \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }

/* Its final replies are said by the test. */
static const struct line keeps_silent[] = { HELLO, TAKES("b"), SILENT };

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n" };

static void mails(const struct mail_spec *spec, unsigned n)
{
    while (n--)
        rig_mail(spec);
}

static uint32_t counted_by(const struct traffic_toll *toll)
{
    struct gauge *g = gauge_get(rig.gauges, toll, 0);
    uint32_t n = gauge_connections(g);
    gauge_put(rig.gauges, &g);
    return n;
}

static uint32_t counted(const char *egress)
{
    struct traffic_toll toll = rig_toll(egress);
    return counted_by(&toll);
}

/* The mail on this connection is taken, and the QUIT that follows is not seen. */
static void take_and_part(unsigned conn)
{
    struct conn *c = &rig.peers[0].conns[conn];
    until_got(0, conn, "\r\n.\r\n", 1);
    loop_watch_free(&c->watch);
    say(0, conn, "250 ok\r\n");
}

static void finish(unsigned conn)
{
    until_got(0, conn, "\r\n.\r\n", 1);
    say(0, conn, "250 ok\r\n");
}

static void stay_connected(unsigned n)
{
    turns(20);
    assert_int_equal(rig.peers[0].conns_n, n);
}

/* ---- connections to a relay that have said QUIT ---- */

/* What bounds them to two: the number for all sites, or a rule on the egress. */
struct bound {
    const char *conf, *rules;
};
static const struct bound bounds[] = {
    { "delivery: { connections: 2, messages_per_connection: 1 }", "" },
    { "delivery: { connections: 9, messages_per_connection: 1 }",
      "traffic: [ { when: { egress: far }, connections: 2 } ]" },
};

/* Two sites whose mail goes by the relay. */
static const struct mail_spec to_site = { .from = "a@s.example",
                                          .to = { "b@d.example" },
                                          .body = "Subject: x\r\n\r\nhello\r\n",
                                          .route = "f/[127.0.0.8]" };
static const struct mail_spec to_other = { .from = "a@s.example",
                                           .to = { "b@d.example" },
                                           .body = "Subject: x\r\n\r\nhello\r\n",
                                           .route = "f/[127.0.0.9]" };

static char conf_text[240];

static void start_relay(const struct bound *b)
{
    rig.route_extra = ", egress: one }\n  - { name: f, egress: far";
    snprintf(conf_text, sizeof conf_text,
             "egress: [ { name: one }, { name: far, via: { relay: \"127.0.0.1:%u\" } } ]\n%s",
             rig.peers[0].port, b->conf);
    rig_start(conf_text, b->rules);
}

/* Two messages are taken, and their connections are being closed. */
static void two_part(const struct bound *b)
{
    play(0, keeps_silent);
    start_relay(b);
    mails(&to_site, 2);
    until_connected(0, 2);
    take_and_part(0);
    take_and_part(1);
    until_logged(DELIVERED, 2);
}

/* Each of the two lets one in when it is closed; so does each of those. */
static void each_lets_one_in(unsigned conns)
{
    stay_connected(conns);
    conn_close(&rig.peers[0].conns[0]);
    until_connected(0, conns + 1);
    stay_connected(conns + 1);
    conn_close(&rig.peers[0].conns[1]);
    until_connected(0, conns + 2);
    stay_connected(conns + 2);
    finish(conns);
    until_connected(0, conns + 3);
    finish(conns + 1);
    finish(conns + 2);
    until_logged(DELIVERED, 5);
}

static void test_those_that_part_from_a_relay(const struct bound *b)
{
    two_part(b);
    mails(&to_site, 3);
    each_lets_one_in(2);
}

/* A reload makes the egress, and what the rules count by, anew. */
static void test_those_that_part_during_a_reload(const struct bound *b)
{
    two_part(b);
    rig_reload(conf_text, b->rules);
    mails(&to_site, 3);
    each_lets_one_in(2);
}

/* With their site goes their claim; what happens to them afterwards is nobody's any more. */
static void test_those_whose_site_goes_first(const struct bound *b)
{
    two_part(b);
    site_sweep(rig.queue, true); /* as when it had no mail for long */
    mails(&to_other, 3);
    until_connected(0, 4);
    conn_close(&rig.peers[0].conns[0]);
    conn_close(&rig.peers[0].conns[1]);
    stay_connected(4);
    finish(2);
    until_connected(0, 5);
    finish(3);
    finish(4);
    until_logged(DELIVERED, 5);
}

#define BOTH_BOUNDS(f)                                                                             \
    static void f##_of_all_sites(void **state)                                                     \
    {                                                                                              \
        (void)state;                                                                               \
        f(&bounds[0]);                                                                             \
    }                                                                                              \
    static void f##_of_a_rule(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        f(&bounds[1]);                                                                             \
        turns(10);                                                                                 \
        assert_int_equal(counted("far"), 0);                                                       \
    }

BOTH_BOUNDS(test_those_that_part_from_a_relay)
BOTH_BOUNDS(test_those_that_part_during_a_reload)
BOTH_BOUNDS(test_those_whose_site_goes_first)

/* ---- a relay's session goes on to another site ---- */

/* It came under that one's limits: one recipient a message, and two messages; and it counts for its
 * egress as before. */
static void test_a_session_that_another_site_takes(void **state)
{
    static const struct line script[] = { HELLO, TAKES("b"), TAKEN, TAKES("b"),
                                          TAKEN, TAKES("c"), TAKEN, SILENT };
    static const struct bound by_site = { "delivery: { idle: 5m }",
                                          "traffic:\n"
                                          "  - { when: { site: \"*9]\" }, recipients_per_message: "
                                          "1, messages_per_connection: 3 }\n"
                                          "  - { when: { egress: far }, connections: 9 }" };
    struct mail_spec two = to_other;
    (void)state;
    two.to[1] = "c@d.example";
    play(0, script);
    start_relay(&by_site);
    rig_mail(&to_site);
    until_logged(DELIVERED, 1);
    assert_int_equal(counted("far"), 1);
    rig_mail(&two);
    until_logged(DELIVERED, 3);
    until_got(0, 0, "QUIT\r\n", 1);
    assert_int_equal(count_in(got(0, 0), "MAIL"), 3);
    assert_int_equal(rig.peers[0].conns_n, 1);
    turns(10);
    assert_int_equal(counted("far"), 0);
}

/* ---- sessions that live when the limits change ---- */

static void start_one_egress(const char *rules)
{
    peer_shut(&rig.peers[1]);
    rig_start("egress: [ { name: one } ]", rules);
}

static const char was_limit[] = "traffic: [ { when: { egress: one }, connections: 3 } ]";
static const char new_limit[] = "traffic: [ { when: { egress: \"o*\" }, connections: 3 } ]";

/* One carries a message, one has not been greeted: they leave the count of the rule that is gone,
 * join the new one, and give their places back to that one only. */
static void test_sessions_of_before_count_by_the_new_rule(void **state)
{
    static const struct line greets_late[] = { { "EHLO gw.example\r\n", "250 peer\r\n", GO_ON },
                                               SILENT };
    (void)state;
    play(0, keeps_silent);
    play(0, greets_late);
    play(0, keeps_silent);
    start_one_egress(was_limit);
    rig_mail(&mail);
    until_connected(0, 1);
    until_got(0, 0, "\r\n.\r\n", 1);
    rig_mail(&mail);
    until_connected(0, 2);
    struct traffic_toll was = rig_toll("one");
    assert_int_equal(counted_by(&was), 2);

    rig_reload("egress: [ { name: one } ]", new_limit);
    assert_int_equal(counted("one"), 2);
    assert_int_equal(counted_by(&was), 0);
    mails(&mail, 2);
    until_connected(0, 3); /* two are there already */
    stay_connected(3);
    assert_int_equal(counted("one"), 3);

    finish(0);
    until_connected(0, 4);
    say(0, 1, "220 peer\r\n");
    until_connected(0, 5); /* its mail goes by a session of this configuration */
    until_got(0, 1, "QUIT\r\n", 1);
    for (unsigned i = 4; i > 1; i--)
        finish(i);
    until_logged(DELIVERED, 4);
    rig_reload("egress: [ { name: one } ]", new_limit); /* ends those at rest */
    turns(10);
    assert_int_equal(counted("one"), 0);
    assert_int_equal(counted_by(&was), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_those_that_part_from_a_relay_of_all_sites),
        T(test_those_that_part_from_a_relay_of_a_rule),
        T(test_those_that_part_during_a_reload_of_all_sites),
        T(test_those_that_part_during_a_reload_of_a_rule),
        T(test_those_whose_site_goes_first_of_all_sites),
        T(test_those_whose_site_goes_first_of_a_rule),
        T(test_a_session_that_another_site_takes),
        T(test_sessions_of_before_count_by_the_new_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
