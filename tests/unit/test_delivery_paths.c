/*
 * test_delivery_paths — the egress of each mail by advice, and what else decides
 */
#include "gateway/delivery/race.h"
#include "gateway/queue/inspect.h"
#include "tests/unit/delivery_rig.h"

#define HELLO                                                                                      \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250 peer\r\n", GO_ON                                               \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
#define ENVELOPE(rcpt)                                                                             \
    { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", GO_ON },                                        \
    {                                                                                              \
        "RCPT TO:<b@d.example>\r\n", rcpt, GO_ON                                                   \
    }
#define BODY                                                                                       \
    { "DATA\r\n", "354 go\r\n", GO_ON },                                                           \
    {                                                                                              \
        "\r\n.\r\n", "250 ok\r\n", GO_ON                                                           \
    }

static const struct line works[] = { HELLO, ENVELOPE("250 ok\r\n"), BODY, SILENT };
static const struct line greylists[] = { HELLO, ENVELOPE("451 4.7.1 greylisted\r\n"), SILENT };
static const struct line silent[] = { SILENT };

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n" };

static const char egresses[] = "egress: [ { name: one, address: 127.0.0.71 },\n"
                               "          { name: two, address: 127.0.0.72 } ]\n"
                               "delivery: { messages_per_connection: 1 }\n";

struct figures {
    uint8_t state;
    float rtt_ms, fail;
};

static void advise_all(const struct figures *f, uint32_t n, int16_t preferred)
{
    static const struct slice names[] = { SLICE_INIT("one"), SLICE_INIT("two"),
                                          SLICE_INIT("three") };
    struct advice *a = advice_new(n, 1);
    a->version = 1;
    a->made_ms = loop_now_ms(rig.loop);
    a->group[0].carrier = advice_text(a, SLICE_LIT("other"));
    a->group[0].region = advice_text(a, SLICE_LIT("other"));
    a->group[0].preferred = a->group[0].preferred_large = preferred;
    for (uint32_t e = 0; e < n; e++) {
        a->egress[e].name = advice_text(a, names[e]);
        a->egress[e].share = 1;
        a->path[e] = (struct advice_path){ .state = f[e].state,
                                           .rtt_ms = f[e].rtt_ms,
                                           .rtt_var_ms = 1,
                                           .fail = f[e].fail,
                                           .samples = 50 };
    }
    advice_seal(a);
    delivery_advise(rig.delivery, a);
}

static void advise(struct figures one, struct figures two, int16_t preferred)
{
    const struct figures both[] = { one, two };
    advise_all(both, 2, preferred);
}

static const struct figures fast = { PATH_UP, 5, 0 }, slow = { PATH_UP, 300, 0 },
                            down = { PATH_DOWN, 5, 0.9F }, doubtful = { PATH_UP, 5, 0.06F };

static void send_and_count(unsigned n, const char *egress, unsigned times)
{
    char needle[40];
    for (unsigned i = 0; i < n; i++)
        rig_mail(&mail);
    until_logged(DELIVERED, n);
    snprintf(needle, sizeof needle, "\"egress\":\"%s\"", egress);
    assert_int_equal(count_in(rig_log(), needle), times);
}

static void test_the_faster_path_carries_the_mail(void **state)
{
    (void)state;
    play(0, works);
    rig_start(egresses, "");
    advise(slow, fast, 1);
    send_and_count(6, "two", 6);
}

static void test_a_path_that_is_down_carries_none(void **state)
{
    (void)state;
    play(0, works);
    rig_start(egresses, "");
    advise(down, slow, 0);
    send_and_count(6, "two", 6);
}

/* A new table takes effect with the very next mail. */
static void test_advice_changes_its_mind(void **state)
{
    (void)state;
    play(0, works);
    rig_start(egresses, "");
    advise(fast, slow, 0);
    send_and_count(3, "one", 3);
    advise(down, slow, 1);
    rig_mail(&mail);
    until_logged("\"egress\":\"two\"", 1);
}

/* What the relay sees itself weighs more than what control says. */
static void test_a_local_fault_overrules_advice(void **state)
{
    (void)state;
    play(0, works);
    rig_start("egress: [ { name: one, address: 192.0.2.7 }, { name: two, address: 127.0.0.72 } ]\n"
              "delivery: { messages_per_connection: 1 }\n",
              "");
    advise(fast, slow, 0);
    send_and_count(3, "two", 3);
}

static void test_stale_advice_is_no_advice(void **state)
{
    (void)state;
    play(0, works);
    rig_start(egresses, "");
    struct advice *a = advice_new(0, 0);
    a->made_ms = loop_now_ms(rig.loop) - ADVICE_STALE_MS - 1;
    advice_seal(a);
    delivery_advise(rig.delivery, a);
    for (int i = 0; i < 14; i++)
        rig_mail(&mail);
    until_logged(DELIVERED, 14);
    unsigned one = count_in(rig_log(), "\"egress\":\"one\"");
    assert_true(one > 0 && one < 14); /* by weight */
}

/* The second egress is better by now, but greylisting knows the first one's address. */
static void test_a_greylisted_mail_keeps_its_egress(void **state)
{
    const struct queue_filter all = { .age_min_ms = 0 };
    (void)state;
    play(0, greylists);
    play(0, works);
    rig_start(egresses, "");
    advise(fast, slow, 0);
    rig_mail(&mail);
    until_logged(DEFERRED, 1);
    advise(slow, fast, 1);
    assert_int_equal(queue_act(rig.queue, &all, QUEUE_RETRY), 1);
    until_logged(DELIVERED, 1);
    assert_int_equal(count_in(rig_log(), "\"egress\":\"one\""), 2);
    rig_mail(&mail);
    until_logged("\"egress\":\"two\"", 1);
}

/* Nobody greets on the doubtful path: the other egress tries beside it, and the first one is closed
 * without a word. */
static void test_a_race_on_a_doubtful_path(void **state)
{
    (void)state;
    play(0, silent);
    play(0, works);
    rig_start(egresses, "");
    advise(doubtful, slow, 0);
    rig_mail(&mail);
    for (int i = 0; i < 100 && !rig.peers[0].conns_n; i++)
        loop_turn(rig.loop, 5);
    assert_string_equal(source_of(&rig.peers[0].conns[0]), "127.0.0.71");
    until_logged(DELIVERED, 1);
    assert_int_equal(count_in(rig_log(), "\"egress\":\"two\""), 1);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
    turns(20);
    assert_int_equal(rig.peers[0].conns_n, 2);
    assert_true(rig.peers[0].conns[0].ended);
    assert_int_equal(buf_len(&rig.peers[0].conns[0].got), 0);
}

/* Two hang: the third gets its turn, and never are more than two tried at once. */
static void test_a_race_goes_on_until_one_greets(void **state)
{
    static const struct figures three[] = { { PATH_UP, 5, 0.06F },
                                            { PATH_UP, 100, 0.06F },
                                            { PATH_UP, 300, 0 } };
    (void)state;
    play(0, silent);
    play(0, silent);
    play(0, works);
    rig_start("egress: [ { name: one, address: 127.0.0.71 }, { name: two, address: 127.0.0.72 },\n"
              "          { name: three, address: 127.0.0.73 } ]\n",
              "");
    advise_all(three, 3, 0);
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    assert_int_equal(count_in(rig_log(), "\"egress\":\"three\""), 1);
    turns(20);
    assert_int_equal(rig.peers[0].conns_n, 3);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(rig.peers[0].conns[i].ended);
        assert_int_equal(buf_len(&rig.peers[0].conns[i].got), 0);
    }
}

