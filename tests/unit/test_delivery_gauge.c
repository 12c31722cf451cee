/*
 * tests/unit/test_delivery_gauge — counts of limits that all workers share
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/base/rnd.h"
#include "gateway/delivery/gauge.h"

#define SECOND INT64_C(1000000)

static int set_up(void **state)
{
    *state = gauges_new();
    return 0;
}

static int tear_down(void **state)
{
    struct gauges *all = *state;
    gauges_free(&all);
    return 0;
}

static struct traffic_toll toll_of(uint64_t key, uint64_t count, int64_t per_ms)
{
    struct traffic_toll t = { .key = key };
    t.rate[TRAFFIC_MESSAGES] = (struct rate){ count, per_ms };
    return t;
}

static bool take(struct gauge *g, const struct traffic_toll *t, int64_t now_us)
{
    return gauge_take(g, TRAFFIC_MESSAGES, t->rate[TRAFFIC_MESSAGES], 1, now_us);
}

static int64_t wait_us(struct gauge *g, const struct traffic_toll *t, enum lane lane,
                       int64_t now_us)
{
    return gauge_wait_us(g, TRAFFIC_MESSAGES, t->rate[TRAFFIC_MESSAGES], lane, now_us);
}

/* A reload lets go of a gauge and takes it again, with another rate: what was taken stays so. */
static void what_was_taken_outlives_its_users(void **state)
{
    struct gauges *all = *state;
    struct traffic_toll slow = toll_of(7, 1, 3600000), fast = toll_of(7, 60, 3600000);
    struct traffic_toll other = toll_of(7 + 4096, 1, 1000); /* of the same chain */
    struct gauge *g = gauge_get(all, &slow, SECOND);
    assert_true(take(g, &slow, SECOND));
    gauge_put(all, &g);
    g = gauge_get(all, &other, 2 * SECOND);
    gauge_put(all, &g);
    g = gauge_get(all, &slow, 3 * SECOND);
    assert_false(take(g, &slow, 3 * SECOND));
    gauge_put(all, &g);
    g = gauge_get(all, &fast, 3 * SECOND); /* one token is owed still: a minute of this rate */
    assert_in_range(wait_us(g, &fast, LANE_BULK, 3 * SECOND), 55 * SECOND, 62 * SECOND);
    gauge_put(all, &g);
}

/* Urgent mail that waits for a token gets the next one. */
static void urgent_mail_goes_first(void **state)
{
    struct gauges *all = *state;
    struct traffic_toll t = toll_of(1, 1, 1000);
    struct gauge *g = gauge_get(all, &t, SECOND);
    assert_true(take(g, &t, SECOND));
    int64_t wait = wait_us(g, &t, LANE_URGENT, SECOND), due = SECOND + wait;
    assert_true(wait > 0);
    assert_true(wait_us(g, &t, LANE_BULK, due) > 0);
    assert_true(wait_us(g, &t, LANE_HIGH, due) > 0);
    assert_int_equal(wait_us(g, &t, LANE_URGENT, due), 0);
    assert_true(take(g, &t, due));
    wait = wait_us(g, &t, LANE_URGENT, due); /* one that does not come back keeps nobody waiting */
    assert_int_equal(wait_us(g, &t, LANE_BULK, due + wait + GAUGE_URGENT_US), 0);
    gauge_put(all, &g);
}

/* One limit of messages and of bytes: urgent mail that waits for the first asks the second, too,
 * and has all it wants of that. What it waits for stays its own, and only that. */
static void urgent_mail_is_first_at_each_rate_by_itself(void **state)
{
    struct gauges *all = *state;
    struct traffic_toll t = toll_of(1, 1, 1000);
    t.rate[TRAFFIC_BYTES] = (struct rate){ 1000000, 1000 };
    struct gauge *g = gauge_get(all, &t, SECOND);
    assert_true(take(g, &t, SECOND));
    int64_t due = SECOND + wait_us(g, &t, LANE_URGENT, SECOND);
    struct rate bytes = t.rate[TRAFFIC_BYTES];
    assert_int_equal(gauge_wait_us(g, TRAFFIC_BYTES, bytes, LANE_URGENT, SECOND), 0);
    assert_true(wait_us(g, &t, LANE_BULK, due) > 0);
    assert_int_equal(gauge_wait_us(g, TRAFFIC_BYTES, bytes, LANE_BULK, due), 0);
    assert_int_equal(wait_us(g, &t, LANE_URGENT, due), 0);
    gauge_put(all, &g);
}

