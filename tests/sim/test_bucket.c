/*
 * tests/sim/test_bucket — rates are kept in every stretch of time, and used
 *
 *   Demand and the lateness of the clock are drawn from seeds. Threads share a bucket, too.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "policies/bucket.h"

enum { TAKES_MOST = 200000, SEEDS = 5, MINUTE = 60000 };

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
            struct bucket b = { 0 };
            struct rnd rnd;
            int64_t now = 5000000, end = now + rates[k].per_ms * 1000 * 20;
            rnd_seed(&rnd, seed);
            for (taken_n = 0; now < end; now += bucket_wait_us(&b, rates[k], now)) {
                now += (int64_t)rnd_below(&rnd, 2000);
                while (bucket_take(&b, rates[k], 1, now))
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
            struct bucket b = { 0 };
            struct rnd rnd;
            int64_t now = 1, end = rates[k].per_ms * 1000 * (rates[k].per_ms > MINUTE ? 10 : 50);
            rnd_seed(&rnd, seed);
            for (taken_n = 0; now < end;) {
                now += (int64_t)rnd_below(&rnd, rnd_below(&rnd, 10) ? 5000 : 3000000);
                for (uint64_t n = rnd_below(&rnd, 20); n > 0; n--)
                    if (bucket_take(&b, rates[k], 1, now))
                        taken_us[taken_n++] = now;
            }
            check_never_exceeded(rates[k]);
        }
    }
}

/* Messages of up to 64 KiB at 1 MiB a second: what is taken in any stretch of time, from the
 * beginning of one message to that of another, is what the rate allows and the last message. */
static void several_at_a_time(void **state)
{
    (void)state;
    static const struct rate rate = { 1 << 20, 1000 };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct bucket b = { 0 };
        struct rnd rnd;
        int64_t now = 1, end = 60000000;
        uint64_t sum = 0, worst = 0,
                 level = 0; /* over all stretches: Kadane's sum, less the rate */
        rnd_seed(&rnd, seed);
        for (int64_t last = now; now < end;
             now += bucket_wait_us(&b, rate, now) + (int64_t)rnd_below(&rnd, 2000)) {
            uint64_t n = 1 + rnd_below(&rnd, 64 << 10);
            if (!bucket_take(&b, rate, n, now))
                continue;
            uint64_t allowed = (uint64_t)(now - last) * rate.count / 1000000;
            level = level > allowed ? level - allowed : 0;
            assert_true(level <= rate.count / 100 + (64 << 10)); /* the slack, and one message */
            level += n;
            worst = level > worst ? level : worst;
            last = now;
            sum += n;
        }
        assert_true(sum >= rate.count * 60 * 98 / 100);
        assert_true(worst > 64 << 10);
    }
}

/* Transactions of up to 20 recipients at 100 a second: a stretch of `per` has more than the count
 * by what the last of them is more than one, and never by more. */
static void recipients_of_transactions(void **state)
{
    (void)state;
    static const struct rate rate = { 100, 1000 };
    static uint64_t n[TAKES_MOST];
    bool above = false;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct bucket b = { 0 };
        struct rnd rnd;
        size_t first = 0;
        uint64_t sum = 0;
        rnd_seed(&rnd, seed);
        taken_n = 0;
        for (int64_t now = 1; now < 60000000; now += bucket_wait_us(&b, rate, now)) {
            now += (int64_t)rnd_below(&rnd, 2000);
            uint64_t some = 1 + rnd_below(&rnd, 20);
            if (!bucket_take(&b, rate, some, now))
                continue;
            taken_us[taken_n] = now;
            n[taken_n++] = some;
            for (sum += some; taken_us[first] <= now - rate.per_ms * 1000; first++)
                sum -= n[first];
            assert_true(sum <= rate.count + some - 1);
            above = above || sum > rate.count;
        }
    }
    assert_true(above); /* it is no looser than it has to be said */
}

/* A reload: what was taken under the old rate still counts, token by token. */
static void another_rate_forgives_nothing(void **state)
{
    (void)state;
    static const struct rate ten = { 10, 60000 }, twenty = { 20, 60000 }, none = { 0, 0 };
    struct bucket b = { 0 };
    assert_true(bucket_take(&b, ten, 1, 1));
    assert_false(bucket_take(&b, ten, 1, 1));
    assert_in_range(bucket_wait_us(&b, ten, 1), 5700000, 6100000);
    bucket_change(&b, ten, twenty, 1);
    assert_false(bucket_take(&b, twenty, 1, 1));
    assert_in_range(bucket_wait_us(&b, twenty, 1), 2700000, 3100000);
    bucket_change(&b, twenty, ten, 1);
    assert_in_range(bucket_wait_us(&b, ten, 1), 5700000, 6100000);
    assert_true(bucket_take(&b, none, 1, 1));
    bucket_change(&b, none, twenty, 1); /* nobody counted */
    assert_true(bucket_take(&b, twenty, 1, 1));
}

/* A rate beyond what nanoseconds can tell apart is still kept for many at a time. */
static void great_numbers(void **state)
{
    (void)state;
    static const struct rate rate = { UINT64_C(100) << 30, 1000 };
    struct bucket b = { 0 };
    uint64_t sum = 0;
    for (int64_t now = 1; now < 1000000; now += 1000)
        while (bucket_take(&b, rate, 1 << 20, now))
            sum += 1 << 20;
    assert_in_range(sum, rate.count / 100 * 97, rate.count / 100 * 102);
    bucket_charge(&b, rate, UINT64_MAX, 1000000);
    bucket_charge(&b, (struct rate){ 1, 86400000 }, UINT64_MAX, 1000000);
    bucket_charge(&b, (struct rate){ 1, 86400000 }, UINT64_MAX, 1000000);
    assert_false(bucket_take(&b, rate, 1, INT64_C(3600000000)));
}

/* ---- threads ---- */

enum { THREADS = 4, TURNS = 20000 };

static struct shared {
    struct bucket b;
    struct rate rate;
    _Atomic int64_t now_us; /* one clock, which all push on */
    _Atomic uint64_t taken;
} shared;

static void *take_some(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < TURNS; i++) {
        int64_t now = atomic_fetch_add(&shared.now_us, 7) + 7;
        if (bucket_take(&shared.b, shared.rate, 1, now))
            atomic_fetch_add(&shared.taken, 1);
    }
    return NULL;
}

/* All of them together take what one could, to a token. */
static void threads_share_it_exactly(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    shared.rate = (struct rate){ 50000, 1000 };
    atomic_store(&shared.now_us, 1000000);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_some, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    double seconds = (double)(atomic_load(&shared.now_us) - 1000000) / 1e6;
    double could = seconds * (double)shared.rate.count;
    /* a thread that is behind with the clock may have to wait and others not; never more */
    assert_true((double)atomic_load(&shared.taken) <= could + (double)shared.rate.count / 100 + 1);
    assert_true((double)atomic_load(&shared.taken) >= could * 0.98 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_and_no_more),
        cmocka_unit_test(bursts_keep_the_limit),
        cmocka_unit_test(several_at_a_time),
        cmocka_unit_test(recipients_of_transactions),
        cmocka_unit_test(another_rate_forgives_nothing),
        cmocka_unit_test(great_numbers),
        cmocka_unit_test(threads_share_it_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
