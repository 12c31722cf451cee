/*
 * admin/verb_totals — what the relay has done and holds, as one row: for metrics
 *
 *   Counters of all workers and of the spool since the start, and the queue added up: mail by lane
 *   and state, sites, sessions. One row whatever the size of the queue.
 */
#include <stdlib.h>

#include "gateway/admin/relay_verbs.h"
#include "gateway/base/json.h"
#include "gateway/base/mem.h"
#include "gateway/queue/inspect.h"

struct queue_sums {
    uint64_t ready[LANE_COUNT], busy, waiting, held, sessions, sites, backing_off;
    int64_t oldest_ms;
};

struct totals {
    struct relay_view *view;
    struct call *call;
};

static uint64_t sum_of(const struct fanout_group *group, int lane, int bucket)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < group->n; i++) {
        const struct counters *c = group->at[i].counters;
        sum += atomic_load_explicit(bucket < WAIT_BUCKETS ? &c->waits[lane][bucket]
                                                          : &c->waited_ms[lane],
                                    memory_order_relaxed);
    }
    return sum;
}

/* Of each lane the buckets (report/counters.h), then the sum in milliseconds. */
static void put_waits(const struct fanout_group *group, struct buf *json)
{
    json_key(json, "waits");
    json_open(json, '{');
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        json_key(json, lane_names[lane]);
        json_open(json, '[');
        for (int i = 0; i <= WAIT_BUCKETS; i++)
            json_int(json, NULL, (int64_t)sum_of(group, lane, i));
        json_close(json, ']');
    }
    json_close(json, '}');
}

void totals_put(const struct relay_view *view, struct buf *json)
{
    const struct fanout_group *group = &view->workers;
    struct spool_stats spool;
    json_time(json, "since", view->started_ms);
    for (int c = 0; c < COUNTERS; c++) {
        uint64_t sum = view->of_control ? counter_get(view->of_control, (enum counter)c) : 0;
        for (unsigned i = 0; i < group->n; i++)
            sum += counter_get(group->at[i].counters, (enum counter)c);
        json_int(json, counter_names[c], (int64_t)sum);
    }
    put_waits(group, json);
    spool_get_stats(view->spool, &spool);
    json_int(json, "spool_commits", (int64_t)spool.commits);
    json_int(json, "spool_syncs", (int64_t)spool.syncs);
    json_num(json, "spool_batch", spool.batch_mean);
    json_int(json, "spool_flush_us_p50", (int64_t)spool.flush_us_p50);
    json_int(json, "spool_flush_us_p99", (int64_t)spool.flush_us_p99);
    json_int(json, "spool_corrupt", (int64_t)spool.corrupt);
    json_int(json, "spool_waiting", (int64_t)spool.waiting);
    json_int(json, "spool_free_bytes", (int64_t)spool.free_bytes);
}

static void add_site(void *arg, const struct queue_site_row *row)
{
    struct queue_sums *sums = arg;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        sums->ready[lane] += row->ready[lane];
    sums->busy += row->busy;
    sums->waiting += row->waiting;
    sums->held += row->held;
    sums->sessions += row->sessions;
    sums->sites += row->key[0] != '\0';
    sums->backing_off += row->backoff_ms > 0;
    if (row->oldest_ms && (!sums->oldest_ms || row->oldest_ms < sums->oldest_ms))
        sums->oldest_ms = row->oldest_ms;
}

static void add_up(void *arg, const struct fanout_worker *worker, struct buf *out)
{
    struct queue_sums sums = { 0 };
    (void)arg;
    queue_each_site(worker->queue, add_site, &sums);
    buf_put(out, &sums, sizeof sums);
}

static void merge(struct queue_sums *all, const struct queue_sums *one)
{
    for (int lane = 0; lane < LANE_COUNT; lane++)
        all->ready[lane] += one->ready[lane];
    all->busy += one->busy;
    all->waiting += one->waiting;
    all->held += one->held;
    all->sessions += one->sessions;
    all->sites += one->sites;
    all->backing_off += one->backing_off;
    if (one->oldest_ms && (!all->oldest_ms || one->oldest_ms < all->oldest_ms))
        all->oldest_ms = one->oldest_ms;
}

static void put_queue(struct buf *json, const struct queue_sums *all, int64_t now_ms)
{
    json_key(json, "queue");
    json_open(json, '{');
    for (int lane = 0; lane < LANE_COUNT; lane++)
        json_int(json, lane_names[lane], (int64_t)all->ready[lane]);
    json_int(json, "busy", (int64_t)all->busy);
    json_int(json, "waiting", (int64_t)all->waiting);
    json_int(json, "held", (int64_t)all->held);
    json_int(json, "sessions", (int64_t)all->sessions);
    json_int(json, "sites", (int64_t)all->sites);
    json_int(json, "backing_off", (int64_t)all->backing_off);
    json_int(json, "oldest_s", all->oldest_ms ? (now_ms - all->oldest_ms) / 1000 : 0);
    json_close(json, '}');
}

static void on_answers(void *arg, struct buf *answers, unsigned n)
{
    struct totals *t = arg;
    struct queue_sums all = { 0 };
    struct buf json;
    for (unsigned i = 0; i < n; i++)
        merge(&all, (const struct queue_sums *)(const void *)buf_slice(&answers[i]).p);
    buf_init(&json, 64 << 10);
    json_open(&json, '{');
    totals_put(t->view, &json);
    put_queue(&json, &all, loop_wall_ms(t->view->loop));
    json_close(&json, '}');
    call_row(t->call, buf_slice(&json));
    buf_free(&json);
    call_end(&t->call, true, slice_of(""));
    free(t);
}

void verb_totals(void *arg, struct call *call, const struct request *request)
{
    struct relay_view *view = arg;
    (void)request;
    struct totals *t = mem_zero(sizeof *t);
    *t = (struct totals){ view, call };
    fanout_run(&view->workers, add_up, on_answers, t);
}
