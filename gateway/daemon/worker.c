#include "gateway/daemon/worker.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/keeper.h"
#include "gateway/daemon/kept_allowances.h"
#include "gateway/daemon/worker_parts.h"
#include "gateway/delivery/allowance.h"
#include "gateway/delivery/gauge.h"
#include "gateway/io/listen.h"
#include "reputation/reply.h"

enum { BEAT_MS = 1000, STALLED_MS = 3000 };

/* ---- on the worker's thread ---- */

static void on_beat(struct timer *timer)
{
    struct worker *w = CONTAINER_OF(timer, struct worker, beat);
    atomic_store_explicit(&w->beat_ms, loop_now_ms(w->loop), memory_order_relaxed);
    timer_set(w->loop, &w->beat, BEAT_MS);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    timer_set(w->loop, &w->beat, 0);
    if (w->index == 0)
        worker_scan(w);
    loop_run(w->loop);
    return NULL;
}

static void log_reload(struct worker *w, const char *changes)
{
    struct delivery_event event;
    delivery_event_init(&event, EVENT_RELOAD);
    event.reply = slice_of(changes);
    delivery_log_write(w->log, &event);
}

static void on_apply(struct mail *mail)
{
    struct worker *w = CONTAINER_OF(mail, struct worker, order);
    const struct workplan *plan = w->plan;
    worker_listen(w, plan);
    geo_cache_use(w->geo, plan->geo);
    queue_reconfigure(w->queue, plan->policies);
    delivery_reconfigure(w->delivery, plan->policies);
    ingress_reconfigure(w->ingress, plan->policies, plan->tls);
    if (w->index == 0)
        log_reload(w, plan->changes);
    mailbox_post(loop_mailbox(w->workers->env.home), &w->answer);
}

static void end_if_drained(struct worker *w)
{
    if (!w->ingress_done || !w->delivery_done || w->ended)
        return;
    w->ended = true;
    timer_stop(w->loop, &w->stop_bound);
    timer_stop(w->loop, &w->beat);
    loop_stop(w->loop);
    mailbox_post(loop_mailbox(w->workers->env.home), &w->answer);
}

static void ingress_drained(void *arg)
{
    struct worker *w = arg;
    w->ingress_done = true;
    end_if_drained(w);
}

static void delivery_drained(void *arg)
{
    struct worker *w = arg;
    w->delivery_done = true;
    end_if_drained(w);
}

/* A client that never finishes its message does not hold up the end. */
static void on_stop_bound(struct timer *timer)
{
    ingress_drained(CONTAINER_OF(timer, struct worker, stop_bound));
}

static void on_stop(struct mail *mail)
{
    struct worker *w = CONTAINER_OF(mail, struct worker, order);
    int64_t bound_ms = w->workers->stop_bound_ms;
    worker_unlisten(w);
    timer_set(w->loop, &w->stop_bound, bound_ms);
    ingress_drain(w->ingress, ingress_drained, w);
    delivery_drain(w->delivery, bound_ms, delivery_drained, w);
}

/* ---- on the main thread ---- */

static void order_all(struct workers *ws, void (*fn)(struct mail *mail),
                      void (*answered)(struct mail *mail))
{
    ws->answers_due = ws->env.count;
    for (unsigned i = 0; i < ws->env.count; i++) {
        struct worker *w = &ws->at[i];
        w->order.fn = fn;
        w->answer.fn = answered;
        mailbox_post(loop_mailbox(w->loop), &w->order);
    }
}

static void on_applied(struct mail *mail)
{
    struct worker *w = CONTAINER_OF(mail, struct worker, answer);
    struct workers *ws = w->workers;
    if (--ws->answers_due == 0)
        ws->env.applied(ws->env.arg);
}

static void on_stopped(struct mail *mail)
{
    struct worker *w = CONTAINER_OF(mail, struct worker, answer);
    struct workers *ws = w->workers;
    if (--ws->answers_due > 0)
        return;
    for (unsigned i = 0; i < ws->env.count; i++)
        pthread_join(ws->at[i].thread, NULL);
    ws->running = false;
    ws->env.stopped(ws->env.arg);
}

void workers_apply(struct workers *ws, const struct workplan *plan)
{
    assert(ws->answers_due == 0);
    for (unsigned i = 0; i < ws->env.count; i++)
        ws->at[i].plan = plan;
    order_all(ws, on_apply, on_applied);
}

void workers_use_geo(struct workers *ws, struct geo *geo)
{
    for (unsigned i = 0; i < ws->env.count; i++)
        worker_use_geo(&ws->at[i], geo);
}

void workers_stop(struct workers *ws, int64_t bound_ms)
{
    assert(ws->answers_due == 0);
    ws->stop_bound_ms = bound_ms;
    order_all(ws, on_stop, on_stopped);
}

