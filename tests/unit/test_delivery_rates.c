/*
 * test_delivery_rates — a rate is taken as MAIL is sent, whoever a session was opened for
 */
#include "gateway/base/clock.h"
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

static const char one_egress[] = "egress: [ { name: one } ]";

/* Two sites; one message an hour for both. */
static void start(const char *rules)
{
    static char second[80];
    snprintf(second, sizeof second, " }\n  - { name: s, hosts: [\"127.0.0.1:%u\"]",
             rig.peers[1].port);
    rig.route_extra = second;
    play(0, late);
    play(1, late);
    rig_start(one_egress, rules);
}

static void greet(unsigned peer, unsigned conn)
{
    say(peer, conn, "220 peer\r\n");
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
    until_got(0, 0, "EHLO", 1);
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

/* What was being opened when the limit came is under it. */
static void test_a_reload_limits_what_is_being_opened(void **state)
{
    (void)state;
    start("");
    rig_mail(&first);
    rig_mail(&second);
    until_connected(0, 2);
    rig_reload(one_egress, "traffic: [ { when: { egress: one }, rate: 1/h } ]");
    greet(0, 0);
    greet(0, 1);
    until_connected(0, 3);
    greet(0, 2);
    until_logged(DELIVERED, 1);
    turns(40);
    assert_int_equal(count_in(rig_log(), "\"event\":"), 1);
    assert_int_equal(rig.peers[0].conns_n, 3);
}

/* A session that comes to nothing has used no part of the pace at which sessions are opened: the
 * other site's is opened at once, though the next token but one is hours away. */
static void test_a_session_of_no_use_gives_its_pace_back(void **state)
{
    static const struct line refuses[] = { { "", "554 5.3.2 not today\r\n", CLOSE },
                                           { NULL, NULL, GO_ON } };
    struct mail_spec other = second;
    (void)state;
    other.route = "s";
    play(0, refuses);
    play(1, refuses);
    start("traffic: [ { when: { egress: one }, rate: 1/h } ]");
    rig_mail(&first);
    until_logged(DEFERRED, 1);
    rig_mail(&other);
    until_connected(1, 2);
    greet(1, 1);
    until_logged(DELIVERED, 1);
}

/* What others wait for longer than the token needs to come. */
static int64_t kept_for_urgent_us(const struct traffic_toll *toll)
{
    int64_t now_us = clock_mono_us();
    struct rate rate = toll->rate[TRAFFIC_MESSAGES];
    struct gauge *g = gauge_get(rig.gauges, toll, now_us);
    int64_t us = gauge_wait_us(g, TRAFFIC_MESSAGES, rate, LANE_BULK, now_us) -
                 gauge_token_us(g, TRAFFIC_MESSAGES, rate, now_us);
    gauge_put(rig.gauges, &g);
    return us;
}

/* Urgent mail has the next token when there is a session to send it by; without one it makes nobody
 * wait for it. */
static void urgent_mail_waits(const char *rules, bool session)
{
    play(0, late);
    rig_start(session ? one_egress
                      : "egress: [ { name: one } ]\ndelivery: { messages_per_connection: 1 }",
              rules);
    rig_mail(&first);
    until_connected(0, 1);
    greet(0, 0);
    until_logged(DELIVERED, 1);
    turns(10);
    struct mail_spec hasty = urgent;
    hasty.route = "r";
    rig_mail(&hasty);
    turns(10);
}

static void check_kept_token(const char *rules, bool session)
{
    urgent_mail_waits(rules, session);
    struct traffic_toll toll = rig_toll("one");
    assert_int_equal(kept_for_urgent_us(&toll), session ? GAUGE_URGENT_US : 0);
}

/* Of an hour's wait and a minute's it keeps a token where it waits for the hour: what the others of
 * its egress have meanwhile is not its own. */
static void test_urgent_mail_keeps_only_what_it_waits_for(void **state)
{
    struct traffic_limits limits;
    struct traffic_toll tolls[2];
    struct facts facts;
    struct queue_limits_question q = { .route = SLICE_LIT("r"), .egress = SLICE_LIT("one") };
    (void)state;
    urgent_mail_waits("traffic: [ { rate: 1/h }, { when: { egress: one }, rate: 60/h } ]", true);
    assert_int_equal(queue_limits(rig.queue, &q, &limits, tolls, &facts), 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kept_for_urgent_us(&tolls[i]),
                         tolls[i].over == OVER_EGRESS ? 0 : GAUGE_URGENT_US);
}

static void test_urgent_mail_keeps_a_token_of_its_site(void **state)
{
    (void)state;
    check_kept_token("traffic: [ { rate: 1/h } ]", true);
}

static void test_urgent_mail_without_session_keeps_none(void **state)
{
    (void)state;
    check_kept_token("traffic: [ { rate: 1/h } ]", false);
}

static void test_urgent_mail_keeps_a_token_of_its_egress(void **state)
{
    (void)state;
    check_kept_token("traffic: [ { when: { egress: one }, rate: 1/h } ]", true);
}

static void test_urgent_mail_without_session_keeps_none_of_an_egress(void **state)
{
    (void)state;
    check_kept_token("traffic: [ { when: { egress: one }, rate: 1/h } ]", false);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_who_is_ready_first_goes),
        T(test_a_reload_limits_what_is_being_opened),
        T(test_a_session_of_no_use_gives_its_pace_back),
        T(test_urgent_mail_keeps_a_token_of_its_site),
        T(test_urgent_mail_keeps_only_what_it_waits_for),
        T(test_urgent_mail_without_session_keeps_none),
        T(test_urgent_mail_keeps_a_token_of_its_egress),
        T(test_urgent_mail_without_session_keeps_none_of_an_egress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
