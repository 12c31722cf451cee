#include "gateway/io/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/io/mailbox.h"
#include "gateway/io/stream_private.h"
#include "gateway/io/timer_run.h"
#include "gateway/io/timerwheel.h"

enum { WHEEL_TICK_MS = 10, TASK_ROUNDS = 8, CLOCK_SET_MS = 10000, READINGS = 4 };

struct loop {
    struct event_base *base;
    struct event *tick;    /* ends the wait when the next timer is due */
    int64_t tick_ms;       /* what `tick` is set to, monotonic; 0: not set */
    struct event *mail_in; /* the mailbox's eventfd */
    struct mailbox *mailbox;
    struct wheel *wheel;
    struct list tasks;
    struct list orphans; /* streams that finish by themselves */
    struct list clocks;
    int64_t now_ms;        /* 0: not read yet in this turn */
    int64_t wall_ahead_ms; /* Unix time less monotonic, as of the last look */
    bool stop;
    char *scratch, *scratch2;
};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    (void)fd;
    (void)what;
    loop->tick_ms = 0; /* waking up was the point */
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    (void)fd;
    (void)what;
    mailbox_awake(loop->mailbox);
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    assert(config);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    struct event_base *base = event_base_new_with_config(config);
    assert(base);
    event_config_free(config);
    return base;
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_zero(sizeof *loop);
    loop->base = new_base();
    loop->mailbox = mailbox_new();
    loop->wheel = wheel_new(WHEEL_TICK_MS, clock_mono_ms());
    loop->scratch = mem_array(LOOP_SCRATCH, 1);
    loop->scratch2 = mem_array(LOOP_SCRATCH, 1);
    list_init(&loop->tasks);
    list_init(&loop->orphans);
    list_init(&loop->clocks);
    loop->wall_ahead_ms = clock_wall_ms() - clock_mono_ms();
    loop->tick = event_new(loop->base, -1, 0, on_tick, loop);
    loop->mail_in =
        event_new(loop->base, mailbox_fd(loop->mailbox), EV_READ | EV_PERSIST, on_mail, loop);
    assert(loop->tick && loop->mail_in);
    int rc = event_add(loop->mail_in, NULL);
    assert(rc == 0);
    (void)rc;
    return loop;
}

void loop_free(struct loop **loop_p)
{
    struct loop *loop = *loop_p;
    if (!loop)
        return;
    stream_drop_orphans(&loop->orphans);
    event_free(loop->tick);
    event_free(loop->mail_in);
    event_base_free(loop->base);
    mailbox_free(&loop->mailbox);
    wheel_free(&loop->wheel);
    free(loop->scratch);
    free(loop->scratch2);
    free(loop);
    *loop_p = NULL;
}

int64_t loop_now_ms(struct loop *loop)
{
    if (!loop->now_ms)
        loop->now_ms = clock_mono_ms();
    return loop->now_ms;
}

int64_t loop_wall_ms(struct loop *loop)
{
    return loop_now_ms(loop) + loop->wall_ahead_ms;
}

void loop_clock_watch(struct loop *loop, struct loop_clock *clock)
{
    list_push_back(&loop->clocks, &clock->node);
}

void loop_clock_unwatch(struct loop_clock *clock)
{
    list_del(&clock->node);
}

/* How far Unix time is ahead of the monotonic clock; false: interrupted between the readings. */
static bool read_ahead(int64_t *ahead_ms_r)
{
    for (int i = 0; i < READINGS; i++) {
        int64_t mono = clock_mono_ms();
        *ahead_ms_r = clock_wall_ms() - mono;
        if (clock_mono_ms() == mono)
            return true;
    }
    return false;
}

static void look_at_clock(struct loop *loop)
{
    int64_t ahead;
    if (!read_ahead(&ahead)) /* the next turn looks again */
        return;
    int64_t by = ahead - loop->wall_ahead_ms;
    bool set = by >= CLOCK_SET_MS || by <= -CLOCK_SET_MS;
    if (by >= -1 && by <= 1) /* each is cut to a millisecond: time would go back */
        return;
    loop->wall_ahead_ms = ahead;
    if (set)
        LIST_EACH (node, &loop->clocks) {
            struct loop_clock *clock = CONTAINER_OF(node, struct loop_clock, node);
            clock->fn(clock, by);
        }
}

/* Tasks may schedule tasks. Returns false when after some rounds there are still more. */
static bool run_tasks(struct loop *loop)
{
    for (int round = 0; round < TASK_ROUNDS && !list_empty(&loop->tasks); round++) {
        struct list batch;
        list_init(&batch);
        list_splice_back(&batch, &loop->tasks);
        for (struct list *node; (node = list_pop_front(&batch));) {
            struct loop_task *task = CONTAINER_OF(node, struct loop_task, node);
            task->run(task);
        }
    }
    return list_empty(&loop->tasks);
}

/* Makes the wait end by `until_ms`; most turns find the tick set right already. */
static void set_tick(struct loop *loop, int64_t until_ms)
{
    int64_t left = until_ms - loop_now_ms(loop);
    if (until_ms == loop->tick_ms)
        return;
    struct timeval tv = { .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };
    event_add(loop->tick, &tv);
    loop->tick_ms = until_ms;
}

/* Waits, at most wait_ms and not past the next timer, and runs the callbacks of descriptors. */
static void poll_events(struct loop *loop, int64_t wait_ms)
{
    int64_t until_ms = wheel_next_ms(loop->wheel);
    if (wait_ms > 0 && loop_now_ms(loop) + wait_ms < until_ms)
        until_ms = loop_now_ms(loop) + wait_ms;
    bool wait = wait_ms != 0 && until_ms > loop_now_ms(loop);
    if (wait && until_ms != INT64_MAX)
        set_tick(loop, until_ms);
    loop->now_ms = 0;
    /* ONCE in both cases: NONBLOCK alone goes on as long as any event is ready, and a
     * level-triggered one that waits for a task to take it away always is. */
    event_base_loop(loop->base, wait ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

void loop_turn(struct loop *loop, int64_t wait_ms)
{
    /* A task may have called loop_stop(): then nobody is to be waited for. */
    bool idle = run_tasks(loop) && !loop->stop && mailbox_sleep(loop->mailbox);
    poll_events(loop, idle ? wait_ms : 0);
    look_at_clock(loop);
    timer_run_due(loop);
    mailbox_drain(loop->mailbox);
}

void loop_run(struct loop *loop)
{
    loop->stop = false;
    while (!loop->stop)
        loop_turn(loop, -1);
    run_tasks(loop);
    loop->stop = false; /* turns made after this wait again */
}

void loop_stop(struct loop *loop)
{
    loop->stop = true;
}

struct mailbox *loop_mailbox(struct loop *loop)
{
    return loop->mailbox;
}

struct list *loop_orphans(struct loop *loop)
{
    return &loop->orphans;
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

struct wheel *loop_wheel(struct loop *loop)
{
    return loop->wheel;
}

char *loop_scratch(struct loop *loop)
{
    return loop->scratch;
}

char *loop_scratch2(struct loop *loop)
{
    return loop->scratch2;
}

void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task))
{
    list_init(&task->node);
    task->run = run;
}

void loop_task_schedule(struct loop *loop, struct loop_task *task)
{
    if (list_empty(&task->node))
        list_push_back(&loop->tasks, &task->node);
}

void loop_task_cancel(struct loop_task *task)
{
    list_del(&task->node);
}
