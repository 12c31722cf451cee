/*
 * unit/test_dns_answer — proves dns/answer and dns/sets
 *
 *   dns/answer and dns/sets: good packets, hostile packets, and what follows from them for
 *   mail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/dns/sets.h"
#include "tests/support/dnswire.h"

enum { FLAGS = 0x8180 };

static struct arena *arena;
static struct dns_answer answer;

static int make_arena(void **state)
{
    (void)state;
    arena = arena_new(1024);
    return 0;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static enum rc parse(struct dnswire *w)
{
    struct slice packet = dnswire_end(w);
    char *exact = mem_copy(packet.p, packet.n); /* so that reading past the end is noticed */
    enum rc rc = answer_parse(exact, packet.n, arena, &answer);
    free(exact);
    dnswire_free(w);
    return rc;
}

static void every_kind_of_record(void **state)
{
    (void)state;
    struct dnswire w;
    dnswire_begin(&w, 0x1234, FLAGS | 0x20, "Example.ORG", DNS_MX);
    dnswire_mx(&w, "example.org", 300, 10, "MX1.Example.org");
    dnswire_addr(&w, "mx1.example.org", 60, "192.0.2.1");
    dnswire_addr(&w, "mx1.example.org", 60, "2001:db8::1");
    dnswire_cname(&w, "www.example.org", 60, "example.org");
    dnswire_record(&w, DNSWIRE_ANSWER, "t.example", DNS_TXT, 1, SLICE_LIT("\003abc\002de"));
    dnswire_record(&w, DNSWIRE_ANSWER, "x.example", 99, 0x80000001u, SLICE_LIT("whatever"));
    dnswire_soa(&w, 600, 120);
    assert_int_equal(parse(&w), RC_OK);
    assert_int_equal(answer.id, 0x1234);
    assert_true(answer.authentic && !answer.truncated && answer.has_question);
    assert_string_equal(answer.question, "example.org");
    assert_int_equal(answer.count, 6);
    assert_string_equal(answer.records[0].name, "mx1.example.org");
    assert_int_equal(answer.records[0].preference, 10);
    assert_int_equal(answer.records[1].addr.family, ADDR_V4);
    assert_int_equal(answer.records[2].addr.bytes[1], 0x01);
    assert_true(slice_eq_str(answer.records[4].text, "abcde"));
    assert_int_equal(answer.records[5].ttl, 0); /* RFC 2181 section 8 */
    assert_true(answer.has_negative_ttl);
    assert_int_equal(answer.negative_ttl, 120);
}