enum rc workers_new(const struct workers_env *env, const struct workplan *plan,
                    struct workers **workers_r, struct err *err)
{
    struct workers *ws = mem_zero(sizeof *ws);
    ws->env = *env;
    ws->at = aligned_alloc(64, env->count * sizeof *ws->at);
    assert(ws->at);
    memset(ws->at, 0, env->count * sizeof *ws->at);
    ws->queues = mem_array(env->count, sizeof(struct queue *));
    ws->resolvers = mem_array(env->count, sizeof(struct resolver *));
    ws->hub = ingress_hub_new(0);
    ws->replies = reply_rules_shipped();
    ws->allowances = allowances_new();
    ws->keeper = env->folder ? keeper_new(env->folder) : NULL;
    if (ws->keeper)
        kept_allowances_begin(ws->keeper, ws->allowances, clock_mono_us(), loop_wall_ms(env->home));
    ws->honesties = honesties_new();
    ws->gauges = gauges_new();
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < env->count && rc == RC_OK; i++) {
        struct worker *w = &ws->at[i];
        w->workers = ws;
        w->index = i;
        rc = worker_make(w, plan, err);
        timer_init(&w->beat, on_beat);
        timer_init(&w->stop_bound, on_stop_bound);
    }
    if (rc == RC_OK) {
        for (unsigned i = 0; i < env->count; i++)
            worker_listen(&ws->at[i], plan);
        for (unsigned i = 0; i < env->count; i++)
            resolver_share(ws->resolvers[i], ws->resolvers, env->count);
        *workers_r = ws;
        return RC_OK;
    }
    workers_free(&ws);
    return rc;
}

enum rc workers_start(struct workers *ws, struct err *err)
{
    ws->running = true;
    for (unsigned i = 0; i < ws->env.count; i++) {
        struct worker *w = &ws->at[i];
        atomic_store(&w->beat_ms, loop_now_ms(ws->env.home));
        int rc = pthread_create(&w->thread, NULL, run, w);
        if (rc != 0) /* the others run already: the caller ends the process */
            return err_set(err, RC_IO, "thread: %s", strerror(rc));
        char name[16] = "worker ";
        name[7] = (char)('0' + i / 10);
        name[8] = (char)('0' + i % 10);
        pthread_setname_np(w->thread, name);
    }
    return RC_OK;
}

void workers_free(struct workers **ws_p)
{
    struct workers *ws = *ws_p;
    if (!ws)
        return;
    assert(!ws->running);
    /* In steps over all of them: what one frees may still hand items to another. */
    for (int step = 0; step < WORKER_STEPS; step++) {
        for (unsigned i = 0; i < ws->env.count; i++)
            worker_unmake(&ws->at[i], step);
    }
    mailbox_drain(loop_mailbox(ws->env.home)); /* what they posted last stands in their memory */
    ingress_hub_free(&ws->hub);
    reply_rules_free(&ws->replies);
    if (ws->keeper)
        kept_allowances_end(ws->keeper, ws->allowances, clock_mono_us(),
                            loop_wall_ms(ws->env.home));
    keeper_free(&ws->keeper);
    allowances_free(&ws->allowances);
    honesties_free(&ws->honesties);
    gauges_free(&ws->gauges);
    free(ws->queues);
    free(ws->resolvers);
    free(ws->at);
    free(ws);
    *ws_p = NULL;
}

/* ---- looking at them ---- */

struct ingress_hub *workers_hub(struct workers *ws)
{
    return ws->hub;
}

unsigned workers_count(const struct workers *ws)
{
    return ws->env.count;
}

void workers_show(struct workers *ws, unsigned i, struct fanout_worker *worker_r)
{
    struct worker *w = &ws->at[i];
    *worker_r = (struct fanout_worker){ .box = loop_mailbox(w->loop),
                                        .queue = w->queue,
                                        .resolver = w->resolver,
                                        .geo = w->geo,
                                        .delivery = w->delivery,
                                        .counters = &w->counters,
                                        .reasons = &w->reasons };
}

void workers_watch(struct workers *ws)
{
    int64_t now = loop_now_ms(ws->env.home);
    for (unsigned i = 0; i < ws->env.count; i++) {
        struct worker *w = &ws->at[i];
        int64_t late = now - atomic_load_explicit(&w->beat_ms, memory_order_relaxed);
        bool stalled = late > STALLED_MS;
        if (stalled && !w->stalled)
            log_warning(NULL, "worker_stalled", "worker", LOG_INT(i), "ms", LOG_INT(late), NULL);
        if (!stalled && w->stalled)
            log_info(NULL, "worker_goes_on", "worker", LOG_INT(i), NULL);
        w->stalled = stalled;
    }
}
