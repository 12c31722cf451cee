/*
 * admin/verb_deliveries — `waypost report deliveries`: what became of mail since the start, and why
 *
 *   One row with the counters of all workers, then the most frequent reasons of deferrals and
 *   failures, most frequent first.
 */
#include <stdlib.h>

#include "gateway/admin/relay_verbs.h"
#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/base/mem.h"
#include "gateway/report/delivery_log.h"

enum { TOP_REASONS = 20 };

struct report {
    struct relay_view *view;
    struct call *call;
};

static void copy_reasons(void *arg, const struct fanout_worker *worker, struct buf *out)
{
    (void)arg;
    buf_put(out, worker->reasons, sizeof *worker->reasons);
}

static void put_time(struct buf *json, const char *key, int64_t wall_ms)
{
    json_key(json, key);
    buf_putc(json, '"');
    clock_put_rfc3339(json, wall_ms);
    buf_putc(json, '"');
}

static void row_of_totals(struct report *r, struct buf *json)
{
    const struct fanout_group *group = &r->view->workers;
    struct spool_stats spool;
    json_open(json, '{');
    put_time(json, "since", r->view->started_ms);
    for (int c = 0; c < COUNTERS; c++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < group->n; i++)
            sum += counter_get(group->at[i].counters, (enum counter)c);
        json_int(json, counter_names[c], (int64_t)sum);
    }
    spool_get_stats(r->view->spool, &spool);
    json_int(json, "spool_commits", (int64_t)spool.commits);
    json_int(json, "spool_syncs", (int64_t)spool.syncs);
    json_num(json, "spool_batch", spool.batch_mean);
    json_int(json, "spool_flush_us_p50", (int64_t)spool.flush_us_p50);
    json_int(json, "spool_flush_us_p99", (int64_t)spool.flush_us_p99);
    json_int(json, "spool_corrupt", (int64_t)spool.corrupt);
    json_close(json, '}');
}

static void row_of_reason(const struct reason *reason, struct buf *json)
{
    json_open(json, '{');
    json_cstr(json, "event", delivery_event_names[reason->kind]);
    json_int(json, "count", (int64_t)reason->count);
    if (reason->code)
        json_int(json, "code", reason->code);
    if (reason->enhanced.class_) {
        json_key(json, "enhanced");
        buf_putc(json, '"');
        enhanced_put(json, reason->enhanced);
        buf_putc(json, '"');
    }
    json_cstr(json, "reason", reason->text);
    put_time(json, "last", reason->last_ms);
    json_close(json, '}');
}

static void send_row(struct report *r, struct buf *json)
{
    call_row(r->call, buf_slice(json));
    buf_clear(json);
}

static void on_answers(void *arg, struct buf *answers, unsigned n)
{
    struct report *r = arg;
    struct buf json;
    struct reasons *all = mem_zero(sizeof *all);
    for (unsigned i = 0; i < n; i++)
        reasons_merge(all, (const struct reasons *)(const void *)buf_slice(&answers[i]).p);
    reasons_sort(all);
    buf_init(&json, 64 << 10);
    row_of_totals(r, &json);
    send_row(r, &json);
    for (unsigned i = 0; i < all->n && i < TOP_REASONS; i++) {
        row_of_reason(&all->at[i], &json);
        send_row(r, &json);
    }
    buf_free(&json);
    free(all);
    call_end(&r->call, true, slice_of(""));
    free(r);
}

void verb_deliveries(void *arg, struct call *call, const struct request *request)
{
    struct relay_view *view = arg;
    (void)request;
    struct report *r = mem_zero(sizeof *r);
    *r = (struct report){ view, call };
    fanout_run(&view->workers, copy_reasons, on_answers, r);
}
