/*
 * admin/web — the HTTP side of control: web page, metrics, API, live events
 *
 *   Answers from the history (report/history), the table sent last (report/live) and the relay
 *   (asked over its admin socket). Reading is free to whoever reaches the socket; what changes
 *   something needs the token of report.token_file, and a wrong token is refused everywhere.
 *
 *   A browser must not become somebody else's hand: a Host that is no address, no name of ours and
 *   not in report.names is refused (DNS rebinding), no page of another site may read anything (no
 *   CORS, Sec-Fetch-Site), and the page loads nothing from elsewhere (Content-Security-Policy).
 *
 * Everything runs on the loop. Limits are those of io/http; WEB_LISTENERS clients may listen to
 * events, and one that lags behind is let go: it comes back by itself and begins anew.
 */
#ifndef WAYPOST_ADMIN_WEB_H
#define WAYPOST_ADMIN_WEB_H

#include "gateway/admin/server.h"
#include "gateway/conf/conf.h"
#include "gateway/report/history.h"
#include "gateway/report/metrics.h"

enum { WEB_LISTENERS = 24, WEB_METRICS_MAX = 32 };

/* Is given rows of a report: JSON objects. */
typedef void web_row_fn(void *to, struct slice json);

/* All is borrowed. The history is freed after the web: it answers what the web has asked. */
struct web_env {
    struct loop *loop;
    const char *relay_path; /* the relay's admin socket */
    struct history *history;
    /* What is in force now; NULL: not there yet. Borrowed until the loop turns. */
    const struct advice *(*advice)(void *arg);
    const struct conf *(*conf)(void *arg);
    const struct standing *(*standing)(void *arg); /* may be NULL, and answer NULL */
    /* What is known of the addresses of egresses that match the glob (NULL: all). May be NULL. */
    void (*reputation)(void *arg, const char *glob, web_row_fn *row, void *to);
    size_t (*metrics)(void *arg, struct metric *out, size_t max); /* control's own; may be NULL */
    void *arg;
};

struct web;
struct web *web_new(const struct web_env *env);
void web_free(struct web **web);

/* Serves this listening socket from now on, in place of the one before; -1: none. Taken over. */
void web_listen(struct web *web, int fd);
/* Tells it to whoever listens, and remembers since when an egress has a fault. */
void web_event(struct web *web, int64_t at_ms, const struct links_event *event);

/* The same for what happens to an address of ours. */
void web_standing(struct web *web, int64_t at_ms, const struct standing_note *note);

/* ---- shared with the admin protocol ---- */

/* Fields since, egress, carrier, region and limit, all optional. RC_PARSE: err says which. */
enum rc history_question_read(const struct request *request, enum history_what what, int64_t now_ms,
                              struct history_question *question_r, struct err *err);
/* The verb `egress` of control's admin socket; action list. Ends the call. */
void verb_egress(const struct web *web, struct call *call, const struct request *request);
/* The verb `report` of control's admin socket; actions: links, switches, reputation. Ends the
 * call. */
void verb_report(const struct web *web, struct call *call, const struct request *request);

#endif
