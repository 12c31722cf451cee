/*
 * unit/test_io_wheel — proves io/timerwheel in virtual time
 *
 *   io/timerwheel in virtual time: against a plain model, at edges, and with a million nodes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/base/rnd.h"
#include "gateway/io/timerwheel.h"

static int64_t tick_after(int64_t due_ms, int64_t tick_ms)
{
    return (due_ms + tick_ms - 1) / tick_ms * tick_ms;
}

static void due_at_their_tick(void **state)
{
    (void)state;
    static const int64_t dues[] = { 1,     9,      10,     11,      639,     640,       641,
                                    40959, 40960,  40961,  2621440, 2621441, 167772161, 5000000000,
                                    10,    999999, 640000, 63 * 10, 64 * 10, 65 * 10 };
    enum { N = sizeof dues / sizeof dues[0] };
    for (int i = 0; i < N; i++) {
        struct wheel *w = wheel_new(10, 0);
        struct wheel_node node;
        wheel_node_init(&node);
        wheel_add(w, &node, dues[i]);
        assert_true(wheel_validate(w));
        int64_t want = tick_after(dues[i], 10);
        assert_true(wheel_next_ms(w) <= want);
        assert_null(wheel_pop(w, want - 1));
        assert_true(wheel_validate(w));
        assert_ptr_equal(wheel_pop(w, want), &node);
        assert_false(wheel_armed(&node));
        assert_int_equal(wheel_next_ms(w), INT64_MAX);
        wheel_free(&w);
    }
}

static void past_due_waits_one_tick(void **state)
{
    (void)state;
    struct wheel *w = wheel_new(10, 1000);
    struct wheel_node node;
    wheel_node_init(&node);
    wheel_add(w, &node, 5);
    assert_true(wheel_validate(w));
    assert_null(wheel_pop(w, 1009));
    assert_ptr_equal(wheel_pop(w, 1010), &node);
    wheel_add(w, &node, 1010); /* again from within the pop loop: does not come at once */
    assert_null(wheel_pop(w, 1010));
    wheel_del(w, &node);
    wheel_del(w, &node);
    assert_int_equal(wheel_count(w), 0);
    assert_true(wheel_validate(w));
    wheel_free(&w);
}

static void order_within_a_tick(void **state)
{
    (void)state;
    struct wheel *w = wheel_new(1000, 0);
    struct wheel_node nodes[5];
    for (int i = 0; i < 5; i++) {
        wheel_node_init(&nodes[i]);
        wheel_add(w, &nodes[i], 90000000);
    }
    wheel_del(w, &nodes[2]);
    static const int want[] = { 0, 1, 3, 4 };
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(wheel_pop(w, 90000000), &nodes[want[i]]);
    assert_null(wheel_pop(w, 90000000));
    wheel_free(&w);
}

/* Random adding, moving, removing and advancing: what comes out is what a list of dues says. */
static void agrees_with_a_plain_list(void **state)
{
    (void)state;
    enum { N = 500, STEPS = 40000, TICK = 10 };
    static struct wheel_node nodes[N];
    static int64_t due[N]; /* 0: not in */
    struct rnd rnd;
    rnd_seed(&rnd, 20261122);
    int64_t now = 123456;
    struct wheel *w = wheel_new(TICK, now);
    for (int i = 0; i < N; i++) {
        wheel_node_init(&nodes[i]);
        due[i] = 0;
    }
    for (int step = 0; step < STEPS; step++) {
        int i = (int)rnd_below(&rnd, N);
        if (rnd_below(&rnd, 10) == 0) {
            wheel_del(w, &nodes[i]);
            due[i] = 0;
        } else {
            int64_t span = (int64_t)1 << rnd_below(&rnd, 30);
            int64_t at = now + (int64_t)rnd_below(&rnd, (uint64_t)span) - 20;
            wheel_add(w, &nodes[i], at);
            int64_t earliest = now / TICK * TICK + TICK;
            due[i] = tick_after(at, TICK) < earliest ? earliest : tick_after(at, TICK);
        }
        now += (int64_t)rnd_below(&rnd, (uint64_t)1 << rnd_below(&rnd, 16));
        int64_t last = 0;
        for (struct wheel_node *node; (node = wheel_pop(w, now));) {
            long k = node - nodes;
            assert_true(due[k] > 0 && due[k] <= now);
            assert_true(due[k] >= last);
            last = due[k];
            due[k] = 0;
        }
        size_t left = 0;
        for (int k = 0; k < N; k++) {
            assert_true(due[k] == 0 || due[k] > now / TICK * TICK);
            left += due[k] != 0;
        }
        assert_int_equal(wheel_count(w), left);
        if (step % 100 == 0)
            assert_true(wheel_validate(w));
    }
    wheel_free(&w);
}

static void a_million_nodes(void **state)
{
    (void)state;
    enum { N = 1000000 };
    assert_true(sizeof(struct wheel_node) <= 32);
    struct wheel_node *nodes = mem_array(N, sizeof *nodes);
    struct wheel *w = wheel_new(1000, 0);
    struct rnd rnd;
    rnd_seed(&rnd, 7);
    for (size_t i = 0; i < N; i++) {
        wheel_node_init(&nodes[i]);
        wheel_add(w, &nodes[i], (int64_t)rnd_below(&rnd, 432000000));
    }
    size_t out = 0;
    int64_t last = 0;
    for (int64_t now = 0; now <= 432001000; now += 1000000)
        for (struct wheel_node *node; (node = wheel_pop(w, now)); out++) {
            int64_t tick = tick_after(node->due_ms, 1000);
            assert_true(tick >= last || tick <= 1000); /* 0 is filed under the first tick */
            last = tick;
        }
    while (wheel_pop(w, 432002000))
        out++;
    assert_int_equal(out, N);
    wheel_free(&w);
    free(nodes);
}

static void empty_and_far(void **state)
{
    (void)state;
    struct wheel *w = wheel_new(10, 0);
    struct wheel_node node;
    wheel_node_init(&node);
    assert_null(wheel_pop(w, 1000000000));
    wheel_add(w, &node, INT64_MAX); /* beyond what the wheel can tell: as late as it can */
    assert_true(wheel_validate(w));
    assert_null(wheel_pop(w, 4000000000000));
    wheel_free(&w);
    assert_null(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_at_their_tick),   cmocka_unit_test(past_due_waits_one_tick),
        cmocka_unit_test(order_within_a_tick), cmocka_unit_test(agrees_with_a_plain_list),
        cmocka_unit_test(a_million_nodes),     cmocka_unit_test(empty_and_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
