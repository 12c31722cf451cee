/*
 * unit/test_base_addr — proves base/addr
 *
 *   base/addr: what is an address, how it is written, what a network contains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/addr.h"

static void parse_and_print(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* out NULL: refused */
        uint16_t port;
    } rows[] = {
        { "192.0.2.1", "192.0.2.1", 0 },
        { "192.0.2.1:25", "192.0.2.1:25", 25 },
        { "0.0.0.0:65535", "0.0.0.0:65535", 65535 },
        { "::1", "::1", 0 },
        { "[::1]", "::1", 0 },
        { "[::1]:25", "[::1]:25", 25 },
        { "2001:DB8:0:0::1", "2001:db8::1", 0 },
        { "::ffff:192.0.2.7", "192.0.2.7", 0 },
        { "[::ffff:192.0.2.7]:587", "192.0.2.7:587", 587 },
        { "", NULL, 0 },
        { "192.0.2", NULL, 0 },
        { "192.0.2.256", NULL, 0 },
        { "192.0.2.1:", NULL, 0 },
        { "192.0.2.1:65536", NULL, 0 },
        { "192.0.2.1:+5", NULL, 0 },
        { "192.0.2.1 ", NULL, 0 },
        { "[192.0.2.1]", NULL, 0 },
        { "[::1", NULL, 0 },
        { "[::1]25", NULL, 0 },
        { "[::1]:", NULL, 0 },
        { "fe80::1%eth0", NULL, 0 },
        { "localhost", NULL, 0 },
        { "localhost:25", NULL, 0 },
        { ":25", NULL, 0 },
        { "1111:2222:3333:4444:5555:6666:7777:8888:9999", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr a = { 0 };
        char text[ADDR_TEXT_MAX];
        enum rc rc = addr_parse(slice_of(rows[i].in), &a);
        assert_int_equal(rc, rows[i].out ? RC_OK : RC_PARSE);
        if (rc != RC_OK)
            continue;
        assert_string_equal(addr_text(&a, text), rows[i].out);
        assert_int_equal(a.port, rows[i].port);
    }
    assert_int_equal(addr_parse((struct slice){ "1.2.3.4\0x", 9 }, &(struct addr){ 0 }), RC_PARSE);
    assert_int_equal(sizeof(struct addr), 20);
}

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *network, *addr;
        bool in;
    } rows[] = {
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "::1", false },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.128/25", "192.0.2.128", true },
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "2001:db8::/33", "2001:db8:7fff::", true },
        { "2001:db8::/33", "2001:db8:8000::", false },
        { "::/0", "2001:db8::1", true },
        { "10.0.0.0/8", "::ffff:10.1.1.1", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct network n;
        struct addr a;
        assert_int_equal(network_parse(slice_of(rows[i].network), &n), RC_OK);
        assert_int_equal(addr_parse(slice_of(rows[i].addr), &a), RC_OK);
        assert_int_equal(network_contains(&n, &a), rows[i].in);
    }
    static const char *const bad[] = { "10.0.0.1/8", "10.0.0.0/33",   "10.0.0.0/",
                                       "/8",         "10.0.0.0:25/8", "[::1]/128",
                                       "::/129",     "x/8",           "" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(network_parse(slice_of(bad[i]), &(struct network){ 0 }), RC_PARSE);
}

static void kinds_and_order(void **state)
{
    (void)state;
    struct addr a, b;
    addr_parse(slice_of("127.9.9.9:25"), &a);
    addr_parse(slice_of("127.9.9.9:26"), &b);
    assert_true(addr_is_loopback(&a) && !addr_is_any(&a) && !addr_is_multicast(&a));
    assert_true(addr_same_host(&a, &b) && !addr_eq(&a, &b) && addr_cmp(&a, &b) < 0);
    addr_parse(slice_of("::1"), &b);
    assert_true(addr_is_loopback(&b) && addr_cmp(&a, &b) < 0 && addr_bits(&b) == 128);
    addr_parse(slice_of("::"), &b);
    assert_true(addr_is_any(&b) && !addr_is_loopback(&b));
    addr_parse(slice_of("ff02::1"), &b);
    assert_true(addr_is_multicast(&b));
    addr_parse(slice_of("255.255.255.255"), &b);
    assert_true(addr_is_multicast(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_and_print),
        cmocka_unit_test(networks),
        cmocka_unit_test(kinds_and_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
