/*
 * tests/sim/test_recovery — once nothing is broken any more, everything is usable again
 *
 *   For each kind of fault alone, and for all of them in any order. REC_SEED=n takes worlds from n
 *   on, REC_WORLDS=n so many of each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/sim/recovery.h"

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *given = getenv(name);
    return given ? strtoull(given, NULL, 10) : otherwise;
}

struct told {
    unsigned downs, faults, suspects;
    int64_t longest_ms;
};

static unsigned worlds(enum rec_kind only, uint64_t n, struct told *told)
{
    const char *kind = only == REC_KINDS ? "all kinds" : rec_kind_names[only];
    bool verbose = getenv("REC_VERBOSE") != NULL;
    unsigned failed = 0;
    *told = (struct told){ .downs = 0 };
    for (uint64_t seed = number("REC_SEED", 21), last = seed + n; seed < last; seed++) {
        struct rec_result r;
        recovery_run(seed, only, verbose, &r);
        told->downs += r.downs;
        told->faults += r.faults;
        told->suspects += r.suspects;
        told->longest_ms = r.after_ms > told->longest_ms ? r.after_ms : told->longest_ms;
        failed += !r.recovered;
        if (!r.recovered)
            print_error("%s, seed %llu: %s\n", kind, (unsigned long long)seed, r.what);
    }
    print_message("%s: %u downs, %u faults, %u suspects; longest %.0f s\n", kind, told->downs,
                  told->faults, told->suspects, (double)told->longest_ms / 1000);
    return failed;
}

static void test_each_kind(void **state)
{
    (void)state;
    struct told told;
    unsigned failed = 0;
    for (int k = 0; k < REC_KINDS; k++)
        failed += worlds((enum rec_kind)k, number("REC_WORLDS", 1), &told);
    assert_int_equal(failed, 0);
}

static void test_all_kinds(void **state)
{
    (void)state;
    struct told told;
    assert_int_equal(worlds(REC_KINDS, number("REC_WORLDS", 6), &told), 0);
    assert_true(told.downs > 0 && told.faults > 0 && told.suspects > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_all_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
