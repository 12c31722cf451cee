/*
 * test_spread — percentiles of a spread against those of all its values, in the history, too
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "gateway/base/rnd.h"
#include "gateway/report/store.h"
#include "probes/spread.h"
#include "tests/support/temp_dir.h"

enum { VALUES = 10000, PARTS = 60 };

static const double ERROR = 0.01; /* what the header promises */
static const double quantiles[] = {
    0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1
};

/* ---- times as they come ---- */

static double even(struct rnd *r)
{
    return 1 + 99 * rnd_unit(r);
}

static double waiting(struct rnd *r)
{
    return -50 * log(1 - rnd_unit(r));
}

/* Of both signs, mostly small: a sum of even ones. */
static double bell(struct rnd *r)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += rnd_unit(r);
    return sum;
}

static double round_trips(struct rnd *r)
{
    return 20 * exp(0.4 * bell(r));
}

static double of_many_paths(struct rnd *r)
{
    return 60 * exp(1.3 * bell(r));
}

/* One in twenty has lost its first packet. */
static double with_lost_packets(struct rnd *r)
{
    return 18 + 4 * rnd_unit(r) + (rnd_unit(r) < 0.05 ? 1000 : 0);
}

static double long_tailed(struct rnd *r)
{
    return 5 * pow(1 - rnd_unit(r), -1 / 1.5);
}

static double always_the_same(struct rnd *r)
{
    (void)r;
    return 12.5;
}

static double from_loopback_to_time_out(struct rnd *r)
{
    return 0.5 * pow(20000, rnd_unit(r));
}

static double (*const drawn[])(struct rnd *) = {
    even,        waiting,           round_trips,     of_many_paths,
    long_tailed, with_lost_packets, always_the_same, from_loopback_to_time_out
};
enum { KINDS = sizeof drawn / sizeof drawn[0] };

/* A spread is some pages of memory: those of a test are kept off the stack. */
static void empty(struct spread *const *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memset(all[i], 0, sizeof *all[i]);
}

#define EMPTY(...)                                                                                 \
    empty((struct spread *const[]){ __VA_ARGS__ },                                                 \
          sizeof((struct spread *const[]){ __VA_ARGS__ }) / sizeof(struct spread *))

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double exact(const double *sorted, size_t n, double q)
{
    size_t rank = (size_t)ceil(q * (double)n);
    return sorted[rank ? rank - 1 : 0];
}

static void assert_within(double value, double want, double share)
{
    if (fabs(value - want) > share * want)
        fail_msg("%g instead of %g", value, want);
}

static void assert_same(const struct spread *a, const struct spread *b)
{
    assert_int_equal(a->used, b->used);
    assert_memory_equal(a->at, b->at, a->used * sizeof a->at[0]);
}

static void test_within_one_percent(void **state)
{
    static double values[VALUES];
    static struct spread s;
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct rnd r;
        EMPTY(&s);
        rnd_seed(&r, kind);
        for (int i = 0; i < VALUES; i++) {
            values[i] = drawn[kind](&r);
            spread_add(&s, values[i]);
        }
        qsort(values, VALUES, sizeof values[0], by_value);
        assert_int_equal(spread_count(&s), VALUES);
        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
            assert_within(spread_quantile(&s, quantiles[i]), exact(values, VALUES, quantiles[i]),
                          ERROR);
    }
}

/* Whoever adds up the parts, in whatever order, has the spread of the whole, to the last count. */
static void test_parts_make_the_whole(void **state)
{
    static struct spread part[PARTS], whole, forth, back, pairs, two;
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct rnd r;
        memset(part, 0, sizeof part);
        EMPTY(&whole, &forth, &back, &pairs);
        rnd_seed(&r, kind);
        for (int i = 0; i < VALUES; i++) {
            double value = drawn[kind](&r);
            spread_add(&whole, value);
            spread_add(&part[rnd_below(&r, PARTS - 1)], value); /* the last one stays empty */
        }
        for (int i = 0; i < PARTS; i++) {
            spread_merge(&forth, &part[i]);
            spread_merge(&back, &part[PARTS - 1 - i]);
        }
        for (int i = 0; i < PARTS; i += 2) {
            two = part[i];
            spread_merge(&two, &part[i + 1]);
            spread_merge(&pairs, &two);
        }
        assert_same(&whole, &forth);
        assert_same(&whole, &back);
        assert_same(&whole, &pairs);
    }
}

