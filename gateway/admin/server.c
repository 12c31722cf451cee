#include "gateway/admin/server.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/listen.h"
#include "gateway/io/stream.h"

enum {
    CALLS_MAX = 32,
    REQUEST_MS = 10000,
    OUTPUT_MAX = 64 << 20, /* far above FULL_BYTES: a row is never refused */
    FULL_BYTES = 256 << 10,
    LINGER_MS = 5000
};

struct call {
    struct list node;
    struct admin_server *server;
    struct stream *stream; /* NULL: the client is gone */
    bool running;          /* the request has come */
    void (*on_room)(void *arg);
    void *room_arg;
    void (*on_input)(void *arg, struct slice bytes);
    void *input_arg;
    struct loop_task room; /* tells it that the client is gone */
};

struct admin_server {
    struct loop *loop;
    struct listener *listener;
    const struct admin_verb *verbs;
    void *arg;
    struct list calls;
    unsigned count;
};

static void call_free(struct call *call)
{
    loop_task_cancel(&call->room);
    list_del(&call->node);
    call->server->count--;
    stream_close(&call->stream);
    free(call);
}

static void tell_room(struct call *call)
{
    void (*fn)(void *arg) = call->on_room;
    call->on_room = NULL;
    if (fn)
        fn(call->room_arg);
}

static void on_room_task(struct loop_task *task)
{
    tell_room(CONTAINER_OF(task, struct call, room));
}

/* ---- the answer ---- */

void call_raw(struct call *call, struct slice bytes)
{
    if (call->stream)
        stream_write(call->stream, bytes.p, bytes.n);
}

void call_row(struct call *call, struct slice json)
{
    call_raw(call, SLICE_LIT("{\"row\":"));
    call_raw(call, json);
    call_raw(call, SLICE_LIT("}\n"));
}

void call_end_raw(struct call **call_p)
{
    struct call *call = *call_p;
    if (call->stream)
        stream_finish(&call->stream, LINGER_MS);
    call_free(call);
    *call_p = NULL;
}

void call_end_status(struct call **call, int status, struct slice text)
{
    struct buf line;
    buf_init(&line, 1 << 20);
    request_put_end(&line, status, text);
    call_raw(*call, buf_slice(&line));
    buf_free(&line);
    call_end_raw(call);
}

void call_end(struct call **call, bool ok, struct slice text)
{
    call_end_status(call, ok ? 0 : 1, text);
}

bool call_gone(const struct call *call)
{
    return call->stream == NULL;
}

bool call_full(const struct call *call)
{
    return call->stream && stream_queued(call->stream) > FULL_BYTES;
}

void call_on_room(struct call *call, void (*on_room)(void *arg), void *arg)
{
    call->on_room = on_room;
    call->room_arg = arg;
    if (!call->stream)
        loop_task_schedule(call->server->loop, &call->room);
}

void call_on_input(struct call *call, void (*on_input)(void *arg, struct slice bytes), void *arg)
{
    call->on_input = on_input;
    call->input_arg = arg;
}

/* The call may be over when this returns. */
static void tell_input(struct call *call, struct slice bytes)
{
    if (call->on_input)
        call->on_input(call->input_arg, bytes);
}

/* ---- the request ---- */

static void gone(struct call *call)
{
    if (!call->running) {
        call_free(call);
        return;
    }
    stream_close(&call->stream);
    if (call->on_room)
        loop_task_schedule(call->server->loop, &call->room);
    tell_input(call, (struct slice){ NULL, 0 });
}

static void run(struct call *call, struct slice line)
{
    struct admin_server *s = call->server;
    struct request request;
    struct err err;
    call->running = true;
    stream_set_deadline(call->stream, 0);
    if (request_parse(line, &request, &err) != RC_OK) {
        call_end(&call, false, slice_of(err.text));
        return;
    }
    const struct admin_verb *v = s->verbs;
    while (v->run && v->name && strcmp(v->name, request.verb) != 0)
        v++;
    if (v->run)
        v->run(s->arg, call, &request);
    else
        call_end(&call, false, SLICE_LIT("unknown verb"));
    request_free(&request);
}

static void on_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    struct call *call = arg;
    *used_r = 0;
    if (call->running) { /* one request a connection */
        *used_r = n;
        tell_input(call, (struct slice){ p, n });
        return;
    }
    const char *end = memchr(p, '\n', n);
    if (!end)
        return;
    *used_r = n;
    run(call, (struct slice){ p, (size_t)(end - p) });
}

static void on_error(void *arg, const struct err *err)
{
    (void)err;
    gone(arg);
}

static void on_eof(void *arg)
{
    struct call *call = arg;
    if (!call->running)
        gone(call);
    else /* it waits for the answer */
        tell_input(call, (struct slice){ NULL, 0 });
}

static void on_timeout(void *arg)
{
    gone(arg);
}

static void on_drain(void *arg)
{
    tell_room(arg);
}

static void on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
    static const struct stream_limits limits = { REQUEST_MAX + 1, OUTPUT_MAX, FULL_BYTES / 2 };
    static const struct stream_ops ops = { .on_data = on_data,
                                           .on_eof = on_eof,
                                           .on_error = on_error,
                                           .on_drain = on_drain,
                                           .on_timeout = on_timeout };
    struct admin_server *s = arg;
    (void)peer;
    (void)local;
    struct stream *stream = stream_new(s->loop, fd, &limits);
    if (s->count >= CALLS_MAX) {
        stream_close(&stream);
        return;
    }
    struct call *call = mem_zero(sizeof *call);
    call->server = s;
    call->stream = stream;
    loop_task_init(&call->room, on_room_task);
    list_init(&call->node);
    list_push_back(&s->calls, &call->node);
    s->count++;
    stream_set_ops(stream, &ops, call);
    stream_set_deadline(stream, REQUEST_MS);
}

struct admin_server *admin_server_new(struct loop *loop, int fd, const struct admin_verb *verbs,
                                      void *arg)
{
    struct admin_server *s = mem_zero(sizeof *s);
    s->loop = loop;
    s->verbs = verbs;
    s->arg = arg;
    list_init(&s->calls);
    s->listener = listener_new(loop, fd, on_accept, s);
    return s;
}

void admin_server_free(struct admin_server **s_p)
{
    struct admin_server *s = *s_p;
    if (!s)
        return;
    listener_free(&s->listener);
    LIST_EACH (node, &s->calls)
        call_free(CONTAINER_OF(node, struct call, node));
    free(s);
    *s_p = NULL;
}
