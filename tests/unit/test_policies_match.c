/*
 * tests/unit/test_policies_match — patterns, ranges, windows, and the three answers of a `when`
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/conf_fixture.h"

static void test_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *subject;
        enum pattern_kind kind;
        bool match;
    } rows[] = {
        { "*", "", PATTERN_ANY, true },
        { "*", "anything", PATTERN_ANY, true },
        { "**", "anything", PATTERN_GLOB, true },
        { "ceo@corp.example", "CEO@Corp.Example", PATTERN_EXACT, true },
        { "CEO@corp.example", "ceo@corp.example", PATTERN_EXACT, true },
        { "ceo@corp.example", "ceo@corp.example.net", PATTERN_EXACT, false },
        { "ceo@corp.example", "", PATTERN_EXACT, false },
        { "<>", "", PATTERN_EXACT, true },
        { "<>", "a@b", PATTERN_EXACT, false },
        { "*@corp.example", "a@CORP.example", PATTERN_SUFFIX, true },
        { "*@corp.example", "@corp.example", PATTERN_SUFFIX, true },
        { "*@corp.example", "corp.example", PATTERN_SUFFIX, false },
        { "*@corp.example", "a@sub.corp.example", PATTERN_SUFFIX, false },
        { "*.bank.example", "www.bank.example", PATTERN_SUFFIX, true },
        { "*.bank.example", "bank.example", PATTERN_SUFFIX, false },
        { "1*", "1 (Highest)", PATTERN_PREFIX, true },
        { "1*", "1", PATTERN_PREFIX, true },
        { "1*", "21", PATTERN_PREFIX, false },
        { "a*b", "ab", PATTERN_GLOB, true },
        { "a*b", "aXb", PATTERN_GLOB, true },
        { "a*b", "abc", PATTERN_GLOB, false },
        { "*b*", "abc", PATTERN_GLOB, true },
        { "*b*", "ac", PATTERN_GLOB, false },
        { "a*bc*d", "abcbcd", PATTERN_GLOB, true },
        { "a*bc*d", "abcbce", PATTERN_GLOB, false },
        { "*aab*", "aaaaab", PATTERN_GLOB, true },
        { "*a*b*c", "xxaxxbxxc", PATTERN_GLOB, true },
        { "a?c", "abc", PATTERN_EXACT, false },
    };
    struct arena *arena = arena_new(1024);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pattern p;
        pattern_compile(arena, slice_of(rows[i].pattern), &p);
        assert_int_equal(p.kind, rows[i].kind);
        assert_int_equal(pattern_match(&p, slice_of(rows[i].subject)), rows[i].match);
    }
    arena_free(&arena);
}

/* The worst case of a backtracking matcher: still only pattern x subject steps. */
static void test_hostile_glob(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    static char subject[20001], text[401];
    struct pattern p;
    memset(subject, 'a', sizeof subject - 1);
    subject[sizeof subject - 1] = 0;
    for (size_t i = 0; i < 200; i++)
        memcpy(text + 2 * i, "*a", 2);
    text[400] = 0;
    memcpy(text + 398, "*b", 2);
    pattern_compile(arena, slice_of(text), &p);
    assert_false(pattern_match(&p, slice_of(subject)));
    arena_free(&arena);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint64_t min, max;
    } rows[] = {
        { ">1MiB", true, (1 << 20) + 1, UINT64_MAX },
        { ">=1MiB", true, 1 << 20, UINT64_MAX },
        { "<10KiB", true, 0, 10239 },
        { "<=10KiB", true, 0, 10240 },
        { "1MiB..5MiB", true, 1 << 20, 5 << 20 },
        { "4096", true, 4096, 4096 },
        { "> 1MiB", true, (1 << 20) + 1, UINT64_MAX },
        { "<0", false, 0, 0 },
        { "5MiB..1MiB", false, 0, 0 },
        { "..5MiB", false, 0, 0 },
        { "", false, 0, 0 },
        { ">", false, 0, 0 },
        { "1..2..3", false, 0, 0 },
        { "big", false, 0, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct size_range r;
        assert_int_equal(size_range_parse(slice_of(rows[i].text), &r) == RC_OK, rows[i].good);
        if (!rows[i].good)
            continue;
        assert_true(r.min == rows[i].min);
        assert_true(r.max == rows[i].max);
    }
}

/* 2026-11-22 is a Sunday. */
#define SUNDAY 1795305600000ll
#define AT(day, hour, minute) (SUNDAY + ((day)*24 + (hour)) * 3600000ll + (minute)*60000ll)

