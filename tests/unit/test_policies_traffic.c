/*
 * tests/unit/test_policies_traffic — which limits hold, and over what they are counted
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/traffic.h"
#include "tests/unit/conf_fixture.h"

#define WITH_POLICIES BASE "policies: policies.yaml\n"

static void test_traffic(void **state)
{
    (void)state;
    struct policies *p = fixture_good(
        WITH_POLICIES,
        "traffic:\n"
        "  - { when: { recipient: \"*\" }, connections: 50 }\n"
        "  - { when: { mx: \"*.google.com\" }, connections: 30, rate: 500/min }\n"
        "  - { when: { mx: \"*.google.com\" }, connections: 40, rate: 9/s, "
        "messages_per_connection: 7 }\n"
        "  - { when: { recipient_domain: x.example }, recipients_per_message: 3, rate: 8/s }\n");
    struct slice mx = slice_of("mx1.google.com");
    struct facts f = { .mx = &mx, .mx_count = 1 };
    struct traffic_question q = { .f = &f, .site_key = slice_of("k") };
    struct traffic_limits l;
    struct traffic_toll tolls[4];
    policies_traffic(p, &q, &l);         /* nothing known: only the rule for everybody */
    assert_int_equal(l.connections, 50); /* a rule may allow more than delivery.connections */
    assert_int_equal(l.messages_per_connection, 100);
    assert_int_equal(policies_tolls(p, &q, tolls), 0);
    f.known = FACT_BIT(WHEN_MX);
    policies_traffic(p, &q, &l);
    assert_int_equal(l.connections, 30);
    assert_int_equal(l.messages_per_connection, 7);
    assert_int_equal(l.recipients_per_message, 100);
    assert_int_equal(policies_tolls(p, &q, tolls), 1);
    assert_int_equal(tolls[0].over, OVER_SITE);
    assert_int_equal(tolls[0].connections, 0);
    assert_int_equal(tolls[0].rate[TRAFFIC_MESSAGES].count, 500); /* 8.3 a second, less than 9 */
    assert_int_equal(tolls[0].rate[TRAFFIC_MESSAGES].per_ms, 60000);
    facts_set_recipient(&f, slice_of("a@x.example"));
    policies_traffic(p, &q, &l);
    assert_int_equal(l.recipients_per_message, 3);
    assert_int_equal(policies_tolls(p, &q, tolls), 2); /* both are kept, whichever is stricter */
    assert_int_equal(tolls[1].rate[TRAFFIC_MESSAGES].count, 8);
    policies_unref(&p);
}

/* What `when` names, and over what its numbers are counted. */
static const struct {
    const char *when;
    unsigned over;
    const char *text; /* with the facts of scope_facts() */
} scope_rows[] = {
    { "{ }", OVER_SITE, "" },
    { "{ mx: \"*\" }", OVER_SITE, "" },
    { "{ site: s }", OVER_SITE, "" },
    { "{ recipient_domain: d.example }", OVER_SITE, "" },
    { "{ provider: \"*\" }", OVER_PROVIDER, "provider p.example" },
    { "{ provider: p.example, mx: \"*\" }", OVER_SITE, "" },
    { "{ recipient_carrier: ct }", OVER_CARRIER, "carrier ct" },
    { "{ recipient_region: north, provider: \"p*\" }", OVER_PROVIDER | OVER_REGION,
      "provider p.example and region north" },
    { "{ egress: \"gz-*\" }", OVER_EGRESS, "egress gz-1" },
    { "{ egress: gz-1, mx: \"*\" }", OVER_SITE | OVER_EGRESS, "egress gz-1" },
    { "{ egress: gz-1, provider: \"*\" }", OVER_PROVIDER | OVER_EGRESS,
      "provider p.example and egress gz-1" },
    { "{ not: { provider: other, egress: hk-1 } }", OVER_SITE, "" },
};

static struct facts scope_facts(struct slice *mx)
{
    *mx = slice_of("mx.p.example");
    struct facts f = { .mx = mx,
                       .mx_count = 1,
                       .site = slice_of("s"),
                       .carrier = slice_of("ct"),
                       .region = slice_of("north"),
                       .provider = slice_of("p.example"),
                       .egress = slice_of("gz-1"),
                       .known = FACT_BIT(WHEN_MX) | FACT_BIT(WHEN_SITE) | FACT_BIT(WHEN_CARRIER) |
                                FACT_BIT(WHEN_REGION) | FACT_BIT(WHEN_PROVIDER) |
                                FACT_BIT(WHEN_EGRESS) };
    facts_set_recipient(&f, slice_of("u@d.example"));
    return f;
}

