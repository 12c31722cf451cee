/*
 * tests/unit/test_daemon_allowances — a restart of the relay makes no room for mail
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/daemon/keeper.h"
#include "gateway/daemon/kept_allowances.h"
#include "tests/support/temp_dir.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)

static const int64_t wall_ms = 1750000000000;

static struct {
    char folder[64];
    struct keeper *keeper;
    struct allowances *a;
    int64_t now_us; /* the wall clock goes with it */
    uint32_t taken;
} rig;

static int64_t wall(void)
{
    return wall_ms + rig.now_us / 1000;
}

static void start(void)
{
    rig.keeper = keeper_new(rig.folder);
    rig.a = allowances_new();
    kept_allowances_begin(rig.keeper, rig.a, rig.now_us, wall());
}

static void stop(bool in_order)
{
    if (in_order)
        kept_allowances_end(rig.keeper, rig.a, rig.now_us, wall());
    keeper_free(&rig.keeper);
    allowances_free(&rig.a);
}

static int set_up(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    temp_dir_make(rig.folder, sizeof rig.folder);
    rig.now_us = HOUR;
    start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop(true);
    temp_dir_remove(rig.folder);
    return 0;
}

/* All there is, each second, for so long. */
static void use(uint32_t per_hour, int64_t seconds)
{
    for (int64_t s = 0; s < seconds; s++, rig.now_us += SECOND)
        while (allowance_take(rig.a, 77, per_hour, rig.now_us))
            rig.taken++;
}

static void test_never_more_than_was_granted(void **state)
{
    static const uint32_t rates[] = { 1, 4, 20, 300, 6000 };
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        int64_t began_us = rig.now_us += 3 * HOUR;
        uint32_t burst = rates[r] / 60 ? rates[r] / 60 : 1;
        rig.taken = 0;
        for (int i = 0; i < 12; i++) {
            use(rates[r], 600);
            stop(i % 3 != 0); /* each third is killed */
            start();
        }
        double hours = (double)(rig.now_us - began_us) / (double)HOUR;
        assert_true(rig.taken <= rates[r] * hours + burst + 1);
        assert_true(rates[r] < 20 || rig.taken > rates[r]); /* of two hours */
    }
    (void)state;
}

/* In order nothing is lost, either: as if there had been no restart. */
static void test_in_order_it_is_exact(void **state)
{
    (void)state;
    use(20, 1);
    assert_int_equal(rig.taken, 1);
    for (int i = 0; i < 5; i++) {
        stop(true);
        rig.now_us += 20 * SECOND; /* it was away */
        start();
        use(20, 10);
    }
    assert_int_equal(rig.taken, 1);
    use(20, 180 - 1 - 150);
    assert_int_equal(rig.taken, 1);
    use(20, 1);
    assert_int_equal(rig.taken, 2);
}

static void spoil(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", rig.folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("junk", f);
    assert_int_equal(fclose(f), 0);
}

static void test_a_damaged_file_is_a_doubt(void **state)
{
    (void)state;
    use(20, 1);
    stop(true);
    spoil("allowances.bin");
    start(); /* the copy of before says that it ran */
    use(20, 180);
    assert_int_equal(rig.taken, 1);
    use(20, 1);
    assert_int_equal(rig.taken, 2);
    stop(true);
    spoil("allowances.bin");
    spoil("allowances.bin.before");
    start();
    use(20, 180);
    assert_int_equal(rig.taken, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_never_more_than_was_granted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_order_it_is_exact, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_damaged_file_is_a_doubt, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
