#include "gateway/delivery/delivery.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/peers.h"
#include "gateway/delivery/repute.h"
#include "gateway/delivery/sense.h"
#include "gateway/delivery/settle.h"
#include "gateway/delivery/stall.h"
#include "gateway/delivery/tally.h"
#include "gateway/delivery/tolls.h"
#include "gateway/delivery/views.h"

enum { TLS_SESSIONS_MAX = 4096 };

const struct conf *delivery_conf(const struct delivery *d)
{
    return policies_conf(d->policies);
}

/* ---- configuration ---- */

/* Sessions whose source is gone can neither send nor receive. What the peer cannot have taken goes
 * by another egress; for the rest there is the time-out. */
static void end_cut_off(struct delivery *d, struct list *sessions)
{
    LIST_EACH (node, sessions) {
        struct session *s = CONTAINER_OF(node, struct session, link);
        if (s->policies != d->policies || egress_fault(d->egress, s->egress) != EGRESS_UNPLUMBED)
            continue;
        if (s->state != SESSION_WORKING || !s->front || attempt_untaken(s->front))
            session_kill(s, NULL);
    }
}

static void on_cut_off(struct loop_task *task)
{
    struct delivery *d = CONTAINER_OF(task, struct delivery, cut_off);
    LIST_EACH (at, &d->targets) {
        struct target *t = CONTAINER_OF(at, struct target, link);
        end_cut_off(d, &t->idle);
        end_cut_off(d, &t->others);
        queue_kick(d->queue, t->site);
    }
}

static void on_egress_changed(void *arg, int egress, enum egress_fault_kind fault)
{
    struct delivery *d = arg;
    sense_egress(d, egress, fault);
    if (fault == EGRESS_UNPLUMBED)
        loop_task_schedule(d->loop, &d->cut_off);
    LIST_EACH (at, &d->targets) { /* also when it is out: mail that waits for it has others */
        struct target *t = CONTAINER_OF(at, struct target, link);
        if (fault == EGRESS_FINE && t->site->sessions == 0 && t->site->failures)
            site_succeeded(t->site);
        if (fault == EGRESS_FINE)
            queue_wake(d->queue, t->site);
        else
            queue_kick(d->queue, t->site);
    }
}

static void make_tls(struct delivery *d)
{
    struct tls_client *made;
    struct err err;
    struct slice ca = delivery_conf(d)->delivery.ca_file.data;
    if (tls_client_new(ca, TLS_SESSIONS_MAX, &made, &err) != RC_OK) {
        log_error(NULL, "ca_file_unusable", "reason", err.text, NULL);
        if (tls_client_new(SLICE_LIT(""), TLS_SESSIONS_MAX, &made, &err) != RC_OK)
            made = NULL;
    }
    assert(made);
    if (d->tls)
        tls_client_free(&d->tls);
    d->tls = made;
}

static void take_policies(struct delivery *d, struct policies *policies)
{
    policies_ref(policies);
    if (d->policies)
        policies_unref(&d->policies);
    d->policies = policies;
    const struct conf *conf = delivery_conf(d);
    uint64_t share = conf->delivery.connections_total / d->workers;
    d->sessions_max = share == 0 ? 1 : share > UINT32_MAX ? UINT32_MAX : (uint32_t)share;
    struct egress_table *old = d->egress;
    d->egress = egress_new(d->loop, d->resolver, policies, on_egress_changed, d);
    if (old)
        egress_inherit(d->egress, old);
    egress_free(&old);
    paths_reconfigure(d->paths, conf);
    if (paths_advice(d->paths))
        egress_heed(d->egress, paths_advice(d->paths));
    views_free(&d->views);
    struct views_env views = { .loop = d->loop,
                               .conf = conf,
                               .honesties = d->honesties,
                               .rnd = d->rnd,
                               .allow_loopback = resolver_allows_loopback(d->resolver) };
    d->views = views_new(&views);
    make_tls(d);
}