static void names(void **state)
{
    (void)state;
    static const char label63[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    char longest[300];
    struct dnswire w;
    snprintf(longest, sizeof longest, "%s.%s.%s.%.61s", label63, label63, label63, label63);
    dnswire_begin(&w, 1, FLAGS, longest, DNS_A);
    assert_int_equal(parse(&w), RC_OK);
    assert_string_equal(answer.question, longest);
    snprintf(longest, sizeof longest, "%s.%s.%s.%.62s", label63, label63, label63, label63);
    dnswire_begin(&w, 1, FLAGS, longest, DNS_A);
    assert_int_equal(parse(&w), RC_PARSE);
    dnswire_begin(&w, 1, FLAGS, "a\\046b.\\000\\255.example", DNS_A);
    assert_int_equal(parse(&w), RC_OK);
    assert_string_equal(answer.question, "a\\046b.\\000\\255.example");
    dnswire_begin(&w, 1, FLAGS, "", DNS_A);
    assert_int_equal(parse(&w), RC_OK);
    assert_string_equal(answer.question, "");
}

/* Writes a packet with one MX record whose host is the given raw name bytes. */
static enum rc parse_mx_raw(struct slice raw)
{
    struct dnswire w;
    struct buf data;
    buf_init(&data, 1000);
    dnswire_put_u16(&data, 10);
    buf_put_slice(&data, raw);
    dnswire_begin(&w, 1, FLAGS, "d.example", DNS_MX);
    dnswire_record(&w, DNSWIRE_ANSWER, "d.example", DNS_MX, 60, buf_slice(&data));
    buf_free(&data);
    return parse(&w);
}

static void compression(void **state)
{
    (void)state;
    assert_int_equal(parse_mx_raw(SLICE_LIT("\002mx\xc0\x0c")), RC_OK);
    assert_string_equal(answer.records[0].name, "mx.d.example");
    static const struct slice bad[] = {
        { "\xc0\x00", 2 },           /* into the header */
        { "\xc0\x7f", 2 },           /* forward */
        { "\xff\xff", 2 },           /* out of the packet */
        { "\x01x\xc0", 3 },          /* half a pointer */
        { "\x40x", 2 },              /* reserved label type */
        { "\x80x", 2 },              /* reserved label type */
        { "\x05xx", 3 },             /* cut short */
        { "\x01x", 2 },              /* no end */
        { "\002mx\xc0\x0c\x00", 6 }, /* bytes left over in RDATA */
        { "", 0 },                   /* nothing */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(parse_mx_raw(bad[i]), RC_PARSE);
    /* The name begins at offset 12+11+4 + 11+10 + 2; a pointer to itself, and two that chase. */
    assert_int_equal(parse_mx_raw((struct slice){ "\xc0\x32", 2 }), RC_PARSE);
    assert_int_equal(parse_mx_raw((struct slice){ "\xc0\x34\xc0\x32", 4 }), RC_PARSE);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct dnswire w;
    dnswire_begin(&w, 1, FLAGS, "example.org", DNS_MX);
    dnswire_mx(&w, "example.org", 300, 10, "mx1.example.org");
    dnswire_addr(&w, "mx1.example.org", 60, "2001:db8::1");
    dnswire_soa(&w, 600, 120);
    struct slice packet = dnswire_end(&w);
    for (size_t n = 0; n < packet.n; n++) {
        char *exact = mem_copy(packet.p, n);
        assert_int_not_equal(answer_parse(exact, n, arena, &answer), RC_OK);
        free(exact);
    }
    assert_int_equal(answer_parse(packet.p, packet.n, arena, &answer), RC_OK);
    dnswire_free(&w);
}

static void counts_and_flags(void **state)
{
    (void)state;
    struct dnswire w;
    dnswire_begin(&w, 1, 0x0100, "example.org", DNS_MX); /* a query */
    assert_int_equal(parse(&w), RC_PARSE);
    dnswire_begin(&w, 1, FLAGS, "example.org", DNS_MX);
    w.counts[DNSWIRE_ANSWER] = 60000;
    assert_int_equal(parse(&w), RC_LIMIT);
    dnswire_begin(&w, 1, FLAGS, "example.org", DNS_MX);
    w.counts[DNSWIRE_ANSWER] = 3;
    assert_int_equal(parse(&w), RC_PARSE);
    dnswire_begin(&w, 1, FLAGS | 0x0203, "example.org", DNS_MX);
    assert_int_equal(parse(&w), RC_OK);
    assert_true(answer.truncated && answer.rcode == DNS_NAME_ERROR);
}

static void cname_chains(void **state)
{
    (void)state;
    struct dnswire w;
    dnswire_begin(&w, 1, FLAGS, "a.example", DNS_A);
    dnswire_addr(&w, "c.example", 900, "192.0.2.7"); /* order does not matter */
    dnswire_cname(&w, "b.example", 50, "c.example");
    dnswire_cname(&w, "a.example", 400, "b.example");
    dnswire_addr(&w, "other.example", 5, "192.0.2.66");
    assert_int_equal(parse(&w), RC_OK);
    struct dns_found found = answer_find(&answer, "a.example", DNS_A);
    assert_true(found.followed && !found.looped);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.ttl, 50);
    assert_string_equal(found.name, "c.example");
    assert_int_equal(answer_next(&answer, &found, DNS_A, NULL)->addr.bytes[3], 7);

    dnswire_begin(&w, 1, FLAGS, "a.example", DNS_A);
    dnswire_cname(&w, "a.example", 60, "b.example");
    dnswire_cname(&w, "b.example", 60, "a.example");
    assert_int_equal(parse(&w), RC_OK);
    assert_true(answer_find(&answer, "a.example", DNS_A).looped);
    dnswire_begin(&w, 1, FLAGS, "a.example", DNS_A);
    dnswire_cname(&w, "a.example", 60, "a.example");
    assert_int_equal(parse(&w), RC_OK);
    assert_true(answer_find(&answer, "a.example", DNS_A).looped);
}

static void host_names(void **state)
{
    (void)state;
    static const char *const good[] = { "a", "mx1.example.org", "_dmarc.x", "1.2.3.example",
                                        "x-1" };
    static const char *const bad[] = { "",        ".",           "a..b",      "a.",
                                       ".a",      "192.0.2.1",   "a.123",     "a b",
                                       "a\\032b", "\xc3\xa4.de", "A.example", "local host" };
    char long_name[300];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(dns_is_host_name(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(dns_is_host_name(bad[i]));
    memset(long_name, 'a', sizeof long_name);
    long_name[64] = '\0';
    assert_false(dns_is_host_name(long_name));
    long_name[63] = '\0';
    assert_true(dns_is_host_name(long_name));
}

/* mx_set_build() over the records given as "pref host" rows. */
static struct mx_set *mx_of(const char *const *rows, size_t n)
{
    struct dnswire w;
    dnswire_begin(&w, 1, FLAGS, "d.example", DNS_MX);
    for (size_t i = 0; i < n; i++) {
        char *host;
        unsigned long pref = strtoul(rows[i], &host, 10);
        dnswire_mx(&w, "d.example", 60, (unsigned)pref, host + 1);
    }
    assert_int_equal(parse(&w), RC_OK);
    struct dns_found found = answer_find(&answer, "d.example", DNS_MX);
    return mx_set_build(&answer, &found);
}

static void mx_sets(void **state)
{
    (void)state;
    static const struct {
        const char *records[5];
        size_t n;
        enum dns_status status;
        const char *site;
    } rows[] = {
        { { "20 b.example", "10 c.example", "10 a.example" },
          3,
          DNS_OK,
          "10 a.example,10 c.example,20 b.example" },
        { { "20 a.example", "10 A.example", "30 a.example" }, 3, DNS_OK, "10 a.example" },
        { { "0 " }, 1, DNS_NULL_MX, "" },
        { { "10 " }, 1, DNS_NULL_MX, "" },
        { { "0 ", "10 a.example" }, 2, DNS_OK, "10 a.example" },
        { { "0 ", "10 " }, 2, DNS_UNUSABLE, "" },
        { { "10 192.0.2.1" }, 1, DNS_UNUSABLE, "" },
        { { "10 bad name", "20 ok.example" }, 2, DNS_OK, "20 ok.example" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mx_set *set = mx_of(rows[i].records, rows[i].n);
        assert_int_equal(set->status, rows[i].status);
        assert_string_equal(set->site, rows[i].site);
        assert_int_equal(set->status == DNS_OK, set->text[0] == '\0');
        struct mx_set *copy = mx_set_copy(set), *more = mx_set_ref(set);
        mx_set_unref(&set);
        assert_string_equal(copy->site, more->site);
        assert_int_equal(copy->count, more->count);
        if (copy->count)
            assert_string_equal(copy->hosts[0].name, more->hosts[0].name);
        mx_set_unref(&copy);
        mx_set_unref(&more);
    }
}

static void a_thousand_mx(void **state)
{
    (void)state;
    struct dnswire w;
    char host[40];
    dnswire_begin(&w, 1, FLAGS, "d.example", DNS_MX);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(host, sizeof host, "mx%u.d.example", i);
        dnswire_mx(&w, "d.example", 60, 1000 - i, host);
    }
    assert_int_equal(parse(&w), RC_OK);
    struct dns_found found = answer_find(&answer, "d.example", DNS_MX);
    struct mx_set *set = mx_set_build(&answer, &found);
    assert_int_equal(set->count, MX_HOSTS_MAX);
    assert_string_equal(set->hosts[0].name, "mx499.d.example"); /* the best are kept */
    mx_set_unref(&set);
    dnswire_begin(&w, 1, FLAGS, "d.example", DNS_MX);
    for (unsigned i = 0; i < 1000; i++)
        dnswire_mx(&w, "d.example", 60, i, "x");
    assert_int_equal(parse(&w), RC_LIMIT);
}

static void address_sets(void **state)
{
    (void)state;
    static const struct {
        const char *v6[3], *v4[4], *want;
        bool loopback;
    } rows[] = {
        { { "2001:db8::1", "2001:db8::2" },
          { "192.0.2.1", "192.0.2.2", "192.0.2.3" },
          "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 192.0.2.3 ",
          false },
        { { NULL }, { "192.0.2.1", "192.0.2.1" }, "192.0.2.1 ", false },
        { { "::1", "::", "ff02::1" }, { "127.0.0.1", "0.0.0.0", "224.0.0.1" }, "", false },
        { { "fe80::1" }, { "169.254.1.1", "0.1.2.3", "255.255.255.255" }, "", true },
        { { "::1" }, { "127.0.0.2" }, "::1 127.0.0.2 ", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr v6[3], v4[4];
        size_t n6 = 0, n4 = 0;
        char got[300] = "", text[ADDR_TEXT_MAX];
        for (; n6 < 3 && rows[i].v6[n6]; n6++)
            addr_parse(slice_of(rows[i].v6[n6]), &v6[n6]);
        for (; n4 < 4 && rows[i].v4[n4]; n4++)
            addr_parse(slice_of(rows[i].v4[n4]), &v4[n4]);
        struct host_set *set = host_set_build(v6, n6, v4, n4, rows[i].loopback);
        for (size_t k = 0, at = 0; k < set->count; k++)
            at +=
                (size_t)snprintf(got + at, sizeof got - at, "%s ", addr_text(&set->addrs[k], text));
        assert_string_equal(got, rows[i].want);
        assert_int_equal(set->status, set->count ? DNS_OK : DNS_UNUSABLE);
        host_set_unref(&set);
    }
}

static void literals(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        int family; /* 0: none */
        bool bare;
    } rows[] = {
        { "[192.0.2.1]", 4, false },
        { "[IPv6:2001:db8::1]", 6, false },
        { "[ipv6:::1]", 6, false },
        { "192.0.2.1", 4, true },
        { "2001:db8::1", 6, true },
        { "[2001:db8::1]", 0, false },
        { "[IPv6:192.0.2.1]", 0, false },
        { "[192.0.2.1", 0, false },
        { "[]", 0, false },
        { "[x.example]", 0, false },
        { "192.0.2.1:25", 0, true },
        { "[192.0.2.1:25]", 0, false },
        { "", 0, true },
        { "example.org", 0, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr a;
        bool bare;
        assert_int_equal(dns_parse_literal(slice_of(rows[i].in), &a, &bare), rows[i].family != 0);
        assert_int_equal(bare, rows[i].bare);
        if (rows[i].family)
            assert_int_equal(a.family, rows[i].family);
    }
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, make_arena, drop_arena)
    const struct CMUnitTest tests[] = {
        T(every_kind_of_record), T(names),        T(compression), T(every_truncation_is_refused),
        T(counts_and_flags),     T(cname_chains), T(host_names),  T(mx_sets),
        T(a_thousand_mx),        T(address_sets), T(literals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
