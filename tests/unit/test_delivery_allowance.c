/*
 * tests/unit/test_delivery_allowance — so many mails an hour, never more, also from several threads
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/delivery/allowance.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)

static int set_up(void **state)
{
    *state = allowances_new();
    return 0;
}

static int tear_down(void **state)
{
    struct allowances *a = *state;
    allowances_free(&a);
    assert_null(a);
    return 0;
}

static uint64_t key(const char *egress, const char *provider)
{
    return allowance_key(slice_of(egress), slice_of(provider));
}

/* Whoever asks each second for a day gets what an hour allows, hour by hour. */
static void used_fully_and_never_exceeded(void **state)
{
    static const uint32_t rates[] = { 1, 20, 28, 100, 1000, 3600, 100000 };
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct allowances *a = *state;
        uint64_t k = key("a", i % 2 ? "x" : "y") + i;
        uint64_t taken = 0, burst = rates[i] / 60 ? rates[i] / 60 : 1;
        for (int64_t t = HOUR; t < 25 * HOUR; t += SECOND) {
            while (allowance_left(a, k, rates[i], t)) {
                assert_true(allowance_take(a, k, rates[i], t));
                taken++;
            }
            assert_false(allowance_take(a, k, rates[i], t));
            uint64_t most = (uint64_t)((t - HOUR) / SECOND) * rates[i] / 3600 + burst + 1;
            assert_true(taken <= most);
        }
        assert_true(taken + burst + 24 >= 24ull * rates[i]);
    }
}

static void keys_are_apart(void **state)
{
    struct allowances *a = *state;
    assert_true(allowance_take(a, key("a", "x"), 1, HOUR));
    assert_false(allowance_take(a, key("a", "x"), 1, HOUR));
    assert_true(allowance_take(a, key("a", "y"), 1, HOUR));
    assert_true(allowance_take(a, key("b", "x"), 1, HOUR));
    assert_true(key("ab", "c") != key("a", "bc"));
}

/* More keys than places: what owes nothing gives way, what owes something never does. */
static void crowded(void **state)
{
    struct allowances *a = *state;
    unsigned given = 0;
    char name[16];
    for (unsigned i = 0; i < 3 * ALLOWANCES_MAX; i++) {
        snprintf(name, sizeof name, "p%u", i);
        given += allowance_take(a, key("a", name), 1, HOUR);
    }
    assert_true(given <= ALLOWANCES_MAX && given > ALLOWANCES_MAX / 2);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "p%u", i);
        assert_false(allowance_take(a, key("a", name), 1, HOUR + SECOND));
    }
    assert_true(allowance_take(a, key("a", "fresh"), 1, 3 * HOUR));
}

static struct {
    struct allowances *a;
    atomic_uint taken;
} shared;

static void *take_all(void *arg)
{
    (void)arg;
    for (int64_t t = HOUR; t < HOUR + 60 * SECOND; t += 100)
        if (allowance_take(shared.a, key("a", "x"), 36000, t))
            atomic_fetch_add(&shared.taken, 1);
    return NULL;
}

static void threads_share_it(void **state)
{
    pthread_t threads[4];
    shared.a = *state;
    atomic_store(&shared.taken, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_all, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    /* A minute is 600, and a minute's worth may come at once. */
    assert_true(atomic_load(&shared.taken) >= 600 && atomic_load(&shared.taken) <= 1201);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(used_fully_and_never_exceeded),
        T(keys_are_apart),
        T(crowded),
        T(threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