static void test_windows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t when;
        bool match;
    } rows[] = {
        { "08:00-18:00", AT(0, 8, 0), true },
        { "08:00-18:00", AT(0, 7, 59), false },
        { "08:00-18:00", AT(0, 18, 0), false },
        { "mon-fri 08:00-18:00", AT(0, 9, 0), false },
        { "mon-fri 08:00-18:00", AT(1, 9, 0), true },
        { "sat,sun", AT(0, 0, 0), true },
        { "sat,sun", AT(1, 0, 0), false },
        { "sun", AT(0, 23, 59), true },
        { "SAT-MON", AT(1, 12, 0), true },
        { "sat-mon", AT(2, 12, 0), false },
        { "22:00-06:00", AT(0, 23, 0), true },
        { "22:00-06:00", AT(0, 5, 59), true },
        { "22:00-06:00", AT(0, 6, 0), false },
        { "sun 22:00-06:00", AT(0, 23, 0), true },
        { "sun 22:00-06:00", AT(1, 5, 0), true },
        { "sun 22:00-06:00", AT(0, 5, 0), false },
        { "00:00-24:00", AT(3, 12, 0), true },
    };
    static const char *const bad[] = {
        "",      "8-18",       "24:30-25:00", "08:00", "08:00-08:00", "mon-", "noday 08:00-18:00",
        "mon 8", "24:00-01:00"
    };
    struct time_window w;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(time_window_parse(slice_of(rows[i].text), &w), RC_OK);
        assert_int_equal(time_window_match(&w, rows[i].when), rows[i].match);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(time_window_parse(slice_of(bad[i]), &w), RC_PARSE);
}

/* Everything known about one mail. */
static struct facts all_facts(void)
{
    static const struct fact_header headers[] = {
        { { "Subject", 7 }, { "hello", 5 } },
        { { "x-priority", 10 }, { "1 (Highest)", 11 } },
    };
    static const struct slice mx[] = { { "mx1.google.com", 14 }, { "mx2.other.example", 17 } };
    struct facts f = { .known = (1u << WHEN_TEXT) - 1,
                       .client = slice_of("office"),
                       .user = slice_of("newsletter"),
                       .headers = headers,
                       .header_count = 2,
                       .size = 2 << 20,
                       .mx = mx,
                       .mx_count = 2,
                       .site = slice_of("google"),
                       .carrier = slice_of("china-telecom"),
                       .region = slice_of("europe"),
                       .lane = LANE_HIGH,
                       .wall_ms = AT(0, 12, 0) };
    assert_int_equal(addr_parse(slice_of("10.1.2.3"), &f.client_addr), RC_OK);
    facts_set_sender(&f, slice_of("ceo@corp.example"));
    facts_set_recipient(&f, slice_of("\"odd@name\"@www.bank.example"));
    return f;
}

/* The answer of a `when` written in YAML, compiled as a route's condition. */
static enum answer ask(const char *when, const struct facts *f, unsigned *needs_r)
{
    char rules[1024];
    snprintf(rules, sizeof rules, "traffic: [ { when: { %s }, connections: 7 } ]\n", when);
    char *text; /* may warn of keys that are not in effect yet */
    struct policies *p = fixture_load(BASE "policies: policies.yaml\n", rules, &text);
    assert_non_null(p);
    free(text);
    struct conf_errors *errors = conf_errors_new();
    struct arena *arena = arena_new(1024);
    struct when *w = when_compile(arena, &policies_conf(p)->rules.traffic.at[0].when, errors);
    enum answer a = when_answer(w, f);
    if (needs_r)
        *needs_r = when_needs(w);
    arena_free(&arena);
    conf_errors_free(&errors);
    policies_unref(&p);
    return a;
}

static void test_keys(void **state)
{
    (void)state;
    static const struct {
        const char *when;
        bool match;
    } rows[] = {
        { "", true },
        { "sender: ceo@corp.example", true },
        { "sender: [a@b.example, \"*@corp.example\"]", true },
        { "sender: \"*@other.example\"", false },
        { "sender: \"<>\"", false },
        { "sender_domain: corp.example", true },
        { "recipient: \"*@www.bank.example\"", true },
        { "recipient_domain: \"*.bank.example\"", true },
        { "client: office", true },
        { "client: 10.0.0.0/8", true },
        { "client: [10.2.0.0/16, off*]", true },
        { "client: 10.2.0.0/16", false },
        { "user: newsletter", true },
        { "user: news", false },
        { "header: { X-Priority: \"1*\" }", true },
        { "header: { X-Priority: \"2*\" }", false },
        { "header: { X-Priority: \"*\" }", true },
        { "header: { X-Absent: \"*\" }", false },
        { "header: { X-Priority: \"1*\", Subject: hello }", true },
        { "header: { X-Priority: \"1*\", Subject: bye }", false },
        { "size: \">1MiB\"", true },
        { "size: [\"<1MiB\", \"2MiB\"]", true },
        { "size: \"<1MiB\"", false },
        { "mx: \"*.google.com\"", true },
        { "mx: \"*.other.example\"", true },
        { "mx: google.com", false },
        { "site: google", true },
        { "recipient_carrier: china-telecom", true },
        { "recipient_region: [europe, americas]", true },
        { "priority: [urgent, high]", true },
        { "priority: bulk", false },
        { "time: \"sun 10:00-14:00\"", true },
        { "time: \"mon-sat\"", false },
        { "not: { client: office }", false },
        { "not: { client: branch }", true },
        { "client: office, not: { size: \"<1KiB\", user: newsletter }", true },
        { "client: office, not: { not: { user: newsletter } }", true },
    };
    struct facts f = all_facts();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(ask(rows[i].when, &f, NULL), rows[i].match ? ANSWER_YES : ANSWER_NO);
}

