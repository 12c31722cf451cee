#include "gateway/delivery/observe.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/slice.h"
#include "gateway/io/timer.h"

enum { SUCCESS_MS = 100, QUOTAS = 1024 /* a power of two */, WINDOW_MS = 1000 };

/* Paths that share a slot share a quota, too: fewer successes, no harm. */
struct quota {
    int64_t until_ms;
    uint32_t left;
};

struct observer {
    struct loop *loop;
    observe_sink_fn *sink;
    void *arg;
    struct loop_task soon;
    struct timer later;
    unsigned n;
    struct observation at[OBSERVE_BATCH_MAX];
    struct quota quotas[QUOTAS];
};

static void flush(struct observer *o)
{
    unsigned n = o->n;
    o->n = 0;
    timer_stop(o->loop, &o->later);
    if (n && o->sink)
        o->sink(o->arg, o->at, n);
}

static void on_soon(struct loop_task *task)
{
    flush(CONTAINER_OF(task, struct observer, soon));
}

static void on_later(struct timer *timer)
{
    flush(CONTAINER_OF(timer, struct observer, later));
}

struct observer *observer_new(struct loop *loop, observe_sink_fn *sink, void *arg)
{
    struct observer *o = mem_zero(sizeof *o);
    o->loop = loop;
    o->sink = sink;
    o->arg = arg;
    loop_task_init(&o->soon, on_soon);
    timer_init(&o->later, on_later);
    return o;
}

void observer_free(struct observer **observer)
{
    struct observer *o = *observer;
    if (!o)
        return;
    loop_task_cancel(&o->soon);
    timer_stop(o->loop, &o->later);
    free(o);
    *observer = NULL;
}

uint64_t observe_path(uint64_t egress, const struct addr *address)
{
    uint64_t host = slice_hash((struct slice){ (const char *)address->bytes, 16 });
    return (egress ^ host ^ (uint64_t)address->port << 48) | 1;
}

bool observe_wanted(struct observer *o, uint64_t path)
{
    struct quota *q = &o->quotas[(path >> 8 ^ path >> 32) & (QUOTAS - 1)];
    int64_t now = loop_now_ms(o->loop);
    if (now >= q->until_ms) {
        q->until_ms = now + WINDOW_MS;
        q->left = OBSERVE_PER_SECOND;
    }
    if (q->left == 0)
        return false;
    q->left--;
    return true;
}

static void put(struct observer *o, const struct observation *observation)
{
    o->at[o->n++] = *observation;
    if (o->n == OBSERVE_BATCH_MAX)
        flush(o);
}

void observe_success(struct observer *o, const struct observation *observation)
{
    put(o, observation);
    if (o->n && !timer_is_set(&o->later))
        timer_set(o->loop, &o->later, SUCCESS_MS);
}

void observe_failure(struct observer *o, const struct observation *observation)
{
    put(o, observation);
    loop_task_schedule(o->loop, &o->soon);
}
