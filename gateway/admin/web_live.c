/*
 * admin/web_live — /api/v1/events: what changes, as server-sent events
 *
 *   event    data
 *   all_paths  an array, as /api/v1/paths
 *   paths    those of them that have changed
 *   egress   all egresses, as /api/v1/egress; again after each event, and every ten seconds
 *   link     a switch, a fault: as /api/v1/switches
 *   standing  a change of the state or listings of an address: as the events of /api/v1/reputation
 *   totals   the relay's counters and queue, as /api/v1/totals, every two seconds
 *
 *   Everything is made once for all listeners, and nothing while there are none. A newcomer gets
 *   all paths and egresses first; with 50 egresses and 200 groups that is some megabytes, which a
 *   slow line takes a while for. Who lags behind by more than that is let go, and comes back.
 *   See: HTML Living Standard 9.2.
 */
#include <math.h>
#include <stdlib.h>

#include "gateway/admin/web_private.h"
#include "gateway/base/json.h"
#include "gateway/base/mem.h"

enum {
    TICK_MS = 1000,
    TOTALS_TICKS = 2,
    EGRESS_TICKS = 10,
    BEAT_TICKS = 15,
    EVENT_BYTES_MAX = 32 << 20
};

static const char EVENTS_TYPE[] = "text/event-stream";

struct listener {
    struct list node;
    struct web_live *live;
    struct http_call *call;
    size_t whole; /* bytes of the last table of all paths it was sent */
};

/* What the listeners know of a path. */
struct shown {
    float cost, loss, rtt;
    uint8_t state;
    bool preferred, suspect;
};

struct web_live {
    struct web *web;
    struct list listeners;
    unsigned count;
    struct timer tick;
    unsigned ticks;
    struct shown *shown;
    uint64_t shape; /* of the table they were shown: its names, in their order */
    uint64_t version;
    bool egress_changed, asking;
};

/* ---- sending ---- */

static void listener_free(struct listener *l)
{
    list_del(&l->node);
    l->live->count--;
    http_end(&l->call);
    free(l);
}

static void send_event(struct listener *l, const char *name, struct slice data)
{
    struct slice line;
    http_write(l->call, slice_of("event: "));
    http_write(l->call, slice_of(name));
    while (data.n) { /* a line break in data would end the field */
        slice_cut(data, '\n', &line, &data);
        http_write(l->call, SLICE_LIT("\ndata: "));
        http_write(l->call, line);
    }
    http_write(l->call, SLICE_LIT("\n\n"));
}

static void send_all(struct web_live *live, const char *name, const struct buf *data)
{
    LIST_EACH (node, &live->listeners) {
        struct listener *l = CONTAINER_OF(node, struct listener, node);
        if (http_full(l->call, l->whole))
            listener_free(l);
        else
            send_event(l, name, buf_slice(data));
    }
}

static void note_whole(struct web_live *live, size_t bytes)
{
    LIST_EACH (node, &live->listeners)
        CONTAINER_OF(node, struct listener, node)->whole = bytes;
}

/* ---- paths ---- */

static struct shown look(const struct live *view, uint32_t path)
{
    const struct advice_path *p = live_path(view, path);
    return (struct shown){ .cost = (float)live_path_cost(view, path),
                           .loss = p->loss,
                           .rtt = p->rtt_ms,
                           .state = p->state,
                           .preferred = live_path_preferred(view, path),
                           .suspect = live_path_group(view, path)->destination_suspect };
}

static bool moved(float was, float is, float least)
{
    float change = fabsf(is - was);
    return change > least && change > 0.02f * fabsf(was);
}

static bool differs(const struct shown *a, const struct shown *b)
{
    return a->state != b->state || a->preferred != b->preferred || a->suspect != b->suspect ||
           moved(a->cost, b->cost, 0.5f) || moved(a->rtt, b->rtt, 0.2f) ||
           moved(a->loss, b->loss, 0.001f);
}

/* All paths, or those that differ from what was shown. False: nothing to tell. */
static bool put_paths(struct web_live *live, bool all, struct buf *json)
{
    struct live view = web_live_view(live->web);
    uint32_t n = live_path_count(&view), told = 0;
    json_open(json, '[');
    for (uint32_t p = 0; p < n; p++) {
        struct shown now = look(&view, p);
        if (!all && !differs(&live->shown[p], &now))
            continue;
        live->shown[p] = now;
        live_path_put(json, &view, p);
        told++;
    }
    json_close(json, ']');
    return all || told > 0; /* that there are none any more is news, too */
}

static uint64_t shape_of(const struct advice *a)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t shape = a->egress_n;
    for (uint32_t e = 0; e < a->egress_n; e++)
        shape = (shape ^ slice_hash(a->egress[e].name)) * odd;
    for (uint32_t g = 0; g < a->group_n; g++) {
        shape = (shape ^ slice_hash(a->group[g].carrier)) * odd;
        shape = (shape ^ slice_hash(a->group[g].region)) * odd;
    }
    return shape;
}

/* Room for the table as it is; false: it has the shape it had. */
static bool reshape(struct web_live *live, const struct advice *a)
{
    uint64_t shape = shape_of(a);
    if (live->shown && shape == live->shape)
        return false;
    size_t n = (size_t)a->egress_n * a->group_n;
    live->shown = mem_grow(live->shown, n + 1, sizeof *live->shown);
    live->shape = shape;
    return true;
}

