/*
 * io/stream_out — the output half of a stream: segments, one sendmsg a turn, the low-water mark
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "gateway/base/mem.h"
#include "gateway/io/stream_private.h"
#include "gateway/io/tls_session.h"

enum {
    IOV_COUNT = 64,
    FLUSH_ROUNDS = 16,  /* sendmsg calls before others get their turn */
    COPIED_KEEP = 4096, /* a larger empty buffer is given back */
    COPY_BELOW = 256    /* cheaper to copy than to keep a segment for */
};

void stream_out_set_event(struct stream *s, bool on)
{
    if (on == s->writing)
        return;
    s->writing = on;
    if (on)
        event_add(&s->write_event, NULL);
    else
        event_del(&s->write_event);
}

static struct segment *push(struct stream_out *out)
{
    if (out->count == out->cap && out->first) {
        memmove(out->segments, out->segments + out->first,
                (out->count - out->first) * sizeof *out->segments);
        out->count -= out->first;
        out->first = 0;
    }
    if (out->count == out->cap) {
        out->cap = out->cap ? out->cap * 2 : 4;
        out->segments = mem_grow(out->segments, out->cap, sizeof *out->segments);
    }
    return &out->segments[out->count++];
}

/* False: the stream is broken, or this would be more than it may hold. */
static bool may_queue(struct stream *s, size_t n)
{
    assert(s->tls_state != STREAM_TLS_PENDING);
    if (!stream_live(s) || s->out.shut || n == 0)
        return false;
    if (n <= s->limits.output - s->out.queued)
        return true;
    struct err err;
    err_set(&err, RC_LIMIT, "more than %zu bytes of output wait for a slow reader",
            s->limits.output);
    stream_fail(s, &err);
    return false;
}

static void queued_more(struct stream *s, size_t n)
{
    s->out.queued += n;
    s->bytes_out += n;
    if (s->out.queued > s->limits.low_mark)
        s->out.above = true;
    if (!s->writing)
        stream_work_soon(s);
}

void stream_write(struct stream *s, const void *p, size_t n)
{
    struct stream_out *out = &s->out;
    if (!may_queue(s, n))
        return;
    buf_put(&out->copied, p, n);
    if (out->count > out->first && !out->segments[out->count - 1].p)
        out->segments[out->count - 1].n += n;
    else
        *push(out) = (struct segment){ .n = n };
    queued_more(s, n);
}

void stream_write_ref(struct stream *s, struct slice bytes, void (*release)(void *arg), void *arg)
{
    if (!release && bytes.n < COPY_BELOW) {
        stream_write(s, bytes.p, bytes.n);
        return;
    }
    if (!may_queue(s, bytes.n)) {
        if (release)
            release(arg);
        return;
    }
    *push(&s->out) = (struct segment){ bytes.p, bytes.n, release, arg };
    queued_more(s, bytes.n);
}

size_t stream_queued(const struct stream *s)
{
    return s->out.queued + (s->tls ? buf_len(tls_session_out(s->tls)) : 0);
}

/* All sent: an idle stream holds no memory for output. */
static void empty_out(struct stream_out *out)
{
    out->first = out->count = 0;
    if (out->copied.cap > COPIED_KEEP)
        buf_shrink(&out->copied);
}

void stream_out_consume(struct stream *s, size_t n)
{
    struct stream_out *out = &s->out;
    out->queued -= n;
    while (n) {
        struct segment *seg = &out->segments[out->first];
        size_t take = n < seg->n ? n : seg->n;
        if (seg->p)
            seg->p += take;
        else
            buf_consume(&out->copied, take);
        seg->n -= take;
        n -= take;
        if (seg->n)
            break;
        out->first++;
        if (seg->release)
            seg->release(seg->arg);
    }
    if (out->first == out->count)
        empty_out(out);
}

void stream_out_drop(struct stream *s)
{
    stream_out_consume(s, s->out.queued);
}

struct slice stream_out_front(struct stream *s, char *scratch, size_t n)
{
    struct stream_out *out = &s->out;
    const char *copied = buf_slice(&out->copied).p;
    size_t got = 0;
    for (size_t i = out->first; i < out->count && got < n; i++) {
        const struct segment *seg = &out->segments[i];
        size_t take = seg->n < n - got ? seg->n : n - got;
        const char *from = seg->p ? seg->p : copied;
        if (got == 0 && (take == n || i + 1 == out->count))
            return (struct slice){ from, take };
        memcpy(scratch + got, from, take);
        copied += seg->p ? 0 : take;
        got += take;
    }
    return (struct slice){ scratch, got };
}

static size_t fill_iov(struct stream_out *out, struct iovec *iov)
{
    char *copied = out->copied.mem ? out->copied.mem + out->copied.start : NULL;
    size_t n = 0;
    for (size_t i = out->first; i < out->count && n < IOV_COUNT; i++, n++) {
        const struct segment *seg = &out->segments[i];
        union {
            const char *in;
            char *out;
        } unconst = { .in = seg->p }; /* iovec is shared with readv; sendmsg only reads */
        iov[n] = (struct iovec){ seg->p ? unconst.out : copied, seg->n };
        copied += seg->p ? 0 : seg->n;
    }
    return n;
}

/* True: the queue is empty. */
static bool flush_plain(struct stream *s)
{
    for (int round = 0; s->out.queued && round < FLUSH_ROUNDS; round++) {
        struct iovec iov[IOV_COUNT];
        struct msghdr msg = { .msg_iov = iov, .msg_iovlen = fill_iov(&s->out, iov) };
        ssize_t n = sendmsg(s->fd, &msg, MSG_NOSIGNAL);
        if (n >= 0) {
            stream_out_consume(s, (size_t)n);
        } else if (errno == EAGAIN) {
            return false;
        } else if (errno != EINTR) {
            stream_out_broken(s, errno);
            return false;
        }
    }
    return s->out.queued == 0;
}

/* A peer that closes may have said why first: what has arrived is shown before the failure. */
void stream_out_broken(struct stream *s, int error)
{
    stream_out_drop(s);
    while (stream_live(s) && !s->eof && !s->paused && s->tls_state != STREAM_TLS_PENDING) {
        uint64_t before = s->bytes_in;
        stream_in_ready(s);
        if (s->bytes_in == before)
            break;
    }
    if (stream_live(s))
        stream_fail_errno(s, "write", error);
}

static void half_close(struct stream *s)
{
    s->out.shut_done = true;
    if (s->tls_state == STREAM_TLS_OPEN) {
        tls_session_shutdown(s->tls);
        stream_tls_flush(s);
    }
    s->dead = s->finishing && (s->eof || s->hasty);
    if (!s->dead)
        shutdown(s->fd, SHUT_WR);
}

static void tell_drained(struct stream *s)
{
    if (!s->out.above || stream_queued(s) > s->limits.low_mark)
        return;
    s->out.above = false;
    if (s->ops && s->ops->on_drain)
        s->ops->on_drain(s->arg);
}

void stream_out_flush(struct stream *s)
{
    if (!stream_live(s))
        return;
    bool tls = s->tls_state == STREAM_TLS_HANDSHAKE || s->tls_state == STREAM_TLS_OPEN;
    bool empty = tls ? stream_tls_flush(s) : flush_plain(s);
    if (!stream_live(s))
        return;
    stream_out_set_event(s, !empty);
    if (empty)
        stream_tls_check(s);
    if (stream_live(s) && s->out.shut && !s->out.shut_done && stream_queued(s) == 0)
        half_close(s);
    if (stream_live(s))
        tell_drained(s);
}