/* From a microsecond to eleven days: more than there are buckets. Nothing is lost, what is within
 * 25,000 times of the largest is as right as ever, and the rest is called no shorter than it is. */
static void test_too_wide_to_keep_apart(void **state)
{
    static double values[VALUES];
    static struct spread s, merged, one;
    struct rnd r;
    (void)state;
    rnd_seed(&r, 3);
    EMPTY(&s, &merged);
    for (int i = 0; i < VALUES; i++) {
        EMPTY(&one);
        values[i] = 0.001 * pow(1e12, rnd_unit(&r));
        spread_add(&s, values[i]);
        spread_add(&one, values[i]);
        spread_merge(&merged, &one);
    }
    qsort(values, VALUES, sizeof values[0], by_value);
    assert_same(&s, &merged);
    assert_int_equal(s.used, SPREAD_BUCKETS);
    assert_int_equal(spread_count(&s), VALUES);
    for (double q = 0; q <= 1; q += 0.01) {
        double want = exact(values, VALUES, q), got = spread_quantile(&s, q);
        if (want > values[VALUES - 1] / 25000)
            assert_within(got, want, ERROR);
        assert_true(got >= want * (1 - ERROR));
    }
}

static void test_none_and_one(void **state)
{
    static struct spread none, one, both;
    (void)state;
    EMPTY(&none, &one, &both);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        assert_true(spread_quantile(&none, quantiles[i]) < 0);
    assert_int_equal(spread_count(&none), 0);
    spread_add(&one, 37);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        assert_within(spread_quantile(&one, quantiles[i]), 37, ERROR);
    spread_merge(&both, &none);
    assert_int_equal(both.used, 0);
    spread_merge(&both, &one);
    spread_merge(&both, &none);
    assert_same(&both, &one);
}

static void test_odd_values(void **state)
{
    static const struct {
        double value, counts_as; /* 0: not at all */
    } rows[] = {
        { (double)NAN, 0 }, { -1, 0 },         { -HUGE_VAL, 0 },  { -1e-300, 0 },   { 0, 0.001 },
        { -0.0, 0.001 },    { 1e-300, 0.001 }, { 0.0009, 0.001 }, { 0.001, 0.001 }, { 1e9, 1e9 },
        { 1e10, 1e9 },      { 1e300, 1e9 },    { HUGE_VAL, 1e9 },
    };
    static struct spread s;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EMPTY(&s);
        spread_add(&s, rows[i].value);
        assert_int_equal(spread_count(&s), rows[i].counts_as > 0);
        if (rows[i].counts_as > 0)
            assert_within(spread_quantile(&s, 0.5), rows[i].counts_as, ERROR);
    }
}

/* A count stays at its most; it does not begin anew. */
static void test_counts_end_somewhere(void **state)
{
    static struct spread s = { .used = 2, .at = { { 10, UINT32_MAX - 1 }, { 20, UINT32_MAX } } };
    static const struct spread more = { .used = 2, .at = { { 10, 5 }, { 20, UINT32_MAX } } };
    (void)state;
    spread_merge(&s, &more);
    assert_int_equal(s.at[0].count, UINT32_MAX);
    assert_int_equal(s.at[1].count, UINT32_MAX);
    assert_int_equal(spread_count(&s), 2 * (uint64_t)UINT32_MAX);
    assert_within(spread_quantile(&s, 0.5), pow(1.02, 10), ERROR);
}

/* What is packed comes back, the largest there can be, too. */
static void test_kept(void **state)
{
    static struct spread s, again;
    struct buf out;
    struct rnd r;
    (void)state;
    rnd_seed(&r, 5);
    EMPTY(&s);
    for (int full = 0; full < 3; full++) {
        for (int i = 0; i < full * VALUES; i++)
            spread_add(&s, 0.001 * pow(1e12, rnd_unit(&r)));
        for (uint32_t i = 0; full == 2 && i < s.used; i++)
            s.at[i].count = UINT32_MAX;
        buf_init(&out, SPREAD_PACKED_MAX);
        spread_pack(&s, &out);
        assert_false(out.full);
        assert_int_equal(spread_unpack(buf_slice(&out), &again), RC_OK);
        assert_same(&s, &again);
        for (size_t n = 0; n < buf_len(&out);
             n++) /* cut off: nothing, or what was before the cut */
            if (spread_unpack((struct slice){ buf_slice(&out).p, n }, &again) != RC_OK)
                assert_int_equal(again.used, 0);
        buf_free(&out);
    }
}

