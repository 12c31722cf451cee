/*
 * admin/web_api — /api/v1: JSON from the history, the live view and the relay
 *
 *   The objects are those that --json prints, lists of them as one array. Errors are objects with
 *   one member, `error`: 400 for a question that cannot be understood, 404 where it names an
 *   egress, a carrier or a region that there is not.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/web_names.h"
#include "gateway/base/json.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"

enum { PATHS_BYTES_MAX = 32 << 20, EGRESS_BYTES_MAX = 4 << 20 };

/* ---- history ---- */

static void on_lines(void *arg, enum rc rc, struct buf *lines, const struct err *err)
{
    struct web_query *query = arg;
    struct buf json;
    if (rc != RC_OK) {
        web_reply_error(&query, 503, err->text);
        return;
    }
    if (query->unknown && !buf_len(lines)) {
        web_reply_error(&query, 404, query->unknown);
        return;
    }
    buf_init(&json, 2 * buf_len(lines) + 16);
    web_put_array(&json, buf_slice(lines));
    web_reply_json(&query, &json);
    buf_free(&json);
}

/* False: the query has been answered. */
static bool read_question(struct web_query *query, enum history_what what,
                          struct history_question *q)
{
    struct err err;
    int64_t now_ms = loop_wall_ms(query->web->env.loop);
    if (history_question_read(&query->fields, what, now_ms, q, &err) != RC_OK) {
        web_reply_error(&query, 400, err.text);
        return false;
    }
    query->unknown = web_names_unknown(query->web, &query->fields);
    return true;
}

static void from_history(struct web_query *query, enum history_what what)
{
    struct history_question q;
    if (read_question(query, what, &q))
        history_ask(query->web->env.history, &q, on_lines, query);
}

void web_links(struct web_query *query)
{
    from_history(query, HISTORY_LINKS);
}

void web_switches(struct web_query *query)
{
    from_history(query, HISTORY_EVENTS);
}

void web_series(struct web_query *query)
{
    from_history(query, HISTORY_SERIES);
}

void web_points(struct web_query *query)
{
    from_history(query, HISTORY_POINTS);
}

/* ---- now ---- */

void web_paths(struct web_query *query)
{
    struct live live = web_live_view(query->web);
    struct buf json;
    buf_init(&json, PATHS_BYTES_MAX);
    json_open(&json, '[');
    for (uint32_t p = 0; p < live_path_count(&live); p++)
        live_path_put(&json, &live, p);
    json_close(&json, ']');
    web_reply_json(&query, &json);
    buf_free(&json);
}

size_t web_egress_count(const struct web *w)
{
    struct live live = web_live_view(w);
    return live.conf ? live.conf->egress.n : 0;
}

void web_put_egress(struct buf *json, const struct web *w, size_t egress)
{
    struct live live = web_live_view(w);
    const struct web_fault *fault = map_get(w->faults, live.conf->egress.at[egress].name);
    live_egress_put(json, &live, egress, fault ? &fault->fault : NULL);
}

void web_put_egresses(struct buf *json, const struct web *w)
{
    json_open(json, '[');
    for (size_t i = 0; i < web_egress_count(w); i++)
        web_put_egress(json, w, i);
    json_close(json, ']');
}

void web_egress(struct web_query *query)
{
    struct buf json;
    buf_init(&json, EGRESS_BYTES_MAX);
    web_put_egresses(&json, query->web);
    web_reply_json(&query, &json);
    buf_free(&json);
}

/* Rows of now, then the events: kept until the history has answered. */
struct reputation {
    struct web_query *query;
    struct buf lines;
};

static void keep_line(void *to, struct slice json)
{
    struct buf *lines = to;
    buf_put_slice(lines, json);
    buf_putc(lines, '\n');
}

static void on_past(void *arg, enum rc rc, struct buf *lines, const struct err *err)
{
    struct reputation *r = arg;
    if (rc == RC_OK)
        buf_put_slice(&r->lines, buf_slice(lines));
    struct err full;
    if (r->lines.full) {
        rc = err_set(&full, RC_LIMIT, "the answer is too large");
        err = &full;
    }
    on_lines(r->query, rc, &r->lines, err);
    buf_free(&r->lines);
    free(r);
}

void web_reputation(struct web_query *query)
{
    const struct web_env *env = &query->web->env;
    struct history_question q;
    if (!read_question(query, HISTORY_STANDING, &q))
        return;
    struct reputation *r = mem_zero(sizeof *r);
    r->query = query;
    buf_init(&r->lines, PATHS_BYTES_MAX);
    if (env->reputation)
        env->reputation(env->arg, request_get(&query->fields, "egress"), keep_line, &r->lines);
    history_ask(env->history, &q, on_past, r);
}

