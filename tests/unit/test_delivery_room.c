/*
 * test_delivery_room — mail that found no session is looked at again when there is room; what one
 *   waits for holds up no other that has a way
 */
#include "tests/unit/delivery_rig.h"

#include "gateway/queue/inspect.h"
#include "gateway/queue/item.h"

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

static const struct line keeps_silent[] = { HELLO, TAKES, SILENT };
static const struct line refuses[] = { { "", "421 4.3.2 no more\r\n", CLOSE }, SILENT };
static const struct line works[] = { HELLO, TAKES, { "\r\n.\r\n", "250 ok\r\n", ALONE }, SILENT };

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n" };

/* The final reply that the first connection has kept back, and its end. */
static void answer_and_close(void)
{
    struct conn *c = &rig.peers[0].conns[0];
    assert_int_equal(count_in(got(0, 0), "\r\n.\r\n"), 1);
    assert_int_equal(send(c->fd, "250 ok\r\n", 8, MSG_NOSIGNAL), 8);
    conn_end(c, CLOSE);
}

/* A site takes one connection and refuses the second: when the first ends, there is none that could
 * carry what waits. */
static void test_no_session_is_left(void **state)
{
    (void)state;
    play(0, keeps_silent);
    play(0, refuses);
    play(0, works);
    peer_shut(&rig.peers[1]);
    rig_start("", "");
    rig_mail(&mail);
    turns(40);
    rig_mail(&mail);
    turns(40);
    assert_int_equal(rig.peers[0].conns_n, 2);
    answer_and_close();
    until_logged(DELIVERED, 2);
    assert_int_equal(rig.peers[0].conns_n, 3);
}

static void start_with_two_sites(const char *conf, const char *rules)
{
    static char second[80];
    snprintf(second, sizeof second, " }\n  - { name: s, hosts: [\"127.0.0.1:%u\"]",
             rig.peers[1].port);
    rig.route_extra = second;
    rig_start(conf, rules);
}

static const char one_in_all[] = "delivery: { connections_total: 1 }";

static const struct mail_spec to_second = { .from = "a@s.example",
                                            .to = { "b@d.example" },
                                            .body = "Subject: x\r\n\r\nhello\r\n",
                                            .route = "s" };

static void test_another_site_had_all_sessions(void **state)
{
    (void)state;
    play(0, keeps_silent);
    play(1, works);
    start_with_two_sites(one_in_all, "");
    rig_mail(&mail);
    turns(40);
    rig_mail(&to_second);
    turns(40);
    assert_int_equal(rig.peers[1].conns_n, 0);
    answer_and_close();
    until_logged(DELIVERED, 2);
}

static void test_another_site_rests(void **state)
{
    (void)state;
    play(0, keeps_silent);
    play(1, works);
    start_with_two_sites(one_in_all, "");
    rig_mail(&mail);
    turns(40);
    rig_mail(&to_second);
    turns(40);
    assert_int_equal(send(rig.peers[0].conns[0].fd, "250 ok\r\n", 8, MSG_NOSIGNAL), 8);
    until_logged(DELIVERED, 2);
}

/* The server has it until it is closed, and so have we: it counts. */
static void test_a_connection_that_is_being_closed_is_one(void **state)
{
    (void)state;
    play(0, works);
    play(1, works);
    start_with_two_sites(one_in_all, "");
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    loop_watch_free(&rig.peers[0].conns[0].watch); /* takes no notice of QUIT */
    rig_mail(&to_second);
    turns(10);
    assert_int_equal(rig.peers[1].conns_n, 0);
    conn_close(&rig.peers[0].conns[0]);
    until_logged(DELIVERED, 2);
}

/* The only connection that an egress may have is at rest at another site: it ends at once, as one
 * that a limit of both sites' provider held back would. */
static void test_a_session_at_rest_makes_way_for_another_site(void **state)
{
    (void)state;
    play(0, works);
    play(1, works);
    start_with_two_sites("egress: [ { name: one } ]\ndelivery: { idle: 1h }",
                         "traffic: [ { when: { egress: one }, connections: 1 } ]");
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    rig_mail(&to_second);
    until_logged(DELIVERED, 2);
}

/* Servers that never come to an end do not have all sessions there may be: one is kept for urgent
 * mail to another. */
static void test_a_session_is_kept_for_urgent_mail(void **state)
{
    static const struct line never[] = { { "", "220 peer\r\n", GO_ON }, SILENT };
    static char more[200];
    struct mail_spec bulk[] = { mail, to_second, to_second }, hurry = mail;
    unsigned first = rig.peers[0].port, second = rig.peers[1].port;
    (void)state;
    play(0, works);
    play(1, never);
    snprintf(more, sizeof more,
             " }\n  - { name: s, hosts: [\"127.0.0.1:%u\"] }\n"
             "  - { name: t, hosts: [\"127.0.0.1:%u\", \"127.0.0.1:%u\"] }\n"
             "  - { name: u, hosts: [\"127.0.0.1:%u\"]",
             second, second, first, first);
    rig.route_extra = more;
    rig_start("delivery: { connections_total: 3 }", "");
    bulk[0].route = "t";
    hurry.route = "u";
    hurry.lane = LANE_URGENT;
    for (int i = 0; i < 3; i++) {
        bulk[i].lane = LANE_BULK;
        rig_mail(&bulk[i]);
        turns(5);
    }
    assert_int_equal(rig.peers[1].conns_n, 2);
    rig_mail(&hurry);
    until_logged(DELIVERED, 1);
}

