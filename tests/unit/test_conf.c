/*
 * tests/unit/test_conf — what a good configuration becomes, and what a reload shows of a change
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/conf_contract.h"
#include "tests/unit/conf_fixture.h"

static void test_defaults(void **state)
{
    (void)state;
    struct policies *p = fixture_good(BASE, NULL);
    const struct conf *c = policies_conf(p);
    assert_string_equal(c->hostname.p, "gw1.example.net");
    assert_string_equal(c->state.p, "/var/lib/waypost");
    assert_string_equal(c->user.p, "waypost");
    assert_int_equal(c->workers, 0);
    assert_int_equal(c->listen.at[0].tls, CONF_LISTEN_TLS_NONE);
    assert_int_equal(c->listen.at[0].auth, CONF_AUTH_NONE);
    assert_int_equal(c->limits.message_size, 2ull << 30);
    assert_int_equal(c->limits.recipients, 10000);
    assert_int_equal(c->limits.connections, 5000);
    assert_int_equal(c->limits.connections_per_client, 100);
    assert_int_equal(c->limits.idle, 300000);
    assert_int_equal(c->limits.hops, 50);
    assert_int_equal(c->limits.memory, 256ull << 20);
    assert_false(c->spool.sealed);
    assert_int_equal(c->spool.min_free, 1ull << 30);
    assert_int_equal(c->spool.tiers.n, 1);
    assert_string_equal(c->spool.tiers.at[0].path.p, "/var/lib/waypost/spool");
    assert_int_equal(c->dns.servers.n, 0);
    assert_int_equal(c->dns.timeout, 3000);
    assert_int_equal(c->delivery.port, 25);
    assert_int_equal(c->delivery.tls, CONF_TLS_OPPORTUNISTIC);
    assert_int_equal(c->delivery.timeouts.connect, 30000);
    assert_int_equal(c->delivery.timeouts.greeting, 120000);
    assert_int_equal(c->delivery.timeouts.command, 300000);
    assert_int_equal(c->delivery.timeouts.data, 300000);
    assert_int_equal(c->delivery.timeouts.final, 600000);
    assert_int_equal(c->egress.n, 1);
    assert_string_equal(c->egress.at[0].name.p, "default");
    assert_string_equal(c->egress.at[0].ehlo.p, "gw1.example.net");
    assert_true(c->egress.at[0].usable);
    assert_int_equal(c->rules.routes.n, 1);
    assert_string_equal(c->rules.routes.at[0].name.p, "default");
    assert_int_equal(c->rules.retry.all.first, 300000);
    assert_int_equal(c->rules.retry.all.max, 4 * 3600000);
    assert_int_equal(c->rules.retry.all.expire, 5 * 86400000ll);
    assert_int_equal(c->rules.retry.all.delay_notice, 4 * 3600000);
    assert_int_equal(c->log.level, LOG_INFO);
    assert_string_equal(c->log.deliveries.p, "/var/lib/waypost/deliveries.jsonl");
    policies_unref(&p);
    assert_null(p);
}

static struct bundle *contract_bundle(void)
{
    struct bundle *b = fixture_bundle(contract_waypost, contract_policies);
    static const char *const others[] = { "GeoLite2-ASN.mmdb", "GeoLite2-City.mmdb", "report.token",
                                          "/var/lib/waypost/drop.netset" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        bundle_put(b, others[i], slice_of("x"));
    return b;
}

static void check_contract_gateway(const struct conf *c)
{
    assert_int_equal(c->listen.n, 4);
    assert_int_equal(c->listen.at[1].tls, CONF_LISTEN_TLS_REQUIRED);
    assert_int_equal(c->listen.at[1].auth, CONF_AUTH_REQUIRED);
    assert_int_equal(c->listen.at[2].tls, CONF_LISTEN_TLS_IMPLICIT);
    assert_int_equal(c->listen.at[3].proxy_protocol.n, 1);
    assert_int_equal(c->clients.n, 3);
    assert_true(c->clients.at[0].may_set_priority);
    assert_int_equal(c->clients.at[0].rate.count, 10000);
    assert_int_equal(c->clients.at[0].rate.per_ms, 60000);
    assert_int_equal(c->clients.at[2].recipients.n, 1);
    assert_true(c->spool.sealed);
    assert_int_equal(c->spool.key[31], 0x1f);
    assert_int_equal(c->spool.tiers.at[0].size, 200ull << 30);
    assert_string_equal(c->spool.tiers.at[1].path.p, "/mnt/big");
    assert_int_equal(c->dns.servers.at[0].port, 53);
}

static void check_contract_plan(const struct conf *c)
{
    char text[ADDR_TEXT_MAX];
    assert_int_equal(c->egress.n, 6);
    assert_int_equal(c->egress.at[1].weight, 2);
    assert_string_equal(addr_text(&c->egress.at[1].addresses.at[1], text), "2001:db8::11");
    assert_int_equal(c->egress.at[2].via.kind, CONF_VIA_SOCKS5);
    assert_string_equal(c->egress.at[2].via.password.p, "secret word");
    assert_int_equal(c->egress.at[4].via.tls, CONF_TLS_VERIFY);
    assert_true(c->egress.at[4].usable);
    assert_int_equal(conf_via_host(&c->egress.at[4].via)->port, 587);
    assert_int_equal(conf_via_host(&c->egress.at[2].via)->addr.port, 1080);
    assert_string_equal(addr_text(&c->egress.at[3].via.source, text), "198.51.100.6");
    assert_int_equal(c->egress.at[5].warmup_start, 1795132800000); /* 2026-11-20T00:00Z */
    assert_int_equal(c->geo.carriers.n, 3);
    assert_string_equal(c->geo.carriers.at[0].asns.at[1].p, "AS4809");
    assert_string_equal(c->geo.regions.at[2].codes.at[1].p, "SA");
    assert_int_equal(c->probes.per_egress.count, 2);
    assert_int_equal(c->reputation.blocklists.at[0].codes.n, 3);
    assert_int_equal(c->reputation.blocklists.at[0].codes.at[2].points, 60);
    assert_int_equal(c->report.history, 30 * 86400000ll);
}