/* A path without doubt waits for the greeting as long as it takes. */
static void test_no_race_without_doubt(void **state)
{
    (void)state;
    play(0, silent);
    play(0, works);
    rig_start(egresses, "");
    advise(fast, slow, 0);
    rig_mail(&mail);
    for (int i = 0; i < 60; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(rig.peers[0].conns_n, 1);
}

/* The connection stands, but maybe nowhere: a host that has greeted others at once greets nobody by
 * this egress. In the end control is told of a path that failed. */
static void test_a_greeting_that_is_late_for_this_host(void **state)
{
    (void)state;
    play(0, works);
    play(0, silent);
    play(0, works);
    rig_start(egresses, "");
    advise(fast, slow, 0);
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    rig_mail(&mail);
    until_logged(DELIVERED, 2);
    assert_int_equal(count_in(rig_log(), "\"egress\":\"one\""), 1);
    assert_int_equal(count_in(rig_log(), "\"egress\":\"two\""), 1);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
    turns(20);
    assert_int_equal(rig.peers[0].conns_n, 3);
    assert_true(rig.peers[0].conns[1].ended);
    assert_int_equal(buf_len(&rig.peers[0].conns[1].got), 0);
    unsigned told = 0;
    for (unsigned k = 0; k < rig.seen_n; k++)
        told += rig.seen[k].result == OBS_TIMEOUT &&
                rig.seen[k].egress == slice_hash_stable(slice_of("one"));
    assert_int_equal(told, 1);
}

/* To the proxy, its method, a login, its own dial (RFC 1928, 1929): four round trips for one. */
static void test_a_race_through_a_proxy_begins_later(void **state)
{
    (void)state;
    assert_int_equal(race_wait_ms(false, 250), 250);
    assert_int_equal(race_wait_ms(true, 250), 1000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_faster_path_carries_the_mail),
        T(test_a_path_that_is_down_carries_none),
        T(test_advice_changes_its_mind),
        T(test_a_local_fault_overrules_advice),
        T(test_stale_advice_is_no_advice),
        T(test_a_greylisted_mail_keeps_its_egress),
        T(test_a_race_goes_on_until_one_greets),
        T(test_a_race_on_a_doubtful_path),
        T(test_no_race_without_doubt),
        T(test_a_race_through_a_proxy_begins_later),
        T(test_a_greeting_that_is_late_for_this_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
