/*
 * admin/verb_deliveries — `waypost report deliveries`: what became of mail since the start, and why
 *
 *   One row with the counters of all workers, then the most frequent reasons of deferrals and
 *   failures, most frequent first.
 */
#include <stdlib.h>

#include "gateway/admin/relay_verbs.h"
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
    json_time(json, "last", reason->last_ms);
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
    json_open(&json, '{');
    totals_put(r->view, &json);
    json_close(&json, '}');
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
