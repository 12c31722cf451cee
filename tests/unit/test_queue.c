/*
 * tests/unit/test_queue — items find their site and owner, lanes keep their order, mail waits,
 * sites back off, reloads
 */
#include "tests/support/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include <malloc.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

static void one_owner_for_a_site(void **state)
{
    (void)state;
    w.take = true;
    for (int i = 0; i < 20; i++) {
        queue_submit(w.queues[i % 2], item_to("fixed", "u@fixed.example", LANE_NORMAL));
        queue_submit(w.queues[i % 2], item_to("default/[127.0.0.5]", "u@[127.0.0.5]", LANE_NORMAL));
    }
    assert_true(turn_until_taken(40));
    struct queue *fixed = NULL, *literal = NULL;
    for (size_t i = 0; i < 40; i++) {
        struct queue **owner = slice_eq_str(item_route(w.taken[i]), "fixed") ? &fixed : &literal;
        if (!*owner)
            *owner = w.taken_from[i];
        assert_ptr_equal(*owner, w.taken_from[i]);
        assert_int_equal(w.taken[i]->state, ITEM_BUSY);
        assert_ptr_equal(w.taken[i]->site->queue, w.taken_from[i]);
    }
    finish_all();
}

static void lanes_in_order(void **state)
{
    (void)state;
    static const enum lane in[] = { LANE_BULK, LANE_NORMAL, LANE_URGENT, LANE_HIGH, LANE_NORMAL };
    static const enum lane out[] = { LANE_URGENT, LANE_HIGH, LANE_NORMAL, LANE_NORMAL, LANE_BULK };
    for (size_t i = 0; i < 5; i++)
        queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", in[i]));
    turn_a_little();
    assert_int_equal(site_ready(w.last_site), 5);
    for (size_t i = 0; i < 5; i++) {
        struct item *item = take_next(w.last_site);
        assert_int_equal(item->lane, out[i]);
        queue_finish(w.last_site->queue, &item);
    }
    assert_null(take_next(w.last_site));
}

static void bulk_has_its_turn(void **state)
{
    int bulk = 0;
    (void)state;
    for (int i = 0; i < 200; i++)
        queue_submit(w.queues[0],
                     item_to("fixed", "u@fixed.example", i % 2 ? LANE_BULK : LANE_NORMAL));
    turn_a_little();
    for (int i = 0; i < 100; i++) {
        struct item *item = take_next(w.last_site);
        bulk += item->lane == LANE_BULK;
        queue_finish(w.last_site->queue, &item);
    }
    assert_int_equal(bulk, 20);
}

/* What is shown in front is what is taken, also when it is bulk's turn. */
static void front_is_what_comes_next(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        queue_submit(w.queues[0],
                     item_to("fixed", "u@fixed.example", i % 2 ? LANE_BULK : LANE_NORMAL));
    turn_a_little();
    struct flow *flow = NULL;
    for (int i = 0; i < 19; i++) {
        struct item *front = site_front(w.last_site, NULL, SCHED_SLOT, &flow);
        assert_int_equal(front->state, ITEM_READY);
        assert_ptr_equal(site_front(w.last_site, flow, SCHED_SLOT, &flow), front);
        assert_ptr_equal(take_next(w.last_site), front);
        queue_finish(w.last_site->queue, &front);
    }
    flow_put_off(flow, site_front(w.last_site, NULL, SCHED_SLOT, &flow), "not now");
    assert_null(site_front(w.last_site, NULL, SCHED_SLOT, &flow));
    assert_int_equal(w.last_site->waiting, 1);
    assert_string_equal(w.last_site->last_error, "not now");
}

static void deferred_comes_back(void **state)
{
    (void)state;
    w.take = true;
    queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    assert_true(turn_until_taken(1));
    struct item *item = w.taken[0];
    struct queue *q = w.taken_from[0];
    w.taken_n = 0;
    queue_defer(q, item, clock_wall_ms() + 300);
    assert_int_equal(item->state, ITEM_WAITING);
    assert_int_equal(item->site->waiting, 1);
    assert_true(turn_until_taken(1));
    assert_ptr_equal(w.taken[0], item);
    assert_true(clock_wall_ms() >= item->due_ms);
    finish_all();
}

static void returned_goes_first(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    turn_a_little();
    struct item *first = take_next(w.last_site);
    queue_return(w.last_site->queue, first);
    assert_ptr_equal(take_next(w.last_site), first);
    queue_finish(w.last_site->queue, &first);
}

