/*
 * tests/unit/test_queue_clock — the system's clock is set forwards and backwards by days: what
 * waits is neither returned nor forgotten, and is tried when it was to be tried
 *
 *   The clock_gettime() below stands before the C library's for the whole program.
 */
#include "tests/support/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/io/loop.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

static int64_t set_by_s;
static int64_t
    half_apart_s; /* not 0: the wall clock is the monotonic one and this, and half a ms */

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (id == CLOCK_REALTIME && half_apart_s) {
        int rc = (int)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, now);
        now->tv_nsec += 500000;
        now->tv_sec += half_apart_s + now->tv_nsec / 1000000000;
        now->tv_nsec %= 1000000000;
        return rc;
    }
    int rc = (int)syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_REALTIME)
        now->tv_sec += set_by_s;
    return rc;
}

static void set_clock(int64_t by_ms)
{
    set_by_s = by_ms / 1000;
    turn_a_little();
}

static int set_back(void **state)
{
    set_by_s = 0;
    half_apart_s = 0;
    return tear_down(state);
}

static int64_t wall(void)
{
    return loop_wall_ms(w.loops[0]);
}

/* Accepted an hour ago, four days to go. */
static struct item *waiting(int64_t due_in_ms)
{
    struct item *item = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    item->accepted_ms = wall() - HOUR_MS;
    item->expire_ms = wall() + 4 * DAY_MS;
    item->due_ms = due_in_ms == ITEM_DUE_HELD ? ITEM_DUE_HELD : wall() + due_in_ms;
    return item;
}

static bool near(int64_t a, int64_t b)
{
    return a - b < 2000 && b - a < 2000;
}

/* It waits over the jump: nothing happens at once, and it comes when it was to come. */
static void comes_in_time(int64_t jump_ms)
{
    w.take = true;
    queue_submit(w.queues[0], waiting(400));
    struct item *late = waiting(HOUR_MS), *held = waiting(ITEM_DUE_HELD);
    queue_submit(w.queues[0], late);
    queue_load(w.queues[0], held);
    turn_a_little();
    set_clock(jump_ms);
    assert_int_equal(w.trouble_n, 0);
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble_n, 0);
    assert_true(near(late->due_ms, wall() + HOUR_MS));
    assert_true(near(late->expire_ms, wall() + 4 * DAY_MS));
    assert_true(near(late->accepted_ms, wall() - HOUR_MS));
    assert_true(held->due_ms == ITEM_DUE_HELD);
    turn_a_little();
    assert_int_equal(w.taken_n, 1);
    assert_true(near(w.taken[0]->expire_ms, wall() + 4 * DAY_MS));
    finish_all();
}

static void set_forwards(void **state)
{
    (void)state;
    comes_in_time(10 * DAY_MS);
}

static void set_backwards(void **state)
{
    (void)state;
    comes_in_time(-10 * DAY_MS);
}

static void from_1970_to_today(void **state)
{
    (void)state;
    set_clock(-wall() + DAY_MS);
    comes_in_time(0);
}

/* Ready, but nobody is free to take it: the lane's own look at the time. */
static void ready_mail_does_not_expire(void **state)
{
    (void)state;
    queue_submit(w.queues[0], waiting(0));
    turn_a_little();
    w.take = true;
    set_clock(10 * DAY_MS);
    queue_submit(w.queues[0], waiting(0)); /* announces the site again */
    assert_true(turn_until_taken(2));
    assert_int_equal(w.trouble_n, 0);
    finish_all();
}

/* Held until a time of the clock, in an hour; all that counts from there has four days. */
static struct item *held_until(void)
{
    struct item *item = waiting(HOUR_MS);
    item->release_ms = item->due_ms;
    item->release_fixed = true;
    item->expire_ms = item->deadline_ms = item->release_ms + 4 * DAY_MS;
    return item;
}

