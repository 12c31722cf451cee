/*
 * io/stream_tls — the TLS filter of a stream
 *
 *   plain --(plain output has left, nothing unread is kept)--> handshake --> open
 *
 *   Cipher text is read into the loop's first scratch buffer and decrypted into the second, so a
 *   stream holds none of either between events. Output is encrypted only as far as the kernel
 *   takes it (CIPHER_AHEAD), so a slow reader costs its plain queue and no more.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/io/stream_private.h"
#include "gateway/io/tls_session.h"

enum { RECORD = 16384, CIPHER_AHEAD = 4 * RECORD, FLUSH_ROUNDS = 8 };

/* Sends cipher text. 0: all of it has left; else errno. */
static int send_cipher(struct stream *s)
{
    struct buf *out = tls_session_out(s->tls);
    while (buf_len(out)) {
        ssize_t n = send(s->fd, buf_slice(out).p, buf_len(out), MSG_NOSIGNAL);
        if (n >= 0)
            buf_consume(out, (size_t)n);
        else if (errno != EINTR)
            return errno;
    }
    buf_shrink(out);
    return 0;
}

static bool encrypt_some(struct stream *s)
{
    struct err err;
    while (s->out.queued && buf_len(tls_session_out(s->tls)) < CIPHER_AHEAD) {
        struct slice front = stream_out_front(s, loop_scratch2(s->loop), RECORD);
        if (tls_session_write(s->tls, front.p, front.n, &err) != RC_OK) {
            stream_fail(s, &err);
            return false;
        }
        stream_out_consume(s, front.n);
    }
    return true;
}

bool stream_tls_flush(struct stream *s)
{
    bool open = s->tls_state == STREAM_TLS_OPEN;
    for (int round = 0; round < FLUSH_ROUNDS; round++) {
        if (open && !encrypt_some(s))
            return false;
        int error = send_cipher(s);
        if (error && error != EAGAIN)
            stream_out_broken(s, error);
        if (error)
            return false;
        if (!open || s->out.queued == 0)
            return true;
    }
    return false;
}

void stream_tls_last_words(struct stream *s)
{
    if (s->tls && s->tls_state != STREAM_TLS_PENDING)
        send_cipher(s);
}

static void step_handshake(struct stream *s)
{
    struct err err;
    enum rc rc = tls_session_handshake(s->tls, &err);
    stream_work_soon(s); /* there is nearly always something to send */
    if (rc == RC_AGAIN)
        return;
    if (rc != RC_OK) {
        if (rc == RC_CLOSED)
            err_set(&err, rc, "connection closed during the TLS handshake");
        stream_fail(s, &err);
        return;
    }
    s->tls_state = STREAM_TLS_OPEN;
    tls_session_info(s->tls)->handshake_ms = loop_now_ms(s->loop) - s->tls_began_ms;
    if (s->ops && s->ops->on_tls)
        s->ops->on_tls(s->arg);
}

/* The command that asked for TLS is dealt with: begin once the answer to it has left. */
void stream_tls_check(struct stream *s)
{
    if (s->tls_state != STREAM_TLS_PENDING || s->out.queued)
        return;
    if (buf_len(&s->kept)) {
        struct err err;
        err_set(&err, RC_DENIED, "plain text sent before the TLS handshake");
        stream_fail(s, &err);
        return;
    }
    s->tls_state = STREAM_TLS_HANDSHAKE;
    s->tls_began_ms = loop_now_ms(s->loop);
    stream_in_set_event(s);
    step_handshake(s);
}

/* Decrypts what there is room for and shows or keeps it. RC_AGAIN: all of the input is used up. */
static enum rc decrypt_some(struct stream *s, struct err *err)
{
    char *plain = loop_scratch2(s->loop);
    bool hold = s->paused || s->show_again;
    size_t base = hold ? 0 : buf_len(&s->kept), got = 0, n = 0;
    enum rc rc = RC_OK;
    while (rc == RC_OK && base + got < LOOP_SCRATCH) {
        rc = tls_session_read(s->tls, plain + base + got, LOOP_SCRATCH - base - got, &n, err);
        got += n;
    }
    s->bytes_in += got;
    if (got && hold) {
        buf_put(&s->kept, plain, got);
    } else if (got) {
        if (base)
            memcpy(plain, buf_slice(&s->kept).p, base);
        stream_in_show(s, plain, base + got);
    }
    return rc;
}

void stream_tls_input(struct stream *s, const char *p, size_t n)
{
    struct err err;
    enum rc rc = RC_OK;
    tls_session_feed(s->tls, p, n);
    if (s->tls_state == STREAM_TLS_HANDSHAKE)
        step_handshake(s);
    while (rc == RC_OK && stream_live(s) && s->tls_state == STREAM_TLS_OPEN)
        rc = decrypt_some(s, &err);
    if (!stream_live(s))
        return;
    if (buf_len(tls_session_out(s->tls)))
        stream_work_soon(s);
    if (rc == RC_CLOSED)
        stream_in_eof(s);
    else if (rc != RC_OK && rc != RC_AGAIN)
        stream_fail(s, &err);
}

static void ask(struct stream *s)
{
    s->tls_state = STREAM_TLS_PENDING;
    stream_in_set_event(s);
    stream_work_soon(s);
}

enum rc stream_start_tls_server(struct stream *s, struct tls_server *server, struct err *err)
{
    if (s->tls || !stream_live(s))
        return err_set(err, RC_IO, "TLS is not possible on this connection now");
    enum rc rc = tls_session_server(server, &s->tls, err);
    if (rc == RC_OK)
        ask(s);
    return rc;
}

enum rc stream_start_tls_client(struct stream *s, struct tls_client *client,
                                const struct tls_target *target, struct err *err)
{
    if (s->tls || !stream_live(s))
        return err_set(err, RC_IO, "TLS is not possible on this connection now");
    enum rc rc = tls_session_client(client, target, &s->tls, err);
    if (rc == RC_OK)
        ask(s);
    return rc;
}

const struct tls_info *stream_tls_info(const struct stream *s)
{
    return s->tls_state == STREAM_TLS_OPEN ? tls_session_info(s->tls) : NULL;
}
