/*
 * tests/unit/test_queue_operator — an operator looks, holds, releases, drops; counts always agree
 */
#include "tests/support/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/mail/envelope.h"

static void operator_holds_and_releases(void **state)
{
    (void)state;
    struct item *item = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    struct queue_filter mine = { .by_id = true, .id = item->id };
    struct queue_filter other = { .by_id = true, .id = { .ms = 99 } };
    queue_submit(w.queues[0], item);
    turn_a_little();
    struct queue *q = w.last_site->queue;
    assert_int_equal(queue_act(q, &other, QUEUE_HOLD), 0);
    assert_int_equal(queue_act(q, &mine, QUEUE_HOLD), 1);
    assert_int_equal(item->state, ITEM_HELD);
    assert_int_equal(site_ready(w.last_site), 0);
    assert_int_equal(w.last_site->held, 1);
    assert_int_equal(queue_act(q, &mine, QUEUE_RETRY), 0);
    w.take = true;
    assert_int_equal(queue_act(q, &mine, QUEUE_RELEASE), 1);
    assert_true(turn_until_taken(1));
    assert_true(w.held_n == 1 && w.released_n == 1);
    assert_int_equal(queue_act(q, &mine, QUEUE_DROP), 1); /* BUSY: when the attempt ends */
    w.taken_n = 0;
    queue_defer(q, item, clock_wall_ms() + 1000);
    assert_int_equal(w.trouble[0], TROUBLE_DROP);
    assert_int_equal(item->state, ITEM_BUSY);
    finish_all();
}

/* Of what is on a session it is decided when the attempt ends, by what was said last. */
static void what_is_to_be_held_is_released(void **state)
{
    struct queue_filter all = { 0 };
    (void)state;
    w.take = true;
    queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    assert_true(turn_until_taken(1));
    struct item *item = w.taken[--w.taken_n];
    struct queue *q = w.taken_from[w.taken_n];
    assert_int_equal(queue_act(q, &all, QUEUE_RELEASE), 0);
    assert_int_equal(queue_act(q, &all, QUEUE_HOLD), 1);
    assert_int_equal(queue_act(q, &all, QUEUE_RELEASE), 1);
    queue_defer(q, item, clock_wall_ms() + 3600000);
    assert_int_equal(item->state, ITEM_WAITING);
    assert_int_equal(w.held_n, 0);
    queue_act(q, &all, QUEUE_RETRY);
    assert_true(turn_until_taken(1));
    finish_all();
}

/* Nor does mail leave whose MX hosts are being asked for. */
static void what_is_looked_up_is_held(void **state)
{
    struct queue_filter all = { 0 };
    struct queue *q = w.queues[0];
    (void)state;
    struct item *item = item_to("default/nowhere.example", "u@nowhere.example", LANE_NORMAL);
    queue_submit(q, item);
    assert_int_equal(item->state, ITEM_ROUTING);
    assert_int_equal(queue_act(q, &all, QUEUE_HOLD), 1);
    assert_int_equal(item->state, ITEM_HELD);
    turn_a_little();
    assert_int_equal(item->state, ITEM_HELD);
    assert_int_equal(w.held_n, 1);
    assert_int_equal(queue_act(q, &all, QUEUE_RELEASE), 1);
    assert_int_not_equal(item->state, ITEM_HELD);
    finish_all();
}

static void filters(void **state)
{
    (void)state;
    static const struct {
        const char *to, *from, *domain, *site;
        size_t n;
    } rows[] = {
        { "*@fixed.example", NULL, NULL, NULL, 1 },
        { NULL, "ALICE@*", NULL, NULL, 2 },
        { NULL, "bob@*", NULL, NULL, 0 },
        { NULL, NULL, "[127.0.0.5]", NULL, 1 },
        { NULL, NULL, NULL, "*127.0.0.9:2600", 1 },
        { NULL, NULL, NULL, "fixed", 1 },
        { "*@fixed.example", "x@y", NULL, NULL, 0 },
    };
    struct arena *arena = arena_new(512);
    queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    queue_submit(w.queues[0], item_to("default/[127.0.0.5]", "u@[127.0.0.5]", LANE_BULK));
    turn_a_little();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct queue_filter f = { .by_to = rows[i].to,
                                  .by_from = rows[i].from,
                                  .by_domain = rows[i].domain,
                                  .by_site = rows[i].site };
        pattern_compile(arena, slice_of(rows[i].to), &f.to);
        pattern_compile(arena, slice_of(rows[i].from), &f.from);
        pattern_compile(arena, slice_of(rows[i].domain), &f.domain);
        pattern_compile(arena, slice_of(rows[i].site), &f.site);
        size_t n = queue_act(w.queues[0], &f, QUEUE_HOLD) + queue_act(w.queues[1], &f, QUEUE_HOLD);
        assert_int_equal(n, rows[i].n);
        queue_act(w.queues[0], &f, QUEUE_RELEASE);
        queue_act(w.queues[1], &f, QUEUE_RELEASE);
        turn_a_little();
    }
    arena_free(&arena);
}

