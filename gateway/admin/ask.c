#include "gateway/admin/ask.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/passage.h"
#include "gateway/base/mem.h"
#include "gateway/io/stream.h"

enum { ANSWER_MS = 10000, CHUNK = 64 << 10 };

struct ask {
    struct list node;
    struct loop_task failed; /* without a connection */
    struct stream *stream;
    struct buf bytes;
    ask_done_fn *done;
    void *arg;
};

static void ask_free(struct ask *ask)
{
    list_del(&ask->node);
    loop_task_cancel(&ask->failed);
    stream_close(&ask->stream);
    buf_free(&ask->bytes);
    free(ask);
}

static void finish(struct ask *ask, const struct ask_answer *answer)
{
    list_del(&ask->node);
    ask->done(ask->arg, answer);
    ask_free(ask);
}

static void fail(struct ask *ask, enum rc rc, const char *why)
{
    struct ask_answer answer = { .rc = rc, .text = why };
    finish(ask, &answer);
}

/* {"row":X} becomes X, in place. Returns the end's line. */
static struct slice take_rows(struct buf *bytes, struct slice *rows_r)
{
    static const char open[] = "{\"row\":";
    struct slice line, rest = buf_slice(bytes);
    char *to = bytes->mem + bytes->start, *from = to;
    struct slice end = { NULL, 0 };
    rows_r->p = to;
    while (rest.n) {
        slice_cut(rest, '\n', &line, &rest);
        if (!slice_starts_with(line, open) || !slice_ends_with(line, "}")) {
            end = line;
            break;
        }
        size_t n = line.n - strlen(open) - 1;
        memmove(to, line.p + strlen(open), n + 1); /* with the bracket */
        to[n] = '\n';
        to += n + 1;
    }
    rows_r->n = (size_t)(to - from);
    return end;
}

static void conclude(struct ask *ask)
{
    struct ask_answer answer = { .rc = RC_CLOSED, .text = "the answer has no end" };
    struct slice line = take_rows(&ask->bytes, &answer.rows);
    json_t *root = line.n ? json_loadb(line.p, line.n, 0, NULL) : NULL;
    const json_t *end = json_object_get(root, "end");
    if (end) {
        const char *text = json_string_value(json_object_get(end, "text"));
        answer.rc = RC_OK;
        answer.status = (int)json_integer_value(json_object_get(end, "status"));
        answer.text = text ? text : "";
    }
    finish(ask, &answer);
    json_decref(root);
}

static void on_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    struct ask *ask = arg;
    *used_r = n;
    buf_put(&ask->bytes, p, n);
    if (ask->bytes.full)
        fail(ask, RC_LIMIT, "the answer is too large");
}

static void on_eof(void *arg)
{
    conclude(arg);
}

static void on_error(void *arg, const struct err *err)
{
    (void)err;
    fail(arg, RC_CLOSED, "the relay ended in the middle of its answer");
}

static void on_timeout(void *arg)
{
    fail(arg, RC_TIMEOUT, "the relay does not answer");
}

static void on_failed(struct loop_task *task)
{
    fail(CONTAINER_OF(task, struct ask, failed), RC_CLOSED, "the relay is not there at the moment");
}

void ask_open(struct loop *loop, struct list *asks, const char *path, const struct request *request,
              ask_done_fn *done, void *arg)
{
    static const struct stream_limits limits = { CHUNK, REQUEST_MAX * 2, CHUNK };
    static const struct stream_ops ops = {
        .on_data = on_data, .on_eof = on_eof, .on_error = on_error, .on_timeout = on_timeout
    };
    struct err err;
    int fd = -1;
    struct ask *ask = mem_zero(sizeof *ask);
    ask->done = done;
    ask->arg = arg;
    buf_init(&ask->bytes, ASK_BYTES_MAX);
    loop_task_init(&ask->failed, on_failed);
    list_init(&ask->node);
    list_push_back(asks, &ask->node);
    if (passage_connect(path, &fd, &err) != RC_OK) {
        loop_task_schedule(loop, &ask->failed);
        return;
    }
    ask->stream = stream_new(loop, fd, &limits);
    stream_set_ops(ask->stream, &ops, ask);
    stream_set_deadline(ask->stream, ANSWER_MS);
    struct buf line;
    buf_init(&line, REQUEST_MAX * 2);
    request_put(&line, request);
    stream_write(ask->stream, buf_slice(&line).p, buf_len(&line));
    buf_free(&line);
}

void ask_cancel_all(struct list *asks)
{
    LIST_EACH (node, asks)
        fail(CONTAINER_OF(node, struct ask, node), RC_CLOSED, "cancelled");
}
