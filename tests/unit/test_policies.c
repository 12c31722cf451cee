/*
 * tests/unit/test_policies — lanes, routes, egresses, retries and who may relay
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/choose.h"
#include "policies/client.h"
#include "policies/priority.h"
#include "policies/retry.h"
#include "policies/route.h"
#include "tests/unit/conf_fixture.h"

#define WITH_POLICIES BASE "policies: policies.yaml\n"

static const char lanes_yaml[] =
    "priorities:\n"
    "  - { when: { sender: [\"ceo@corp.example\", \"*@board.corp.example\"] }, priority: urgent }\n"
    "  - { when: { header: { X-Priority: \"1*\" }, client: office }, priority: high }\n"
    "  - { when: { user: newsletter }, priority: bulk }\n"
    "  - { when: { mx: \"*.slow.example\" }, priority: bulk }\n";

static struct facts mail(const char *sender, const char *recipient, const char *client,
                         const char *user)
{
    struct facts f = { .client = slice_of(client), .user = slice_of(user) };
    facts_set_sender(&f, slice_of(sender));
    facts_set_recipient(&f, slice_of(recipient));
    f.known |= FACT_BIT(WHEN_CLIENT) | FACT_BIT(WHEN_USER) | FACT_BIT(WHEN_HEADER);
    return f;
}

static void test_lanes(void **state)
{
    (void)state;
    static const struct {
        const char *sender, *client, *user;
        struct mt_priority mt;
        enum lane lane;
        enum lane_source source;
        unsigned line; /* of the rule */
    } rows[] = {
        { "ceo@corp.example", "", "", { 0 }, LANE_URGENT, LANE_BY_RULE, 2 },
        { "x@BOARD.corp.example", "", "", { 0 }, LANE_URGENT, LANE_BY_RULE, 2 },
        { "x@corp.example", "", "newsletter", { 0 }, LANE_BULK, LANE_BY_RULE, 4 },
        { "x@corp.example", "", "newsletter", { true, true, 9 }, LANE_BULK, LANE_BY_RULE, 4 },
        { "x@corp.example", "", "", { 0 }, LANE_NORMAL, LANE_BY_DEFAULT, 0 },
        { "x@corp.example", "", "", { true, true, 4 }, LANE_URGENT, LANE_BY_SENDER, 0 },
        { "x@corp.example", "", "", { true, true, 1 }, LANE_HIGH, LANE_BY_SENDER, 0 },
        { "x@corp.example", "", "", { true, false, 9 }, LANE_NORMAL, LANE_BY_SENDER, 0 },
        { "x@corp.example", "", "", { true, false, -3 }, LANE_BULK, LANE_BY_SENDER, 0 },
    };
    struct policies *p = fixture_good(WITH_POLICIES, lanes_yaml);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct facts f = mail(rows[i].sender, "b@x.example", rows[i].client, rows[i].user);
        struct lane_choice c = policies_lane(p, &f, rows[i].mt);
        assert_int_equal(c.lane, rows[i].lane);
        assert_int_equal(c.source, rows[i].source);
        assert_int_equal(c.rule ? c.rule->pos.line : 0, rows[i].line);
        /* The last rule asks for the MX: it can still change what no rule has decided. */
        assert_int_equal(c.undecided, rows[i].line == 0);
        f.final = true;
        assert_false(policies_lane(p, &f, rows[i].mt).undecided);
    }
    policies_unref(&p);
}

static void test_mt_priority(void **state)
{
    (void)state;
    for (int v = -9; v <= 9; v++) {
        enum lane lane = v >= 4 ? LANE_URGENT : v > 0 ? LANE_HIGH : v < 0 ? LANE_BULK : LANE_NORMAL;
        assert_int_equal(lane_of_mt_priority(v), lane);
        assert_int_equal(mt_priority_effective((struct mt_priority){ true, true, v }), v);
        assert_int_equal(mt_priority_effective((struct mt_priority){ true, false, v }),
                         v < 0 ? v : 0);
        assert_int_equal(mt_priority_effective((struct mt_priority){ false, true, v }), 0);
    }
}

static const char routes_yaml[] =
    "routes:\n"
    "  - { name: partner, when: { recipient: \"*@partner.example\" }, "
    "hosts: [\"mx.partner.example:25\"], tls: required }\n"
    "  - { name: google, when: { mx: \"*.google.com\" }, egress: \"hk-*\" }\n"
    "  - { name: bank, when: { recipient_domain: \"*.bank.example\" }, tls: verify, egress: gz-1, "
    "fallback: any }\n";

#define EGRESSES                                                                                   \
    "egress: [ { name: gz-1, address: 127.0.0.11 }, { name: hk-1, weight: 3 }, "                   \
    "{ name: hk-2, weight: 0 } ]\n"