/* High mail has had so much that it would be bulk mail's turn, which finds no room: that holds up
 * no high mail, for which a session is kept. */
static void test_bulk_mail_without_room_holds_up_no_high_mail(void **state)
{
    static const struct line never[] = { { "", "220 peer\r\n", GO_ON }, SILENT };
    static const struct line one_each[] = {
        HELLO, TAKES, { "\r\n.\r\n", "250 ok\r\n", CLOSE }, SILENT
    };
    static const char *const routes[] = { "s", "s", "t", "t", "u", "u", "v" };
    static char more[400];
    enum { ROUTES = sizeof routes / sizeof routes[0], HIGH_MAILS = 12 };
    struct mail_spec bulk[ROUTES], high = to_second;
    unsigned other = rig.peers[1].port;
    (void)state;
    play(0, one_each);
    play(1, never);
    snprintf(more, sizeof more,
             " }\n  - { name: s, hosts: [\"127.0.0.1:%u\"] }\n"
             "  - { name: t, hosts: [\"127.0.0.1:%u\", \"127.0.0.1:%u\"] }\n"
             "  - { name: u, hosts: [\"127.0.0.1:%u\", \"127.0.0.1:%u\", \"127.0.0.1:%u\"] }\n"
             "  - { name: v, hosts: [\"127.0.0.1:%u\"]",
             other, other, other, other, other, other, rig.peers[0].port);
    rig.route_extra = more;
    rig_start("delivery: { connections_total: 8 }", "");
    for (size_t i = 0; i < ROUTES; i++) {
        bulk[i] = to_second;
        bulk[i].route = routes[i];
        bulk[i].lane = LANE_BULK;
        rig_mail(&bulk[i]);
        turns(5);
    }
    assert_int_equal(rig.peers[1].conns_n, ROUTES - 1);
    assert_int_equal(rig.peers[0].conns_n, 0);
    high.route = "v";
    high.lane = LANE_HIGH;
    for (unsigned i = 1; i <= HIGH_MAILS; i++) {
        rig_mail(&high);
        until_logged(DELIVERED, i);
    }
}

static void see_what_holds(void *arg, const struct queue_site_row *row)
{
    if (row->hold == SITE_LIMIT)
        snprintf(arg, 96, "%s", row->held_by);
}

/* The mail in front waits an hour for its egress. That of another route to the same hosts has one
 * of its own, and no session yet. */
static void test_another_route_has_an_egress_of_its_own(void **state)
{
    static char second[160];
    char held_by[96] = "";
    struct mail_spec hurry = mail, other = to_second;
    (void)state;
    hurry.lane = LANE_URGENT;
    other.lane = LANE_NORMAL;
    play(0, works);
    snprintf(second, sizeof second,
             ", egress: [one] }\n"
             "  - { name: s, hosts: [\"127.0.0.1:%u\", \"127.0.0.1:%u\"], egress: [two]",
             rig.peers[0].port, rig.peers[1].port);
    rig.route_extra = second;
    rig_start("egress: [ { name: one }, { name: two } ]",
              "traffic: [ { when: { egress: one }, rate: 1/h },"
              " { when: { egress: two }, rate: 60/h } ]");
    rig_mail(&hurry);
    until_logged(DELIVERED, 1);
    rig_mail(&hurry);
    turns(10);
    rig_mail(&other);
    until_logged(DELIVERED, 2);
    assert_int_equal(rig.peers[0].conns_n, 2);
    queue_each_site(rig.queue, see_what_holds, held_by);
    assert_string_equal(held_by, "rate of egress one");
}

static bool is_of_s_or_t(const void *arg, const struct item *item)
{
    (void)arg;
    return slice_eq_str(item_route(item), "s") || slice_eq_str(item_route(item), "t");
}

/* Those that were first in line have nothing to send any more when there is room: it is the next
 * one's, though no other session will end. */
static void test_the_first_in_line_want_no_more(void **state)
{
    static char more[240];
    struct mail_spec to_third = to_second, to_fourth = to_second;
    const struct queue_filter first = { .also = is_of_s_or_t };
    unsigned other = rig.peers[1].port, own = rig.peers[0].port;
    (void)state;
    to_third.route = "t";
    to_fourth.route = "u";
    play(0, keeps_silent);
    play(0, works);
    snprintf(more, sizeof more,
             " }\n  - { name: s, hosts: [\"127.0.0.1:%u\"] }\n"
             "  - { name: t, hosts: [\"127.0.0.1:%u\", \"127.0.0.1:%u\"] }\n"
             "  - { name: u, hosts: [\"127.0.0.1:%u\"]",
             other, other, own, own);
    rig.route_extra = more;
    rig_start("delivery: { connections_total: 1 }", "");
    rig_mail(&mail);
    turns(40);
    rig_mail(&to_second);
    rig_mail(&to_third);
    turns(10);
    rig_mail(&to_fourth);
    turns(10);
    assert_int_equal(queue_act(rig.queue, &first, QUEUE_HOLD), 2);
    answer_and_close();
    until_logged(DELIVERED, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { T(test_no_session_is_left),
                                        T(test_another_site_had_all_sessions),
                                        T(test_another_site_rests),
                                        T(test_a_connection_that_is_being_closed_is_one),
                                        T(test_another_route_has_an_egress_of_its_own),
                                        T(test_a_session_at_rest_makes_way_for_another_site),
                                        T(test_a_session_is_kept_for_urgent_mail),
                                        T(test_bulk_mail_without_room_holds_up_no_high_mail),
                                        T(test_the_first_in_line_want_no_more) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
