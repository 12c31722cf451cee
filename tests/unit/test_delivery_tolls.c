/*
 * test_delivery_tolls — limits while other workers are faster, and openings that take long
 *
 *   The clock of rates is ahead of the real one by as much as the test says, and what another
 *   worker takes between two steps of this one is the test's, too: both calls are wrapped.
 */
#include "gateway/base/clock.h"
#include "tests/unit/delivery_rig.h"

int64_t real_mono_us(void) __asm__("__real_clock_mono_us");
int64_t ahead_mono_us(void) __asm__("__wrap_clock_mono_us");
bool real_take(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n,
               int64_t now_us) __asm__("__real_gauge_take");
bool take_as_second(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n,
                    int64_t now_us) __asm__("__wrap_gauge_take");

static int64_t ahead_us;
static struct {
    bool come; /* once, as the next is asked for this rate, */
    enum traffic_rate kind;
    unsigned after; /* but for so many that are asked before */
} others;

int64_t ahead_mono_us(void)
{
    return real_mono_us() + ahead_us;
}

bool take_as_second(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n,
                    int64_t now_us)
{
    if (others.come && kind == others.kind && rate.count && others.after-- == 0) {
        others.come = false;
        gauge_charge(g, kind, rate, 1, now_us);
    }
    return real_take(g, kind, rate, n, now_us);
}

static int set_up(void **state)
{
    ahead_us = 0;
    memset(&others, 0, sizeof others);
    return rig_set_up(state);
}

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n",
                                       .lane = LANE_NORMAL };

#define TAKES                                                                                      \
    { "MAIL FROM", "250 ok\r\n", GO_ON }, { "RCPT TO", "250 ok\r\n", GO_ON },                      \
        { "DATA\r\n", "354 go\r\n", GO_ON },                                                       \
    {                                                                                              \
        "\r\n.\r\n", "250 ok\r\n", GO_ON                                                           \
    }
static const struct line works[] = { { "", "220 peer\r\n", GO_ON },
                                     { "EHLO gw.example\r\n", "250 peer\r\n", GO_ON },
                                     TAKES,
                                     TAKES,
                                     { NULL, NULL, GO_ON } };

/* ---- several rates, and one that another worker has had the last of ---- */

static int64_t wait_us(enum traffic_rate kind)
{
    struct traffic_toll toll = rig_toll("one");
    struct gauge *g = gauge_get(rig.gauges, &toll, clock_mono_us());
    int64_t us = gauge_wait_us(g, kind, toll.rate[kind], LANE_BULK, clock_mono_us());
    gauge_put(rig.gauges, &g);
    return us;
}

/* The message is not sent, so neither the token of messages is used nor the bytes. */
static void test_a_mail_that_may_not_go_takes_nothing(void **state)
{
    (void)state;
    play(0, works);
    rig_start("egress: [ { name: one } ]",
              "traffic: [ { when: { egress: one }, rate: 1/h, recipient_rate: 1/h } ]");
    others.come = true;
    others.kind = TRAFFIC_RECIPIENTS;
    rig_mail(&mail);
    until_connected(0, 1);
    until_got(0, 0, "EHLO", 1);
    turns(20);
    assert_false(others.come);
    assert_int_equal(count_in(got(0, 0), "MAIL"), 0);
    assert_true(wait_us(TRAFFIC_RECIPIENTS) > 0);
    assert_int_equal(wait_us(TRAFFIC_MESSAGES), 0);
}

static int64_t opened_wait_us(const char *egress)
{
    struct traffic_limits limits;
    struct traffic_toll toll[2];
    struct facts facts;
    struct queue_limits_question q = { .route = SLICE_LIT("r"), .egress = slice_of(egress) };
    int64_t longest = 0, shortest = INT64_MAX;
    assert_int_equal(queue_limits(rig.queue, &q, &limits, toll, &facts), 2);
    for (unsigned i = 0; i < 2; i++) {
        struct gauge *g = gauge_get(rig.gauges, &toll[i], clock_mono_us());
        int64_t us = gauge_wait_us(g, TRAFFIC_OPENED, toll[i].rate[TRAFFIC_OPENED], LANE_BULK,
                                   clock_mono_us());
        gauge_put(rig.gauges, &g);
        longest = us > longest ? us : longest;
        shortest = us < shortest ? us : shortest;
    }
    assert_true(longest > 0); /* what the others have taken */
    return shortest;
}