static void test_routes(void **state)
{
    (void)state;
    static const struct {
        const char *recipient, *route;
        bool undecided; /* before the MX is known */
    } rows[] = {
        { "a@Partner.Example", "partner", false },
        { "a@www.bank.example", "bank", true },
        { "a@elsewhere.example", "default", true },
    };
    struct policies *p = fixture_good(WITH_POLICIES EGRESSES, routes_yaml);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct facts f = mail("s@x.example", rows[i].recipient, "", "");
        struct route_choice c = policies_route(p, &f);
        assert_string_equal(c.route->name.p, rows[i].route);
        assert_int_equal(c.undecided, rows[i].undecided);
        assert_ptr_equal(policies_route_named(p, c.route->name), c.route);
    }
    struct slice mx = slice_of("mx1.google.com");
    struct facts f = mail("s@x.example", "a@www.bank.example", "", "");
    f.mx = &mx;
    f.mx_count = 1;
    f.known |= FACT_BIT(WHEN_MX);
    assert_string_equal(policies_route(p, &f).route->name.p, "google");
    assert_null(policies_route_named(p, slice_of("none")));
    policies_unref(&p);
}

static void assert_set(struct egress_set set, const char *expected)
{
    char text[64] = "";
    for (size_t i = 0; i < set.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%u ", set.at[i]);
    assert_string_equal(text, expected);
}

static void test_egress_sets(void **state)
{
    (void)state;
    struct policies *p = fixture_good(WITH_POLICIES EGRESSES, routes_yaml);
    const struct conf_route *google = policies_route_named(p, slice_of("google")),
                            *bank = policies_route_named(p, slice_of("bank")),
                            *any = policies_route_named(p, slice_of("default"));
    assert_set(policies_route_egress(p, google), "1 2 ");
    assert_set(policies_route_fallback(p, google), "");
    assert_set(policies_route_egress(p, bank), "0 ");
    assert_set(policies_route_fallback(p, bank), "0 1 2 ");
    assert_set(policies_route_egress(p, any), "0 1 2 ");
    policies_unref(&p);
}

static void test_routes_of_relays(void **state)
{
    static const char conf[] =
        WITH_POLICIES "egress:\n  - { name: direct }\n"
                      "  - { name: r1, via: { relay: \"192.0.2.1:25\" } }\n"
                      "  - { name: r2, via: { relay: \"192.0.2.2:25\" } }\n"
                      "  - { name: s1, via: { socks5: \"192.0.2.3:1080\" } }\n";
    static const struct {
        const char *egress;
        bool relayed;
    } rows[] = {
        { "r1", true }, { "r*", true }, { "[r1, direct]", false }, { "s1", false }, { "'*'", false }
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char routes[100];
        snprintf(routes, sizeof routes, "routes:\n  - { name: it, egress: %s }\n", rows[i].egress);
        struct policies *p = fixture_good(conf, routes);
        assert_int_equal(policies_route_relayed(p, policies_route_named(p, slice_of("it"))),
                         rows[i].relayed);
        policies_unref(&p);
    }
}

/* By weight (1 : 3 : 0) within 5 % of 40,000; weight 0 only when nothing else is left. */
static void test_choice(void **state)
{
    (void)state;
    struct policies *p = fixture_good(WITH_POLICIES EGRESSES, routes_yaml);
    const struct conf *c = policies_conf(p);
    struct egress_set all = policies_route_egress(p, policies_route_named(p, slice_of("default")));
    struct egress_facts facts[3] = { { .usable = true }, { .usable = true }, { .usable = true } };
    unsigned counts[3] = { 0 };
    struct rnd rnd;
    rnd_seed(&rnd, 7);
    for (int i = 0; i < 40000; i++)
        counts[choose_egress(c, all, facts, &rnd)]++;
    assert_in_range(counts[0], 9500, 10500);
    assert_in_range(counts[1], 28500, 31500);
    assert_int_equal(counts[2], 0);
    facts[1].usable = false;
    for (int i = 0; i < 100; i++)
        assert_int_equal(choose_egress(c, all, facts, &rnd), 0);
    facts[0].usable = false;
    assert_int_equal(choose_egress(c, all, facts, &rnd), 2);
    facts[2].usable = false;
    assert_int_equal(choose_egress(c, all, facts, &rnd), EGRESS_NONE);
    assert_int_equal(choose_egress(c, (struct egress_set){ NULL, 0 }, facts, &rnd), EGRESS_NONE);
    policies_unref(&p);
}

static const struct conf_retry retry = { .first = 300000,
                                         .max = 14400000,
                                         .expire = 432000000,
                                         .delay_notice = 14400000,
                                         .greylist = 310000,
                                         .dns = 60000,
                                         .throttled = 900000,
                                         .tls = 1800000 };

static void test_retry_times(void **state)
{
    (void)state;
    static const struct {
        enum retry_cause cause;
        unsigned attempts;
        int64_t wait;
    } rows[] = {
        { RETRY_REMOTE, 1, 300000 },       { RETRY_REMOTE, 2, 600000 },
        { RETRY_REMOTE, 4, 2400000 },      { RETRY_REMOTE, 20, 14400000 },
        { RETRY_REMOTE, 65535, 14400000 }, { RETRY_GREYLIST, 1, 310000 },
        { RETRY_DNS, 1, 60000 },           { RETRY_DNS, 3, 240000 },
        { RETRY_THROTTLED, 1, 900000 },    { RETRY_TLS, 1, 1800000 },
        { RETRY_TLS, 5, 14400000 },
    };
    const int64_t now = 1795305600000, expiry = now + retry.expire;
    struct rnd rnd;
    rnd_seed(&rnd, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t low = INT64_MAX, high = 0, w = rows[i].wait;
        for (int k = 0; k < 2000; k++) {
            int64_t t = retry_next(&retry, rows[i].cause, rows[i].attempts, expiry, now, &rnd);
            low = t - now < low ? t - now : low;
            high = t - now > high ? t - now : high;
        }
        assert_true(low >= w - w / 5 && low < w - w / 6); /* spread over all of +-20 % */
        assert_true(high <= w + w / 5 && high > w + w / 6);
    }
}

/* Before the mail expires there is one more try, early enough to end well; past that there is still
 * a later time. */
static void test_retry_end(void **state)
{
    (void)state;
    const int64_t accepted = 1000000, expiry = accepted + retry.expire;
    struct rnd rnd;
    rnd_seed(&rnd, 1);
    assert_int_equal(retry_expiry(&retry, accepted), expiry);
    assert_int_equal(retry_next(&retry, RETRY_REMOTE, 20, expiry, expiry - 60000, &rnd),
                     expiry - RETRY_LAST_MS);
    assert_int_equal(retry_next(&retry, RETRY_REMOTE, 20, expiry, expiry - 2 * RETRY_LAST_MS, &rnd),
                     expiry - RETRY_LAST_MS);
    assert_int_equal(
        retry_next(&retry, RETRY_REMOTE, 20, expiry, expiry - 2 * RETRY_LAST_MS + 1, &rnd), expiry);
    assert_int_equal(retry_next(&retry, RETRY_REMOTE, 20, expiry, expiry - RETRY_LAST_MS, &rnd),
                     expiry);
    assert_true(retry_next(&retry, RETRY_REMOTE, 1, expiry, expiry + 5, &rnd) > expiry + 5);
    assert_false(retry_notice_due(&retry, accepted, expiry, accepted + 14399999, false));
    assert_true(retry_notice_due(&retry, accepted, expiry, accepted + 14400000, false));
    assert_false(retry_notice_due(&retry, accepted, expiry, accepted + 14400000, true));
    assert_false(retry_notice_due(&retry, accepted, expiry, expiry, false));
    struct conf_retry never = retry;
    never.delay_notice = 0;
    assert_false(retry_notice_due(&never, accepted, expiry, expiry - 1, false));
}

static const struct conf_client *client_at(const struct policies *p, const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return policies_client(p, &a);
}

static void test_clients(void **state)
{
    (void)state;
    struct policies *p = fixture_good(
        "hostname: a.example\nlisten: [ { address: \"127.0.0.1:25\" } ]\n"
        "clients:\n  - { network: 10.0.0.0/8, name: office }\n  - { network: \"::1\" }\n"
        "  - { network: 0.0.0.0/0, name: world, recipients: [\"*@lists.example\", a@b.example] }\n",
        NULL);
    const struct conf_client *office = client_at(p, "10.1.2.3"), *world = client_at(p, "192.0.2.1");
    assert_string_equal(office->name.p, "office");
    assert_string_equal(client_at(p, "::ffff:10.1.2.3")->name.p, "office");
    assert_string_equal(world->name.p, "world");
    assert_non_null(client_at(p, "::1"));
    assert_null(client_at(p, "2001:db8::1"));
    assert_true(policies_client_may_send_to(p, office, slice_of("x@anywhere.example")));
    assert_true(policies_client_may_send_to(p, world, slice_of("News@Lists.Example")));
    assert_true(policies_client_may_send_to(p, world, slice_of("a@b.example")));
    assert_false(policies_client_may_send_to(p, world, slice_of("x@anywhere.example")));
    assert_false(policies_client_may_send_to(p, world, slice_of("x@lists.example@evil.example")));
    policies_unref(&p);
}

static void test_users(void **state)
{
    (void)state;
    struct policies *p = fixture_good(BASE "users: users.yaml\n", NULL);
    const struct conf *c = policies_conf(p);
    const struct conf_user *app = conf_user_find(c, slice_of("app")),
                           *news = conf_user_find(c, slice_of("newsletter"));
    assert_true(app->may_set_priority);
    assert_true(policies_user_may_send_as(p, app, slice_of("anybody@anywhere.example")));
    assert_true(policies_user_may_send_as(p, news, slice_of("list@news.example")));
    assert_true(policies_user_may_send_as(p, news, slice_of("")));
    assert_false(policies_user_may_send_as(p, news, slice_of("ceo@corp.example")));
    policies_unref(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_mt_priority),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_egress_sets),
        cmocka_unit_test(test_routes_of_relays),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_retry_times),
        cmocka_unit_test(test_retry_end),
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
