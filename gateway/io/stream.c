#include "gateway/io/stream_private.h"

#include <assert.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/io/net.h"
#include "gateway/io/tls_session.h"

enum { HASTY_MS = 10000 }; /* for a peer that does not take the last bytes */

void stream_enter(struct stream *s)
{
    s->busy++;
}

void stream_leave(struct stream *s)
{
    if (--s->busy == 0 && s->dead)
        stream_free_now(s);
}

bool stream_live(const struct stream *s)
{
    return !s->dead && !s->failed;
}

void stream_work_soon(struct stream *s)
{
    loop_task_schedule(s->loop, &s->work);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    (void)fd;
    (void)what;
    stream_enter(s);
    stream_in_ready(s);
    stream_leave(s);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    (void)fd;
    (void)what;
    stream_enter(s);
    stream_out_flush(s);
    stream_leave(s);
}

static void report_failure(struct stream *s)
{
    s->reported = true;
    if (s->finishing)
        s->dead = true;
    else if (s->ops)
        s->ops->on_error(s->arg, s->failure);
}

static void on_work(struct loop_task *task)
{
    struct stream *s = CONTAINER_OF(task, struct stream, work);
    stream_enter(s);
    if (stream_live(s))
        stream_in_work(s);
    if (stream_live(s))
        stream_out_flush(s);
    if (s->failed && !s->dead && !s->reported && (s->ops || s->finishing))
        report_failure(s);
    stream_leave(s);
}

static void on_deadline(struct timer *timer)
{
    struct stream *s = CONTAINER_OF(timer, struct stream, deadline);
    stream_enter(s);
    if (s->finishing)
        s->dead = true;
    else if (s->ops && s->ops->on_timeout)
        s->ops->on_timeout(s->arg);
    stream_leave(s);
}

struct stream *stream_new(struct loop *loop, int fd, const struct stream_limits *limits)
{
    struct stream *s = mem_zero(sizeof *s);
    s->loop = loop;
    s->fd = fd;
    stream_set_limits(s, limits);
    buf_init(&s->kept, (size_t)2 * LOOP_SCRATCH);
    list_init(&s->orphan);
    loop_task_init(&s->work, on_work);
    timer_init(&s->deadline, on_deadline);
    int rc =
        event_assign(&s->read_event, loop_base(loop), fd, EV_READ | EV_PERSIST, on_readable, s);
    rc |= event_assign(&s->write_event, loop_base(loop), fd, EV_WRITE | EV_PERSIST, on_writable, s);
    assert(rc == 0);
    (void)rc;
    net_set_nodelay(fd);
    return s;
}

void stream_set_ops(struct stream *s, const struct stream_ops *ops, void *arg)
{
    s->ops = ops;
    s->arg = arg;
    stream_in_set_event(s);
    if (s->failed)
        stream_work_soon(s);
}

void stream_set_limits(struct stream *s, const struct stream_limits *limits)
{
    assert(limits->input <= STREAM_INPUT_MAX);
    s->limits = *limits;
    s->out.copied.limit = limits->output;
}

/* Takes the socket off the loop; what is queued or kept is no longer of use. */
static void stop_io(struct stream *s)
{
    if (s->reading)
        event_del(&s->read_event);
    s->reading = false;
    stream_out_set_event(s, false);
    stream_out_drop(s);
    buf_shrink(&s->kept);
}

void stream_free_now(struct stream *s)
{
    stop_io(s);
    list_del(&s->orphan);
    loop_task_cancel(&s->work);
    timer_stop(s->loop, &s->deadline);
    tls_session_free(&s->tls);
    close(s->fd);
    buf_free(&s->out.copied);
    free(s->out.segments);
    free(s->failure);
    if (s->ended)
        s->ended(s->ended_arg);
    free(s);
}

