/*
 * admin/verb_report — `waypost report links`, `switches`: from the history; `report reputation`:
 * what is known now, then from the history
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/web_names.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"

enum { LIMIT_MAX = 5000 };
#define HOUR_MS (60ll * 60 * 1000)
#define DAY_MS (24 * HOUR_MS)
#define SINCE_MAX_MS (3650ll * 24 * HOUR_MS)

enum rc history_question_read(const struct request *r, enum history_what what, int64_t now_ms,
                              struct history_question *q, struct err *err)
{
    const char *since = request_get(r, "since"), *limit = request_get(r, "limit");
    int64_t back = what == HISTORY_STANDING || what == HISTORY_POINTS ? DAY_MS : HOUR_MS;
    uint64_t n = 0;
    if (since && (units_duration(slice_of(since), &back) != RC_OK || back <= 0))
        return err_set(err, RC_PARSE, "since: \"%.40s\" is no time such as 30m, 4h or 2d", since);
    if (limit && !slice_to_u64(slice_of(limit), LIMIT_MAX, &n))
        return err_set(err, RC_PARSE, "limit: \"%.40s\" is no number up to %d", limit, LIMIT_MAX);
    *q =
        (struct history_question){ .what = what,
                                   .now_ms = now_ms,
                                   .since_ms = now_ms - (back < SINCE_MAX_MS ? back : SINCE_MAX_MS),
                                   .egress = slice_of(request_get(r, "egress")),
                                   .carrier = slice_of(request_get(r, "carrier")),
                                   .region = slice_of(request_get(r, "region")),
                                   .address = slice_of(request_get(r, "address")),
                                   .limit = (unsigned)n };
    if (what == HISTORY_POINTS && !q->egress.n)
        return err_set(err, RC_PARSE, "egress is needed");
    if (what == HISTORY_SERIES && !(q->egress.n && q->carrier.n && q->region.n))
        return err_set(err, RC_PARSE, "egress, carrier and region are needed");
    return RC_OK;
}

/* What was asked, until the history has answered. */
struct inquiry {
    struct call *call;
    char *unknown; /* nothing is called so: what to say when there is no row either; NULL */
};

static void on_answer(void *arg, enum rc rc, struct buf *lines, const struct err *err)
{
    struct inquiry *inquiry = arg;
    struct slice line, rest = buf_slice(lines);
    bool ok = rc == RC_OK && (rest.n || !inquiry->unknown);
    while (rc == RC_OK && rest.n) {
        slice_cut(rest, '\n', &line, &rest);
        call_row(inquiry->call, line);
    }
    const char *why = ok ? "" : rc == RC_OK ? inquiry->unknown : err->text;
    call_end(&inquiry->call, ok, slice_of(why));
    free(inquiry->unknown);
    free(inquiry);
}

static void put_row(void *call, struct slice json)
{
    call_row(call, json);
}

static const struct {
    const char *action;
    enum history_what what;
} reports[] = { { "links", HISTORY_LINKS },
                { "switches", HISTORY_EVENTS },
                { "reputation", HISTORY_STANDING } };

static enum rc find_report(const char *action, enum history_what *what_r, struct err *err)
{
    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
        *what_r = reports[i].what;
        if (strcmp(action, reports[i].action) == 0)
            return RC_OK;
    }
    return err_set(err, RC_PARSE, "there is no report \"%.40s\"", action);
}

void verb_report(const struct web *w, struct call *call, const struct request *request)
{
    const struct web_env *env = &w->env;
    struct history_question q;
    struct err err;
    enum history_what what;
    enum rc rc = find_report(request->action, &what, &err);
    if (rc == RC_OK)
        rc = history_question_read(request, what, loop_wall_ms(env->loop), &q, &err);
    if (rc != RC_OK) {
        call_end(&call, false, slice_of(err.text));
        return;
    }
    struct inquiry *inquiry = mem_zero(sizeof *inquiry);
    inquiry->call = call;
    inquiry->unknown = web_names_unknown(w, request);
    if (what == HISTORY_STANDING && env->reputation)
        env->reputation(env->arg, request_get(request, "egress"), put_row, call);
    history_ask(env->history, &q, on_answer, inquiry);
}
