/*
 * test_probes_run — probes against scripted servers: what they say, and what is made of it
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "gateway/dns/answer.h"
#include "probes/run.h"

#include "tests/support/fakedns.h"
#include "tests/unit/conf_fixture.h"
#include "tests/unit/delivery_peer.h"

enum { TIMEOUT_MS = 600, GREETING_MS = 400, GROUP = 5 };
enum { HERE, GONE, HAP, SOME, OTHER, NAMED, EGRESSES };

static struct {
    struct loop *loop;
    struct resolver *resolver;
    struct prober *prober;
    struct peer peer;
    struct policies *policies;
    unsigned done, connected; /* `connected`: before `done` */
    struct observation last;
} rig;

static const struct line greets[] = { { "", "220 hello\r\n", GO_ON },
                                      { "QUIT\r\n", "221 bye\r\n", CLOSE },
                                      { NULL, NULL, GO_ON } };
static const struct line refuses[] = { { "", "554 go away\r\n", GO_ON }, { NULL, NULL, GO_ON } };
static const struct line resets[] = { { "", NULL, RESET }, { NULL, NULL, GO_ON } };
static const struct line silent[] = { { NULL, NULL, GO_ON } };
static const struct line babbles[] = { { "", "SSH-2.0-x\r\n", GO_ON }, { NULL, NULL, GO_ON } };

static void on_done(void *arg, const struct observation *o, int group)
{
    (void)arg;
    assert_int_equal(group, GROUP);
    if (o->result == OBS_CONNECTED) {
        assert_int_equal(o->kind, OBS_PROBE);
        rig.connected++;
        return;
    }
    rig.done++;
    rig.last = *o;
}

static void make_prober(const struct addr *servers, size_t n)
{
    struct resolver_conf rc = resolver_defaults;
    struct err err;
    prober_free(&rig.prober);
    resolver_free(&rig.resolver);
    rc.servers = servers;
    rc.server_count = n;
    rc.allow_loopback = true;
    assert_int_equal(resolver_new(rig.loop, &rc, &rig.resolver, &err), RC_OK);
    rig.prober = prober_new(rig.loop, rig.resolver, on_done, NULL);
    prober_configure(rig.prober, policies_conf(rig.policies));
}

