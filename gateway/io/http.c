#include "gateway/io/http.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/io/listen.h"
#include "gateway/io/stream.h"

enum {
    HEAD_MS = 10000,
    IDLE_MS = 30000,
    WRITE_MS = 30000,
    LINGER_MS = 2000,
    FIELDS_BYTES_MAX = 4096
};

enum phase {
    PHASE_IDLE,    /* nothing of a request has come */
    PHASE_HEAD,    /* a part of one */
    PHASE_RUNNING, /* the handler has it */
    PHASE_STREAM,  /* http_begin() */
    PHASE_WRITING  /* the reply leaves; then the next request, or the end */
};

/* A connection; while a handler has it, its request. */
struct http_call {
    struct list node;
    struct http_server *server;
    struct stream *stream; /* NULL: the client is gone */
    enum phase phase;
    bool keep, head_only;
    size_t queued_before; /* when the deadline was set */
    struct buf fields;    /* of the reply */
    void (*on_gone)(void *arg);
    void *gone_arg;
};

struct http_server {
    struct loop *loop;
    struct listener *listener;
    http_handler_fn *handler;
    void *arg;
    struct list calls;
    unsigned count;
    struct http_head head; /* of the request that is being read */
};

static void call_free(struct http_call *call)
{
    list_del(&call->node);
    call->server->count--;
    stream_close(&call->stream);
    buf_free(&call->fields);
    free(call);
}

/* The connection is lost. A handler that still has the call frees it by answering. */
static void gone(struct http_call *call)
{
    bool running = call->phase == PHASE_RUNNING || call->phase == PHASE_STREAM;
    void (*fn)(void *arg) = call->on_gone;
    if (!running) {
        call_free(call);
        return;
    }
    stream_close(&call->stream);
    call->on_gone = NULL;
    if (fn)
        fn(call->gone_arg);
}

static void enter(struct http_call *call, enum phase phase)
{
    static const int64_t patience[] = { [PHASE_IDLE] = IDLE_MS,
                                        [PHASE_HEAD] = HEAD_MS,
                                        [PHASE_RUNNING] = 0,
                                        [PHASE_STREAM] = WRITE_MS,
                                        [PHASE_WRITING] = WRITE_MS };
    call->phase = phase;
    call->queued_before = stream_queued(call->stream);
    stream_set_deadline(call->stream, patience[phase]);
}

/* ---- the reply ---- */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = { { 200, "OK" },
                    { 304, "Not Modified" },
                    { 400, "Bad Request" },
                    { 401, "Unauthorized" },
                    { 403, "Forbidden" },
                    { 404, "Not Found" },
                    { 405, "Method Not Allowed" },
                    { 408, "Request Timeout" },
                    { 413, "Content Too Large" },
                    { 421, "Misdirected Request" },
                    { 431, "Request Header Fields Too Large" },
                    { 502, "Bad Gateway" },
                    { 503, "Service Unavailable" } };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Status";
}

void http_header(struct http_call *call, const char *name, const char *value)
{
    buf_printf(&call->fields, "%s: %s\r\n", name, value);
}

static void put_date(struct buf *out, int64_t wall_ms)
{
    struct buf text;
    buf_init(&text, 64);
    clock_put_rfc5322(&text, wall_ms);
    struct slice date = buf_slice(&text);
    date.n -= strlen("+0000"); /* HTTP writes the same zone as GMT */
    buf_puts(out, "Date: ");
    buf_put_slice(out, date);
    buf_puts(out, "GMT\r\n");
    buf_free(&text);
}