static void backoff_puts_off_and_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    turn_a_little();
    struct site *site = w.last_site;
    struct item *tried = take_next(site);
    site_failed(site, "connection refused");
    assert_int_equal(site_ready(site), 0);
    assert_int_equal(site->waiting, 2);
    assert_string_equal(site->last_error, "connection refused");
    queue_return(site->queue, tried); /* not tried again before the back-off ends */
    assert_int_equal(tried->state, ITEM_WAITING);
    assert_int_equal(tried->attempts, 0);
    queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_URGENT));
    turn_a_little();
    assert_int_equal(site->waiting, 4);
    int64_t first = site->backoff_until_ms;
    site_failed(site, "again");
    assert_true(site->backoff_until_ms > first);
    site_succeeded(site);
    w.take = true;
    struct queue_filter all = { 0 };
    assert_int_equal(queue_act(site->queue, &all, QUEUE_RETRY), 4);
    assert_true(turn_until_taken(4));
    finish_all();
}

static void expired_is_trouble(void **state)
{
    (void)state;
    struct item *item = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    item->expire_ms = clock_wall_ms() + 200;
    item->due_ms = clock_wall_ms() + 3600000;
    queue_submit(w.queues[0], item);
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble_n, 1);
    assert_int_equal(w.trouble[0], TROUBLE_EXPIRED);
    finish_all();
}

static void expired_in_a_lane_is_trouble(void **state)
{
    (void)state;
    struct item *item = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    queue_submit(w.queues[0], item);
    turn_a_little();
    item->expire_ms = 1;
    assert_null(take_next(w.last_site));
    assert_int_equal(w.trouble[0], TROUBLE_EXPIRED);
    finish_all();
}

static void reload_takes_the_route_away(void **state)
{
    (void)state;
    queue_submit(w.queues[0], item_to("other", "u@[127.0.0.5]", LANE_NORMAL));
    turn_a_little();
    struct policies *p = policies_of("routes: [ { name: default } ]\n");
    w.take = true;
    for (int i = 0; i < WORKERS; i++)
        queue_reconfigure(w.queues[i], p);
    assert_true(turn_until_taken(1));
    assert_true(slice_eq_str(item_key(w.taken[0]), "default/[127.0.0.5]"));
    assert_int_equal(w.trouble_n, 0);
    finish_all();
    policies_unref(&p);
}

static void undecided_route_is_decided_by_the_mx(void **state)
{
    (void)state;
    struct policies *p = policies_of(
        "routes:\n"
        "  - { name: near, when: { mx: \"[127.0.0.5]\" }, hosts: [\"127.0.0.9:2600\"] }\n"
        "  - { name: default }\n");
    for (int i = 0; i < WORKERS; i++)
        queue_reconfigure(w.queues[i], p);
    w.take = true;
    queue_submit(w.queues[0], item_to("*/[127.0.0.5]", "u@[127.0.0.5]", LANE_NORMAL));
    queue_submit(w.queues[1], item_to("*/[127.0.0.6]", "u@[127.0.0.6]", LANE_NORMAL));
    assert_true(turn_until_taken(2));
    for (size_t i = 0; i < 2; i++)
        assert_true(slice_eq_str(item_key(w.taken[i]), "near") ||
                    slice_eq_str(item_key(w.taken[i]), "default/[127.0.0.6]"));
    finish_all();
    policies_unref(&p);
}

static void loaded_items_wait_for_their_time(void **state)
{
    (void)state;
    struct item *later = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    struct item *held = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    later->due_ms = clock_wall_ms() + 3600000;
    held->due_ms = ITEM_DUE_HELD;
    w.take = true;
    queue_load(w.queues[0], later);
    queue_load(w.queues[0], held);
    queue_load(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    assert_true(turn_until_taken(1));
    turn_a_little();
    assert_int_equal(w.taken_n, 1);
    assert_int_equal(later->state, ITEM_WAITING);
    assert_int_equal(held->state, ITEM_HELD);
    finish_all();
}

/* The gateway was off for longer than mail may wait: what it finds is tried, then returned. */
static void loaded_after_its_time_is_tried(void **state)
{
    (void)state;
    struct item *item = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    item->due_ms = item->expire_ms = clock_wall_ms() - 86400000;
    w.take = true;
    queue_load(w.queues[0], item);
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble_n, 0);
    assert_true(item->expire_ms < clock_wall_ms() + 3600000);
    finish_all();
}

static void a_waiting_item_is_small(void **state)
{
    (void)state;
    struct item *item = item_to("default/destination.example.org",
                                "some.recipient@destination.example.org", LANE_NORMAL);
    assert_true(malloc_usable_size(item) + 16 <= 500);
    item_free(&item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_owner_for_a_site),
        T(lanes_in_order),
        T(bulk_has_its_turn),
        T(front_is_what_comes_next),
        T(deferred_comes_back),
        T(returned_goes_first),
        T(backoff_puts_off_and_ends),
        T(expired_is_trouble),
        T(expired_in_a_lane_is_trouble),
        T(reload_takes_the_route_away),
        T(undecided_route_is_decided_by_the_mx),
        T(loaded_items_wait_for_their_time),
        T(loaded_after_its_time_is_tried),
        T(a_waiting_item_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