static int set_up(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.loop = loop_new();
    peer_listen(&rig.peer, rig.loop);
    char conf[1024];
    snprintf(conf, sizeof conf,
             "hostname: h.example\n"
             "listen: [ { address: \"127.0.0.1:2525\" } ]\n"
             "clients: [ { network: 127.0.0.0/8 } ]\n"
             "egress: [ { name: here, address: 127.0.0.77 },\n"
             "          { name: gone, address: 192.0.2.7 },\n"
             "          { name: hap, via: { proxy: \"127.0.0.1:%u\" } },\n"
             "          { name: some, address: [192.0.2.7, 127.0.0.78] },\n"
             "          { name: other, address: [192.0.2.7, \"::1\"] },\n"
             "          { name: named, via: { proxy: \"proxy.test:%u\" } } ]\n",
             rig.peer.port, rig.peer.port);
    rig.policies = fixture_good(conf, NULL);
    make_prober(NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    prober_free(&rig.prober);
    resolver_free(&rig.resolver);
    policies_unref(&rig.policies);
    peer_free(&rig.peer);
    for (int i = 0; i < 120; i++) /* streams that linger */
        loop_turn(rig.loop, 10);
    loop_free(&rig.loop);
    return 0;
}

static struct addr peer_addr(void)
{
    struct addr a;
    char text[32];
    snprintf(text, sizeof text, "127.0.0.1:%u", rig.peer.port);
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

static void probe(uint32_t egress, enum observation_kind kind, struct addr to)
{
    struct links_probe p = { .egress = egress,
                             .egress_hash = 7,
                             .group = GROUP,
                             .address = to,
                             .kind = (uint8_t)kind,
                             .timeout_ms = TIMEOUT_MS,
                             .greeting_ms = GREETING_MS };
    unsigned before = rig.done;
    assert_true(prober_run(rig.prober, &p));
    assert_int_equal(rig.done, before);
    for (int i = 0; i < 300 && rig.done == before; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(rig.done, before + 1);
    assert_int_equal(prober_running(rig.prober), 0);
    assert_int_equal(rig.last.egress, 7);
    assert_true(addr_eq(&rig.last.address, &to));
}

static void play(const struct line *script)
{
    rig.peer.scripts[rig.peer.scripts_n++] = script;
}

static void test_a_greeting_is_answered_with_quit_and_nothing_else(void **state)
{
    (void)state;
    play(greets);
    probe(HERE, OBS_PROBE, peer_addr());
    assert_int_equal(rig.last.result, OBS_OK);
    assert_int_equal(rig.last.code, 220);
    assert_true(rig.last.connect_us >= 0 && rig.last.greeting_us >= 0 && rig.last.rtt_us > 0);
    for (int i = 0; i < 20; i++)
        loop_turn(rig.loop, 10);
    struct slice got = buf_slice(&rig.peer.conns[0].got);
    assert_true(slice_eq_str(got, "QUIT\r\n"));
}

/* Some say the first line and look whether the client can wait for the last (postscreen). */
static void test_nothing_is_said_before_the_end_of_the_greeting(void **state)
{
    static const struct line teases[] = { { "", "220-wait", GO_ON }, { NULL, NULL, GO_ON } };
    static const struct line whole[] = { { "", "220-wait\r\n220-for\r\n220 it\r\n", GO_ON },
                                         { "QUIT\r\n", "221 bye\r\n", CLOSE },
                                         { NULL, NULL, GO_ON } };
    static const struct line part[] = { { "", "220-wait\r\n220-for\r\n", GO_ON },
                                        { NULL, NULL, GO_ON } };
    static const struct line gone[] = { { "", "421-wait\r\n", CLOSE }, { NULL, NULL, GO_ON } };
    static const struct {
        const struct line *script;
        enum observation_result result;
        uint16_t code;
        const char *said;
    } cases[] = { { whole, OBS_OK, 220, "QUIT\r\n" },
                  { part, OBS_OK, 220, "" },
                  { gone, OBS_REPLY_4XX, 421, "" },
                  { teases, OBS_SILENT, 0, "" } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        play(cases[i].script);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        probe(HERE, OBS_PROBE, peer_addr());
        assert_int_equal(rig.last.result, cases[i].result);
        assert_int_equal(rig.last.code, cases[i].code);
        assert_int_equal(rig.last.greeting_us >= 0, cases[i].script == whole);
        for (int turn = 0; turn < 5; turn++)
            loop_turn(rig.loop, 10);
        assert_true(slice_eq_str(buf_slice(&rig.peer.conns[i].got), cases[i].said));
    }
}

/* The peer is the proxy, too: a PROXY header comes first. */
static const struct line greets_behind[] = { { "\r\nQUIT\n", "220 hello\r\n", GO_ON },
                                             { "QUIT\r\n", "221 bye\r\n", CLOSE },
                                             { NULL, NULL, GO_ON } };

static void test_through_haproxy_quit_tells_the_round_trip(void **state)
{
    static const struct line mute[] = { { "\r\nQUIT\n", "220 hello\r\n", GO_ON },
                                        { NULL, NULL, GO_ON } };
    static const struct line leaves[] = { { "\r\nQUIT\n", "220 hello\r\n", GO_ON },
                                          { "QUIT\r\n", NULL, RESET },
                                          { NULL, NULL, GO_ON } };
    static const struct line *const scripts[] = { greets_behind, mute, leaves, silent };
    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        play(scripts[i]);
    for (size_t i = 0; scripts[i] != silent; i++) {
        probe(HAP, OBS_PROBE, peer_addr());
        assert_int_equal(rig.last.result, OBS_OK);
        assert_int_equal(rig.last.code, 220);
        assert_true(rig.last.proxied && rig.last.greeting_us >= 0 && rig.last.longest_us > 0);
        assert_int_equal(rig.last.app_rtt_us > 0, scripts[i] == greets_behind);
    }
    probe(HAP, OBS_PROBE, peer_addr());
    assert_int_equal(rig.last.result, OBS_SILENT);
    assert_int_equal(rig.connected, 0); /* nobody knows whether it is */
}

static void test_what_servers_say(void **state)
{
    static const struct {
        const struct line *script;
        enum observation_result result;
        uint16_t code;
    } cases[] = {
        { refuses, OBS_REPLY_5XX, 554 },
        { resets, OBS_RESET, 0 },
        { babbles, OBS_BROKEN, 0 },
        { silent, OBS_SILENT, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        play(cases[i].script);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        probe(HERE, OBS_PROBE, peer_addr());
        assert_int_equal(rig.last.result, cases[i].result);
        assert_int_equal(rig.last.code, cases[i].code);
        assert_int_equal(rig.last.kind, OBS_PROBE);
        assert_true(cases[i].script == resets || rig.connected == 1);
        assert_true(rig.last.connect_us < 1000 * TIMEOUT_MS);
        rig.connected = 0;
    }
}

static void test_a_closed_port_and_a_missing_source(void **state)
{
    struct addr to = peer_addr();
    (void)state;
    peer_shut(&rig.peer);
    probe(HERE, OBS_PROBE, to);
    assert_int_equal(rig.last.result, OBS_REFUSED);
    assert_int_equal(rig.connected, 0);
    probe(GONE, OBS_PROBE, to);
    assert_true(rig.last.kind == OBS_PROBE && rig.last.result == OBS_UNPLUMBED);
}

/* One address of several is missing: that is no fault of the egress. */
static void test_a_source_of_several_is_missing(void **state)
{
    (void)state;
    play(greets);
    probe(SOME, OBS_PROBE, peer_addr());
    assert_int_equal(rig.last.result, OBS_OK);
    assert_string_equal(source_of(&rig.peer.conns[0]), "127.0.0.78");
    probe(OTHER, OBS_PROBE, peer_addr()); /* none of the family */
    assert_int_equal(rig.last.kind, OBS_PROBE);
    assert_int_equal(rig.last.result, OBS_UNREACHABLE);
}

static void test_out_of_descriptors(void **state)
{
    struct rlimit old;
    int fd = dup(0); /* all below are taken */
    (void)state;
    close(fd);
    getrlimit(RLIMIT_NOFILE, &old);
    const struct rlimit tight = { (rlim_t)fd, old.rlim_max };
    for (uint32_t e = HERE; e < EGRESSES; e += e == HERE ? HAP : NAMED - HAP) {
        setrlimit(RLIMIT_NOFILE, &tight);
        probe(e, OBS_PROBE, peer_addr());
        setrlimit(RLIMIT_NOFILE, &old);
        assert_int_equal(rig.last.result, OBS_UNSENT);
    }
}

static void test_a_beacon_need_not_greet(void **state)
{
    (void)state;
    play(silent);
    probe(HERE, OBS_BEACON, peer_addr());
    assert_int_equal(rig.last.result, OBS_OK);
    assert_int_equal(rig.last.greeting_us, -1);
}

/* ---- resolvers ---- */

static enum fakedns_do answer(void *arg, const struct fakedns_query *q, struct dnswire *w)
{
    (void)w, (void)q;
    return *(enum fakedns_do *)arg;
}

static void test_a_resolver_is_asked_once(void **state)
{
    static enum fakedns_do what;
    struct fakedns *dns = fakedns_start((struct fakedns_script){ answer, &what });
    (void)state;
    what = FAKEDNS_SEND;
    probe(HERE, OBS_RESOLVER, fakedns_addr(dns));
    assert_int_equal(rig.last.result, OBS_OK);
    assert_true(rig.last.rtt_us > 0 && rig.last.connect_us == rig.last.rtt_us);
    what = FAKEDNS_SILENT;
    probe(HERE, OBS_RESOLVER, fakedns_addr(dns));
    assert_int_equal(rig.last.result, OBS_TIMEOUT);
    assert_int_equal(fakedns_queries(dns), 2);
    fakedns_stop(&dns);
}

/* ---- proxies by name ---- */

static _Atomic(const char *) proxy_at; /* NULL: its name has no address */

static enum fakedns_do where(void *arg, const struct fakedns_query *q, struct dnswire *w)
{
    (void)arg;
    if (q->type == DNS_A && proxy_at)
        dnswire_addr(w, q->name, 3600, proxy_at);
    return FAKEDNS_SEND;
}

static struct fakedns *ask_fakedns(void)
{
    struct fakedns *dns = fakedns_start((struct fakedns_script){ where, NULL });
    struct addr server = fakedns_addr(dns);
    make_prober(&server, 1);
    return dns;
}

/* A probe found that, no worker: it says so, so that they look until the name is there. */
static void test_a_proxy_without_a_name(void **state)
{
    struct fakedns *dns = ask_fakedns();
    (void)state;
    proxy_at = NULL;
    probe(NAMED, OBS_PROBE, peer_addr());
    assert_true(rig.last.kind == OBS_PROBE && rig.last.result == OBS_PROXY_DOWN);
    fakedns_stop(&dns);
}

/* Its name has another address meanwhile, whatever was kept of it: looked up again once it fails,
 * and only then. */
static void test_a_proxy_that_moves(void **state)
{
    struct fakedns *dns = ask_fakedns();
    (void)state;
    proxy_at = "127.0.0.1";
    play(greets_behind);
    probe(NAMED, OBS_PROBE, peer_addr());
    assert_int_equal(rig.last.result, OBS_OK);
    int asked = fakedns_queries(dns);
    peer_shut(&rig.peer);
    probe(NAMED, OBS_PROBE, peer_addr());
    assert_int_equal(rig.last.result, OBS_PROXY_DOWN);
    assert_int_equal(fakedns_queries(dns), asked);
    probe(NAMED, OBS_PROBE, peer_addr());
    assert_true(fakedns_queries(dns) > asked);
    fakedns_stop(&dns);
}

/* ---- limits ---- */

static void test_no_more_than_there_is_room_for(void **state)
{
    struct links_probe p = { .egress = HERE,
                             .group = GROUP,
                             .address = peer_addr(),
                             .kind = OBS_PROBE,
                             .timeout_ms = TIMEOUT_MS };
    unsigned begun = 0;
    (void)state;
    peer_shut(&rig.peer);
    while (begun <= PROBES_AT_ONCE && prober_run(rig.prober, &p))
        begun++;
    assert_int_equal(begun, PROBES_AT_ONCE);
    p.egress = EGRESSES;
    assert_false(prober_run(rig.prober, &p));
    for (int i = 0; i < 300 && rig.done < begun; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(rig.done, begun);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_greeting_is_answered_with_quit_and_nothing_else),
        T(test_nothing_is_said_before_the_end_of_the_greeting),
        T(test_through_haproxy_quit_tells_the_round_trip),
        T(test_what_servers_say),
        T(test_a_closed_port_and_a_missing_source),
        T(test_a_source_of_several_is_missing),
        T(test_out_of_descriptors),
        T(test_a_beacon_need_not_greet),
        T(test_a_resolver_is_asked_once),
        T(test_a_proxy_without_a_name),
        T(test_a_proxy_that_moves),
        T(test_no_more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