/* Of two limits on what is opened the second refuses: nothing is dialled, and the first has given
 * nothing. */
static void test_a_session_that_may_not_be_opened_takes_nothing(void **state)
{
    (void)state;
    play(0, works);
    rig_start("egress: [ { name: one } ]",
              "traffic: [ { when: { egress: one }, connection_rate: 1/h },\n"
              "           { connection_rate: 1/h } ]");
    others.come = true;
    others.kind = TRAFFIC_OPENED;
    others.after = 1;
    rig_mail(&mail);
    turns(40);
    assert_false(others.come);
    assert_int_equal(rig.peers[0].conns_n, 0);
    assert_int_equal(opened_wait_us("one"), 0);
}

/* ---- connections that many sites share ---- */

static const struct line keeps_its_reply[] = {
    { "", "220 peer\r\n", GO_ON },        { "EHLO gw.example\r\n", "250 peer\r\n", GO_ON },
    { "MAIL FROM", "250 ok\r\n", GO_ON }, { "RCPT TO", "250 ok\r\n", GO_ON },
    { "DATA\r\n", "354 go\r\n", GO_ON },  { NULL, NULL, GO_ON }
};

/* Of three, bulk mail leaves one, as of the three that a site has for itself: urgent mail finds it
 * while the others are with a server that does not answer. */
static void test_bulk_mail_leaves_a_shared_connection(void **state)
{
    struct mail_spec bulk = mail, urgent = mail;
    (void)state;
    bulk.lane = LANE_BULK;
    urgent.lane = LANE_URGENT;
    play(0, keeps_its_reply);
    rig_start("egress: [ { name: one } ]",
              "traffic: [ { when: { egress: one }, connections: 3 } ]");
    for (unsigned i = 0; i < 6; i++)
        rig_mail(&bulk);
    until_connected(0, 2);
    for (unsigned conn = 0; conn < 2; conn++)
        until_got(0, conn, "DATA", 1);
    turns(20);
    assert_int_equal(rig.peers[0].conns_n, 2);
    rig_mail(&urgent);
    until_connected(0, 3);
}

/* ---- sessions that are opened ahead ---- */

static const struct line one_each[] = { { "EHLO gw.example\r\n",
                                          "250-peer\r\n250 LIMITS MAILMAX=1\r\n", GO_ON },
                                        TAKES,
                                        { NULL, NULL, GO_ON } };

/* One message a session, says the server, an opening takes a minute, and a token comes every ten
 * seconds: as long as one session is being opened, there are others to be opened for the tokens
 * that come meanwhile. */
static void test_mailmax_counts_for_what_is_opened_ahead(void **state)
{
    enum { SECOND = 1000000 };
    (void)state;
    play(0, one_each);
    rig_start("egress: [ { name: one } ]", "traffic: [ { when: { egress: one }, rate: 6/min } ]");
    rig_mail(&mail);
    until_connected(0, 1);
    ahead_us += INT64_C(60) * SECOND;
    say(0, 0, "220 peer\r\n");
    until_logged(DELIVERED, 1);
    rig_mail(&mail);
    until_connected(0, 2);
    ahead_us += INT64_C(9) * SECOND; /* the pace allows the next, the rate not yet */
    rig_mail(&mail);
    until_connected(0, 3);
    assert_true(wait_us(TRAFFIC_MESSAGES) > 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_mail_that_may_not_go_takes_nothing),
        T(test_a_session_that_may_not_be_opened_takes_nothing),
        T(test_bulk_mail_leaves_a_shared_connection),
        T(test_mailmax_counts_for_what_is_opened_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
