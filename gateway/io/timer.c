#include "gateway/io/timer.h"

#include "gateway/io/timer_run.h"

void timer_init(struct timer *timer, void (*fn)(struct timer *timer))
{
    wheel_node_init(&timer->node);
    timer->due_ms = 0;
    timer->fn = fn;
}

void timer_set(struct loop *loop, struct timer *timer, int64_t delay_ms)
{
    int64_t due_ms = loop_now_ms(loop) + (delay_ms > 0 ? delay_ms : 0);
    timer->due_ms = due_ms;
    if (!wheel_armed(&timer->node) || due_ms < timer->node.due_ms)
        wheel_add(loop_wheel(loop), &timer->node, due_ms);
}

void timer_stop(struct loop *loop, struct timer *timer)
{
    timer->due_ms = 0;
    wheel_del(loop_wheel(loop), &timer->node);
}

bool timer_is_set(const struct timer *timer)
{
    return timer->due_ms != 0;
}

void timer_run_due(struct loop *loop)
{
    struct wheel *wheel = loop_wheel(loop);
    int64_t now_ms = loop_now_ms(loop);
    for (struct wheel_node *node; (node = wheel_pop(wheel, now_ms));) {
        struct timer *timer = CONTAINER_OF(node, struct timer, node);
        if (timer->due_ms > now_ms) {
            wheel_add(wheel, node, timer->due_ms);
            continue;
        }
        timer->due_ms = 0;
        timer->fn(timer);
    }
}
