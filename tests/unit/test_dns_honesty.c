/*
 * test_dns_honesty — which answers give a name server away, and how often it is asked
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/dns/honesty.h"

static const struct addr server = { ADDR_V4, { 192, 0, 2, 53 }, 53 };

static uint64_t key_of(const char *egress)
{
    return honesty_key(slice_of(egress), &server);
}

static void test_judge(void **state)
{
    static const struct {
        enum dns_status status;
        enum honesty verdict;
    } rows[] = {
        { DNS_OK, HONESTY_REWRITES },       { DNS_UNUSABLE, HONESTY_REWRITES },
        { DNS_NXDOMAIN, HONESTY_HONEST },   { DNS_NO_DATA, HONESTY_HONEST },
        { DNS_TEMPORARY, HONESTY_UNKNOWN },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(honesty_judge(rows[i].status), rows[i].verdict);
}

static void test_once_an_hour(void **state)
{
    struct honesties *h = honesties_new();
    uint64_t key = key_of("one"), other = key_of("two");
    int64_t now = 1000000;
    (void)state;
    assert_int_equal(honesty_of(h, key), HONESTY_UNKNOWN);
    assert_true(honesty_due(h, key, now));
    assert_false(honesty_due(h, key, now)); /* somebody asks already */
    assert_true(honesty_due(h, other, now));
    assert_int_equal(honesty_told(h, key, HONESTY_HONEST, now), HONESTY_UNKNOWN);
    assert_int_equal(honesty_of(h, key), HONESTY_HONEST);
    assert_int_equal(honesty_of(h, other), HONESTY_UNKNOWN);
    assert_false(honesty_due(h, key, now + HONESTY_EVERY_MS - 1));
    now += HONESTY_EVERY_MS;
    assert_true(honesty_due(h, key, now));
    assert_int_equal(honesty_of(h, key), HONESTY_HONEST); /* until it is told otherwise */
    assert_int_equal(honesty_told(h, key, HONESTY_REWRITES, now), HONESTY_HONEST);
    assert_int_equal(honesty_of(h, key), HONESTY_REWRITES);
    now += HONESTY_EVERY_MS;
    assert_true(honesty_due(h, key, now));
    assert_int_equal(honesty_told(h, key, HONESTY_HONEST, now), HONESTY_REWRITES);
    honesties_free(&h);
    assert_null(h);
}

/* Without an answer what was known stays, and a minute later the question is put again. */
static void test_no_answer(void **state)
{
    struct honesties *h = honesties_new();
    uint64_t key = key_of("one");
    int64_t now = 0;
    (void)state;
    assert_true(honesty_due(h, key, now));
    assert_int_equal(honesty_told(h, key, HONESTY_UNKNOWN, now + 3000), HONESTY_UNKNOWN);
    assert_false(honesty_due(h, key, now + HONESTY_AGAIN_MS - 1));
    now += HONESTY_AGAIN_MS;
    assert_true(honesty_due(h, key, now));
    (void)honesty_told(h, key, HONESTY_REWRITES, now);
    now += HONESTY_EVERY_MS;
    assert_true(honesty_due(h, key, now));
    assert_int_equal(honesty_told(h, key, HONESTY_UNKNOWN, now), HONESTY_REWRITES);
    assert_int_equal(honesty_of(h, key), HONESTY_REWRITES);
    assert_true(honesty_due(h, key, now + HONESTY_AGAIN_MS));
    honesties_free(&h);
}

static void test_keys(void **state)
{
    struct addr elsewhere = server, other_port = server;
    elsewhere.bytes[3]++;
    other_port.port++;
    (void)state;
    assert_true(key_of("one") != key_of("two"));
    assert_true(key_of("one") != honesty_key(slice_of("one"), &elsewhere));
    assert_true(key_of("one") != honesty_key(slice_of("one"), &other_port));
    struct honesties *h = honesties_new();
    for (uint64_t key = 1; key <= HONESTIES_MAX; key++)
        assert_true(honesty_due(h, key, 0));
    assert_false(honesty_due(h, HONESTIES_MAX + 1, 0)); /* no place: never known, never asked */
    assert_int_equal(honesty_told(h, HONESTIES_MAX + 1, HONESTY_HONEST, 0), HONESTY_UNKNOWN);
    assert_int_equal(honesty_of(h, HONESTIES_MAX + 1), HONESTY_UNKNOWN);
    assert_false(honesty_due(h, 7, 0));
    honesties_free(&h);
}

static void test_names(void **state)
{
    struct rnd rnd;
    char a[HONESTY_NAME_SIZE], b[HONESTY_NAME_SIZE];
    (void)state;
    rnd_seed(&rnd, 9);
    honesty_name(&rnd, a);
    honesty_name(&rnd, b);
    assert_string_not_equal(a, b);
    size_t label = strcspn(a, ".");
    assert_string_equal(a + label, ".com");
    assert_true(label >= 20);
    for (size_t i = 0; i < label; i++)
        assert_true(islower((unsigned char)a[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),     cmocka_unit_test(test_once_an_hour),
        cmocka_unit_test(test_no_answer), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
