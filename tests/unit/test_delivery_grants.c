/*
 * test_delivery_grants — what an egress may still send a receiver is used by each mail once, as its
 * MAIL is sent, by whichever session
 */
#include "tests/unit/grants_rig.h"

static const struct line two_domains[] = { HELLO("250-LIMITS RCPTDOMAINMAX=2\r\n"), TAKES, TAKES,
                                           TAKES, SILENT };

static const struct mail_spec urgent = { .from = "u@s.example",
                                         .to = { "b@d.example" },
                                         .body = "Subject: x\r\n\r\nhello\r\n",
                                         .lane = LANE_URGENT };

/* Since then, which is right before the first. */
static int64_t used(int64_t since_us)
{
    int64_t now_us = clock_mono_us(), owed_us = 0;
    allowances_each(rig.allowances, now_us, add_owed, &owed_us);
    return (now_us + owed_us - since_us) / EACH_US;
}

static void taken(unsigned conn, unsigned nth)
{
    until_got(0, conn, "\r\n.\r\n", nth);
    say(0, conn, "250 ok\r\n");
}

/* There is one session, and urgent mail came while it was being opened for other mail: that mail is
 * back in the queue, and what was taken for it is used by the urgent one. */
static void test_the_next_mail_uses_what_was_taken(void **state)
{
    (void)state;
    play(0, peer);
    peer_shut(&rig.peers[1]);
    start("delivery: { connections: 1 }", "");
    int64_t since_us = clock_mono_us();
    rig_mail(&normal);
    until_connected(0, 1);
    rig_mail(&urgent);
    turns(4);
    greet(0);
    until_got(0, 0, "\r\n.\r\n", 1);
    assert_int_equal(count_in(got(0, 0), "MAIL FROM:<u@"), 1);
    assert_int_equal(used(since_us), 1);
    say(0, 0, "250 ok\r\n");
    taken(0, 2);
    until_logged(DELIVERED, 2);
    assert_int_equal(used(since_us), 2);
}

/* The same while another worker takes the last one: what was taken for the mail that is back is not
 * left with a session at rest, where the urgent one would not find it. */
static void test_the_last_one_is_not_left_behind(void **state)
{
    (void)state;
    uint64_t key = 0;
    play(0, peer);
    peer_shut(&rig.peers[1]);
    start("delivery: { connections: 1 }", "");
    advise(TWO_AT_ONCE);
    rig_mail(&normal);
    until_connected(0, 1);
    rig_mail(&urgent);
    turns(4);
    greet(0);
    until_got(0, 0, "EHLO", 1);
    allowances_each(rig.allowances, clock_mono_us(), note_key, &key);
    assert_true(allowance_take(rig.allowances, key, TWO_AT_ONCE, clock_mono_us()));
    until_got(0, 0, "\r\n.\r\n", 1);
    assert_int_equal(count_in(got(0, 0), "MAIL FROM:<u@"), 1);
}

/* A session becomes free before the one that was opened for this mail: what was taken goes with the
 * mail, and the session that comes too late has nothing. */
static void test_what_was_taken_goes_with_the_mail(void **state)
{
    (void)state;
    play(0, peer);
    peer_shut(&rig.peers[1]);
    start("", "");
    int64_t since_us = clock_mono_us();
    rig_mail(&normal);
    until_connected(0, 1);
    greet(0);
    until_got(0, 0, "\r\n.\r\n", 1);
    rig_mail(&urgent);
    until_connected(0, 2);
    assert_int_equal(used(since_us), 2);
    say(0, 0, "250 ok\r\n");
    until_got(0, 0, "MAIL FROM:<u@", 1);
    taken(0, 2);
    until_logged(DELIVERED, 2);
    greet(1);
    turns(10);
    assert_int_equal(used(since_us), 2);
    rig_mail(&normal); /* by the one that rested last */
    taken(1, 1);
    until_logged(DELIVERED, 3);
    assert_int_equal(used(since_us), 3);
}