void stream_close(struct stream **stream)
{
    struct stream *s = *stream;
    *stream = NULL;
    if (!s)
        return;
    s->dead = true;
    if (s->busy == 0)
        stream_free_now(s);
    else
        stop_io(s);
}

void stream_finish(struct stream **stream, int64_t linger_ms)
{
    if (*stream)
        stream_finish_then(stream, linger_ms, NULL, NULL);
}

void stream_finish_then(struct stream **stream, int64_t linger_ms, void (*ended)(void *arg),
                        void *arg)
{
    struct stream *s = *stream;
    *stream = NULL;
    s->ended = ended;
    s->ended_arg = arg;
    s->ops = NULL;
    s->finishing = true;
    s->paused = false;
    list_push_back(loop_orphans(s->loop), &s->orphan);
    s->hasty = linger_ms == 0;
    timer_set(s->loop, &s->deadline, s->hasty ? HASTY_MS : linger_ms);
    s->out.shut = true;
    stream_in_set_event(s);
    stream_work_soon(s);
}

void stream_drop_orphans(struct list *orphans)
{
    for (struct list *node; (node = list_pop_front(orphans));) {
        struct stream *s = CONTAINER_OF(node, struct stream, orphan);
        stream_close(&s);
    }
}

void stream_fail(struct stream *s, const struct err *err)
{
    if (s->failed || s->dead)
        return;
    s->failed = true;
    s->failure = mem_copy(err, sizeof *err);
    stream_tls_last_words(s);
    stop_io(s);
    stream_work_soon(s);
}

void stream_fail_errno(struct stream *s, const char *what, int error)
{
    struct err err;
    bool closed = error == ECONNRESET || error == EPIPE || error == ECONNABORTED;
    enum rc rc = closed ? RC_CLOSED : error == ETIMEDOUT ? RC_TIMEOUT : RC_IO;
    err_set(&err, rc, "%s: %s", what, strerror(error));
    stream_fail(s, &err);
}

void stream_set_deadline(struct stream *s, int64_t delay_ms)
{
    if (delay_ms > 0)
        timer_set(s->loop, &s->deadline, delay_ms);
    else
        timer_stop(s->loop, &s->deadline);
}

bool stream_tcp_info(const struct stream *s, struct stream_tcp_info *info_r)
{
    struct tcp_info ti = { 0 };
    socklen_t n = sizeof ti;
    *info_r = (struct stream_tcp_info){ 0 };
    if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &ti, &n) != 0)
        return false;
    *info_r = (struct stream_tcp_info){
        .rtt_us = ti.tcpi_rtt,
        .rttvar_us = ti.tcpi_rttvar,
        .min_rtt_us = ti.tcpi_min_rtt == UINT32_MAX ? 0 : ti.tcpi_min_rtt,
        .segments = ti.tcpi_data_segs_out + 1, /* and the SYN; lost ACKs are nobody's loss */
        .retransmits = ti.tcpi_total_retrans,
        .sent_again = ti.tcpi_retransmits,
        .acked = ti.tcpi_bytes_acked,
        .bytes_retransmitted = ti.tcpi_bytes_retrans,
        .delivery_rate = ti.tcpi_delivery_rate,
        .busy_us = ti.tcpi_busy_time,
        .receiver_us = ti.tcpi_rwnd_limited,
        .app_limited = ti.tcpi_delivery_rate_app_limited,
    };
    return true;
}

const struct addr *stream_peer(struct stream *s)
{
    if (s->peer.family == ADDR_NONE)
        net_peer_of(s->fd, &s->peer);
    return &s->peer;
}

const struct addr *stream_local(struct stream *s)
{
    if (s->local.family == ADDR_NONE)
        net_local_of(s->fd, &s->local);
    return &s->local;
}

uint64_t stream_bytes_out(const struct stream *s)
{
    return s->bytes_out;
}

struct loop *stream_loop(const struct stream *s)
{
    return s->loop;
}

int stream_fd(const struct stream *s)
{
    return s->fd;
}