static void connections_are_counted(void **state)
{
    struct gauges *all = *state;
    struct traffic_toll t = { .key = 9, .connections = 2 };
    struct gauge *g = gauge_get(all, &t, 0), *again = gauge_get(all, &t, 0);
    assert_ptr_equal(g, again);
    assert_true(gauge_connect(g, 2, SECOND));
    assert_true(gauge_connect(again, 2, SECOND));
    assert_false(gauge_is_wanted(g, SECOND));
    assert_false(gauge_connect(g, 2, SECOND));
    assert_true(gauge_is_wanted(again, SECOND));
    assert_false(gauge_is_wanted(again, SECOND + GAUGE_WANTED_US));
    gauge_disconnect(again);
    assert_int_equal(gauge_connections(g), 1);
    assert_true(gauge_connect(g, 2, SECOND));
    gauge_disconnect(g);
    gauge_disconnect(g);
    gauge_put(all, &g);
    gauge_put(all, &again);
}

/* One that is being closed still counts; nobody else has to end for it. */
static void what_is_being_closed_counts(void **state)
{
    struct gauges *all = *state;
    struct traffic_toll t = { .key = 9, .connections = 1 };
    struct gauge *g = gauge_get(all, &t, 0);
    assert_true(gauge_connect(g, 1, SECOND));
    gauge_part(g);
    assert_int_equal(gauge_connections(g), 1);
    assert_int_equal(gauge_staying(g), 0);
    assert_false(gauge_connect(g, 1, SECOND));
    assert_false(gauge_is_wanted(g, SECOND));
    gauge_parted(g);
    assert_true(gauge_connect(g, 1, SECOND));
    assert_int_equal(gauge_staying(g), 1);
    gauge_disconnect(g);
    gauge_put(all, &g);
}

/* ---- threads ---- */

enum { THREADS = 4, TURNS = 30000, MOST = 5 };

static struct shared {
    struct gauges *all;
    _Atomic uint32_t now_open, highest;
} shared;

static void note_open(void)
{
    uint32_t n = atomic_fetch_add(&shared.now_open, 1) + 1, highest = atomic_load(&shared.highest);
    while (n > highest && !atomic_compare_exchange_weak(&shared.highest, &highest, n))
        ;
}

/* Gauges come and go while others use them. */
static void *come_and_go(void *arg)
{
    struct rnd rnd;
    struct traffic_toll t = { .key = 3, .connections = MOST };
    rnd_seed(&rnd, (uintptr_t)arg);
    for (unsigned i = 0; i < TURNS; i++) {
        struct gauge *g = gauge_get(shared.all, &t, SECOND);
        if (gauge_connect(g, MOST, SECOND)) {
            note_open();
            for (uint64_t n = rnd_below(&rnd, 50); n; n--)
                atomic_load(&shared.highest);
            atomic_fetch_sub(&shared.now_open, 1);
            gauge_disconnect(g);
        }
        gauge_put(shared.all, &g);
    }
    return NULL;
}

static void never_more_connections_than_allowed(void **state)
{
    pthread_t threads[THREADS];
    shared = (struct shared){ .all = *state };
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct traffic_toll t = { .key = 3, .connections = MOST };
    struct gauge *g = gauge_get(shared.all, &t, SECOND);
    assert_in_range(atomic_load(&shared.highest), 1, MOST);
    assert_int_equal(gauge_connections(g), 0);
    gauge_put(shared.all, &g);
}

int main(void)
{
#define GAUGE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        GAUGE_TEST(what_was_taken_outlives_its_users),
        GAUGE_TEST(urgent_mail_goes_first),
        GAUGE_TEST(urgent_mail_is_first_at_each_rate_by_itself),
        GAUGE_TEST(connections_are_counted),
        GAUGE_TEST(what_is_being_closed_counts),
        GAUGE_TEST(never_more_connections_than_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
