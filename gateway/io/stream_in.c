/*
 * io/stream_in — the input half of a stream: reading, showing, keeping the rest
 *
 *   One recv a readiness event, into the loop's scratch buffer behind the kept rest, so that
 *   on_data sees one piece. When it took less than was asked for the socket is empty: no second
 *   call is spent to be told EAGAIN (the event is level-triggered).
 *
 *   A pause takes effect lazily:
 *   the read event goes only when the socket becomes readable.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/io/stream_private.h"

/* Adds or removes the read event as the state asks for. */
void stream_in_set_event(struct stream *s)
{
    bool on = stream_live(s) && !s->eof && !s->paused && s->tls_state != STREAM_TLS_PENDING &&
              (s->ops || s->finishing);
    if (on == s->reading)
        return;
    s->reading = on;
    if (on)
        event_add(&s->read_event, NULL);
    else
        event_del(&s->read_event);
}

static void keep(struct stream *s, const char *p, size_t n)
{
    struct err err;
    if (n == 0)
        return;
    if (s->tls_state == STREAM_TLS_PENDING) {
        err_set(&err, RC_DENIED, "plain text sent before the TLS handshake");
        stream_fail(s, &err);
        return;
    }
    buf_put(&s->kept, p, n);
    if (!s->paused && !s->show_again && n > s->limits.input) {
        err_set(&err, RC_LIMIT, "more than %zu bytes of input without an end", s->limits.input);
        stream_fail(s, &err);
    }
}

/* Shows p[0..n) (which begins with what was kept) and keeps what is not used. */
void stream_in_show(struct stream *s, const char *p, size_t n)
{
    size_t used = 0;
    buf_shrink(&s->kept);
    if (!s->ops)
        return; /* finishing: nobody reads this any more */
    s->ops->on_data(s->arg, p, n, &used);
    assert(used <= n);
    if (stream_live(s) && s->ops)
        keep(s, p + used, n - used);
}

void stream_in_eof(struct stream *s)
{
    s->eof = true;
    stream_in_set_event(s);
    if (s->finishing) {
        s->dead = s->out.shut_done; /* else when the rest of the output has left */
        return;
    }
    if (s->tls_state == STREAM_TLS_PENDING || s->tls_state == STREAM_TLS_HANDSHAKE) {
        struct err err;
        err_set(&err, RC_CLOSED, "connection closed during the TLS handshake");
        stream_fail(s, &err);
        return;
    }
    if (s->paused || s->show_again)
        return; /* stream_in_work() tells after the kept bytes */
    s->eof_reported = true;
    if (s->ops && s->ops->on_eof)
        s->ops->on_eof(s->arg);
}

/* Plain input: kept bytes and new ones side by side in the scratch buffer. */
static ssize_t read_plain(struct stream *s)
{
    char *scratch = loop_scratch(s->loop);
    struct slice kept = buf_slice(&s->kept);
    ssize_t n = recv(s->fd, scratch + kept.n, LOOP_SCRATCH - kept.n, 0);
    if (n <= 0)
        return n;
    s->bytes_in += (size_t)n;
    if (kept.n)
        memcpy(scratch, kept.p, kept.n);
    stream_in_show(s, scratch, kept.n + (size_t)n);
    return n;
}

static ssize_t read_tls(struct stream *s)
{
    ssize_t n = recv(s->fd, loop_scratch(s->loop), LOOP_SCRATCH, 0);
    if (n > 0)
        stream_tls_input(s, loop_scratch(s->loop), (size_t)n);
    return n;
}

void stream_in_ready(struct stream *s)
{
    if (!stream_live(s) || s->eof)
        return;
    if (s->paused || s->show_again || s->tls_state == STREAM_TLS_PENDING) {
        stream_in_set_event(s);
        return;
    }
    ssize_t n = s->tls_state == STREAM_PLAIN ? read_plain(s) : read_tls(s);
    if (!stream_live(s) || n > 0)
        return;
    if (n == 0)
        stream_in_eof(s);
    else if (errno != EAGAIN && errno != EINTR)
        stream_fail_errno(s, "read", errno);
}

void stream_pause(struct stream *s)
{
    s->paused = true;
    s->show_again = false;
}

void stream_resume(struct stream *s)
{
    if (!s->paused)
        return;
    s->paused = false;
    s->show_again = true;
    stream_work_soon(s);
}

void stream_in_work(struct stream *s)
{
    if (!s->show_again)
        return;
    s->show_again = false;
    if (buf_len(&s->kept)) {
        struct buf taken = s->kept;
        buf_init(&s->kept, taken.limit);
        stream_in_show(s, buf_slice(&taken).p, buf_len(&taken));
        buf_free(&taken);
    }
    if (stream_live(s) && s->eof && !s->eof_reported && !s->paused && !s->show_again)
        stream_in_eof(s);
    if (stream_live(s))
        stream_in_set_event(s);
}
