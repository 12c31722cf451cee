#include "gateway/delivery/observe.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/base/slice.h"
#include "gateway/io/timer.h"

enum { SUCCESS_MS = 100, QUOTAS = 1024 /* a power of two */, WINDOW_MS = 1000 };
enum { WITHHELD = 512 /* a power of two */, LOOK_AT = 8 };

/* Paths that share a slot share a quota, too: fewer successes, no harm. */
struct quota {
    int64_t until_ms;
    uint32_t left;
};

/* What the successes of a path that were not wanted come to. */
struct withheld {
    uint64_t path; /* 0: free */
    struct observation counts;
};

struct observer {
    struct loop *loop;
    observe_sink_fn *sink;
    void *arg;
    struct loop_task soon;
    struct timer later, settle;
    unsigned n;
    struct observation at[OBSERVE_BATCH_MAX];
    struct quota quotas[QUOTAS];
    struct withheld withheld[WITHHELD];
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

static void settle_withheld(struct timer *timer);

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
    timer_init(&o->settle, settle_withheld);
    return o;
}

void observer_free(struct observer **observer)
{
    struct observer *o = *observer;
    if (!o)
        return;
    loop_task_cancel(&o->soon);
    timer_stop(o->loop, &o->later);
    timer_stop(o->loop, &o->settle);
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

/* As an observation of its own: figures without a reply. */
static void put_withheld(struct observer *o, struct withheld *w)
{
    w->path = 0;
    w->counts.at_us = clock_mono_us();
    put(o, &w->counts);
    if (o->n && !timer_is_set(&o->later))
        timer_set(o->loop, &o->later, SUCCESS_MS);
}

static void settle_withheld(struct timer *timer)
{
    struct observer *o = CONTAINER_OF(timer, struct observer, settle);
    for (unsigned i = 0; i < WITHHELD; i++)
        if (o->withheld[i].path)
            put_withheld(o, &o->withheld[i]);
}

static struct withheld *withheld_at(struct observer *o, uint64_t path, unsigned i)
{
    return &o->withheld[((path ^ path >> 21 ^ path >> 42) + i) & (WITHHELD - 1)];
}

static struct withheld *withheld_of(struct observer *o, uint64_t path)
{
    for (unsigned i = 0; i < LOOK_AT; i++)
        if (withheld_at(o, path, i)->path == path)
            return withheld_at(o, path, i);
    return NULL;
}

/* A free entry for it; where all around are taken one of them goes out early. */
static struct withheld *withheld_take(struct observer *o, uint64_t path,
                                      const struct observation *of)
{
    struct withheld *w = withheld_at(o, path, 0);
    for (unsigned i = 1; i < LOOK_AT && w->path; i++)
        w = withheld_at(o, path, i);
    if (w->path)
        put_withheld(o, w);
    w->path = path;
    w->counts = (struct observation){ .kind = OBS_MAIL,
                                      .proxied = of->proxied,
                                      .egress = of->egress,
                                      .address = of->address,
                                      .connect_us = -1,
                                      .longest_us = -1,
                                      .greeting_us = -1,
                                      .rtt_us = -1,
                                      .app_rtt_us = -1,
                                      .final_us = -1 };
    return w;
}

void observe_withhold(struct observer *o, const struct observation *of)
{
    uint64_t path = observe_path(of->egress, &of->address);
    struct withheld *w = withheld_of(o, path);
    if (!w)
        w = withheld_take(o, path, of);
    w->counts.segments += of->segments;
    w->counts.retransmits += of->retransmits;
    w->counts.more_sessions += of->kind == OBS_CONNECT;
    w->counts.more_mails += of->kind == OBS_MAIL && of->code;
    if (!timer_is_set(&o->settle))
        timer_set(o->loop, &o->settle, WINDOW_MS);
}

void observe_success(struct observer *o, const struct observation *observation)
{
    struct withheld *w = withheld_of(o, observe_path(observation->egress, &observation->address));
    struct observation whole = *observation;
    if (w) {
        whole.segments += w->counts.segments;
        whole.retransmits += w->counts.retransmits;
        whole.more_sessions += w->counts.more_sessions;
        whole.more_mails += w->counts.more_mails;
        w->path = 0;
    }
    put(o, &whole);
    if (o->n && !timer_is_set(&o->later))
        timer_set(o->loop, &o->later, SUCCESS_MS);
}

void observe_failure(struct observer *o, const struct observation *observation)
{
    put(o, observation);
    loop_task_schedule(o->loop, &o->soon);
}