/* ---- in the history ---- */

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, MINUTES = 60, EACH = 40 };
#define DAY_MS (24ll * HOUR_MS)
#define BEGIN_MS (1795352400000ll - 1795352400000ll % HOUR_MS) /* a whole hour in 2026 */

/* The last line of the answer: of the whole time, or of the last span in it. */
static void assert_percentiles(struct store *store, enum history_what what, int64_t now_ms,
                               int64_t since_ms, double *values, size_t n)
{
    struct history_question q = { .what = what,
                                  .now_ms = now_ms,
                                  .since_ms = since_ms,
                                  .egress = SLICE_LIT("a"),
                                  .carrier = SLICE_LIT("c"),
                                  .region = SLICE_LIT("r") };
    struct err err;
    struct buf lines;
    struct slice line = SLICE_LIT(""), rest;
    buf_init(&lines, 1 << 20);
    assert_int_equal(store_ask(store, &q, &lines, &err), RC_OK);
    for (rest = buf_slice(&lines); rest.n;)
        slice_cut(rest, '\n', &line, &rest);
    json_t *row = json_loadb(line.p, line.n, 0, NULL);
    assert_non_null(row);
    qsort(values, n, sizeof values[0], by_value);
    assert_within(json_number_value(json_object_get(row, "connect_p50_ms")), exact(values, n, 0.50),
                  1.1 * ERROR);
    assert_within(json_number_value(json_object_get(row, "connect_p95_ms")), exact(values, n, 0.95),
                  1.1 * ERROR);
    json_decref(row);
    buf_free(&lines);
}

/* Each minute has times of its own, from 2 to 1000 ms in the middle and 10 times more and less: the
 * percentiles of any longer time are those of all its values, and no mean of percentiles. */
static void test_rolled_up(void **state)
{
    static double values[MINUTES * EACH], last_five[5 * EACH];
    static struct spread connect;
    char folder[64];
    struct store *store;
    struct err err;
    struct rnd r;
    (void)state;
    rnd_seed(&r, 17);
    temp_dir_make(folder, sizeof folder);
    assert_int_equal(store_open(folder, &store, &err), RC_OK);
    for (int i = 0; i < MINUTES; i++) {
        double middle = 2 * pow(500, (double)i / (MINUTES - 1));
        EMPTY(&connect);
        for (int k = 0; k < EACH; k++) {
            values[i * EACH + k] = middle * pow(10, 2 * rnd_unit(&r) - 1);
            spread_add(&connect, values[i * EACH + k]);
        }
        struct store_row row = { .minute = { .egress = SLICE_LIT("a"),
                                             .carrier = SLICE_LIT("c"),
                                             .region = SLICE_LIT("r"),
                                             .connect = &connect,
                                             .samples = EACH } };
        assert_int_equal(store_minute(store, BEGIN_MS + i * MINUTE_MS, &row, &err), RC_OK);
    }
    memcpy(last_five, values + (MINUTES - 5) * EACH, sizeof last_five);
    static const int64_t by_minutes = BEGIN_MS + HOUR_MS - 1, by_five = BEGIN_MS + 2 * DAY_MS,
                         by_hours = BEGIN_MS + 10 * DAY_MS;
    assert_percentiles(store, HISTORY_LINKS, by_minutes, BEGIN_MS + 55ll * MINUTE_MS, last_five,
                       5 * EACH);
    assert_percentiles(store, HISTORY_SERIES, by_five, BEGIN_MS, last_five, 5 * EACH);
    assert_percentiles(store, HISTORY_LINKS, by_minutes, BEGIN_MS, values, MINUTES * EACH);
    assert_percentiles(store, HISTORY_LINKS, by_five, BEGIN_MS, values, MINUTES * EACH);
    assert_percentiles(store, HISTORY_LINKS, by_hours, BEGIN_MS, values, MINUTES * EACH);
    assert_percentiles(store, HISTORY_SERIES, by_hours, BEGIN_MS, values, MINUTES * EACH);
    store_close(&store);
    temp_dir_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_within_one_percent),
        cmocka_unit_test(test_parts_make_the_whole),
        cmocka_unit_test(test_too_wide_to_keep_apart),
        cmocka_unit_test(test_none_and_one),
        cmocka_unit_test(test_odd_values),
        cmocka_unit_test(test_counts_end_somewhere),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_rolled_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