static void tell_paths(struct web_live *live)
{
    struct live view = web_live_view(live->web);
    if (!view.advice || view.advice->version == live->version)
        return;
    live->version = view.advice->version;
    struct buf json;
    buf_init(&json, EVENT_BYTES_MAX);
    bool all = reshape(live, view.advice);
    if (put_paths(live, all, &json) && !json.full)
        send_all(live, all ? "all_paths" : "paths", &json);
    if (all)
        note_whole(live, buf_len(&json));
    buf_free(&json);
}

static void tell_egresses(struct web_live *live, struct listener *only)
{
    struct buf json;
    buf_init(&json, EVENT_BYTES_MAX);
    web_put_egresses(&json, live->web);
    if (only)
        send_event(only, "egress", buf_slice(&json));
    else
        send_all(live, "egress", &json);
    buf_free(&json);
}

/* ---- totals ---- */

static void on_totals(void *arg, const struct ask_answer *a)
{
    struct web_live *live = ((struct web *)arg)->live;
    struct slice row, rest;
    if (!live)
        return;
    live->asking = false;
    slice_cut(a->rows, '\n', &row, &rest);
    struct buf json;
    buf_init(&json, row.n + 64);
    if (a->rc == RC_OK && a->status == 0)
        buf_put_slice(&json, row);
    else
        buf_puts(&json, "null"); /* the relay does not answer */
    send_all(live, "totals", &json);
    buf_free(&json);
}

static void ask_totals(struct web_live *live)
{
    struct web *w = live->web;
    struct request request = { 0 };
    if (live->asking)
        return;
    live->asking = true;
    request_set(&request, "totals", "");
    ask_open(w->env.loop, &w->asks, w->env.relay_path, &request, on_totals, w);
    request_free(&request);
}

/* ---- listeners ---- */

static void on_tick(struct timer *timer)
{
    struct web_live *live = CONTAINER_OF(timer, struct web_live, tick);
    if (!live->count)
        return;
    timer_set(live->web->env.loop, &live->tick, TICK_MS);
    live->ticks++;
    tell_paths(live);
    if (live->egress_changed || live->ticks % EGRESS_TICKS == 0)
        tell_egresses(live, NULL);
    live->egress_changed = false;
    if (live->ticks % TOTALS_TICKS == 0)
        ask_totals(live);
    LIST_EACH (node, &live->listeners) {
        if (live->ticks % BEAT_TICKS == 0) /* a comment: proxies end silent connections */
            http_write(CONTAINER_OF(node, struct listener, node)->call, SLICE_LIT(":\n\n"));
    }
}

static void on_gone(void *arg)
{
    listener_free(arg);
}

static void welcome(struct web_live *live, struct listener *l)
{
    struct buf json;
    struct live view = web_live_view(live->web);
    buf_init(&json, EVENT_BYTES_MAX);
    json_open(&json, '[');
    for (uint32_t p = 0; p < live_path_count(&view); p++)
        live_path_put(&json, &view, p);
    json_close(&json, ']');
    http_write(l->call, SLICE_LIT("retry: 2000\n"));
    send_event(l, "all_paths", buf_slice(&json));
    l->whole = buf_len(&json);
    tell_egresses(live, l);
    buf_free(&json);
}

void web_events(struct web_query *query)
{
    struct web_live *live = query->web->live;
    if (http_head_only(query->call)) {
        web_reply(&query, 200, EVENTS_TYPE, slice_of(""));
        return;
    }
    if (live->count >= WEB_LISTENERS) {
        web_reply_error(&query, 503, "too many listen already");
        return;
    }
    tell_paths(live); /* the others first: from here on all know the same */
    struct listener *l = mem_zero(sizeof *l);
    l->live = live;
    l->call = query->call;
    list_init(&l->node);
    list_push_back(&live->listeners, &l->node);
    live->count++;
    web_release(&query);
    http_on_gone(l->call, on_gone, l);
    http_begin(l->call, 200, EVENTS_TYPE);
    welcome(live, l);
    if (!timer_is_set(&live->tick))
        timer_set(live->web->env.loop, &live->tick, TICK_MS);
}

void web_live_event(struct web_live *live, int64_t at_ms, const struct links_event *event)
{
    struct buf json;
    live->egress_changed = true; /* its state, or how many paths it has up or preferred */
    if (!live->count)
        return;
    buf_init(&json, 16 << 10);
    link_event_put(&json, at_ms, event);
    send_all(live, "link", &json);
    buf_free(&json);
}

void web_live_standing(struct web_live *live, int64_t at_ms, const struct standing_note *note)
{
    struct buf json;
    live->egress_changed = true;
    if (!live->count)
        return;
    buf_init(&json, 16 << 10);
    standing_note_put(&json, at_ms, note);
    send_all(live, "standing", &json);
    buf_free(&json);
}

struct web_live *web_live_new(struct web *web)
{
    struct web_live *live = mem_zero(sizeof *live);
    live->web = web;
    list_init(&live->listeners);
    timer_init(&live->tick, on_tick);
    return live;
}

void web_live_free(struct web_live **live_p)
{
    struct web_live *live = *live_p;
    if (!live)
        return;
    LIST_EACH (node, &live->listeners)
        listener_free(CONTAINER_OF(node, struct listener, node));
    timer_stop(live->web->env.loop, &live->tick);
    free(live->shown);
    free(live);
    *live_p = NULL;
}
