/*
 * admin/verb_report — `waypost report links`, `report switches`: from the history
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/web.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"

enum { LIMIT_MAX = 5000 };
#define HOUR_MS (60ll * 60 * 1000)
#define SINCE_MAX_MS (3650ll * 24 * HOUR_MS)

enum rc history_question_read(const struct request *r, enum history_what what, int64_t now_ms,
                              struct history_question *q, struct err *err)
{
    const char *since = request_get(r, "since"), *limit = request_get(r, "limit");
    int64_t back = HOUR_MS;
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
                                   .limit = (unsigned)n };
    if (what == HISTORY_SERIES && !(q->egress.n && q->carrier.n && q->region.n))
        return err_set(err, RC_PARSE, "egress, carrier and region are needed");
    return RC_OK;
}

static void on_answer(void *arg, enum rc rc, struct buf *lines, const struct err *err)
{
    struct call *call = arg;
    struct slice line, rest = buf_slice(lines);
    while (rc == RC_OK && rest.n) {
        slice_cut(rest, '\n', &line, &rest);
        call_row(call, line);
    }
    call_end(&call, rc == RC_OK, slice_of(rc == RC_OK ? "" : err->text));
}

void verb_report(struct history *history, struct loop *loop, struct call *call,
                 const struct request *request)
{
    struct history_question q;
    struct err err;
    bool switches = strcmp(request->action, "switches") == 0;
    enum rc rc = RC_OK;
    if (!switches && strcmp(request->action, "links") != 0)
        rc = err_set(&err, RC_PARSE, "there is no report \"%.40s\"", request->action);
    if (rc == RC_OK)
        rc = history_question_read(request, switches ? HISTORY_EVENTS : HISTORY_LINKS,
                                   loop_wall_ms(loop), &q, &err);
    if (rc == RC_OK)
        history_ask(history, &q, on_answer, call);
    else
        call_end(&call, false, slice_of(err.text));
}