/* What is not known makes an answer unknown only when it decides. */
static void test_unknown(void **state)
{
    (void)state;
    static const struct {
        const char *when;
        enum answer early, final;
    } rows[] = {
        { "mx: \"*.google.com\"", ANSWER_UNKNOWN, ANSWER_NO },
        { "mx: \"*\"", ANSWER_YES, ANSWER_YES },
        { "mx: \"*.google.com\", client: branch", ANSWER_NO, ANSWER_NO },
        { "mx: \"*.google.com\", client: office", ANSWER_UNKNOWN, ANSWER_NO },
        { "not: { recipient_region: europe }", ANSWER_UNKNOWN, ANSWER_YES },
        { "not: { recipient_region: europe, client: branch }", ANSWER_YES, ANSWER_YES },
        { "not: { recipient_region: europe }, client: branch", ANSWER_NO, ANSWER_NO },
        { "header: { X-Priority: \"1*\" }", ANSWER_UNKNOWN, ANSWER_NO },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct facts f = all_facts();
        f.known = FACT_BIT(WHEN_CLIENT) | FACT_BIT(WHEN_SENDER);
        assert_int_equal(ask(rows[i].when, &f, NULL), rows[i].early);
        f.final = true;
        assert_int_equal(ask(rows[i].when, &f, NULL), rows[i].final);
    }
}

static void test_needs(void **state)
{
    (void)state;
    struct facts f = all_facts();
    unsigned needs;
    ask("sender: a@b.example, recipient: \"*\", not: { mx: \"*.x.example\" }", &f, &needs);
    assert_int_equal(needs, FACT_BIT(WHEN_SENDER) | FACT_BIT(WHEN_MX));
}

/* Domains may be written in the user's letters; mail carries A-labels, or letters too. */
static void test_idn(void **state)
{
    (void)state;
    struct facts f = { .known = 0 };
    facts_set_recipient(&f, slice_of("a@www.xn--bcher-kva.example"));
    assert_int_equal(ask("recipient_domain: \"*.B\u00fccher.example\"", &f, NULL), ANSWER_YES);
    assert_int_equal(ask("recipient_domain: \"www.b\u00fccher.example\"", &f, NULL), ANSWER_YES);
    assert_int_equal(ask("recipient_domain: \"b\u00fccher.example\"", &f, NULL), ANSWER_NO);
    assert_int_equal(ask("recipient: \"*@*.b\u00fccher.example\"", &f, NULL), ANSWER_YES);
    assert_int_equal(ask("recipient: \"a@www.b\u00fccher.example\"", &f, NULL), ANSWER_YES);
    assert_int_equal(ask("recipient: \"\u00fc*@www.b\u00fccher.example\"", &f, NULL), ANSWER_NO);
    facts_set_recipient(&f, slice_of("\u00fcber@b\u00fccher.example"));
    assert_int_equal(ask("recipient: \"\u00fc*@b\u00fccher.example\"", &f, NULL), ANSWER_YES);
    assert_int_equal(ask("recipient_domain: \"b\u00fccher.example\"", &f, NULL), ANSWER_YES);
}

static void test_domains_of_addresses(void **state)
{
    (void)state;
    struct facts f = { .known = 0 };
    facts_set_sender(&f, slice_of(""));
    assert_int_equal(f.sender_domain.n, 0);
    facts_set_sender(&f, slice_of("postmaster"));
    assert_int_equal(f.sender_domain.n, 0);
    facts_set_recipient(&f, slice_of("\"a@b\"@c.example"));
    assert_true(slice_eq_str(f.recipient_domain, "c.example"));
    assert_int_equal(f.known, FACT_BIT(WHEN_SENDER) | FACT_BIT(WHEN_SENDER_DOMAIN) |
                                  FACT_BIT(WHEN_RECIPIENT) | FACT_BIT(WHEN_RECIPIENT_DOMAIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_hostile_glob),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_idn),
        cmocka_unit_test(test_domains_of_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
