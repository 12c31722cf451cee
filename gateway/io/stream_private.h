/*
 * io/stream_private — struct stream, shared by the stream files of io/
 *
 *   stream.c      life, callbacks, failure, deadlines
 *   stream_in.c   reading, the kept rest, pause and resume
 *   stream_out.c  the queue of segments and its flush
 *   stream_tls.c  the TLS filter between the two and the socket
 *
 *   `busy` counts the stream's own functions on the stack above a callback: a stream closed from
 *   a callback is freed when the outermost of them leaves (stream_enter/stream_leave).
 */
#ifndef WAYPOST_IO_STREAM_PRIVATE_H
#define WAYPOST_IO_STREAM_PRIVATE_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "gateway/base/buf.h"
#include "gateway/io/stream.h"
#include "gateway/io/timer.h"

struct tls_session;

/* Bytes to send: memory of somebody else, or (p == NULL) the next n bytes of `copied`. */
struct segment {
    const char *p;
    size_t n;
    void (*release)(void *arg);
    void *arg;
};

struct stream_out {
    struct buf copied;
    struct segment *segments; /* ring-less queue: [first, count) are waiting */
    size_t first, count, cap;
    size_t queued; /* bytes in segments */
    bool above;    /* queued has been above low_mark since the last on_drain */
    bool shut;     /* half close wanted */
    bool shut_done;
};

enum stream_tls_state {
    STREAM_PLAIN,
    STREAM_TLS_PENDING, /* plain output must leave first */
    STREAM_TLS_HANDSHAKE,
    STREAM_TLS_OPEN
};

struct stream {
    struct loop *loop;
    int fd;
    unsigned busy;
    bool dead;       /* closed: no callback any more */
    bool failed;     /* broken: no input or output any more */
    bool reported;   /* on_error has run */
    bool finishing;  /* stream_finish(): ours alone */
    bool hasty;      /* ... and the peer's end is not waited for */
    bool paused;     /* by the owner */
    bool reading;    /* the read event is added */
    bool writing;    /* the write event is added */
    bool show_again; /* kept bytes are to be shown without new ones */
    bool eof, eof_reported;
    enum stream_tls_state tls_state;
    struct stream_limits limits;
    const struct stream_ops *ops;
    void *arg;
    struct event read_event, write_event;
    struct timer deadline;
    struct loop_task work; /* flush, show again, report: before the loop waits */
    struct buf kept;       /* input not used yet */
    struct stream_out out;
    struct tls_session *tls;
    int64_t tls_began_ms;
    uint64_t bytes_in, bytes_out;
    struct err *failure;
    struct addr peer, local;
    struct list orphan; /* on the loop's list while finishing */
    void (*ended)(void *arg);
    void *ended_arg;
};

void stream_enter(struct stream *s);
void stream_leave(struct stream *s);      /* may free s */
bool stream_live(const struct stream *s); /* callbacks and I/O are still allowed */
/* Marks the stream broken; on_error follows in this turn's tasks. First failure wins. */
void stream_fail(struct stream *s, const struct err *err);
void stream_fail_errno(struct stream *s, const char *what, int error);
void stream_work_soon(struct stream *s);
void stream_free_now(struct stream *s);

void stream_in_ready(struct stream *s); /* the socket may be readable */
void stream_in_work(struct stream *s);
void stream_in_show(struct stream *s, const char *p, size_t n);
void stream_in_set_event(struct stream *s);
void stream_in_eof(struct stream *s);

void stream_out_flush(struct stream *s);
void stream_out_drop(struct stream *s);
void stream_out_broken(struct stream *s, int error); /* the socket takes no more */
void stream_out_set_event(struct stream *s, bool on);
/* Takes n bytes off the front of the queue. */
void stream_out_consume(struct stream *s, size_t n);
/* The first bytes of the queue, at most n, in one piece; `scratch` holds n bytes. */
struct slice stream_out_front(struct stream *s, char *scratch, size_t n);

void stream_tls_input(struct stream *s, const char *p, size_t n);
void stream_tls_check(struct stream *s); /* begins a pending handshake when the way is free */
/* Encrypts what waits and sends. True: everything is with the kernel. */
bool stream_tls_flush(struct stream *s);
void stream_tls_last_words(struct stream *s); /* sends an alert without waiting */

/* Loop side: streams that finish without an owner. */
struct list *loop_orphans(struct loop *loop);
void stream_drop_orphans(struct list *orphans);

#endif
