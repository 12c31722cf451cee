/*
 * admin/web_private — what the files of the web share
 *
 *   web.c          who may ask, the table of paths, the files of the page
 *   web_api.c      JSON from the history, the live view and the relay
 *   web_names.c    names that nothing has
 *   web_metrics.c  /metrics, /readyz
 *   web_live.c     server-sent events
 */
#ifndef WAYPOST_ADMIN_WEB_PRIVATE_H
#define WAYPOST_ADMIN_WEB_PRIVATE_H

#include "gateway/admin/ask.h"
#include "gateway/admin/web.h"
#include "gateway/io/http.h"
#include "gateway/io/timer.h"

struct web_live;

struct web {
    struct web_env env;
    struct http_server *server; /* NULL: nobody is served */
    struct list asks;           /* of the relay */
    struct list queries;        /* not answered yet */
    struct map *faults;         /* egress name to struct web_fault */
    struct web_live *live;
};

/* Since when an egress has its fault. */
struct web_fault {
    struct live_fault fault;
    char *reason;
};

/* One request: the call, and what its query says. `fields.action` is free for the handler. */
struct web_query {
    struct list node;
    struct web *web;
    struct http_call *call; /* NULL: nobody waits for the answer any more */
    struct request fields;
    char *unknown; /* a name that nothing has was asked for: what to say without a row; NULL */
};

/* Takes the query over: it is freed by web_reply*(). */
typedef void web_handler_fn(struct web_query *query);

struct web_route {
    const char *path, *method; /* method: "GET" (HEAD too) or "POST" */
    const char *const *fields; /* what may stand in the query; ends with NULL */
    const char *verb, *action; /* for handlers that ask the relay */
    web_handler_fn *run;
};
extern const struct web_route web_routes[]; /* ends with a NULL path */

struct live web_live_view(const struct web *web);
size_t web_egress_count(const struct web *web);
void web_put_egress(struct buf *json, const struct web *web, size_t egress); /* one object */

void web_reply(struct web_query **query, int status, const char *type, struct slice body);
void web_reply_json(struct web_query **query, struct buf *json);
/* {"error":"why"} */
void web_reply_error(struct web_query **query, int status, const char *why);
/* Without a word: the call goes on elsewhere. */
void web_release(struct web_query **query);
/* Lines of JSON objects become one array. */
void web_put_array(struct buf *out, struct slice lines);
void web_put_egresses(struct buf *json, const struct web *web); /* an array */

/* ---- handlers ---- */
void web_links(struct web_query *query);
void web_switches(struct web_query *query);
void web_series(struct web_query *query);
void web_paths(struct web_query *query);
void web_egress(struct web_query *query);
void web_reputation(struct web_query *query);
void web_points(struct web_query *query);
void web_relay_rows(struct web_query *query); /* the verb's rows as an array */
void web_relay_one(struct web_query *query);  /* its only row */
void web_relay_act(struct web_query *query);  /* its end */
void web_metrics(struct web_query *query);
void web_healthy(struct web_query *query);
void web_ready(struct web_query *query);
void web_events(struct web_query *query);

/* ---- events ---- */
struct web_live *web_live_new(struct web *web);
void web_live_free(struct web_live **live);
void web_live_event(struct web_live *live, int64_t at_ms, const struct links_event *event);
void web_live_standing(struct web_live *live, int64_t at_ms, const struct standing_note *note);

#endif
