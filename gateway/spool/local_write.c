/*
 * spool/local_write — a body that comes in pieces, on the worker's side
 *
 *   Bytes gather in a buffer; each full one goes to the bulk thread as a chunk. A body that ends
 *   within the first buffer is committed like any small one and never was a chunk.
 *
 *   Back-pressure: at most WRITER_CHUNKS are out for one writer, and only one while all that waits
 *   is above mem_max: a slow disk slows the senders, it does not fill the memory.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/mail/body.h"
#include "gateway/spool/local.h"

enum { WRITER_CHUNKS = 4, FIRST_BUFFER = 16 * 1024 };

struct local_writer {
    struct spool_writer writer; /* must stay first */
    struct local_port *port;
    struct spool_id id;
    struct stream *stream; /* NULL: no chunk has gone out yet */
    char *data;            /* the chunk that is being filled */
    size_t len, cap;
    struct buf head;
    uint64_t chunk_bytes; /* gone out */
    uint32_t chunks;
    unsigned out; /* chunks that have not come back */
    bool stopped; /* the caller waits for drain */
    bool ended;   /* freed when the last chunk is back */
    spool_drain_fn *drain;
    void *arg;
};

struct writer_chunk {
    struct chunk chunk; /* must stay first */
    struct local_writer *writer;
    size_t cost;
};

struct spool_writer *local_writer_begin(struct spool_port *port, struct spool_id id,
                                        spool_drain_fn *drain, void *arg)
{
    struct local_writer *w = mem_zero(sizeof(*w));
    w->port = port_of(port);
    w->id = id;
    w->drain = drain;
    w->arg = arg;
    buf_init(&w->head, HEAD_MAX);
    return &w->writer;
}

static struct local_writer *writer_of(const struct spool_writer *w)
{
    return (struct local_writer *)(uintptr_t)w;
}

static void writer_end(struct local_writer *w)
{
    w->ended = true;
    if (w->out > 0)
        return;
    buf_free(&w->head);
    free(w->data);
    free(w);
}

static bool must_wait(const struct local_writer *w)
{
    const struct local *local = local_of(&w->port->port);
    uint64_t all = atomic_load_explicit(&local->waiting_bytes, memory_order_relaxed);
    return w->out >= (all > local->mem_max ? 1 : WRITER_CHUNKS);
}

static void chunk_finish(struct req *req)
{
    struct writer_chunk *wc = (struct writer_chunk *)req;
    struct local_writer *w = wc->writer;
    struct local *local = local_of(&w->port->port);
    atomic_fetch_sub_explicit(&local->waiting_bytes, wc->cost, memory_order_relaxed);
    free(wc);
    w->out--;
    if (w->ended) {
        writer_end(w);
    } else if (w->stopped && !must_wait(w)) {
        w->stopped = false;
        w->drain(w->arg);
    }
}

static void send_chunk(struct local_writer *w)
{
    struct local *local = local_of(&w->port->port);
    if (!w->stream) {
        w->stream = mem_zero(sizeof(*w->stream));
        w->stream->id = w->id;
    }
    struct writer_chunk *wc = mem_zero(sizeof(*wc));
    wc->chunk.req.run = chunk_run;
    wc->chunk.req.finish = chunk_finish;
    wc->chunk.stream = w->stream;
    wc->chunk.number = ++w->chunks;
    wc->chunk.data = w->data;
    wc->chunk.len = w->len;
    wc->writer = w;
    wc->cost = w->len;
    atomic_fetch_add_explicit(&local->waiting_bytes, wc->cost, memory_order_relaxed);
    w->chunk_bytes += w->len;
    w->data = NULL;
    w->len = w->cap = 0;
    w->out++;
    req_post(w->port, &local->bulk_writer, &wc->chunk.req);
}

static void make_room(struct local_writer *w, size_t want)
{
    if (w->len + want <= w->cap)
        return;
    size_t cap = w->chunks ? CHUNK_SIZE : w->cap ? w->cap : FIRST_BUFFER;
    while (cap < w->len + want)
        cap *= 2;
    w->cap = cap < CHUNK_SIZE ? cap : CHUNK_SIZE;
    w->data = mem_grow(w->data, w->cap, 1);
}

/* A full buffer is sent when more comes, so that a body of exactly one buffer stays inline. */
bool local_writer_append(struct spool_writer *writer, const void *data, size_t n)
{
    struct local_writer *w = writer_of(writer);
    const char *p = data;
    while (n > 0) {
        if (w->len == CHUNK_SIZE)
            send_chunk(w);
        size_t piece = n < CHUNK_SIZE - w->len ? n : CHUNK_SIZE - w->len;
        make_room(w, piece);
        memcpy(w->data + w->len, p, piece);
        w->len += piece;
        p += piece;
        n -= piece;
    }
    w->stopped = must_wait(w);
    return !w->stopped;
}

void local_writer_prepend(struct spool_writer *writer, const void *data, size_t n)
{
    struct local_writer *w = writer_of(writer);
    struct buf joined;
    buf_init(&joined, HEAD_MAX);
    buf_put(&joined, data, n);
    buf_put_slice(&joined, buf_slice(&w->head));
    assert(!joined.full);
    buf_free(&w->head);
    w->head = joined;
}

uint64_t local_writer_size(const struct spool_writer *writer)
{
    const struct local_writer *w = writer_of(writer);
    return buf_len(&w->head) + w->chunk_bytes + w->len;
}

static void commit_inline(struct local_writer *w, const struct spool_item *items, unsigned n,
                          spool_commit_fn *cb, void *arg)
{
    struct body *body = body_new(w->len);
    body_append(body, (struct slice){ w->data, w->len });
    body_prepend(body, buf_slice(&w->head));
    local_commit(&w->port->port, w->id, body, items, n, cb, arg);
    body_unref(&body);
}

void local_writer_commit(struct spool_writer *writer, const struct spool_item *items, unsigned n,
                         spool_commit_fn *cb, void *arg)
{
    struct local_writer *w = writer_of(writer);
    if (!w->stream) {
        commit_inline(w, items, n, cb, arg);
    } else {
        if (w->len > 0)
            send_chunk(w);
        struct manifest manifest = { .data_size = w->chunk_bytes,
                                     .chunk_size = CHUNK_SIZE,
                                     .chunks = w->chunks };
        group_commit_chunked(w->port, w->id, w->stream, &manifest, buf_slice(&w->head), items, n,
                             cb, arg);
    }
    writer_end(w);
}

void local_writer_abort(struct spool_writer *writer)
{
    struct local_writer *w = writer_of(writer);
    if (w->stream)
        stream_abort(w->port, w->stream);
    writer_end(w);
}
