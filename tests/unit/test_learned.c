/*
 * tests/unit/test_learned — addresses that turn out: which are taken, which are forgotten, and what
 *   is kept of them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "reputation/learned.h"

enum { MINUTE = 60 * 1000, DAY = 24 * 60 * MINUTE };

static struct learned *l;

static bool note(const char *egress, const char *address, int64_t now_ms)
{
    struct addr a = { .family = ADDR_NONE };
    if (address[0])
        assert_int_equal(addr_parse(slice_of(address), &a), RC_OK);
    return learned_note(l, slice_of(egress), &a, now_ms);
}

/* "203.0.113.1 2001:db8::1" */
static void expect(const char *egress, const char *addresses)
{
    struct addr at[LEARNED_EACH];
    struct buf text;
    size_t n = learned_of(l, slice_of(egress), at);
    buf_init(&text, 1024);
    for (size_t i = 0; i < n; i++) {
        buf_puts(&text, i ? " " : "");
        addr_put(&text, &at[i]);
    }
    buf_putc(&text, '\0');
    assert_string_equal(buf_slice(&text).p, addresses);
    buf_free(&text);
}

static int set_up(void **state)
{
    (void)state;
    l = learned_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    learned_free(&l);
    return 0;
}

static void test_what_receivers_see(void **state)
{
    static const char *const others[] = { "",          "10.0.0.1",   "192.168.1.1", "127.0.0.1",
                                          "0.0.0.0",   "100.64.0.1", "169.254.1.1", "fe80::1",
                                          "fd00::1",   "::1",        "::",          "224.0.0.1",
                                          "172.16.3.4" };
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(note("far", others[i], 1));
    expect("far", "");
    assert_true(note("far", "203.0.113.1:4711", 1));
    assert_false(note("far", "203.0.113.1:4712", 2));
    assert_true(note("far", "2001:db8::1", 2));
    assert_true(note("near", "203.0.113.2", 2));
    expect("far", "203.0.113.1 2001:db8::1");
    expect("near", "203.0.113.2");
    expect("none", "");
    assert_true(learned_forget(l, slice_of("far")));
    assert_false(learned_forget(l, slice_of("far")));
    expect("far", "");
    expect("near", "203.0.113.2");
}

/* A provider gave the line another address: the one of before is another's within a day. */
static void test_one_that_is_seen_no_more(void **state)
{
    (void)state;
    note("far", "203.0.113.1", 0);
    note("far", "2001:db8::1", 0);
    assert_true(note("far", "203.0.113.2", DAY - MINUTE));
    expect("far", "203.0.113.1 2001:db8::1 203.0.113.2");
    assert_true(note("far", "203.0.113.2", DAY));
    expect("far", "2001:db8::1 203.0.113.2"); /* nothing else is known of IPv6 */
    assert_false(note("far", "2001:db8::1", 40ll * DAY));
    assert_false(note("far", "203.0.113.2", 40ll * DAY));
    expect("far", "2001:db8::1 203.0.113.2");
}

/* A proxy with an address for each connection: some are watched, and always the same. */
static void test_more_than_can_be_watched(void **state)
{
    char address[32];
    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(address, sizeof address, "203.0.113.%d", i);
        assert_int_equal(note("far", address, i), i < LEARNED_EACH);
    }
    expect("far", "203.0.113.0 203.0.113.1 203.0.113.2 203.0.113.3");
}

static void test_kept(void **state)
{
    struct slice names[] = { SLICE_LIT("near"), SLICE_LIT("far") };
    struct buf bytes;
    (void)state;
    note("gone", "203.0.113.9", 0);
    note("far", "203.0.113.1", 0);
    note("far", "2001:db8::1", 0);
    note("near", "203.0.113.2", 0);
    learned_retain(l, names, 2);
    buf_init(&bytes, LEARNED_PACK_MAX);
    learned_pack(l, &bytes);
    learned_free(&l);
    assert_int_equal(learned_unpack(buf_slice(&bytes), 50ll * DAY, &l, NULL), RC_OK);
    expect("far", "203.0.113.1 2001:db8::1");
    expect("near", "203.0.113.2");
    expect("gone", "");
    assert_true(note("far", "203.0.113.7", 50ll * DAY + MINUTE));
    expect("far", "203.0.113.1 2001:db8::1 203.0.113.7"); /* it counts as seen by then */
    for (size_t n = 0; n < buf_len(&bytes); n++) {
        struct learned *cut = NULL;
        struct slice part = { buf_slice(&bytes).p, n };
        if (learned_unpack(part, 0, &cut, NULL) == RC_OK)
            learned_free(&cut); /* at the end of a record */
        assert_null(cut);
    }
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_receivers_see, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_is_seen_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_more_than_can_be_watched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