static void quit_idle(struct delivery *d)
{
    while (!list_empty(&d->idle))
        session_quit(CONTAINER_OF(d->idle.next, struct session, lru));
}

void delivery_reconfigure(struct delivery *d, struct policies *policies)
{
    take_policies(d, policies);
    LIST_EACH (at, &d->targets) {
        struct target *t = CONTAINER_OF(at, struct target, link);
        memset(t->kept, 0, sizeof t->kept);
        tolls_renew(t);
        queue_kick(d->queue, t->site);
    }
    quit_idle(d);
}

/* Whom mail must not leave by is known now, and who is allowed again: what waits looks anew. */
static void wake_all(struct delivery *d)
{
    LIST_EACH (at, &d->targets) {
        struct target *t = CONTAINER_OF(at, struct target, link);
        queue_wake(d->queue, t->site);
    }
}

void delivery_advise(struct delivery *d, struct advice *advice)
{
    bool otherwise = paths_advise(d->paths, advice);
    egress_heed(d->egress, advice);
    if (otherwise)
        wake_all(d);
}

static bool is_barred(const struct advice *a, struct slice egress, const struct addr *source)
{
    int row = advice_egress(a, egress);
    return (row != ADVICE_NONE && a->egress[row].fault == EGRESS_BARRED) || advice_bars(a, source);
}

int64_t delivery_under_way(struct delivery *d, delivery_under_way_fn *fn, void *arg)
{
    const struct advice *a = paths_advice(d->paths);
    if (!a)
        return 0;
    LIST_EACH (at, &d->targets) {
        struct target *t = CONTAINER_OF(at, struct target, link);
        LIST_EACH (node, &t->others) {
            const struct session *s = CONTAINER_OF(node, struct session, link);
            struct slice egress = policies_conf(s->policies)->egress.at[s->egress].name;
            if (s->state == SESSION_WORKING && is_barred(a, egress, &s->source))
                fn(arg, egress, &s->source, 1 + (s->behind != NULL));
        }
    }
    return a->made_ms;
}

/* ---- life ---- */

static void on_drained(struct loop_task *task);
static void on_bound(struct timer *timer);

struct delivery *delivery_new(const struct delivery_env *env)
{
    struct delivery *d = mem_zero(sizeof *d);
    d->loop = env->loop;
    d->resolver = env->resolver;
    d->spool = env->spool;
    d->log = env->log;
    d->counters = delivery_writer_counters(env->log);
    d->rnd = env->rnd;
    d->geo = env->geo;
    d->workers = env->count ? env->count : 1;
    list_init(&d->targets);
    list_init(&d->idle);
    list_init(&d->dead);
    for (int lane = 0; lane < LANE_COUNT; lane++)
        list_init(&d->wanting[lane]);
    list_init(&d->spare);
    list_init(&d->large);
    timer_init(&d->sense_tick, sense_on_tick);
    timer_init(&d->stall_tick, stall_on_tick);
    d->observer = observer_new(d->loop, env->observe, env->observe_arg);
    d->replies = env->replies;
    d->allowances = env->allowances;
    d->honesties = env->honesties;
    d->gauges = env->gauges;
    timer_init(&d->tolls_tick, tolls_on_tick);
    d->tally = tally_new(env->report, env->report_arg);
    timer_init(&d->tally_tick, repute_on_flush);
    loop_task_init(&d->bury, session_bury);
    loop_task_init(&d->room, delivery_let_in);
    loop_task_init(&d->drained, on_drained);
    loop_task_init(&d->cut_off, on_cut_off);
    timer_init(&d->drain_bound, on_bound);
    d->peers = peers_new();
    d->paths = paths_new(d->workers, d->geo);
    take_policies(d, env->policies);
    return d;
}

