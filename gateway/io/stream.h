/*
 * io/stream — a non-blocking byte stream over a socket, plain or TLS, for server and client alike
 *
 *   Input: bytes are read into a scratch buffer of the loop and shown to on_data, which says how
 *   many it used. The rest is kept (limits.input) and shown again in front of what comes next, or
 *   after stream_resume(). So an idle stream holds no buffer.
 *
 *   Output: stream_write() copies, stream_write_ref() refers; both only queue. Once a turn all of
 *   it leaves in one sendmsg (TLS: encrypted together). What the peer does not take waits for
 *   writability; the writer watches stream_queued() or on_drain.
 *
 *   TLS: stream_start_tls_*() turns a live plain stream into a TLS one. Bytes that arrived in plain
 *   text behind the command that asked for it are an error (RC_DENIED), never carried over.
 *
 * Callbacks: never run from inside a call made on the stream. Any of them may call any stream
 *            function, stream_close() included; after stream_close() or stream_finish() none runs.
 *            on_error and on_eof come at most once. After on_error the stream is dead: close it.
 *            When a write fails, input that had already arrived is shown first (a peer's last
 *            reply).
 * Errors:    RC_CLOSED reset or broken pipe, RC_LIMIT the kept rest outgrew limits.input,
 *            RC_DENIED injected plain text or certificate refused, RC_PARSE not TLS, RC_IO else.
 * See:       RFC 3207 section 4.2, RFC 8446, RFC 7457.
 */
#ifndef WAYPOST_IO_STREAM_H
#define WAYPOST_IO_STREAM_H

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"
#include "gateway/base/slice.h"
#include "gateway/io/loop.h"

struct stream;
struct tls_info;
struct tls_server;
struct tls_client;
struct tls_target;

enum { STREAM_INPUT_MAX = LOOP_SCRATCH / 2 };

struct stream_limits {
    size_t input;    /* most bytes kept between calls of on_data; at most STREAM_INPUT_MAX */
    size_t output;   /* stream_write*() beyond this queue makes the stream fail with RC_LIMIT */
    size_t low_mark; /* on_drain runs when the queue falls to this or below after being above */
};

/* Any member may be NULL except on_data and on_error. */
struct stream_ops {
    /* Sets *used_r <= n. Called again with the unused rest only once more has arrived. */
    void (*on_data)(void *arg, const char *p, size_t n, size_t *used_r);
    void (*on_eof)(void *arg); /* the peer will send no more; writing is still possible */
    void (*on_error)(void *arg, const struct err *err);
    void (*on_drain)(void *arg);
    void (*on_timeout)(void *arg); /* the deadline passed; the stream lives on */
    void (*on_tls)(void *arg);     /* the handshake is done: see stream_tls_info() */
};

/* Takes over fd (a connected, non-blocking socket). Reading starts with stream_set_ops(). */
struct stream *stream_new(struct loop *loop, int fd, const struct stream_limits *limits);
void stream_set_ops(struct stream *s, const struct stream_ops *ops, void *arg);
void stream_set_limits(struct stream *s, const struct stream_limits *limits);

/* Closes at once; queued output is dropped (release callbacks run). */
void stream_close(struct stream **s);
/* Sends what is queued, says close_notify and FIN, waits up to linger_ms for the peer's end so that
 * the last reply is not lost to a reset, then frees. The handle is gone at once. linger_ms 0: the
 * peer has nothing left to say (it said QUIT), so the socket is closed as soon as all is sent. */
void stream_finish(struct stream **s, int64_t linger_ms);
/* The same; `ended` runs once, when the socket is closed: later, from the loop or its end. */
void stream_finish_then(struct stream **s, int64_t linger_ms, void (*ended)(void *arg), void *arg);

void stream_write(struct stream *s, const void *p, size_t n);
/* Queues memory that stays valid until release(arg) runs: once, when sent or dropped, possibly from
 * inside stream_close(). release may be NULL (static memory, or a later piece's release stands
 * for it too); small pieces without one are copied rather than referred to. */
void stream_write_ref(struct stream *s, struct slice bytes, void (*release)(void *arg), void *arg);
size_t stream_queued(const struct stream *s); /* bytes not yet taken by the kernel (plain text) */

void stream_pause(struct stream *s);  /* no on_data (nor on_eof) until stream_resume() */
void stream_resume(struct stream *s); /* kept bytes are shown again in this turn's tasks */

void stream_set_deadline(struct stream *s, int64_t delay_ms); /* <= 0: none. Later is nearly free */

/* The handshake; on_tls or on_error follows. Call it when the command that leads to it has been
 * consumed (server: queue the 220 first). The contexts must outlive the call only. */
enum rc stream_start_tls_server(struct stream *s, struct tls_server *server, struct err *err);
enum rc stream_start_tls_client(struct stream *s, struct tls_client *client,
                                const struct tls_target *target, struct err *err);
const struct tls_info *stream_tls_info(const struct stream *s); /* NULL: plain or not done yet */

/* Of the TCP connection, since it began; through a proxy that is the way to the proxy. */
struct stream_tcp_info {
    uint32_t rtt_us, min_rtt_us, rttvar_us; /* min_rtt_us: 0 when not measured yet */
    uint32_t segments, retransmits;         /* sent; sent again */
    uint32_t sent_again;                    /* in a row and not answered yet */
    uint64_t acked;                         /* bytes */
    uint64_t bytes_retransmitted;
    uint64_t delivery_rate; /* bytes/s, latest; 0 unknown */
    uint64_t busy_us;       /* time with bytes on the way */
    uint64_t receiver_us;   /* of that: the peer took no more */
    bool app_limited;       /* delivery_rate is what we offered, not what the path gave */
};
bool stream_tcp_info(const struct stream *s, struct stream_tcp_info *info_r);

const struct addr *stream_peer(struct stream *s); /* asked from the socket at first use */
const struct addr *stream_local(struct stream *s);
uint64_t stream_bytes_out(const struct stream *s); /* as queued, before encryption */
struct loop *stream_loop(const struct stream *s);
int stream_fd(const struct stream *s);

#endif
