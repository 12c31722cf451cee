/*
 * tests/unit/test_report_live — what is shown of a path is of its egress, whatever the order
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/report/live.h"

/* How much more than the first path of one group the second one costs. */
static double more(const struct advice *a, const char *first, int64_t cost, const char *second)
{
    struct conf_egress egress[] = { { .name = slice_of(first), .cost = cost },
                                    { .name = slice_of(second) } };
    struct conf conf = { .egress = { egress, 2 } };
    struct live live = { .advice = a, .conf = &conf };
    return live_path_cost(&live, 1) - live_path_cost(&live, 0);
}

/* A table may be older than the configuration: egresses are found by name. */
static void costs_are_of_the_egress(void **state)
{
    struct advice *a = advice_new(2, 1);
    (void)state;
    a->egress[0].name = advice_text(a, SLICE_LIT("a"));
    a->egress[1].name = advice_text(a, SLICE_LIT("b"));
    a->path[0] = a->path[1] = (struct advice_path){ .state = PATH_UP, .rtt_ms = 20 };
    assert_float_equal(more(a, "a", 500, "b"), -500, 0.01);
    assert_float_equal(more(a, "b", 500, "a"), 500, 0.01);
    assert_float_equal(more(a, "b", 500, "c"), 500, 0.01);
    assert_float_equal(more(a, "c", 500, "d"), 0, 0.01);
    advice_unref(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(costs_are_of_the_egress) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