/* `length` < 0: the end of the connection is the end of the body. */
static void send_head(struct http_call *call, int status, const char *type, int64_t length)
{
    struct buf head;
    buf_init(&head, FIELDS_BYTES_MAX * 2);
    buf_printf(&head, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
    put_date(&head, loop_wall_ms(call->server->loop));
    if (type)
        buf_printf(&head, "Content-Type: %s\r\n", type);
    if (length >= 0)
        buf_printf(&head, "Content-Length: %lld\r\n", (long long)length);
    buf_puts(&head, call->keep ? "" : "Connection: close\r\n");
    buf_put_slice(&head, buf_slice(&call->fields));
    buf_puts(&head, "\r\n");
    stream_write(call->stream, buf_slice(&head).p, buf_len(&head));
    buf_free(&head);
    buf_shrink(&call->fields);
}

static void written(struct http_call *call)
{
    if (!call->keep) {
        stream_finish(&call->stream, LINGER_MS);
        call_free(call);
        return;
    }
    enter(call, PHASE_IDLE);
    stream_resume(call->stream);
}

static void end(struct http_call **call_p)
{
    struct http_call *call = *call_p;
    *call_p = NULL;
    call->on_gone = NULL;
    if (!call->stream) {
        call_free(call);
        return;
    }
    enter(call, PHASE_WRITING);
    if (stream_queued(call->stream) == 0)
        written(call);
}

static void reply(struct http_call **call_p, int status, const char *type, struct slice body,
                  bool lasts)
{
    struct http_call *call = *call_p;
    if (call->stream) {
        send_head(call, status, type, (int64_t)body.n);
        if (!call->head_only && lasts)
            stream_write_ref(call->stream, body, NULL, NULL);
        else if (!call->head_only)
            stream_write(call->stream, body.p, body.n);
    }
    end(call_p);
}

void http_reply(struct http_call **call, int status, const char *type, struct slice body)
{
    reply(call, status, type, body, false);
}

void http_reply_static(struct http_call **call, int status, const char *type, struct slice body)
{
    reply(call, status, type, body, true);
}

bool http_head_only(const struct http_call *call)
{
    return call->head_only;
}

void http_begin(struct http_call *call, int status, const char *type)
{
    call->keep = false;
    if (!call->stream) {
        call->phase = PHASE_STREAM;
        return;
    }
    send_head(call, status, type, -1);
    enter(call, PHASE_STREAM);
    stream_resume(call->stream); /* to see the client go */
}

void http_write(struct http_call *call, struct slice bytes)
{
    if (call->stream && !call->head_only)
        stream_write(call->stream, bytes.p, bytes.n);
}

void http_end(struct http_call **call)
{
    end(call);
}

bool http_full(const struct http_call *call, size_t more)
{
    return call->stream && stream_queued(call->stream) > HTTP_FULL + more;
}

bool http_gone(const struct http_call *call)
{
    return call->stream == NULL;
}

void http_on_gone(struct http_call *call, void (*on_gone)(void *arg), void *arg)
{
    call->on_gone = on_gone;
    call->gone_arg = arg;
}

/* ---- the request ---- */

static void refuse(struct http_call *call, int status, const char *text)
{
    call->keep = false;
    stream_pause(call->stream);
    http_reply(&call, status, "text/plain; charset=utf-8", slice_of(text));
}

static void run(struct http_call *call)
{
    struct http_server *s = call->server;
    call->keep = s->head.keep;
    call->head_only = slice_eq_str(s->head.method, "HEAD");
    if (s->head.has_body) {
        refuse(call, 413, "a request has no body here\n");
        return;
    }
    stream_pause(call->stream);
    enter(call, PHASE_RUNNING);
    s->handler(s->arg, call, &s->head);
}

static void on_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    struct http_call *call = arg;
    if (call->phase != PHASE_IDLE && call->phase != PHASE_HEAD) {
        *used_r = n; /* a client that talks into a stream */
        return;
    }
    call->head_only = false;
    switch ((int)http_head_parse((struct slice){ p, n }, &call->server->head, used_r)) {
    case RC_OK:
        run(call);
        break;
    case RC_AGAIN:
        if (call->phase == PHASE_IDLE)
            enter(call, PHASE_HEAD);
        break;
    case RC_LIMIT:
        *used_r = n;
        refuse(call, 431, "the head of this request is too large\n");
        break;
    default:
        *used_r = n;
        refuse(call, 400, "this is no HTTP/1.1 request\n");
    }
}

static void on_eof(void *arg)
{
    gone(arg);
}

static void on_error(void *arg, const struct err *err)
{
    (void)err;
    gone(arg);
}

static void on_drain(void *arg)
{
    struct http_call *call = arg;
    if (call->phase == PHASE_WRITING)
        written(call);
}

static void on_timeout(void *arg)
{
    struct http_call *call = arg;
    size_t queued = stream_queued(call->stream);
    if (call->phase == PHASE_HEAD)
        refuse(call, 408, "this request takes too long\n");
    else if (call->phase == PHASE_IDLE || (queued > 0 && queued >= call->queued_before))
        gone(call);
    else
        enter(call, call->phase);
}

/* ---- connections ---- */

/* Makes room by ending the connection that has been waiting for its next request longest. */
static bool end_an_idle_one(struct http_server *s)
{
    LIST_EACH (node, &s->calls) {
        struct http_call *call = CONTAINER_OF(node, struct http_call, node);
        if (call->phase == PHASE_IDLE || call->phase == PHASE_HEAD) {
            call_free(call);
            return true;
        }
    }
    return false;
}

static void on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
    static const struct stream_limits limits = { HTTP_HEAD_MAX, HTTP_QUEUE_MAX, 0 };
    static const struct stream_ops ops = { .on_data = on_data,
                                           .on_eof = on_eof,
                                           .on_error = on_error,
                                           .on_drain = on_drain,
                                           .on_timeout = on_timeout };
    struct http_server *s = arg;
    (void)peer;
    (void)local;
    struct stream *stream = stream_new(s->loop, fd, &limits);
    if (s->count >= HTTP_CONNECTIONS && !end_an_idle_one(s)) {
        stream_close(&stream);
        return;
    }
    struct http_call *call = mem_zero(sizeof *call);
    call->server = s;
    call->stream = stream;
    buf_init(&call->fields, FIELDS_BYTES_MAX);
    list_init(&call->node);
    list_push_back(&s->calls, &call->node);
    s->count++;
    stream_set_ops(stream, &ops, call);
    enter(call, PHASE_IDLE);
}

struct http_server *http_server_new(struct loop *loop, int fd, http_handler_fn *handler, void *arg)
{
    struct http_server *s = mem_zero(sizeof *s);
    s->loop = loop;
    s->handler = handler;
    s->arg = arg;
    list_init(&s->calls);
    s->listener = listener_new(loop, fd, on_accept, s);
    return s;
}

void http_server_free(struct http_server **s_p)
{
    struct http_server *s = *s_p;
    if (!s)
        return;
    listener_free(&s->listener);
    LIST_EACH (node, &s->calls)
        call_free(CONTAINER_OF(node, struct http_call, node));
    free(s);
    *s_p = NULL;
}

unsigned http_connections(const struct http_server *s)
{
    return s->count;
}