/* ---- the relay ---- */

static void ask_relay(struct web_query *query, ask_done_fn *done)
{
    struct web *w = query->web;
    ask_open(w->env.loop, &w->asks, w->env.relay_path, &query->fields, done, query);
}

/* True: it went well; else the query has been answered. */
static bool went_well(struct web_query *query, const struct ask_answer *a)
{
    if (a->rc == RC_OK && a->status == 0)
        return true;
    web_reply_error(&query, a->rc == RC_OK ? 400 : 503, a->text);
    return false;
}

static void on_rows(void *arg, const struct ask_answer *a)
{
    struct web_query *query = arg;
    struct buf json;
    if (!went_well(query, a))
        return;
    buf_init(&json, 2 * a->rows.n + 16);
    web_put_array(&json, a->rows);
    web_reply_json(&query, &json);
    buf_free(&json);
}

static void on_row(void *arg, const struct ask_answer *a)
{
    struct web_query *query = arg;
    struct slice row, rest;
    if (!went_well(query, a))
        return;
    slice_cut(a->rows, '\n', &row, &rest);
    struct buf json;
    buf_init(&json, row.n + 16);
    buf_put_slice(&json, row);
    web_reply_json(&query, &json);
    buf_free(&json);
}

static void on_act(void *arg, const struct ask_answer *a)
{
    struct web_query *query = arg;
    struct buf json;
    if (!went_well(query, a))
        return;
    buf_init(&json, 64 << 10);
    json_open(&json, '{');
    json_bool(&json, "ok", true);
    json_cstr(&json, "text", a->text);
    json_close(&json, '}');
    web_reply_json(&query, &json);
    buf_free(&json);
}

void web_relay_rows(struct web_query *query)
{
    ask_relay(query, on_rows);
}

void web_relay_one(struct web_query *query)
{
    ask_relay(query, on_row);
}

void web_relay_act(struct web_query *query)
{
    ask_relay(query, on_act);
}

/* ---- the table ---- */

static const char *const none[] = { NULL };
static const char *const history[] = { "since", "egress", "carrier", "region", "limit", NULL };
static const char *const reputation[] = { "since", "egress", "limit", NULL };
static const char *const points[] = { "since", "egress", "address", NULL };
static const char *const mail[] = { "from", "to", "client", "user", "size", "header", NULL };
static const char *const filters[] = { "to",       "from", "domain", "site", "egress",
                                       "priority", "age",  "id",     NULL };

const struct web_route web_routes[] = {
    { "/metrics", "GET", none, "totals", NULL, web_metrics },
    { "/healthz", "GET", none, NULL, NULL, web_healthy },
    { "/readyz", "GET", none, "totals", NULL, web_ready },
    { "/api/v1/links", "GET", history, NULL, NULL, web_links },
    { "/api/v1/series", "GET", history, NULL, NULL, web_series },
    { "/api/v1/switches", "GET", history, NULL, NULL, web_switches },
    { "/api/v1/paths", "GET", none, NULL, NULL, web_paths },
    { "/api/v1/egress", "GET", none, NULL, NULL, web_egress },
    { "/api/v1/reputation", "GET", reputation, NULL, NULL, web_reputation },
    { "/api/v1/points", "GET", points, NULL, NULL, web_points },
    { "/api/v1/events", "GET", none, NULL, NULL, web_events },
    { "/api/v1/totals", "GET", none, "totals", NULL, web_relay_one },
    { "/api/v1/queues", "GET", none, "queue", "", web_relay_rows },
    { "/api/v1/deliveries", "GET", none, "deliveries", NULL, web_relay_rows },
    { "/api/v1/explain", "GET", mail, "explain", NULL, web_relay_one },
    { "/api/v1/queue/retry", "POST", filters, "queue", "retry", web_relay_act },
    { "/api/v1/queue/hold", "POST", filters, "queue", "hold", web_relay_act },
    { "/api/v1/queue/release", "POST", filters, "queue", "release", web_relay_act },
    { "/api/v1/queue/drop", "POST", filters, "queue", "drop", web_relay_act },
    { "/api/v1/queue/bounce", "POST", filters, "queue", "bounce", web_relay_act },
    { NULL, NULL, NULL, NULL, NULL, NULL },
};
