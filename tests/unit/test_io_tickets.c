/*
 * unit/test_io_tickets — proves the life of session ticket keys
 *
 *   A key opens its tickets for one period after it was replaced, then no more. Includes the file
 *   under test to reach its choice of keys.
 */
#include "gateway/io/tls_tickets.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void keys_live_for_two_periods(void **state)
{
    (void)state;
    struct tls_tickets *t = tls_tickets_new(3600000);
    struct ticket_key first, second, got;
    assert_int_equal(choose_key(t, NULL, &first), 1);
    assert_int_equal(choose_key(t, first.name, &got), 1);
    assert_memory_equal(&got, &first, sizeof got);
    t->next_ms = clock_mono_ms(); /* the period is over */
    assert_int_equal(choose_key(t, NULL, &second), 1);
    assert_memory_not_equal(&second, &first, sizeof second);
    assert_int_equal(choose_key(t, first.name, &got), 2); /* opens, and is to be renewed */
    assert_memory_equal(&got, &first, sizeof got);
    t->next_ms = clock_mono_ms();
    assert_int_equal(choose_key(t, second.name, &got), 2);
    assert_int_equal(choose_key(t, first.name, &got), 0);
    tls_tickets_free(&t);
    assert_null(t);
}

static void a_long_pause_ends_both(void **state)
{
    (void)state;
    struct tls_tickets *t = tls_tickets_new(1000);
    struct ticket_key old, got;
    assert_int_equal(choose_key(t, NULL, &old), 1);
    t->next_ms = clock_mono_ms() - 5000;
    assert_int_equal(choose_key(t, old.name, &got), 0);
    tls_tickets_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_live_for_two_periods),
        cmocka_unit_test(a_long_pause_ends_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
