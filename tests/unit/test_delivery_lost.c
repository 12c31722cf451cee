/*
 * test_delivery_lost — a session that ends before its MAIL: what was taken for its mail comes back
 */
#include "tests/unit/grants_rig.h"

static void count_owed(void *arg, uint64_t key, int64_t left_us)
{
    (void)key;
    (void)left_us;
    ++*(unsigned *)arg;
}

/* An hour each, so that what is owed is owed for as long as any test takes. */
static unsigned keys_that_owe(void)
{
    unsigned n = 0;
    allowances_each(rig.allowances, clock_mono_us(), count_owed, &n);
    return n;
}

static int64_t owed_us(void)
{
    int64_t sum = 0;
    allowances_each(rig.allowances, clock_mono_us(), add_owed, &sum);
    return sum;
}

enum { ONE_AN_HOUR = 1 };
static const int64_t HOUR_US = INT64_C(3600) * 1000 * 1000;

static const struct line shuts[] = { { "", NULL, CLOSE }, SILENT };
static const struct line resets[] = { { "EHLO", NULL, RESET }, SILENT };
static const struct line refuses[] = { { "", "451 4.3.0 not today\r\n", CLOSE }, SILENT };
static const struct line too_many[] = { { "", "421 4.3.2 too many\r\n", CLOSE }, SILENT };
static const struct line knows_nothing[] = { { "EHLO gw.example\r\n", "502 what\r\n", GO_ON },
                                             { "HELO gw.example\r\n", "502 what\r\n", GO_ON },
                                             SILENT };

/* On its way to a host, the other is gone: a mail that has the egress's only grant. */
static void send_one(const struct line *script)
{
    play(0, script);
    peer_shut(&rig.peers[1]);
    start("", "");
    advise(ONE_AN_HOUR);
    rig_mail(&normal);
    until_connected(0, 1);
}

static void until_put_off(const struct line *script, bool greets)
{
    send_one(script);
    if (greets)
        greet(0);
    until_logged(DEFERRED, 1);
    assert_int_equal(count_in(got(0, 0), "MAIL"), 0);
}

/* Whatever ends a session between the grant and MAIL: the grant is there for the next mail. */
static void check_given_back(const struct line *script, bool greets)
{
    until_put_off(script, greets);
    assert_int_equal(keys_that_owe(), 0);
}

static void test_a_session_that_is_shut_gives_it_back(void **state)
{
    (void)state;
    check_given_back(shuts, false);
}

static void test_a_session_that_is_reset_gives_it_back(void **state)
{
    (void)state;
    check_given_back(resets, true);
}

static void test_a_session_that_is_refused_gives_it_back(void **state)
{
    (void)state;
    check_given_back(refuses, false);
}

static void test_a_session_too_many_gives_it_back(void **state)
{
    (void)state;
    check_given_back(too_many, false);
}

static void test_a_session_without_hello_gives_it_back(void **state)
{
    (void)state;
    check_given_back(knows_nothing, true);
}

/* Once MAIL is sent it is used, however the session ends. */
static void test_what_mail_has_used_is_not_given_back(void **state)
{
    static const struct line ends[] = { HELLO(""), { "MAIL FROM", NULL, RESET }, SILENT };
    (void)state;
    send_one(ends);
    greet(0);
    until_logged(DEFERRED, 1);
    assert_int_equal(keys_that_owe(), 1);
}

/* Others owe three: one less when the session is lost. Not given back it would be none, given back
 * twice two. */
static void test_it_is_given_back_once(void **state)
{
    uint64_t key = 0;
    (void)state;
    send_one(peer);
    allowances_each(rig.allowances, clock_mono_us(), note_key, &key);
    allowance_owe(rig.allowances, key, clock_mono_us() + 3 * HOUR_US);
    conn_end(&rig.peers[0].conns[0], RESET);
    until_logged(DEFERRED, 1);
    assert_in_range(3 * HOUR_US - owed_us(), HOUR_US, 2 * HOUR_US - 1);
}

/* Each address of the egress may have one an hour. */
static void advise_addresses(void)
{
    struct advice *a = advice_with(2);
    for (uint8_t i = 0; i < 2; i++)
        a->standing[i] = (struct advice_standing){ .egress = 0,
                                                   .provider = slice_of(""),
                                                   .source = { ADDR_V4, { 127, 0, 0, 71 + i }, 0 },
                                                   .share = 0.5F,
                                                   .per_hour = ONE_AN_HOUR };
    advice_seal(a);
    delivery_advise(rig.delivery, a);
}

/* The turn of the address it left from, at each of the two hosts that refused it. */
static void test_an_address_gets_its_turn_back(void **state)
{
    (void)state;
    play(0, peer);
    play(1, refuses);
    rig.replies = reply_rules_shipped();
    rig.allowances = allowances_new();
    rig_start("egress: [ { name: one, address: [ 127.0.0.71, 127.0.0.72 ] } ]", "");
    advise_addresses();
    rig_mail(&normal);
    until_connected(0, 1);
    assert_int_equal(keys_that_owe(), 1);
    conn_end(&rig.peers[0].conns[0], RESET);
    until_logged(DEFERRED, 1);
    assert_int_equal(rig.peers[1].conns_n, 1);
    assert_int_equal(keys_that_owe(), 0);
}

/* A reload while the session is being opened: it goes by the configuration before, and what was
 * taken for it comes back all the same. */
static void test_a_reload_loses_none(void **state)
{
    (void)state;
    send_one(peer);
    rig_reload("egress: [ { name: other, weight: 0 }, { name: one } ]", "");
    assert_int_equal(keys_that_owe(), 1);
    rig_act(QUEUE_DROP, LANE_COUNT);
    conn_end(&rig.peers[0].conns[0], RESET);
    for (int i = 0; i < 1000 && keys_that_owe(); i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(keys_that_owe(), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_session_that_is_shut_gives_it_back),
        T(test_a_session_that_is_reset_gives_it_back),
        T(test_a_session_that_is_refused_gives_it_back),
        T(test_a_session_too_many_gives_it_back),
        T(test_a_session_without_hello_gives_it_back),
        T(test_what_mail_has_used_is_not_given_back),
        T(test_it_is_given_back_once),
        T(test_an_address_gets_its_turn_back),
        T(test_a_reload_loses_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
