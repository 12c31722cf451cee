/*
 * test_policies_quota — how much may be urgent, and the number that a next hop is told
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "policies/priority.h"
#include "policies/quota.h"

/* What a hop is told: the number as it came, as far as it stands for the lane the mail is in. */
static void test_priority_for_the_next_hop(void **state)
{
    (void)state;
    static const struct {
        int value;
        enum lane lane;
        int told;
    } rows[] = {
        { 9, LANE_URGENT, 9 },  { 4, LANE_URGENT, 4 }, { 0, LANE_URGENT, 4 },
        { -9, LANE_URGENT, 4 }, { 9, LANE_HIGH, 3 },   { 2, LANE_HIGH, 2 },
        { 0, LANE_HIGH, 1 },    { 9, LANE_NORMAL, 0 }, { -2, LANE_NORMAL, 0 },
        { 0, LANE_BULK, -1 },   { -7, LANE_BULK, -7 }, { 5, LANE_BULK, -1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mt_priority_in_lane(rows[i].value, rows[i].lane), rows[i].told);
        assert_int_equal(lane_of_mt_priority(rows[i].told), rows[i].lane);
    }
}

/* Drawn takes: never more than the rate in any stretch of its time, and none refused that would
 * have fitted into one longer by a 32nd. */
static void test_quota_is_exact(void **state)
{
    (void)state;
    enum { DRAWS = 20000, COUNT = 20, PER = 3600000 };
    static int64_t taken[DRAWS];
    struct quota q;
    struct rnd rnd;
    size_t n = 0;
    int64_t now = 123456789;
    rnd_seed(&rnd, 7);
    quota_init(&q, (struct rate){ COUNT, PER });
    for (int i = 0; i < DRAWS; i++) {
        now += (int64_t)rnd_below(&rnd, i % 1000 < 500 ? 60000 : 600000);
        int64_t since = n < COUNT ? INT64_MAX : now - taken[n - COUNT];
        bool left = quota_left(&q, now) > 0, took = quota_take(&q, now);
        assert_int_equal(left, took);
        assert_true(!took || since >= PER);
        assert_true(took || since <= PER + PER / 32 + 1);
        if (took)
            taken[n++] = now;
    }
    assert_true(n > 1000);
}

static void test_quota_over_a_reload(void **state)
{
    (void)state;
    struct quota q;
    quota_init(&q, (struct rate){ 3, 60000 });
    for (int i = 0; i < 3; i++)
        assert_true(quota_take(&q, 1000));
    assert_false(quota_take(&q, 1000));
    assert_false(quota_take(&q, 900)); /* another loop's clock is a little behind */
    quota_set(&q, (struct rate){ 4, 60000 }, 2000);
    assert_int_equal(quota_left(&q, 2000), 1);
    assert_true(quota_take(&q, 2000));
    quota_set(&q, (struct rate){ 4, 120000 }, 3000); /* counts as taken now */
    assert_false(quota_take(&q, 100000));
    assert_int_equal(quota_left(&q, 3000 + 120000 + 120000 / 16), 4);
    quota_set(&q, (struct rate){ 0, 0 }, 4000); /* no limit */
    assert_true(quota_left(&q, 4000) == UINT64_MAX && quota_take(&q, 4000));
}

/* What was taken and not used is free again at once, whatever else was taken since; never more. */
static void test_quota_takes_back(void **state)
{
    (void)state;
    struct quota q;
    quota_init(&q, (struct rate){ 2, 60000 });
    assert_true(quota_take(&q, 1000) && quota_take(&q, 30000));
    assert_false(quota_take(&q, 31000));
    quota_give_back(&q, 1000, 31000);
    quota_give_back(&q, 1000, 31000); /* none of that time is left */
    assert_int_equal(quota_left(&q, 31000), 1);
    assert_true(quota_take(&q, 31000));
    quota_give_back(&q, 30000, 200000); /* it came back in its time */
    assert_int_equal(quota_left(&q, 200000), 2);
    assert_true(quota_take(&q, 200000));
    quota_give_back(&q, 200001 + 4000, 200000); /* of a clock that is ahead */
    assert_int_equal(quota_left(&q, 200000), 1);
    quota_set(&q, (struct rate){ 2, 120000 }, 201000);
    quota_give_back(&q, 1000, 201000);
    assert_int_equal(quota_left(&q, 201000), 1);
    quota_set(&q, (struct rate){ 0, 0 }, 202000);
    quota_give_back(&q, 202000, 202000);
    assert_true(quota_left(&q, 202000) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_priority_for_the_next_hop),
        cmocka_unit_test(test_quota_is_exact),
        cmocka_unit_test(test_quota_over_a_reload),
        cmocka_unit_test(test_quota_takes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