void delivery_free(struct delivery **delivery)
{
    struct delivery *d = *delivery;
    if (!d)
        return;
    assert(d->sessions == 0 && d->notices == 0);
    loop_task_cancel(&d->bury);
    loop_task_cancel(&d->drained);
    loop_task_cancel(&d->cut_off);
    timer_stop(d->loop, &d->drain_bound);
    session_bury(&d->bury);
    for (struct list *node; (node = list_pop_front(&d->spare));) {
        struct attempt *a = CONTAINER_OF(node, struct attempt, link);
        arena_free(&a->arena);
        free(a);
    }
    LIST_EACH (at, &d->targets)
        target_free(CONTAINER_OF(at, struct target, link));
    loop_task_cancel(&d->room); /* a target that goes may let others in */
    egress_free(&d->egress);
    timer_stop(d->loop, &d->sense_tick);
    timer_stop(d->loop, &d->stall_tick);
    timer_stop(d->loop, &d->tolls_tick);
    observer_free(&d->observer);
    timer_stop(d->loop, &d->tally_tick);
    tally_flush(d->tally);
    tally_free(&d->tally);
    paths_free(&d->paths);
    peers_free(&d->peers);
    views_free(&d->views);
    tls_client_free(&d->tls);
    policies_unref(&d->policies);
    free(d);
    *delivery = NULL;
}

void delivery_set_queue(struct delivery *d, struct queue *queue)
{
    d->queue = queue;
}

/* ---- what the queue says ---- */

static void on_ready(void *arg, struct site *site)
{
    target_run(target_of(arg, site));
}

static void on_trouble(void *arg, struct item *item, enum queue_trouble why, const char *text)
{
    settle_trouble(arg, item, why, text);
}

static void on_noted(void *arg, const struct item *item, enum queue_note note)
{
    if (note == NOTE_HELD)
        record_note(arg, item, EVENT_HELD, "held by the operator");
}

static void on_site_gone(void *arg, struct site *site)
{
    (void)arg;
    if (site->delivery)
        target_free(site->delivery);
}

void delivery_events(struct delivery *d, struct queue_events *events_r)
{
    *events_r = (struct queue_events){ .ready = on_ready,
                                       .trouble = on_trouble,
                                       .noted = on_noted,
                                       .site_gone = on_site_gone,
                                       .arg = d };
}

/* ---- stopping ---- */

static void on_drained(struct loop_task *task)
{
    struct delivery *d = CONTAINER_OF(task, struct delivery, drained);
    delivery_done_fn *done = d->drain_done;
    d->drain_done = NULL;
    timer_stop(d->loop, &d->drain_bound);
    if (done)
        done(d->drain_arg);
}

void delivery_check_drained(struct delivery *d)
{
    if (d->draining && d->sessions == 0 && d->notices == 0)
        loop_task_schedule(d->loop, &d->drained);
}

/* Sessions that are still opening, or all. */
static void kill_sessions(struct delivery *d, bool all)
{
    LIST_EACH (at, &d->targets) {
        struct target *t = CONTAINER_OF(at, struct target, link);
        LIST_EACH (node, &t->others) {
            struct session *s = CONTAINER_OF(node, struct session, link);
            if (all || s->state == SESSION_OPENING)
                session_kill(s, NULL);
        }
    }
}

static void on_bound(struct timer *timer)
{
    struct delivery *d = CONTAINER_OF(timer, struct delivery, drain_bound);
    kill_sessions(d, true);
    loop_task_schedule(d->loop, &d->drained);
}

void delivery_drain(struct delivery *d, int64_t bound_ms, delivery_done_fn *done, void *arg)
{
    d->draining = true;
    d->drain_done = done;
    d->drain_arg = arg;
    timer_set(d->loop, &d->drain_bound, bound_ms);
    kill_sessions(d, false);
    quit_idle(d);
    delivery_check_drained(d);
}

void delivery_get_stats(const struct delivery *d, struct delivery_stats *stats_r)
{
    *stats_r = (struct delivery_stats){ .sessions = d->sessions,
                                        .idle = d->idle_n,
                                        .opening = d->opening_n,
                                        .transactions = d->attempts_n,
                                        .notices = d->notices,
                                        .egress_down = egress_down(d->egress),
                                        .remembered = (uint32_t)peers_count(d->peers) };
}