static void a_time_of_the_clock_stays(void **state)
{
    (void)state;
    struct item *item = held_until();
    int64_t until = item->release_ms;
    w.take = true;
    queue_submit(w.queues[0], item);
    set_clock(-10 * DAY_MS);
    assert_true(item->release_ms == until && item->due_ms == until);
    assert_true(item->expire_ms == until + 4 * DAY_MS && near(item->accepted_ms, wall() - HOUR_MS));
    assert_int_equal(w.taken_n, 0);
    set_clock(DAY_MS); /* past it, by eleven days: it goes, with all its time before it */
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble_n, 0);
    assert_true(near(item->expire_ms, wall() + 4 * DAY_MS));
    assert_true(near(item->deadline_ms, wall() + 4 * DAY_MS));
    finish_all();
}

/* The same after a restart, with a clock that was set back meanwhile. */
static void it_stays_over_a_restart(void **state)
{
    (void)state;
    struct item *item = held_until();
    int64_t until = item->release_ms;
    item->accepted_ms += HOUR_MS + HOUR_MS / 2; /* in half an hour, as this clock has it */
    queue_load(w.queues[0], item);
    turn_a_little();
    assert_true(item->release_ms == until && item->due_ms == until);
    assert_true(near(item->accepted_ms, wall()) && item->expire_ms == until + 4 * DAY_MS);
}

/* Made before the clock was set, handed in after that. */
static void what_was_under_way_moves(void **state)
{
    (void)state;
    struct item *item = waiting(HOUR_MS);
    set_clock(10 * DAY_MS);
    item_clock_set(item, wall() - 10 * DAY_MS, wall());
    assert_true(near(item->due_ms, wall() + HOUR_MS));
    assert_true(near(item->expire_ms, wall() + 4 * DAY_MS));
    queue_submit(w.queues[0], item);
    assert_int_equal(item->state, ITEM_WAITING);
}

/* Accepted tomorrow, says its record: the clock was set back while no process ran. */
static void mail_from_the_future_is_tried_now(void **state)
{
    (void)state;
    w.take = true;
    struct item *item = waiting(2 * HOUR_MS);
    item->accepted_ms += DAY_MS;
    item->due_ms += DAY_MS;
    item->expire_ms += DAY_MS;
    int64_t life = item->expire_ms - item->accepted_ms;
    queue_load(w.queues[0], item);
    assert_true(turn_until_taken(1));
    assert_true(near(item->accepted_ms, wall()));
    assert_int_equal(item->expire_ms - item->accepted_ms, life);
    finish_all();
}

/* Accepted yesterday; its next try lies beyond every pause there is. */
static void no_wait_is_longer_than_a_retry(void **state)
{
    (void)state;
    const struct conf_retry *retry = &policies_conf(w.policies)->rules.retry.all;
    struct item *item = waiting(30 * DAY_MS);
    queue_load(w.queues[0], item);
    turn_a_little();
    assert_true(item->due_ms <= wall() + 2 * (retry->max > DAY_MS ? retry->max : DAY_MS));
    assert_true(item->state == ITEM_WAITING);
}

/* Accepted a moment from now, as this worker's clock has it. */
static void fresh_mail_waits_for_no_clock(void **state)
{
    (void)state;
    struct item *item = waiting(0);
    item->accepted_ms = item->due_ms = wall() + 50;
    queue_submit(w.queues[0], item);
    assert_int_not_equal(item->state, ITEM_WAITING);
    item = waiting(HOUR_MS);
    queue_submit(w.queues[0], item);
    assert_int_equal(item->state, ITEM_WAITING);
}

static void a_rounding_does_not_turn_time_back(void **state)
{
    (void)state;
    half_apart_s = (clock_wall_ms() - clock_mono_ms()) / 1000;
    turn_a_little();
    int64_t last = wall();
    for (int64_t end = clock_mono_ms() + 200; clock_mono_ms() < end;) {
        loop_turn(w.loops[0], 0);
        assert_true(wall() >= last);
        last = wall();
    }
}

#define C(f) cmocka_unit_test_setup_teardown(f, set_up, set_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        C(set_forwards),
        C(set_backwards),
        C(from_1970_to_today),
        C(ready_mail_does_not_expire),
        C(a_time_of_the_clock_stays),
        C(it_stays_over_a_restart),
        C(what_was_under_way_moves),
        C(mail_from_the_future_is_tried_now),
        C(no_wait_is_longer_than_a_retry),
        C(fresh_mail_waits_for_no_clock),
        C(a_rounding_does_not_turn_time_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