static void add_row(void *arg, const struct queue_site_row *row)
{
    struct queue_site_row *sum = arg;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        sum->ready[lane] += row->ready[lane];
    sum->busy += row->busy;
    sum->waiting += row->waiting;
    sum->held += row->held;
}

static uint32_t total_rows(struct queue_site_row *sum)
{
    uint32_t n = 0;
    memset(sum, 0, sizeof *sum);
    for (int i = 0; i < WORKERS; i++)
        queue_each_site(w.queues[i], add_row, sum);
    for (int lane = 0; lane < LANE_COUNT; lane++)
        n += sum->ready[lane];
    return n + sum->busy + sum->waiting + sum->held;
}

static bool count_one(void *arg, const struct item *item)
{
    (void)item;
    ++*(uint32_t *)arg;
    return true;
}

/* Whatever is done to them, items are neither lost nor doubled and the counts follow. */
static void random_walk_keeps_count(void **state)
{
    static const enum queue_action actions[] = { QUEUE_RETRY, QUEUE_HOLD, QUEUE_RELEASE };
    struct queue_filter all = { 0 };
    uint32_t alive = 0;
    (void)state;
    for (int step = 0; step < 3000; step++) {
        struct queue *q = w.queues[rnd_below(&w.rnd, WORKERS)];
        uint64_t dice = rnd_below(&w.rnd, 100);
        if (dice < 30 && alive < 500) {
            bool literal = rnd_below(&w.rnd, 2);
            queue_submit(q, item_to(literal ? "default/[127.0.0.5]" : "fixed",
                                    literal ? "u@[127.0.0.5]" : "u@fixed.example",
                                    (enum lane)rnd_below(&w.rnd, LANE_COUNT)));
            alive++;
        } else if (dice < 35) {
            queue_act(q, &all, actions[rnd_below(&w.rnd, 3)]);
        } else if (dice < 37 && w.last_site) {
            site_failed(w.last_site, "test");
        } else if (w.taken_n) {
            struct item *item = w.taken[--w.taken_n];
            q = w.taken_from[w.taken_n];
            if (dice < 60) {
                queue_finish(q, &item);
                alive--;
            } else if (dice < 80)
                queue_defer(q, item, clock_wall_ms() + (int64_t)rnd_below(&w.rnd, 500));
            else
                queue_return(q, item);
        }
        w.take = rnd_below(&w.rnd, 2);
        for (int i = 0; i < 4; i++) /* there and back between the workers */
            loop_turn(w.loops[i % WORKERS], 0);
        struct queue_site_row sum;
        uint32_t listed = 0;
        for (int i = 0; i < WORKERS; i++)
            queue_each(w.queues[i], &all, count_one, &listed);
        assert_int_equal(total_rows(&sum), alive);
        assert_int_equal(listed, alive);
    }
    finish_all();
}

/* An item that was put off so many times; the last answer was this one. */
static struct item *put_off(uint16_t attempts, const char *reply, int64_t wait_ms)
{
    struct item *item = item_to("default/nowhere.example", "u@nowhere.example", LANE_NORMAL);
    struct recipient r = { .address = slice_of("u@nowhere.example"),
                           .status = { 4, 4, 3 },
                           .reply = slice_of(reply) };
    struct envelope env = { .sender = slice_of("alice@corp.example"),
                            .recipients = &r,
                            .recipients_n = 1 };
    struct buf packed;
    buf_init(&packed, 65536);
    envelope_pack(&env, &packed);
    item->state = ITEM_BUSY;
    item_set_envelope(&item, buf_slice(&packed));
    buf_free(&packed);
    item->state = ITEM_ROUTING;
    item->attempts = attempts;
    item->due_ms = clock_wall_ms() + wait_ms;
    return item;
}

static void take_error(void *arg, const struct queue_site_row *row)
{
    snprintf(arg, 64, "%s|%s", row->key, row->last_error);
}

/* Nobody knows their site, but they know what happened to them: the newest is shown. */
static void what_has_no_site_has_a_last_error(void **state)
{
    char error[64] = "";
    struct queue *q = w.queues[0];
    (void)state;
    queue_submit(q, put_off(0, "", 60000)); /* not tried yet: nothing to show */
    queue_each_site(q, take_error, error);
    assert_string_equal(error, "|");
    queue_submit(q, put_off(7, "no answer from 127.0.0.2", 3600000));
    queue_submit(q, put_off(1, "no connection from 127.0.0.1", 60000));
    queue_submit(q, put_off(0, "", 60000));
    queue_each_site(q, take_error, error);
    assert_string_equal(error, "|4.4.3 no connection from 127.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(operator_holds_and_releases), T(what_is_to_be_held_is_released),
        T(what_is_looked_up_is_held),   T(filters),
        T(random_walk_keeps_count),     T(what_has_no_site_has_a_last_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
