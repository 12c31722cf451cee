/*
 * tests/unit/test_queue_order — items in the scheduler's order: clients, slots, what comes back
 */
#include "tests/support/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

enum { LARGE = 2 * 1024 * 1024 };

static void submit(const char *client, enum lane lane, uint64_t bytes, int count)
{
    for (int i = 0; i < count; i++)
        queue_submit(w.queues[0], item_from(client, "fixed", lane, bytes));
    turn_a_little();
}

/* Taken as for a session of its own. */
static struct item *begin(void)
{
    struct item *item = take_next(w.last_site);
    if (item)
        slots_take(&w.last_site->order.slots, (enum lane)item->lane,
                   sched_is_large(item->body_size));
    return item;
}

static int begin_all(struct item **items)
{
    int n = 0;
    while ((items[n] = begin()))
        n++;
    return n;
}

static void finish(struct item **items, int n)
{
    for (int i = 0; i < n; i++)
        queue_finish(w.last_site->queue, &items[i]);
}

static void a_newcomer_is_not_behind_a_flood(void **state)
{
    (void)state;
    submit("192.0.2.1", LANE_NORMAL, 5000, 50);
    submit("192.0.2.2", LANE_NORMAL, 5000, 1);
    uint64_t flood = 0;
    for (int i = 0; i < 2; i++) {
        struct item *item = take_next(w.last_site);
        flood = i == 0 ? item->client : flood;
        assert_true(i == 0 || item->client != flood);
        queue_finish(w.last_site->queue, &item);
    }
}

/* Many recipients are several transactions, and each of them costs. */
static void what_takes_longer_costs_more(void **state)
{
    (void)state;
    submit("192.0.2.1", LANE_NORMAL, 5000, 40);
    submit("192.0.2.2", LANE_NORMAL, 5000, 40);
    uint64_t many = 0;
    int of_many = 0;
    for (int i = 0; i < 40; i++) {
        struct item *item = take_next(w.last_site);
        many = i == 0 ? item->client : many;
        if (item->client == many) {
            site_charge_again(item);
            site_charge_again(item);
            of_many++;
        }
        queue_finish(w.last_site->queue, &item);
    }
    assert_in_range(of_many, 9, 11); /* as many transactions as the other has */
}

/* What a client is told apart by comes out of the record: a restart does not change it. */
static void the_client_is_in_the_record(void **state)
{
    (void)state;
    struct spool_item record;
    struct item *one = item_from("192.0.2.1", "fixed", LANE_NORMAL, 1);
    struct item *two = item_from("192.0.2.2", "fixed", LANE_NORMAL, 1);
    item_record(one, &record);
    struct item *again = item_new(&record);
    assert_true(again->client == one->client && one->client != two->client);
    item_free(&one);
    item_free(&two);
    item_free(&again);
}

/* One host has all addresses of a /64 to send from: they have one share. */
static void addresses_of_one_host_are_one_client(void **state)
{
    static const char *const from[] = { "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8::1" };
    struct item *items[3];
    (void)state;
    for (int i = 0; i < 3; i++)
        items[i] = item_from(from[i], "fixed", LANE_NORMAL, 1);
    assert_true(items[0]->client == items[1]->client && items[0]->client != items[2]->client);
    for (int i = 0; i < 3; i++)
        item_free(&items[i]);
}

/* Given out and returned untried, again and again: it stays next, and its client pays nothing. */
static void what_comes_back_has_cost_nothing(void **state)
{
    (void)state;
    submit("192.0.2.1", LANE_NORMAL, 60000, 3);
    submit("192.0.2.2", LANE_NORMAL, 60000, 3);
    struct item *first = take_next(w.last_site);
    for (int i = 0; i < 10; i++) {
        queue_return(w.last_site->queue, first);
        assert_ptr_equal(take_next(w.last_site), first);
    }
    uint64_t client = first->client;
    queue_finish(w.last_site->queue, &first);
    for (int i = 0; i < 5; i++) { /* one of each in turn, from the other one on */
        struct item *item = take_next(w.last_site);
        assert_int_equal(item->client != client, i % 2 == 0);
        queue_finish(w.last_site->queue, &item);
    }
}

/* Of 20 connections bulk and normal mail have 16, high 2 more, urgent all. */
static void slots_are_kept_for_those_above(void **state)
{
    (void)state;
    struct item *items[64];
    int n = 0;
    submit("192.0.2.1", LANE_BULK, 5000, 12);
    submit("192.0.2.1", LANE_NORMAL, 5000, 12);
    n += begin_all(items);
    assert_int_equal(n, 16);
    submit("192.0.2.1", LANE_HIGH, 5000, 8);
    n += begin_all(items + n);
    assert_int_equal(n, 18);
    submit("192.0.2.1", LANE_URGENT, 5000, 8);
    n += begin_all(items + n);
    assert_int_equal(n, 20);
    assert_int_equal(items[19]->lane, LANE_URGENT);
    finish(items, n);
}

static void large_mail_has_a_quarter(void **state)
{
    (void)state;
    struct item *items[64];
    submit("192.0.2.1", LANE_NORMAL, LARGE, 12);
    int n = begin_all(items);
    assert_int_equal(n, 5);
    submit("192.0.2.1", LANE_NORMAL, 5000, 12);
    n += begin_all(items + n);
    assert_int_equal(n, 16);
    finish(items, n);
}

/* All of a flow at once, whoever it is from and however large. */
static void a_flow_is_put_off_whole(void **state)
{
    (void)state;
    struct flow *flow = NULL;
    submit("192.0.2.1", LANE_NORMAL, 5000, 4);
    submit("192.0.2.2", LANE_BULK, LARGE, 3);
    assert_non_null(site_front(w.last_site, NULL, SCHED_SLOT, &flow));
    flow_failed(flow, "no egress");
    assert_int_equal(site_ready(w.last_site), 0);
    assert_int_equal(flow_ready(flow), 0);
    assert_int_equal(w.last_site->waiting, 7);
    assert_null(take_next(w.last_site));
    queue_wake(w.last_site->queue, w.last_site); /* an egress is back */
    turn_a_little();
    assert_int_equal(site_ready(w.last_site), 7);
    site_failed(w.last_site, "no host answers"); /* that is not mended by an egress */
    queue_wake(w.last_site->queue, w.last_site);
    turn_a_little();
    assert_int_equal(w.last_site->waiting, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_newcomer_is_not_behind_a_flood), T(what_takes_longer_costs_more),
        T(the_client_is_in_the_record),      T(addresses_of_one_host_are_one_client),
        T(what_comes_back_has_cost_nothing), T(slots_are_kept_for_those_above),
        T(large_mail_has_a_quarter),         T(a_flow_is_put_off_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
