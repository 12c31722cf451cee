/*
 * test_delivery_egress — mail leaves by an egress of its route, or waits
 */
#include "tests/unit/delivery_rig.h"

#include <sys/resource.h>
#include <unistd.h>

#include "gateway/delivery/engine.h"

#include "gateway/delivery/egress.h"

#define HELLO                                                                                      \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250 peer\r\n", GO_ON                                               \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }

#define TAKES                                                                                      \
    { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", ALONE },                                        \
        { "RCPT TO:<b@d.example>\r\n", "250 ok\r\n", ALONE }, { "DATA\r\n", "354 go\r\n", ALONE }, \
    {                                                                                              \
        "\r\n.\r\n", "250 ok\r\n", ALONE                                                           \
    }

static const struct line works[] = { HELLO, TAKES, SILENT };
static const struct line takes_all[] = { HELLO, TAKES, TAKES, TAKES, TAKES, SILENT };
static const struct line says_nothing[] = { SILENT };

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n" };

/* Two routes to the same hosts; the egress of the first is not on this machine. */
static void test_a_missing_egress_holds_its_own_mail(void **state)
{
    static char extra[160];
    struct mail_spec other = mail;
    (void)state;
    other.route = "s";
    snprintf(extra, sizeof extra,
             ", egress: gone }\n  - { name: s, egress: here, hosts: [\"127.0.0.1:%u\", "
             "\"127.0.0.1:%u\"]",
             rig.peers[0].port, rig.peers[1].port);
    rig.route_extra = extra;
    play(0, works);
    rig_start("egress: [ { name: gone, address: 192.0.2.7 }, { name: here } ]", "");
    rig_mail(&mail);
    rig_mail(&mail);
    turns(20);
    rig_mail(&other);
    until_logged(DELIVERED, 1);
    assert_int_equal(count_in(rig_log(), "\"route\":\"s\""), 1);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
}

/* A mail that must keep away from an egress leaves by the other, though a session of the first is
 * free and other mail uses it; one that has none left waits and holds up nobody. */
static void test_mail_that_keeps_away(void **state)
{
    static const char two[] = "egress: [ { name: a }, { name: b, weight: 0 } ]";
    struct mail_spec not_a = mail, nowhere = mail;
    (void)state;
    not_a.refused[0] = "a";
    nowhere.refused[0] = "a";
    nowhere.refused[1] = "b";
    for (int i = 0; i < 4; i++)
        play(0, takes_all);
    rig_start(two, "");
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    rig_mail(&nowhere);
    rig_mail(&not_a);
    rig_mail(&not_a);
    rig_mail(&mail);
    until_logged(DELIVERED, 4);
    turns(20);
    assert_int_equal(count_in(rig_log(), DELIVERED), 4);
    assert_int_equal(count_in(rig_log(), "\"egress\":\"b\""), 2);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
}

/* At the limit of connections, an idle session that the mail may not use makes way. */
static void test_keeping_away_at_the_limit(void **state)
{
    static const char one[] = "egress: [ { name: a }, { name: b, weight: 0 } ]\n"
                              "delivery: { connections: 1 }";
    struct mail_spec not_a = mail;
    (void)state;
    not_a.refused[0] = "a";
    play(0, works);
    play(0, works);
    rig_start(one, "");
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    rig_mail(&not_a);
    until_logged(DELIVERED, 2);
    assert_int_equal(count_in(rig_log(), "\"egress\":\"b\""), 1);
}

static void reload(const char *extra)
{
    struct policies *p = rig_policies(extra, "");
    queue_reconfigure(rig.queue, p);
    delivery_reconfigure(rig.delivery, p);
    policies_unref(&p);
}

/* The configuration changes while a session is being opened: the next host of the old one's list
 * must not be tried from whatever address the system likes. */
static void test_a_reload_while_opening(void **state)
{
    static const char egress[] = "egress: [ { name: e, address: 127.0.0.77 } ]";
    (void)state;
    play(0, says_nothing);
    play(0, works);
    play(1, works);
    rig_start(egress, "");
    rig_mail(&mail);
    turns(40);
    assert_int_equal(rig.peers[0].conns_n, 1);
    assert_string_equal(source_of(&rig.peers[0].conns[0]), "127.0.0.77");
    reload(egress);
    conn_end(&rig.peers[0].conns[0], CLOSE);
    until_logged(DELIVERED, 1);
    unsigned at = rig.peers[1].conns_n ? 1 : 0;
    struct peer *peer = &rig.peers[at];
    assert_string_equal(source_of(&peer->conns[peer->conns_n - 1]), "127.0.0.77");
}

/* Mail bound to a session of the old configuration stays with it: its route and its egresses are
 * not those of the sessions that are free now. */
static void test_mail_bound_before_a_reload(void **state)
{
    (void)state;
    play(0, says_nothing);
    play(0, takes_all);
    rig_start("", "");
    rig_mail(&mail);
    turns(40);
    assert_int_equal(rig.peers[0].conns_n, 1);
    reload("");
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    turns(20);
    assert_int_equal(count_in(rig_log(), DELIVERED), 1);
    conn_end(&rig.peers[0].conns[0], CLOSE);
    until_logged(DELIVERED, 2);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
}

static void advise(uint64_t version, enum egress_fault_kind fault, bool is_probed)
{
    struct advice *a = advice_new(1, 1);
    a->version = version;
    a->made_ms = loop_now_ms(rig.loop);
    a->group[0].carrier = a->group[0].region = advice_text(a, SLICE_LIT("other"));
    a->egress[0] = (struct advice_egress){ .name = advice_text(a, SLICE_LIT("e")),
                                           .fault = (uint8_t)fault,
                                           .probed = is_probed,
                                           .share = 1 };
    advice_seal(a);
    delivery_advise(rig.delivery, a);
}

/* A probe of control found the egress out; no mail has come this way. */
static void probed(enum egress_fault_kind fault)
{
    advise(1, fault, true);
}

/* What delivery says to that. */
static enum observation_result answer(void)
{
    for (int i = 0; i < 400 && rig.seen_n == 0; i++)
        loop_turn(rig.loop, 5);
    assert_int_equal(rig.seen_n, 1);
    assert_int_equal(rig.seen[0].kind, OBS_EGRESS);
    rig.seen_n = 0;
    return rig.seen[0].result;
}

static void test_a_probe_found_no_source(void **state)
{
    (void)state;
    rig_start("egress: [ { name: e, address: 192.0.2.7 } ]", "");
    probed(EGRESS_UNPLUMBED);
    assert_int_equal(answer(), OBS_UNPLUMBED);
    probed(EGRESS_UNPLUMBED); /* it is being looked at */
    turns(20);
    assert_int_equal(rig.seen_n, 0);
}

/* Control was started again and knows nothing of what is out. */
static void test_another_control(void **state)
{
    (void)state;
    rig_start("egress: [ { name: e, address: 192.0.2.7 } ]", "");
    advise(7, EGRESS_UNPLUMBED, true);
    assert_int_equal(answer(), OBS_UNPLUMBED);
    advise(8, EGRESS_FINE, false);
    turns(20);
    assert_int_equal(rig.seen_n, 0);
    advise(1, EGRESS_FINE, false);
    assert_int_equal(answer(), OBS_UNPLUMBED);
    advise(2, EGRESS_UNPLUMBED, false);
    turns(20);
    assert_int_equal(rig.seen_n, 0);
}

static void test_a_probe_found_no_source_that_is_back(void **state)
{
    (void)state;
    rig_start("egress: [ { name: e, address: 127.0.0.77 } ]", "");
    probed(EGRESS_UNPLUMBED);
    assert_int_equal(answer(), OBS_OK);
}

/* The second peer is the proxy: there, or not. */
static void start_with_proxy(void)
{
    char egress[120];
    snprintf(egress, sizeof egress, "egress: [ { name: e, via: { proxy: \"127.0.0.1:%u\" } } ]",
             rig.peers[1].port);
    rig_start(egress, "");
}

static void test_a_probe_found_no_proxy(void **state)
{
    (void)state;
    start_with_proxy();
    peer_shut(&rig.peers[1]);
    probed(EGRESS_PROXY_DOWN);
    assert_int_equal(answer(), OBS_PROXY_DOWN);
}

static void test_a_probe_found_no_proxy_that_is_back(void **state)
{
    (void)state;
    play(1, says_nothing);
    start_with_proxy();
    probed(EGRESS_PROXY_DOWN);
    assert_int_equal(answer(), OBS_OK);
    turns(20);
    assert_int_equal(rig.seen_n, 0);
}

static struct rlimit limit;

/* All descriptors are taken, until the limit is back. */
static void take_all(void)
{
    int fd = dup(0);
    close(fd);
    getrlimit(RLIMIT_NOFILE, &limit);
    const struct rlimit tight = { (rlim_t)fd, limit.rlim_max };
    setrlimit(RLIMIT_NOFILE, &tight);
}

/* It is our own lack: what was fine is not out for it, what was out not back. */
static void test_no_descriptor_to_look_with(void **state)
{
    (void)state;
    play(1, says_nothing);
    play(1, says_nothing);
    start_with_proxy();
    take_all();
    probed(EGRESS_PROXY_DOWN);
    turns(20);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(rig.seen_n, 0);
    assert_int_equal(egress_fault(rig.delivery->egress, 0), EGRESS_FINE);
    probed(EGRESS_PROXY_DOWN);
    assert_int_equal(answer(), OBS_OK);
    egress_failed(rig.delivery->egress, 0, EGRESS_PROXY_DOWN, "gone");
    assert_int_equal(answer(), OBS_PROXY_DOWN);
    take_all();
    for (int64_t end_ms = loop_now_ms(rig.loop) + 1200; loop_now_ms(rig.loop) < end_ms;)
        loop_turn(rig.loop, 10); /* it is looked at meanwhile */
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(rig.seen_n, 0);
    for (int i = 0; i < 2000 && rig.seen_n == 0; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(answer(), OBS_OK);
}

/* Its name could not be looked up: the same. No name server is asked here, there is no socket. */
static void test_no_descriptor_to_look_its_name_up_with(void **state)
{
    (void)state;
    rig_start("egress: [ { name: e, via: { socks5: \"proxy.invalid:1080\" } } ]", "");
    take_all();
    probed(EGRESS_PROXY_DOWN);
    turns(20);
    assert_int_equal(egress_fault(rig.delivery->egress, 0), EGRESS_FINE);
    rig_mail(&mail);
    turns(20);
    setrlimit(RLIMIT_NOFILE, &limit);
    until_logged(DEFERRED, 1);
    assert_int_equal(count_in(rig_log(), "no descriptor or memory left"), 1);
    assert_int_equal(egress_fault(rig.delivery->egress, 0), EGRESS_FINE);
    for (unsigned i = 0; i < rig.seen_n; i++) /* neither told of the egress nor of a path */
        fail_msg("told of kind %d, result %d", rig.seen[i].kind, rig.seen[i].result);
}

/* Nothing is under way by it, and there is no mail to notice: its session rests and ends. */
static void test_a_proxy_that_goes_while_its_session_rests(void **state)
{
    static const struct line behind[] = { { "\r\nQUIT\n", "220 peer\r\n", GO_ON },
                                          { "EHLO gw.example\r\n", "250 peer\r\n", GO_ON },
                                          TAKES,
                                          SILENT };
    (void)state;
    play(1, behind);
    start_with_proxy();
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    turns(20);
    rig.seen_n = 0;
    peer_shut(&rig.peers[1]);
    shutdown(rig.peers[1].conns[0].fd, SHUT_RDWR);
    assert_int_equal(answer(), OBS_PROXY_DOWN);
}

/* ---- a proxy that answers and connects us to nobody ---- */

static unsigned backs;

static void on_changed(void *arg, int egress, enum egress_fault_kind fault)
{
    (void)arg;
    (void)egress;
    backs += fault == EGRESS_FINE;
}

/* How long it is out after three denials. */
static int64_t out_ms(struct egress_table *t)
{
    int64_t since_ms = loop_now_ms(rig.loop);
    backs = 0;
    for (int i = 0; i < 3; i++)
        egress_denied(t, 0, "no");
    assert_int_equal(egress_fault(t, 0), EGRESS_PROXY_DOWN);
    for (int i = 0; i < 2000 && !backs; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(backs, 1);
    return loop_now_ms(rig.loop) - since_ms;
}

static void test_a_proxy_that_denies(void **state)
{
    (void)state;
    play(1, says_nothing);
    play(1, says_nothing);
    start_with_proxy();
    struct egress_table *t = egress_new(rig.loop, rig.resolver, rig.policies, on_changed, NULL);
    assert_true(out_ms(t) >= 1000);
    assert_true(out_ms(t) >= 2000);
    egress_free(&t);
}

/* Its source goes while its proxy, which is there, is looked at. */
static void test_a_source_that_goes_during_a_check(void **state)
{
    (void)state;
    play(1, says_nothing);
    start_with_proxy();
    probed(EGRESS_PROXY_DOWN);
    egress_failed(rig.delivery->egress, 0, EGRESS_UNPLUMBED, "not here");
    assert_int_equal(answer(), OBS_UNPLUMBED);
    assert_int_equal(answer(), OBS_OK); /* a second later */
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { T(test_a_missing_egress_holds_its_own_mail),
                                        T(test_mail_that_keeps_away),
                                        T(test_keeping_away_at_the_limit),
                                        T(test_a_reload_while_opening),
                                        T(test_a_probe_found_no_source),
                                        T(test_another_control),
                                        T(test_a_probe_found_no_source_that_is_back),
                                        T(test_a_probe_found_no_proxy),
                                        T(test_a_probe_found_no_proxy_that_is_back),
                                        T(test_a_proxy_that_goes_while_its_session_rests),
                                        T(test_a_source_that_goes_during_a_check),
                                        T(test_no_descriptor_to_look_with),
                                        T(test_no_descriptor_to_look_its_name_up_with),
                                        T(test_a_proxy_that_denies),
                                        T(test_mail_bound_before_a_reload) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
