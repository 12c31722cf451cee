/*
 * tests/unit/test_feed — feeds: what is read, what is refused, which entry decides
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/conf/zones.h"
#include "reputation/feed.h"

static struct feed *read_feed(enum feed_format format, const char *text)
{
    struct feed *f = NULL;
    struct err err = { .text = "" };
    if (feed_parse(slice_of(text), format, "f", &f, &err) != RC_OK)
        fail_msg("%s", err.text);
    return f;
}

/* "network text" of the entry that decides about `address`, or "" */
static void assert_hit(const struct feed *f, const char *address, const char *expected)
{
    struct addr a;
    struct feed_hit hit;
    struct buf out;
    buf_init(&out, 300);
    assert_int_equal(addr_parse(slice_of(address), &a), RC_OK);
    if (feed_find(f, &a, &hit)) {
        network_put(&out, &hit.network);
        if (hit.text[0])
            buf_printf(&out, " %s", hit.text);
    }
    buf_putc(&out, '\0');
    assert_string_equal(buf_slice(&out).p, expected);
    buf_free(&out);
}

static void test_lookups(void **state)
{
    static const struct {
        enum feed_format format;
        const char *text, *address, *expected;
    } rows[] = {
        { FEED_NETSET, "# c\n192.0.2.0/24\n192.0.2.7\n", "192.0.2.7", "192.0.2.7/32" },
        { FEED_NETSET, "192.0.2.0/24\n192.0.2.7", "192.0.2.8", "192.0.2.0/24" },
        { FEED_NETSET, "192.0.2.0/24\n", "192.0.3.0", "" },
        { FEED_NETSET, "192.0.2.0/24\n", "192.0.1.255", "" },
        { FEED_NETSET, "192.0.2.0/24\r\n", "192.0.2.255", "192.0.2.0/24" },
        { FEED_NETSET, "", "192.0.2.255", "" },
        { FEED_NETSET,
          "\xef\xbb\xbf"
          "192.0.2.0/24\r\n",
          "192.0.2.255", "192.0.2.0/24" },
        { FEED_NETSET, "2001:db8::/32\n192.0.2.0/24\n", "2001:db8:ff::1", "2001:db8::/32" },
        { FEED_NETSET, "2001:db8::/32\n", "32.1.13.184", "" },
        { FEED_LIST, "; DROP\n192.0.2.0/24 ; SBL123\n", "192.0.2.1", "192.0.2.0/24 SBL123" },
        { FEED_DROP_JSON,
          "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL9\",\"rir\":\"x\"}\n"
          "{\"cidr\":\"2001:db8::/29\"}\n{\"type\":\"metadata\",\"records\":2}\n",
          "192.0.2.1", "192.0.2.0/24 SBL9" },
        { FEED_RBLDNSD, "$SOA 0 a b 0 1h 1h 1h 1h\n:127.0.0.2:Spam $\n192.0.2.1\n", "192.0.2.1",
          "192.0.2.1/32 Spam $" },
        { FEED_RBLDNSD, "192.0.2.1 :3:Own text\n", "192.0.2.1", "192.0.2.1/32 Own text" },
        { FEED_RBLDNSD, "192.0.2.1 Own text\n", "192.0.2.1", "192.0.2.1/32 Own text" },
        { FEED_RBLDNSD, ":2:a\n192.0.2.1 :4:\n", "192.0.2.1", "192.0.2.1/32" },
        { FEED_RBLDNSD, ":2:a\n192.0.2.1 :4\n", "192.0.2.1", "192.0.2.1/32 a" },
        { FEED_RBLDNSD, "192/8 ; comment\n", "192.0.2.1", "192.0.0.0/8" },
        { FEED_RBLDNSD, "127.0.0\n", "127.0.0.255", "127.0.0.0/24" },
        { FEED_RBLDNSD, "127-127.0.0\n", "127.0.0.9", "127.0.0.0/24" },
        { FEED_RBLDNSD, "127.16-31\n", "127.31.255.255", "127.16.0.0/12" },
        { FEED_RBLDNSD, "127.16.0/12\n", "127.32.0.0", "" },
        { FEED_RBLDNSD, "127.0.0.1-255\n", "127.0.0.1", "127.0.0.1/32" },
        { FEED_RBLDNSD, "127.0.0.1-255\n", "127.0.0.0", "" },
        { FEED_RBLDNSD, "127.0.0.1-127.0.1.4\n", "127.0.1.4", "127.0.1.4/32" },
        { FEED_RBLDNSD, "127.0.0.1-127.0.1.4\n", "127.0.1.5", "" },
        { FEED_RBLDNSD, "192.0.2.0/24\n!192.0.2.7\n", "192.0.2.7", "" },
        { FEED_RBLDNSD, "!192.0.2.0/24\n192.0.2.7\n", "192.0.2.7", "192.0.2.7/32" },
        { FEED_RBLDNSD, "192.0.2.7\n!192.0.2.7\n", "192.0.2.7", "" },
        { FEED_RBLDNSD, "2001:21ab:c000/36\n", "2001:21ab:cfff::1", "2001:21ab:c000::/36" },
        { FEED_RBLDNSD, "2001:21ab:def7:4242 :2: smells\n", "2001:21ab:def7:4242::9",
          "2001:21ab:def7:4242::/64 smells" },
        { FEED_RBLDNSD, "2605:6001:42::/52\n!2605:6001:42::bead\n::1\n", "2605:6001:42::bead", "" },
        { FEED_RBLDNSD, "::1 # localhost\n", "::1", "::1/128" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct feed *f = read_feed(rows[i].format, rows[i].text);
        assert_hit(f, rows[i].address, rows[i].expected);
        feed_free(&f);
    }
}

static void test_errors(void **state)
{
    static const struct {
        enum feed_format format;
        const char *text, *error;
    } rows[] = {
        { FEED_NETSET, "192.0.2.0/24\n192.0.2.1/24\n",
          "f:2: found \"192.0.2.1/24\", expected an address or a network with its host bits zero" },
        { FEED_NETSET, "\n\nx\n",
          "f:3: found \"x\", expected an address or a network with its host bits zero" },
        { FEED_NETSET, "192.0.2.1 192.0.2.2\n",
          "f:1: found \"192.0.2.1 192.0.2.2\", expected a comment or nothing behind the network" },
        { FEED_DROP_JSON, "[]\n", "f:1: found \"[]\", expected a JSON object" },
        { FEED_DROP_JSON, "{\"cidr\":\"192.0.2.0/2",
          "f:1: found \"{\"cidr\":\"192.0.2.0/2\", "
          "expected a JSON object" },
        { FEED_DROP_JSON, "{\"asn\":1}\n",
          "f:1: found \"{\"asn\":1}\", expected a member \"cidr\" with a network" },
        { FEED_DROP_JSON, "{\"type\":\"metadata\",\"records\":1}\n",
          "f:1: found \"{\"type\":\"metadata\",\"records\":1}\", expected as many records as there "
          "are lines before it" },
        { FEED_DROP_JSON, "{\"type\":\"metadata\"}\n{\"cidr\":\"192.0.2.0/24\"}\n",
          "f:2: found \"{\"cidr\":\"192.0.2.0/24\"}\", expected nothing behind the metadata" },
        { FEED_RBLDNSD, "192.0.2",
          "f:1: found \"192.0.2\", expected a line break: it may be cut "
          "off here" },
        { FEED_RBLDNSD, "192.0.2.1 :x:y\n",
          "f:1: found \"192.0.2.1 :x:y\", expected a value :A:TXT whose A is an address or a "
          "number "
          "up to 255" },
        { FEED_RBLDNSD, "192.0.2.9-3\n",
          "f:1: found \"192.0.2.9-3\", expected an address, a "
          "network or a range as in rbldnsd(8)" },
        { FEED_RBLDNSD, "2001:db8::1/32\n",
          "f:1: found \"2001:db8::1/32\", expected an address, a "
          "network or a range as in rbldnsd(8)" },
        { FEED_RBLDNSD, "$DATASET ip4set x @\n",
          "f:1: found \"$DATASET ip4set x @\", expected "
          "ip4set, ip4trie or ip6trie, not a combined set" },
        { FEED_RBLDNSD, "!\n",
          "f:1: found \"!\", expected an address, a network or a range as in "
          "rbldnsd(8)" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct feed *f = NULL;
        struct err err;
        assert_int_equal(feed_parse(slice_of(rows[i].text), rows[i].format, "f", &f, &err),
                         RC_PARSE);
        assert_string_equal(err.text, rows[i].error);
        assert_null(f);
    }
}

static void test_what_cannot_be_true(void **state)
{
    static const struct {
        enum feed_format format;
        const char *before, *next, *error; /* error NULL: it is taken */
    } rows[] = {
        { FEED_NETSET, NULL, "0.0.0.0/0\n", "it lists a whole /0 of IPv4" },
        { FEED_NETSET, NULL, "::/0\n", "it lists a whole /0 of IPv6" },
        { FEED_NETSET, NULL, "2000::/3\n", "it lists a whole /3 of IPv6" },
        { FEED_NETSET, NULL, "10.0.0.0/8\n", NULL },
        { FEED_NETSET, NULL, "10.0.0.0/8\n10.1.0.0/16\n10.0.0.0/9\n", NULL },
        { FEED_NETSET, NULL, "10.0.0.0/8\n11.0.0.0/8\n12.0.0.0/8\n",
          "it covers 50331648 addresses, more than a hundredth of IPv4" },
        { FEED_RBLDNSD, NULL, "!0/0\n192.0.2.1\n", NULL },
        { FEED_RBLDNSD, NULL, "1-254\n",
          "it covers 4261412864 addresses, more than a hundredth of IPv4" },
        { FEED_NETSET,
          "192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4\n192.0.2.5\n192.0.2.6\n"
          "192.0.2.7\n192.0.2.8\n192.0.2.9\n",
          "192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4\n", "it shrank from 9 to 4 entries" },
        { FEED_NETSET,
          "192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4\n192.0.2.5\n192.0.2.6\n"
          "192.0.2.7\n192.0.2.8\n",
          "192.0.2.1\n", NULL }, /* a few */
        { FEED_NETSET, "192.0.2.1\n192.0.2.2\n", "192.0.2.1\n", NULL },
        { FEED_NETSET, "192.0.2.1\n", "", "it shrank from 1 to 0 entries" },
        { FEED_DROP_JSON, "{\"cidr\":\"192.0.2.0/24\"}\n{\"type\":\"metadata\"}\n",
          "{\"cidr\":\"192.0.2.0/24\"}\n", "its end is missing" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct feed *before = rows[i].before ? read_feed(rows[i].format, rows[i].before) : NULL;
        struct feed *next = read_feed(rows[i].format, rows[i].next);
        struct err err = { .text = "" };
        enum rc rc = feed_accept(next, before, &err);
        bool shrank = rows[i].error && strstr(rows[i].error, "shrank");
        assert_int_equal(rc, shrank ? RC_AGAIN : rows[i].error ? RC_DENIED : RC_OK);
        assert_string_equal(err.text, rows[i].error ? rows[i].error : "");
        feed_free(&before);
        feed_free(&next);
    }
}

/* ---- the table of known blocklists ---- */

static void test_known_zones(void **state)
{
    static const struct {
        const char *name;
        uint32_t answer;
        unsigned points; /* 0: none */
    } rows[] = {
        { "zen.spamhaus.org", 0x7f000002, 100 },
        { "ZEN.spamhaus.ORG", 0x7f000004, 100 },
        { "mykey.zen.dq.spamhaus.net", 0x7f00000b, 60 },
        { "zen.dq.spamhaus.net", 0, 0 },
        { "a.b.zen.dq.spamhaus.net", 0, 0 },
        { "abc123.combined.mail.abusix.zone", 0x7f0000c8, 40 },
        { "bl.spamcop.net", 0x7f000002, 40 },
        { "dnsbl-3.uceprotect.net", 0x7f000002, 0 },
    };
    const struct zones *z = zones_builtin();
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct zone *zone = zones_find(z, slice_of(rows[i].name));
        assert_int_equal(zone != NULL, rows[i].answer != 0);
        if (!zone)
            continue;
        const struct zone_code *code = zone_code_find(zone->codes, zone->code_n, rows[i].answer);
        assert_non_null(code);
        assert_int_equal(code->points, rows[i].points);
        assert_non_null(strstr(zone->link, "{address}"));
    }
    assert_non_null(zones_refusal(z, SLICE_LIT("multi.surbl.org")));
    assert_non_null(zones_refusal(z, SLICE_LIT("DNSBL.sorbs.net")));
    assert_null(zones_refusal(z, SLICE_LIT("notsorbs.net")));
    assert_null(zones_refusal(z, SLICE_LIT("zen.spamhaus.org")));
}

static void test_zone_table_errors(void **state)
{
#define HEAD "list a.test\n title A\n interval 5m\n families v4\n"
    static const struct {
        const char *text, *error;
    } rows[] = {
        { "title x\n", "line 1: expected a list before it" },
        { "lst x\n", "line 1: expected list, title, link, interval, families, expires, code, error "
                     "or refuse" },
        { HEAD " code 127.0.0.2 5 soft x\n code 127.0.0.1-127.0.0.3 5 soft y\n",
          "line 6: expected an answer in 127.0.0.0/8 that is not there yet" },
        { HEAD " code 10.0.0.2 5 soft x\n",
          "line 5: expected an answer in 127.0.0.0/8 that is not there yet" },
        { HEAD " code 127.0.0.2 5 report x\n",
          "line 5: expected hard, soft, or report without points" },
        { HEAD " code 127.0.0.2 5 soft\n", "line 5: expected a text, and fewer codes" },
        { HEAD "list b.test\n", "line 5: expected a title, an interval, families and a code for "
                                "the list before it" },
        { HEAD, "at the end: expected a title, an interval, families and a code for the list "
                "before it" },
        { "refuse x.test\n", "line 1: expected a domain name and why" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *arena = arena_new(4096);
        struct zones z;
        struct err err;
        assert_int_equal(zones_parse(slice_of(rows[i].text), arena, &z, &err), RC_PARSE);
        assert_string_equal(err.text, rows[i].error);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_what_cannot_be_true),
        cmocka_unit_test(test_known_zones),
        cmocka_unit_test(test_zone_table_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