static void check_contract_rules(const struct conf *c)
{
    assert_int_equal(c->rules.priorities.n, 3);
    assert_int_equal(c->rules.priorities.at[1].when.terms.n, 2);
    assert_string_equal(c->rules.priorities.at[1].when.terms.at[0].header.p, "X-Priority");
    assert_int_equal(c->rules.routes.n, 5);
    const struct conf_route *filter = &c->rules.routes.at[2];
    assert_string_equal(filter->hosts.at[1].host.p, "av2");
    assert_int_equal(filter->hosts.at[1].port, 10025);
    assert_string_equal(filter->password.p, "secret word");
    assert_int_equal(c->rules.routes.at[0].tls, CONF_TLS_REQUIRED);
    assert_int_equal(c->rules.routes.at[3].fallback, CONF_FALLBACK_ANY);
    assert_int_equal(c->rules.traffic.at[0].connections, 20);
    assert_int_equal(c->rules.replies.at[0].class, REPLY_IP_THROTTLED);
    const struct conf_user *user = conf_user_find(c, slice_of("newsletter"));
    assert_non_null(user);
    assert_string_equal(user->senders.at[0].text.p, "*@news.example");
    assert_null(conf_user_find(c, slice_of("news")));
    assert_non_null(conf_user_find(c, slice_of("app")));
}

/* What the contract prints must pass. */
static void test_contract(void **state)
{
    (void)state;
    char *text;
    struct bundle *b = contract_bundle();
    struct policies *p = fixture_load_bundle(b, &text);
    if (!p)
        print_error("%s", text);
    assert_non_null(p);
    check_contract_gateway(policies_conf(p));
    check_contract_plan(policies_conf(p));
    check_contract_rules(policies_conf(p));
    assert_null(strstr(text, "expected"));
    free(text);
    policies_unref(&p);
    bundle_free(&b);
}

/* The two files of the benchmark's driver. */
static void test_bench_files(void **state)
{
    (void)state;
    struct policies *p =
        fixture_good("hostname: relay.test\nstate: /tmp/x\n"
                     "listen: [ { address: \"127.0.0.1:2525\", tls: none, auth: none } ]\n"
                     "clients: [ { network: 127.0.0.0/8, connections: 10000 }, "
                     "{ network: 10.77.0.0/16, connections: 10000 } ]\n"
                     "limits: { message_size: 4GiB, connections: 10000, "
                     "connections_per_client: 10000 }\n"
                     "policies: policies.yaml\nlog: { level: warning }\n",
                     "routes:\n"
                     "  - { name: slow, when: { recipient: \"*@slow.test\" }, "
                     "hosts: [\"127.0.0.1:2600\"], tls: none }\n"
                     "  - { name: all, hosts: [\"127.0.0.1:2601\"], tls: none }\n"
                     "traffic: [ { when: { recipient: \"*\" }, connections: 50 } ]\n");
    const struct conf *c = policies_conf(p);
    assert_int_equal(c->rules.routes.n, 2);
    assert_true(c->rules.routes.at[1].hosts.at[0].is_addr);
    assert_int_equal(c->rules.routes.at[1].hosts.at[0].addr.port, 2601);
    assert_string_equal(c->log.deliveries.p, "/tmp/x/deliveries.jsonl");
    policies_unref(&p);
}

