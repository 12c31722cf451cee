/*
 * unit/test_io_loop — proves io/loop and io/timer
 *
 *   io/loop and io/timer: tasks, lazy timers, watches, signals.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/io/loop.h"
#include "gateway/io/mailbox.h"
#include "gateway/io/timer.h"

static struct loop *loop;
static int runs, more;
static struct loop_task task, other;

static int setup(void **state)
{
    (void)state;
    runs = more = 0;
    loop = loop_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(&loop);
    return 0;
}

static void count_task(struct loop_task *t)
{
    (void)t;
    runs++;
    if (more-- > 0)
        loop_task_schedule(loop, &task);
}

static void cancel_other(struct loop_task *t)
{
    (void)t;
    loop_task_cancel(&other);
}

static void tasks_run_once_before_the_wait(void **state)
{
    (void)state;
    loop_task_init(&task, count_task);
    loop_task_schedule(loop, &task);
    loop_task_schedule(loop, &task);
    assert_int_equal(runs, 0);
    loop_turn(loop, 0);
    assert_int_equal(runs, 1);
    loop_turn(loop, 0);
    assert_int_equal(runs, 1);
    more = 3; /* scheduled from itself: all in one turn */
    loop_task_schedule(loop, &task);
    loop_turn(loop, 0);
    assert_int_equal(runs, 5);
    more = 1000; /* without end: the loop polls in between and does not wait */
    int64_t began = clock_mono_ms();
    loop_task_schedule(loop, &task);
    loop_turn(loop, 60000);
    assert_in_range(runs, 6, 100);
    assert_true(clock_mono_ms() - began < 30000);
}

static void a_task_may_cancel_another(void **state)
{
    (void)state;
    loop_task_init(&task, cancel_other);
    loop_task_init(&other, count_task);
    loop_task_schedule(loop, &task);
    loop_task_schedule(loop, &other);
    loop_turn(loop, 0);
    assert_int_equal(runs, 0);
}

struct alarm_clock {
    struct timer timer;
    int64_t fired_ms;
    int count, again;
};

static void on_alarm(struct timer *timer)
{
    struct alarm_clock *a = CONTAINER_OF(timer, struct alarm_clock, timer);
    a->fired_ms = clock_mono_ms();
    a->count++;
    if (a->again-- > 0)
        timer_set(loop, timer, 10);
}

static void turn_for(int64_t ms)
{
    for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;)
        loop_turn(loop, end - clock_mono_ms());
}

static void timers_fire_late_never_early(void **state)
{
    (void)state;
    struct alarm_clock a[5] = { 0 };
    static const int64_t delays[] = { 0, 5, 30, 100, 101 };
    int64_t began = clock_mono_ms();
    loop_turn(loop, 0);
    for (int i = 0; i < 5; i++) {
        timer_init(&a[i].timer, on_alarm);
        timer_set(loop, &a[i].timer, delays[i]);
        assert_true(timer_is_set(&a[i].timer));
    }
    turn_for(300);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(a[i].count, 1);
        assert_true(a[i].fired_ms - began >= delays[i]);
        assert_false(timer_is_set(&a[i].timer));
    }
}

static void moving_and_stopping(void **state)
{
    (void)state;
    struct alarm_clock later = { 0 }, sooner = { 0 }, stopped = { 0 }, again = { .again = 3 };
    int64_t began = clock_mono_ms();
    struct alarm_clock *all[] = { &later, &sooner, &stopped, &again };
    for (int i = 0; i < 4; i++)
        timer_init(&all[i]->timer, on_alarm);
    timer_set(loop, &later.timer, 20);
    timer_set(loop, &later.timer, 120); /* only stored */
    timer_set(loop, &sooner.timer, 60000);
    timer_set(loop, &sooner.timer, 20);
    timer_set(loop, &stopped.timer, 20);
    timer_stop(loop, &stopped.timer);
    timer_stop(loop, &stopped.timer);
    timer_set(loop, &again.timer, 10);
    turn_for(300);
    assert_int_equal(later.count, 1);
    assert_true(later.fired_ms - began >= 120);
    assert_int_equal(sooner.count, 1);
    assert_int_equal(stopped.count, 0);
    assert_int_equal(again.count, 4);
}

static void on_ready(void *arg, int fd, unsigned what)
{
    char c;
    (void)arg;
    assert_int_equal(what, LOOP_READ);
    runs += read(fd, &c, 1) == 1;
}

static void watches(void **state)
{
    (void)state;
    int p[2];
    assert_int_equal(pipe(p), 0);
    struct loop_watch *w = loop_watch_new(loop, p[0], LOOP_READ, on_ready, NULL);
    assert_int_equal(write(p[1], "ab", 2), 2);
    loop_turn(loop, 100);
    loop_turn(loop, 100); /* level-triggered: one byte a turn */
    assert_int_equal(runs, 2);
    loop_watch_set(w, 0);
    assert_int_equal(write(p[1], "c", 1), 1);
    loop_turn(loop, 10);
    assert_int_equal(runs, 2);
    loop_watch_set(w, LOOP_READ);
    loop_turn(loop, 100);
    assert_int_equal(runs, 3);
    loop_watch_free(&w);
    loop_watch_free(&w);
    close(p[0]);
    close(p[1]);
}

static void on_signal(void *arg, int signo)
{
    int *got = arg;
    *got = signo;
    loop_stop(loop);
}

static void signals_end_the_wait(void **state)
{
    (void)state;
    int got = 0;
    struct loop_signal *sig = loop_signal_new(loop, SIGHUP, on_signal, &got);
    raise(SIGHUP);
    loop_run(loop);
    assert_int_equal(got, SIGHUP);
    loop_signal_free(&sig);
}

static void time_stands_still_within_a_turn(void **state)
{
    (void)state;
    loop_turn(loop, 0);
    int64_t mono = loop_now_ms(loop), wall = loop_wall_ms(loop);
    usleep(30000);
    assert_int_equal(loop_now_ms(loop), mono);
    assert_int_equal(loop_wall_ms(loop), wall);
    loop_turn(loop, 0);
    assert_true(loop_now_ms(loop) - mono >= 29);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(tasks_run_once_before_the_wait),
        T(a_task_may_cancel_another),
        T(timers_fire_late_never_early),
        T(moving_and_stopping),
        T(watches),
        T(signals_end_the_wait),
        T(time_stands_still_within_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
