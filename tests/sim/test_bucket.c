/*
 * tests/sim/test_bucket — rates are kept in every stretch of time, and used
 *
 *   Demand, lateness of the clock and the number of threads are drawn from seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "policies/bucket.h"

enum { TAKES_MOST = 200000, WORKERS = 8, SEEDS = 5 };

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
            bucket_init(&b, rates[k], false, now);
            for (taken_n = 0; now < end; now += bucket_wait_us(&b, 1, now)) {
                now += (int64_t)rnd_below(&rnd, 2000);
                while (bucket_take(&b, 1, now))
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
            bucket_init(&b, rates[k], false, now);
            for (taken_n = 0; now < end;) {
                now += (int64_t)rnd_below(&rnd, rnd_below(&rnd, 10) ? 5000 : 3000000);
                for (uint64_t n = rnd_below(&rnd, 20); n > 0; n--)
                    if (bucket_take(&b, 1, now))
                        taken_us[taken_n++] = now;
            }
            check_never_exceeded(rates[k]);
        }
    }
}

/* Workers that lease, some of which often have nothing to do and give back what they hold. */
static void leases_keep_it_together(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct bucket b;
            struct rnd rnd;
            struct lease lease[WORKERS] = { { 0, 0 } };
            int64_t now = 0, end = rates[k].per_ms * 1000 * (rates[k].per_ms > 60000 ? 2 : 12);
            int64_t step = rates[k].per_ms > 60000 ? 20000 : rates[k].per_ms / 5 + 1;
            rnd_seed(&rnd, seed);
            bucket_init(&b, rates[k], true, now);
            for (taken_n = 0; now < end; now += (int64_t)rnd_below(&rnd, (uint64_t)step * 2)) {
                struct lease *l = &lease[rnd_below(&rnd, WORKERS)];
                if (rnd_below(&rnd, 4) == 0) {
                    lease_end(l, &b, now);
                    continue;
                }
                for (uint64_t n = 1 + rnd_below(&rnd, 4); n > 0; n--) {
                    if (!lease_take(l, 1, now))
                        lease_renew(l, &b, 1, n, now);
                    else
                        taken_us[taken_n++] = now;
                }
                for (int i = 0; i < WORKERS; i++)
                    if (now >= lease[i].until_us)
                        lease_end(&lease[i], &b, now);
            }
            check_never_exceeded(rates[k]);
            check_used(rates[k], end, 95);
        }
    }
}

/* Bytes: one thing may be larger than all the bucket holds; over time the rate is kept. */
static void large_things_are_paid_for(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct bucket b;
        struct rnd rnd;
        struct rate rate = { 1000000, 1000 };
        uint64_t sum = 0;
        int64_t now = 0;
        rnd_seed(&rnd, seed);
        bucket_init(&b, rate, false, now);
        while (now < 1000 * INT64_C(1000000)) {
            uint64_t n = rnd_below(&rnd, rnd_below(&rnd, 10) ? 50000 : 30000000);
            now += bucket_wait_us(&b, n, now);
            assert_true(bucket_take(&b, n, now));
            sum += n;
            assert_true((double)(sum - n) <= 20000 + (double)now * 1.0);
        }
        assert_true((double)sum >= 0.98 * (double)now);
    }
}

/* A reload: what was taken under the old rate still counts. */
static void another_rate_forgives_nothing(void **state)
{
    (void)state;
    struct bucket b;
    bucket_init(&b, (struct rate){ 10, 60000 }, false, 0);
    assert_true(bucket_take(&b, 1, 0));
    assert_false(bucket_take(&b, 1, 0));
    bucket_set(&b, (struct rate){ 20, 60000 }, 0);
    assert_false(bucket_take(&b, 1, 0));
    assert_true(bucket_wait_us(&b, 1, 0) > 2000000);
    bucket_set(&b, (struct rate){ 0, 0 }, 0);
    assert_true(bucket_take(&b, 1000, 0));
    bucket_set(&b, (struct rate){ 20, 60000 }, 0);
    assert_true(bucket_take(&b, 1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_and_no_more),
        cmocka_unit_test(bursts_keep_the_limit),
        cmocka_unit_test(leases_keep_it_together),
        cmocka_unit_test(large_things_are_paid_for),
        cmocka_unit_test(another_rate_forgives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