static const struct conf_retry *lane_retry(const struct policies *p, enum lane lane)
{
    return &policies_conf(p)->rules.retry.lane[lane];
}

/* What a lane does not say is as for all, cut to fit what it does say. */
static void test_retry_by_lane(void **state)
{
    (void)state;
    struct policies *p =
        fixture_good(BASE "policies: policies.yaml\n",
                     "retry: { first: 10m, max: 2h, urgent: { first: 1m, expire: 1h }, "
                     "high: { delay_notice: 0s }, bulk: { expire: 10d, max: 8h } }\n");
    const struct conf_retry *normal = lane_retry(p, LANE_NORMAL), *r = lane_retry(p, LANE_URGENT);
    assert_memory_equal(normal, &policies_conf(p)->rules.retry.all, sizeof *normal);
    assert_int_equal(normal->first, 600000);
    assert_int_equal(r->first, 60000);
    assert_int_equal(r->expire, 3600000);
    assert_int_equal(r->max, 3600000); /* no longer than it lives */
    assert_int_equal(r->tls, 1800000);
    assert_int_equal(r->delay_notice, 0); /* it would come after the end */
    r = lane_retry(p, LANE_HIGH);
    assert_int_equal(r->delay_notice, 0);
    assert_int_equal(r->expire, 5 * 86400000ll);
    r = lane_retry(p, LANE_BULK);
    assert_int_equal(r->expire, 10 * 86400000ll);
    assert_int_equal(r->max, 8 * 3600000);
    assert_int_equal(r->first, 600000);
    policies_unref(&p);
}

static void test_times_and_quotas(void **state)
{
    (void)state;
    struct policies *p = fixture_good(
        "hostname: a.example\nlisten: [ { address: \"127.0.0.1:25\" } ]\n"
        "clients: [ { network: 127.0.0.0/8, urgent: 20/h }, { network: 10.0.0.0/8 } ]\n"
        "limits: { future_release: 0s }\npolicies: policies.yaml\n",
        "priorities:\n  - { priority: urgent, deliver_by: 10m, late: notify, hold_for: 5m }\n"
        "  - { priority: bulk }\n");
    const struct conf *c = policies_conf(p);
    assert_int_equal(c->clients.at[0].urgent.count, 20);
    assert_int_equal(c->clients.at[0].urgent.per_ms, 3600000);
    assert_int_equal(c->clients.at[1].urgent.count, 0);
    assert_int_equal(c->limits.future_release, 0);
    assert_int_equal(c->rules.priorities.at[0].deliver_by, 600000);
    assert_int_equal(c->rules.priorities.at[0].late, CONF_LATE_NOTIFY);
    assert_int_equal(c->rules.priorities.at[0].hold_for, 300000);
    assert_int_equal(c->rules.priorities.at[1].deliver_by, 0);
    policies_unref(&p);
}

static void test_diff(void **state)
{
    (void)state;
    struct policies *was = fixture_good(BASE "policies: policies.yaml\n"
                                             "egress: [ { name: a }, { name: b, weight: 2 } ]\n"
                                             "users: users.yaml\n",
                                        "routes: [ { name: x, when: { size: \">1KiB\" } }, "
                                        "{ name: y, when: { user: [u, v] } } ]\n");
    struct policies *is = fixture_good(BASE "policies: policies.yaml\n"
                                            "egress: [ { name: b, weight: 3 }, { name: c } ]\n"
                                            "delivery: { port: 2525, timeouts: { data: 90s } }\n",
                                       "routes: [ { name: y, when: { user: u } }, "
                                       "{ name: x, when: { size: \">1KiB\" } } ]\n");
    struct buf out;
    buf_init(&out, 8192);
    assert_int_equal(conf_diff(policies_conf(was), policies_conf(was), &out), 0);
    conf_diff(policies_conf(was), policies_conf(is), &out);
    buf_putc(&out, '\0');
    assert_string_equal(buf_slice(&out).p, "users: users.yaml -> none\n"
                                           "delivery.port: 25 -> 2525\n"
                                           "delivery.timeouts.data: 5m -> 90s\n"
                                           "egress a: removed\n"
                                           "egress b: weight: 2 -> 3\n"
                                           "egress c: added\n"
                                           "user app: removed\n"
                                           "user newsletter: removed\n"
                                           "routes y: when: { user: u | v } -> { user: u }\n"
                                           "routes: in another order\n");
    buf_free(&out);
    policies_unref(&was);
    policies_unref(&is);
}

