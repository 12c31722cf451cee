#include "gateway/admin/under_way.h"

#include <jansson.h>
#include <string.h>

#include "gateway/admin/relay_verbs.h"
#include "gateway/base/json.h"

enum { ROW_MAX = 1024 };

/* ---- the relay's side ---- */

void under_way_put_table(struct buf *row, int64_t table_ms)
{
    json_open(row, '{');
    json_int(row, "table", table_ms);
    json_close(row, '}');
}

void under_way_put_session(struct buf *row, struct slice egress, const struct addr *source,
                           unsigned transactions)
{
    char address[ADDR_TEXT_MAX];
    json_open(row, '{');
    json_str(row, "egress", egress);
    if (source->family != ADDR_NONE)
        json_cstr(row, "source", addr_host_text(source, address));
    json_int(row, "n", transactions);
    json_close(row, '}');
}

/* Each worker's answer begins with it. */
struct head {
    int64_t table_ms;
};

static void add_session(void *arg, struct slice egress, const struct addr *source,
                        unsigned transactions)
{
    struct buf *out = arg, row;
    buf_init(&row, ROW_MAX);
    under_way_put_session(&row, egress, source, transactions);
    buf_put_slice(out, buf_slice(&row));
    buf_putc(out, '\n');
    buf_free(&row);
}

static void look(void *arg, const struct fanout_worker *worker, struct buf *out)
{
    struct buf rows;
    (void)arg;
    buf_init(&rows, FANOUT_ANSWER_MAX / 2);
    struct head head = { delivery_under_way(worker->delivery, add_session, &rows) };
    buf_put(out, &head, sizeof head);
    buf_put_slice(out, buf_slice(&rows));
    buf_free(&rows);
}

static struct head head_of(const struct buf *answer)
{
    struct head head;
    memcpy(&head, buf_slice(answer).p, sizeof head);
    return head;
}

static void on_answers(void *arg, struct buf *answers, unsigned n)
{
    struct call *call = arg;
    struct head oldest = head_of(&answers[0]);
    struct slice row, rest;
    struct buf json;
    for (unsigned i = 1; i < n; i++)
        if (head_of(&answers[i]).table_ms < oldest.table_ms)
            oldest = head_of(&answers[i]);
    buf_init(&json, ROW_MAX);
    under_way_put_table(&json, oldest.table_ms);
    call_row(call, buf_slice(&json));
    buf_free(&json);
    for (unsigned i = 0; i < n; i++) {
        rest = slice_skip(buf_slice(&answers[i]), sizeof oldest);
        while (slice_cut(rest, '\n', &row, &rest))
            call_row(call, row);
    }
    call_end(&call, true, slice_of(""));
}

void verb_under_way(void *arg, struct call *call, const struct request *request)
{
    struct relay_view *view = arg;
    (void)request;
    fanout_run(&view->workers, look, on_answers, call);
}

/* ---- control's side ---- */

static enum rc read_session(const json_t *row, under_way_fn *fn, void *arg)
{
    const json_t *egress = json_object_get(row, "egress"), *n = json_object_get(row, "n");
    const char *text = json_string_value(json_object_get(row, "source"));
    struct addr source = { .family = ADDR_NONE };
    if (!json_is_string(egress) || !json_is_integer(n) || json_integer_value(n) < 0 ||
        json_integer_value(n) > UINT16_MAX ||
        (text && addr_parse(slice_of(text), &source) != RC_OK))
        return RC_PARSE;
    fn(arg, slice_of(json_string_value(egress)), &source, (uint32_t)json_integer_value(n));
    return RC_OK;
}

enum rc under_way_read(struct slice rows, int64_t *table_ms_r, under_way_fn *fn, void *arg)
{
    struct slice line, rest = rows;
    enum rc rc = RC_PARSE;
    for (bool first = true; slice_cut(rest, '\n', &line, &rest); first = false) {
        json_t *row = json_loadb(line.p, line.n, 0, NULL);
        const json_t *table = json_object_get(row, "table");
        rc = first ? json_is_integer(table) ? RC_OK : RC_PARSE : read_session(row, fn, arg);
        if (first && rc == RC_OK)
            *table_ms_r = json_integer_value(table);
        json_decref(row);
        if (rc != RC_OK)
            break;
    }
    return rc;
}
