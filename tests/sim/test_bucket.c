/*
 * tests/sim/test_bucket — rates are kept in every stretch of time, and used
 *
 *   Demand and the lateness of the clock are drawn from seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "policies/bucket.h"

enum { TAKES_MOST = 200000, SEEDS = 5 };

static int64_t taken_us[TAKES_MOST];
static size_t taken_n;

static const struct rate rates[] = { { 1, 1000 },   { 7, 1000 },    { 500, 1000 },
                                     { 10, 60000 }, { 500, 60000 }, { 1000, 3600000 } };

/* No half-open stretch of `per` has more than the count. Times are in order. */
static void check_never_exceeded(struct rate rate)
{
    for (size_t i = rate.count; i < taken_n; i++)
        assert_true(taken_us[i] - taken_us[i - rate.count] >= rate.per_ms * 1000);
}

static void check_used(struct rate rate, int64_t us, unsigned percent)
{
    double could = (double)rate.count * (double)us / ((double)rate.per_ms * 1000);
    assert_true((double)taken_n >= could * percent / 100 - 1);
}

/* Enough to do, a timer that is up to 2 ms late. */
static void all_of_it_and_no_more(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct bucket b;
            struct rnd rnd;
            int64_t now = 5000000, end = now + rates[k].per_ms * 1000 * 20;
            rnd_seed(&rnd, seed);
            bucket_init(&b, rates[k], now);
            for (taken_n = 0; now < end; now += bucket_wait_us(&b, now)) {
                now += (int64_t)rnd_below(&rnd, 2000);
                while (bucket_take(&b, now))
                    taken_us[taken_n++] = now;
            }
            check_never_exceeded(rates[k]);
            check_used(rates[k], rates[k].per_ms * 1000 * 20, 98);
        }
    }
}

/* Pauses save up nothing that could break the limit afterwards. */
static void bursts_keep_the_limit(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct bucket b;
            struct rnd rnd;
            int64_t now = 0, end = rates[k].per_ms * 1000 * 50;
            rnd_seed(&rnd, seed);
            bucket_init(&b, rates[k], now);
            for (taken_n = 0; now < end;) {
                now += (int64_t)rnd_below(&rnd, rnd_below(&rnd, 10) ? 5000 : 3000000);
                for (uint64_t n = rnd_below(&rnd, 20); n > 0; n--)
                    if (bucket_take(&b, now))
                        taken_us[taken_n++] = now;
            }
            check_never_exceeded(rates[k]);
        }
    }
}

/* A reload: what was taken under the old rate still counts. */
static void another_rate_forgives_nothing(void **state)
{
    (void)state;
    struct bucket b;
    bucket_init(&b, (struct rate){ 10, 60000 }, 0);
    assert_true(bucket_take(&b, 0));
    assert_false(bucket_take(&b, 0));
    bucket_set(&b, (struct rate){ 20, 60000 }, 0);
    assert_false(bucket_take(&b, 0));
    assert_true(bucket_wait_us(&b, 0) > 2000000);
    bucket_set(&b, (struct rate){ 0, 0 }, 0);
    assert_true(bucket_take(&b, 0));
    bucket_set(&b, (struct rate){ 20, 60000 }, 0);
    assert_true(bucket_take(&b, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_and_no_more),
        cmocka_unit_test(bursts_keep_the_limit),
        cmocka_unit_test(another_rate_forgives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