static void test_diff_hides_secrets(void **state)
{
    (void)state;
    struct bundle *b = fixture_bundle(BASE "policies: policies.yaml\nusers: users.yaml\n",
                                      "routes: [ { name: x, hosts: h.example, tls: verify, "
                                      "user: u, password_file: p } ]\n");
    char *text;
    struct policies *was = fixture_load_bundle(b, &text), *is;
    free(text);
    bundle_put(b, "p", slice_of("hunter2"));
    bundle_put(b, "users.yaml", slice_of("app: { password: \"$6$" HASH "\" }\n"));
    is = fixture_load_bundle(b, &text);
    free(text);
    struct buf out;
    buf_init(&out, 8192);
    conf_diff(policies_conf(was), policies_conf(is), &out);
    buf_putc(&out, '\0');
    assert_string_equal(buf_slice(&out).p, "user newsletter: removed\n"
                                           "user app: password: changed\n"
                                           "user app: may_set_priority: true -> false\n"
                                           "routes x: password_file: changed\n");
    buf_free(&out);
    policies_unref(&was);
    policies_unref(&is);
    bundle_free(&b);
}

/* References are counted; what was taken stays after the others have gone. */
static void test_references(void **state)
{
    (void)state;
    char *text;
    struct conf_errors *errors = conf_errors_new();
    struct bundle *b = fixture_bundle(BASE, NULL);
    struct conf *c = NULL;
    assert_int_equal(conf_load(b, "waypost.yaml", &c, errors), RC_OK);
    bundle_free(&b);
    struct conf *second = conf_ref(c);
    conf_unref(&c);
    assert_string_equal(second->hostname.p, "gw1.example.net");
    conf_unref(&second);
    conf_errors_free(&errors);
    struct policies *p = fixture_load(BASE, NULL, &text), *q = policies_ref(p);
    policies_unref(&p);
    assert_int_equal(policies_conf(q)->listen.n, 1);
    policies_unref(&q);
    policies_unref(&q);
    free(text);
}

static void test_errors_json(void **state)
{
    (void)state;
    struct conf_errors *e = conf_errors_new();
    struct buf out;
    buf_init(&out, 1024);
    conf_error(e, (struct conf_pos){ "b.yaml", 2, 3 }, "second");
    conf_warning(e, (struct conf_pos){ "b.yaml", 1, 9 }, "a \"quoted\" word");
    conf_errors_put_json(e, &out);
    buf_putc(&out, '\0');
    assert_string_equal(buf_slice(&out).p,
                        "[{\"file\":\"b.yaml\",\"line\":1,\"column\":9,\"level\":\"warning\","
                        "\"text\":\"a \\\"quoted\\\" word\"},{\"file\":\"b.yaml\",\"line\":2,"
                        "\"column\":3,\"level\":\"error\",\"text\":\"second\"}]");
    for (unsigned i = 0; i < CONF_ERRORS_MAX + 5; i++)
        conf_error(e, (struct conf_pos){ "c.yaml", i + 1, 1 }, "more");
    assert_int_equal(conf_errors_count(e), CONF_ERRORS_MAX + 6);
    assert_int_equal(conf_warnings_count(e), 1);
    buf_free(&out);
    conf_errors_free(&e);
}

/* docs/CONFIG.md is what the tables print; WAYPOST_WRITE_DOCS=1 writes it anew. */
static void test_docs(void **state)
{
    (void)state;
    static const char path[] = "docs/CONFIG.md";
    struct buf docs;
    buf_init(&docs, 1 << 20);
    conf_put_docs(&docs);
    assert_false(docs.full);
    if (getenv("WAYPOST_WRITE_DOCS")) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(buf_slice(&docs).p, 1, buf_len(&docs), f), buf_len(&docs));
        fclose(f);
    }
    struct bundle *b = bundle_new_disk();
    struct slice stored;
    assert_int_equal(bundle_get(b, path, &stored, NULL), RC_OK);
    assert_true(slice_eq(stored, buf_slice(&docs)));
    bundle_free(&b);
    buf_free(&docs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),           cmocka_unit_test(test_contract),
        cmocka_unit_test(test_bench_files),        cmocka_unit_test(test_retry_by_lane),
        cmocka_unit_test(test_times_and_quotas),   cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_hides_secrets), cmocka_unit_test(test_references),
        cmocka_unit_test(test_errors_json),        cmocka_unit_test(test_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