static struct gauge *gauge_of(struct traffic_toll *toll_r)
{
    *toll_r = rig_toll("one");
    return gauge_get(rig.gauges, toll_r, clock_mono_us());
}

static bool has_token(void)
{
    struct traffic_toll toll;
    struct gauge *g = gauge_of(&toll);
    int64_t us =
        gauge_wait_us(g, TRAFFIC_MESSAGES, toll.rate[TRAFFIC_MESSAGES], LANE_BULK, clock_mono_us());
    gauge_put(rig.gauges, &g);
    return us == 0;
}

static void other_workers_take(uint64_t n)
{
    struct traffic_toll toll;
    struct gauge *g = gauge_of(&toll);
    gauge_charge(g, TRAFFIC_MESSAGES, toll.rate[TRAFFIC_MESSAGES], n, clock_mono_us());
    gauge_put(rig.gauges, &g);
}

static void until_one_rests(void)
{
    struct delivery_stats stats;
    do {
        loop_turn(rig.loop, 1);
        delivery_get_stats(rig.delivery, &stats);
    } while (stats.idle != 1);
}

/* The one of the two connections that gets this first. */
static unsigned who_gets(const char *needle)
{
    for (int i = 0; i < 3000; i++) {
        for (unsigned conn = 0; conn < 2; conn++)
            if (count_in(got(0, conn), needle))
                return conn;
        loop_turn(rig.loop, 5);
    }
    fail_msg("nobody got %s", needle);
    return 0;
}

/* Two sessions rest, and there is one token. It is still there when two messages are given to them,
 * whose bodies come from the spool (they were held), and gone when the second could be sent. That
 * one goes back to the queue: it has used nothing of what its egress may send, and named no domain,
 * so that mail for a third one goes before it by that session. */
static void test_mail_that_is_handed_back_has_used_nothing(void **state)
{
    struct mail_spec one = normal, other = normal, hasty = urgent;
    (void)state;
    one.from = other.from = "x@s.example";
    one.to[0] = "b@e.example";
    other.to[0] = "b@g.example";
    hasty.to[0] = "b@f.example";
    play(0, two_domains);
    peer_shut(&rig.peers[1]);
    start("", "traffic: [ { when: { egress: one }, rate: 2/s } ]");
    int64_t since_us = clock_mono_us();
    for (unsigned conn = 0; conn < 2; conn++) {
        rig_mail(&normal);
        until_connected(0, conn + 1);
        greet(conn);
        until_got(0, conn, "\r\n.\r\n", 1);
    }
    say(0, 0, "250 ok\r\n");
    say(0, 1, "250 ok\r\n");
    until_logged(DELIVERED, 2);
    rig_mail_held(&one);
    rig_mail_held(&other);
    rig_mail_held(&hasty);
    while (!has_token())
        loop_turn(rig.loop, 10);
    rig_act(QUEUE_RELEASE, LANE_NORMAL);
    while (has_token())
        loop_turn(rig.loop, 0);
    other_workers_take(3); /* the next one comes in two seconds */
    until_one_rests();
    rig_act(QUEUE_RELEASE, LANE_URGENT);
    unsigned busy = who_gets("MAIL FROM:<x@");
    assert_int_equal(who_gets("RCPT TO:<b@f.example>"), !busy);
    until_connected(0, 3); /* to both of them the one that went back is a third domain */
    greet(2);
    taken(2, 1);
    taken(busy, 2);
    taken(!busy, 2);
    until_logged(DELIVERED, 5);
    assert_int_equal(used(since_us), 5);
    assert_int_equal(rig.peers[0].conns_n, 3);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_next_mail_uses_what_was_taken),
        T(test_the_last_one_is_not_left_behind),
        T(test_what_was_taken_goes_with_the_mail),
        T(test_mail_that_is_handed_back_has_used_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
