/*
 * tests/sim/test_standing_life — properties of standing over years, in worlds of several kinds
 *
 *   SIM_SEED=n takes another world as the last one. Each world runs until something breaks; what
 *   broke, and when, is the message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/sim/standing_life.h"

enum { WORLDS = 8 };

static void run(uint64_t seed, double years, struct life_figures *f)
{
    if (!life_run(seed, years, false, f))
        fail_msg("seed %llu: %s", (unsigned long long)seed, f->broken);
}

static void test_lives(void **state)
{
    const char *given = getenv("SIM_SEED");
    uint64_t last = given ? strtoull(given, NULL, 10) : 13;
    struct life_figures f, all = { 0 };
    (void)state;
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        run(seed < WORLDS ? seed : last, 0.2, &f);
        all.alarms += f.alarms;
        all.canaries += f.canaries;
        all.resorts += f.resorts;
        all.restarts += f.restarts;
        all.tables += f.tables;
        all.away += f.away;
        all.relapses += f.relapses;
        all.repeats += f.repeats;
        all.forgotten += f.forgotten;
        all.died += f.died;
        for (int i = 0; i < STANDING_STATES; i++)
            all.to[i] += f.to[i];
    }
    for (int i = 0; i < STANDING_STATES; i++)
        assert_true(all.to[i] > 20); /* the worlds visit everything */
    print_message(
        "resorts %llu, away %llu, relapses %llu, repeats %llu, forgotten %llu, died %llu\n",
        (unsigned long long)all.resorts, (unsigned long long)all.away,
        (unsigned long long)all.relapses, (unsigned long long)all.repeats,
        (unsigned long long)all.forgotten, (unsigned long long)all.died);
    assert_true(all.resorts > 100);
    assert_true(all.alarms > 5 && all.canaries > 100 && all.restarts > 1000 && all.tables > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
