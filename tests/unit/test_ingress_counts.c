/*
 * test_ingress_counts — rates, sketches, penalties and password hashes by themselves
 *
 *   In virtual time: what a client may send, and how long a wrong password waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/ingress/limits.h"
#include "gateway/ingress/password.h"

/* How many of `asked` at once are let through. */
static unsigned burst(struct client_counter *c, struct rate rate, int64_t now_ms, unsigned asked)
{
    unsigned passed = 0;
    for (unsigned i = 0; i < asked; i++)
        passed += client_rate_take(c, &rate, now_ms);
    return passed;
}

static void rates(void **state)
{
    (void)state;
    static const struct {
        struct rate rate;
        int64_t wait_ms;
        unsigned first, then; /* let through at once, and after the wait */
    } rows[] = {
        { { 5, 60000 }, 12000, 5, 1 },     { { 5, 60000 }, 11999, 5, 0 },
        { { 5, 60000 }, 60000, 5, 5 },     { { 5, 60000 }, 86400000, 5, 5 },
        { { 1, 3600000 }, 3599999, 1, 0 }, { { 1, 3600000 }, 3600000, 1, 1 },
        { { 100, 1000 }, 10, 100, 1 },     { { 0, 0 }, 0, 200, 200 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_counter c = { 0 };
        assert_int_equal(burst(&c, rows[i].rate, 1000000, 200), rows[i].first);
        assert_int_equal(burst(&c, rows[i].rate, 1000000 + rows[i].wait_ms, 200), rows[i].then);
    }
}

/* Over a day of asking ten times too often, the rate holds, but for the first burst. */
static void rate_over_a_day(void **state)
{
    (void)state;
    struct client_counter c = { 0 };
    struct rate rate = { 10, 60000 };
    unsigned passed = 0;
    for (int64_t t = 1; t <= 86400000; t += 600)
        passed += client_rate_take(&c, &rate, t);
    assert_in_range(passed, 14400, 14410);
}

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

static void one_client(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "192.0.2.1", "192.0.2.1", true },          { "192.0.2.1", "192.0.2.2", false },
        { "192.0.2.1:25", "192.0.2.1:26", true },    { "2001:db8::1", "2001:db8::2", true },
        { "2001:db8::1", "2001:db8:0:1::1", false }, { "::ffff:192.0.2.1", "192.0.2.1", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr a = address(rows[i].a), b = address(rows[i].b);
        assert_int_equal(client_hash(&a) == client_hash(&b), rows[i].same);
    }
}

static void sketch_counts(void **state)
{
    (void)state;
    struct sketch *s = mem_zero(sizeof *s);
    for (uint64_t i = 1; i <= 1000; i++)
        assert_int_equal(sketch_add(s, 0x100000002), i);
    assert_int_equal(sketch_add(s, 0x300000002), 1); /* one place shared: not fooled */
    for (int i = 0; i < 1000; i++)
        sketch_sub(s, 0x100000002);
    assert_int_equal(sketch_add(s, 0x100000002), 1);
    free(s);
}

static void penalties_grow_and_fade(void **state)
{
    (void)state;
    struct penalties *p = mem_zero(sizeof *p);
    int64_t now = 3600000, last = 0;
    for (unsigned i = 1; i <= 8; i++) {
        assert_int_equal(penalty_add(p, 7, now), i);
        int64_t delay = penalty_delay_ms(i);
        assert_true(delay > last || delay == 30000);
        last = delay;
    }
    assert_int_equal(penalty_add(p, 8, now), 1);          /* somebody else */
    assert_int_equal(penalty_add(p, 7, now + 120000), 3); /* 8, 4, 2 and this one */
    assert_int_equal(penalty_add(p, 7, now + 60000), 4);  /* a clock that is behind */
    assert_int_equal(penalty_add(p, 7, now + 86400000), 1);
    free(p);
}

static void passwords(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_MAX], again[PASSWORD_HASH_MAX], longest[PASSWORD_MAX + 1];
    assert_int_equal(password_hash("p\xc3\xa4ss word", hash, NULL), RC_OK);
    assert_int_equal(password_hash("p\xc3\xa4ss word", again, NULL), RC_OK);
    assert_memory_equal(hash, "$y$", 3);
    assert_string_not_equal(hash, again);
    assert_true(password_check(hash, "p\xc3\xa4ss word"));
    assert_false(password_check(hash, "p\xc3\xa4ss wor"));
    assert_false(password_check(hash, ""));
    assert_false(password_check(PASSWORD_NOBODY, ""));
    assert_false(password_check("*", ""));
    assert_false(password_check("", ""));
    assert_false(password_check("plain", "plain"));
    memset(longest, 'x', PASSWORD_MAX);
    longest[PASSWORD_MAX] = '\0';
    assert_int_equal(password_hash(longest, hash, NULL), RC_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates),
        cmocka_unit_test(rate_over_a_day),
        cmocka_unit_test(one_client),
        cmocka_unit_test(sketch_counts),
        cmocka_unit_test(penalties_grow_and_fade),
        cmocka_unit_test(passwords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
