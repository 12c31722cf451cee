/*
 * admin/web_metrics — /metrics, /healthz, /readyz
 */
#include <string.h>

#include "gateway/admin/web_private.h"

void web_healthy(struct web_query *query)
{
    web_reply(&query, 200, "text/plain; charset=utf-8", slice_of("control is running\n"));
}

static json_t *row_of(const struct ask_answer *a)
{
    struct slice row, rest;
    if (a->rc != RC_OK || a->status != 0)
        return NULL;
    slice_cut(a->rows, '\n', &row, &rest);
    return json_loadb(row.p ? row.p : "", row.n, 0, NULL);
}

static size_t own_metrics(const struct web *w, struct metric *out, size_t max)
{
    size_t n = 0;
    out[n++] =
        (struct metric){ "history_dropped_total", "Rows and events that could not be written.",
                         true, (double)history_dropped(w->env.history) };
    if (w->env.metrics)
        n += w->env.metrics(w->env.arg, out + n, max - n);
    return n;
}

static void on_totals(void *arg, const struct ask_answer *a)
{
    struct web_query *query = arg;
    if (!query->call) {
        web_release(&query); /* the web may be gone, too */
        return;
    }
    json_t *row = row_of(a);
    struct metric own[WEB_METRICS_MAX];
    struct live live = web_live_view(query->web);
    struct metrics metrics = { row, &live, own, own_metrics(query->web, own, WEB_METRICS_MAX) };
    struct buf text;
    buf_init(&text, METRICS_BYTES_MAX);
    metrics_put(&text, &metrics);
    if (text.full)
        web_reply_error(&query, 503, "too many metrics");
    else
        web_reply(&query, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&text));
    buf_free(&text);
    json_decref(row);
}

void web_metrics(struct web_query *query)
{
    struct web *w = query->web;
    ask_open(w->env.loop, &w->asks, w->env.relay_path, &query->fields, on_totals, query);
}

static void on_ready(void *arg, const struct ask_answer *a)
{
    struct web_query *query = arg;
    bool ready = a->rc == RC_OK && a->status == 0;
    web_reply(&query, ready ? 200 : 503, "text/plain; charset=utf-8",
              slice_of(ready ? "the relay answers\n" : "the relay does not answer\n"));
}

void web_ready(struct web_query *query)
{
    struct web *w = query->web;
    ask_open(w->env.loop, &w->asks, w->env.relay_path, &query->fields, on_ready, query);
}