static void test_traffic_scopes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scope_rows / sizeof scope_rows[0]; i++) {
        char rules[256];
        struct slice mx;
        struct facts f = scope_facts(&mx);
        struct traffic_question q = { .f = &f, .site_key = slice_of("k") };
        struct traffic_toll toll, other;
        struct buf text;
        buf_init(&text, 256);
        snprintf(rules, sizeof rules,
                 "traffic: [ { when: %s, connections: 5, byte_rate: 10MiB/s } ]\n",
                 scope_rows[i].when);
        struct policies *p = fixture_good(WITH_POLICIES, rules);
        assert_int_equal(policies_tolls(p, &q, &toll), 1);
        assert_int_equal(toll.over, scope_rows[i].over);
        assert_int_equal(toll.rate[TRAFFIC_BYTES].count, 10 << 20);
        assert_int_equal(toll.connections, toll.over == OVER_SITE ? 0 : 5);
        traffic_put_over(&text, toll.over, &f);
        assert_true(slice_eq_str(buf_slice(&text), scope_rows[i].text));
        q.site_key = slice_of("another");
        assert_int_equal(policies_tolls(p, &q, &other), 1); /* one count for all sites, or not */
        assert_int_equal(other.key == toll.key, !(toll.over & OVER_SITE));
        f.known &= ~FACT_BIT(WHEN_EGRESS);
        assert_int_equal(policies_tolls(p, &q, &other), !(toll.over & OVER_EGRESS));
        buf_free(&text);
        policies_unref(&p);
    }
}

/* The key is that of the words: other rules before it, another number, and it counts on. */
static void test_traffic_keys(void **state)
{
    (void)state;
    static const char *const same[] = {
        "traffic: [ { when: { provider: \"*\" }, rate: 5/s } ]\n",
        "traffic: [ { when: { mx: none }, rate: 1/s }, { when: { provider: \"*\" }, rate: 7/s } "
        "]\n",
    };
    uint64_t keys[2];
    struct slice mx;
    struct facts f = scope_facts(&mx);
    struct traffic_question q = { .f = &f, .site_key = slice_of("k") };
    struct traffic_toll toll[2];
    for (size_t i = 0; i < 2; i++) {
        struct policies *p = fixture_good(WITH_POLICIES, same[i]);
        assert_int_equal(policies_tolls(p, &q, toll), 1);
        keys[i] = toll[0].key;
        policies_unref(&p);
    }
    assert_true(keys[0] == keys[1]);
    struct policies *p =
        fixture_good(WITH_POLICIES, "traffic:\n"
                                    "  - { when: { provider: \"*\" }, rate: 5/s, connections: 9 }\n"
                                    "  - { when: { provider: \"*\" }, rate: 200/min }\n"
                                    "  - { when: { provider: \"*.example\" }, connections: 4 }\n");
    struct traffic_limits l;
    policies_traffic(p, &q, &l);
    assert_int_equal(l.connections, 4);               /* one site has no more than all together */
    assert_int_equal(policies_tolls(p, &q, toll), 2); /* the same words are one count */
    assert_int_equal(toll[0].rate[TRAFFIC_MESSAGES].count, 200);
    assert_int_equal(toll[0].connections, 9);
    assert_int_equal(toll[1].connections, 4);
    policies_unref(&p);
}

/* A rule by domain holds once the site has mail for one of them, whatever came first. */
static void test_traffic_domains(void **state)
{
    (void)state;
    struct policies *p = fixture_good(
        WITH_POLICIES,
        "traffic:\n"
        "  - { when: { recipient_domain: b.example }, rate: 1/s }\n"
        "  - { when: { mx: \"*.p.example\", not: { recipient_domain: c.example } }, rate: 2/s }\n"
        "  - { when: { recipient_domain: b.example, mx: other.example }, rate: 3/s }\n");
    struct slice mx;
    struct facts f = scope_facts(&mx);
    bool met[3] = { false };
    struct traffic_question q = { .f = &f, .site_key = slice_of("k"), .by_domain = met };
    struct traffic_toll tolls[3];
    f.known &= ~(FACT_BIT(WHEN_RECIPIENT) | FACT_BIT(WHEN_RECIPIENT_DOMAIN));
    assert_true(policies_traffic_needs_domain(p));
    assert_int_equal(policies_tolls(p, &q, tolls), 0);
    assert_false(policies_traffic_meets(p, &f, slice_of("u@c.example"), met));
    assert_true(policies_traffic_meets(p, &f, slice_of("u@a.example"), met));
    assert_int_equal(policies_tolls(p, &q, tolls), 1);
    assert_int_equal(tolls[0].rate[TRAFFIC_MESSAGES].count, 2);
    assert_true(policies_traffic_meets(p, &f, slice_of("u@b.example"), met));
    assert_false(policies_traffic_meets(p, &f, slice_of("v@b.example"), met));
    assert_int_equal(policies_tolls(p, &q, tolls), 2);
    policies_unref(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traffic),
        cmocka_unit_test(test_traffic_scopes),
        cmocka_unit_test(test_traffic_keys),
        cmocka_unit_test(test_traffic_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
