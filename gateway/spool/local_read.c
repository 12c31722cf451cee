/*
 * spool/local_read — a body as a stream of windows, on the worker's side
 *
 *   The reader holds one span (fetch.h) and hands out windows of it. While the caller works on the
 *   last window of a span, the next span is fetched. An answer that needs no thread still goes
 *   through the loop's mailbox: callbacks never come from inside a call.
 *
 *   State: `fetching` a fetch is out; `cb` set: next() is out. Both end in fetch_finish or
 *   window_finish. A reader that is closed lives until what is out has come back.
 */
#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/spool/fetch.h"

struct local_reader {
    struct spool_reader reader; /* must stay first */
    struct local_port *port;
    struct spool_id id;
    struct body_info info;
    uint64_t offset;         /* of the next window */
    struct span span, ahead; /* ahead: fetched before it was asked for */
    unsigned out;            /* requests under way */
    bool fetching, closed;
    spool_read_fn *cb;
    void *arg;
};

struct fetch {
    struct req req; /* must stay first */
    struct local_reader *reader;
    struct spool_id id;
    uint64_t offset;
    struct body_info info;
    struct span span;
};

struct window {
    struct req req; /* must stay first */
    struct local_reader *reader;
};

static void serve(struct local_reader *r);

struct spool_reader *local_reader_open(struct spool_port *port, struct spool_id id)
{
    struct local_reader *r = mem_zero(sizeof(*r));
    r->port = port_of(port);
    r->id = id;
    return &r->reader;
}

static void reader_release(struct local_reader *r)
{
    if (!r->closed || r->out > 0)
        return;
    span_free(&r->span);
    span_free(&r->ahead);
    free(r);
}

static bool holds(const struct span *span, uint64_t offset)
{
    return span->bytes.n > 0 && offset >= span->base && offset - span->base < span->bytes.n;
}

static void call_back(struct local_reader *r, enum spool_rc rc, struct slice window)
{
    spool_read_fn *cb = r->cb;
    r->cb = NULL;
    cb(r->arg, rc, window.p, window.n);
}

static void fetch_finish(struct req *req)
{
    struct fetch *fetch = (struct fetch *)req;
    struct local_reader *r = fetch->reader;
    r->out--;
    r->fetching = false;
    bool keep = !r->closed && req->rc == SPOOL_OK;
    if (req->rc == SPOOL_OK)
        r->info = fetch->info;
    if (keep) {
        span_free(&r->ahead);
        r->ahead = fetch->span;
    } else {
        span_free(&fetch->span);
    }
    enum spool_rc rc = req->rc;
    free(fetch);
    if (r->closed)
        reader_release(r);
    else if (r->cb && rc != SPOOL_OK)
        call_back(r, rc, (struct slice){ 0 });
    else if (r->cb)
        serve(r);
}

static void fetch_run(struct req *req, struct seal *seal)
{
    struct fetch *fetch = (struct fetch *)req;
    req_done(req, fetch_span(local_of(&req->port->port), seal, fetch->id, fetch->offset,
                             &fetch->info, &fetch->span));
}

static void start_fetch(struct local_reader *r, uint64_t offset)
{
    if (r->fetching)
        return;
    struct fetch *fetch = mem_zero(sizeof(*fetch));
    fetch->req.run = fetch_run;
    fetch->req.finish = fetch_finish;
    fetch->reader = r;
    fetch->id = r->id;
    fetch->offset = offset;
    fetch->info = r->info;
    r->fetching = true;
    r->out++;
    req_post(r->port, local_reader(r->port), &fetch->req);
}

/* Hands out the next window, or fetches what is missing; runs on the loop, from a callback. */
static void serve(struct local_reader *r)
{
    if (r->info.known && r->offset >= r->info.size) {
        call_back(r, SPOOL_OK, (struct slice){ 0 });
        return;
    }
    if (!holds(&r->span, r->offset) && holds(&r->ahead, r->offset)) {
        span_free(&r->span);
        r->span = r->ahead;
        r->ahead = (struct span){ 0 };
    }
    if (!holds(&r->span, r->offset)) {
        start_fetch(r, r->offset);
        return;
    }
    size_t at = (size_t)(r->offset - r->span.base), left = r->span.bytes.n - at;
    struct slice window = { r->span.bytes.p + at, left < WINDOW ? left : WINDOW };
    r->offset += window.n;
    uint64_t span_end = r->span.base + r->span.bytes.n;
    if (r->offset == span_end && span_end < r->info.size)
        start_fetch(r, span_end);
    call_back(r, SPOOL_OK, window);
}

static void window_finish(struct req *req)
{
    struct local_reader *r = ((struct window *)req)->reader;
    free(req);
    r->out--;
    if (r->closed)
        reader_release(r);
    else
        serve(r);
}

void local_reader_next(struct spool_reader *reader, spool_read_fn *cb, void *arg)
{
    struct local_reader *r = (struct local_reader *)reader;
    assert(!r->cb);
    r->cb = cb;
    r->arg = arg;
    bool ready = holds(&r->span, r->offset) || holds(&r->ahead, r->offset) ||
                 (r->info.known && r->offset >= r->info.size);
    if (!ready) {
        if (!r->fetching)
            start_fetch(r, r->offset);
        return;
    }
    struct window *window = mem_zero(sizeof(*window));
    window->req.finish = window_finish;
    window->req.port = r->port;
    window->reader = r;
    r->out++;
    r->port->pending++;
    req_done(&window->req, SPOOL_OK);
}

void local_reader_close(struct spool_reader *reader)
{
    struct local_reader *r = (struct local_reader *)reader;
    r->closed = true;
    r->cb = NULL;
    reader_release(r);
}
