/*
 * report/delivery_log — buffers of lines, and the file behind them
 *
 *   The descriptor number never changes: a new file is put in its place with dup3(), so writers on
 *   other threads need no message and no lock. A write that was cut short (disk full) leaves half a
 *   line; whoever writes next, on any thread, begins with a line break, so that only that line is
 *   broken.
 */
#include "gateway/report/delivery_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/timer.h"
#include "gateway/report/delivery_event.h"

enum { FLUSH_BYTES = 64 << 10, BUFFER_MAX = 256 << 10, FLUSH_MS = 10, COMPLAIN_MS = 60000 };

struct delivery_log {
    int fd;               /* for ever the same number */
    atomic_bool attached; /* false: fd is /dev/null */
    atomic_bool torn;     /* the file ends within a line */
};

struct delivery_writer {
    struct delivery_log *log;
    struct loop *loop;
    struct counters *counters;
    struct reasons *reasons;
    struct timer later;    /* flushes in a busy time */
    struct loop_task soon; /* flushes at the end of this turn, when there was none for a while */
    int64_t flushed_ms;
    struct buf buf;
    uint64_t lines; /* in buf */
    int64_t complained_ms;
    struct event_clock clock;
};

struct delivery_log *delivery_log_new(void)
{
    struct delivery_log *log = mem_zero(sizeof *log);
    log->fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert(log->fd >= 0);
    return log;
}

void delivery_log_free(struct delivery_log **log_p)
{
    struct delivery_log *log = *log_p;
    if (!log)
        return;
    close(log->fd);
    free(log);
    *log_p = NULL;
}

void delivery_log_attach(struct delivery_log *log, int fd)
{
    if (fd < 0) {
        atomic_store(&log->attached, false);
        return;
    }
    int rc = dup3(fd, log->fd, O_CLOEXEC);
    assert(rc == log->fd);
    (void)rc;
    close(fd);
    atomic_store(&log->attached, true);
}

static void on_later(struct timer *timer)
{
    delivery_writer_flush(CONTAINER_OF(timer, struct delivery_writer, later));
}

static void on_soon(struct loop_task *task)
{
    delivery_writer_flush(CONTAINER_OF(task, struct delivery_writer, soon));
}

struct delivery_writer *delivery_writer_new(struct delivery_log *log, struct loop *loop,
                                            struct counters *counters, struct reasons *reasons)
{
    struct delivery_writer *w = mem_zero(sizeof *w);
    w->log = log;
    w->loop = loop;
    w->counters = counters;
    w->reasons = reasons;
    timer_init(&w->later, on_later);
    loop_task_init(&w->soon, on_soon);
    buf_init(&w->buf, BUFFER_MAX);
    return w;
}

void delivery_writer_free(struct delivery_writer **w_p)
{
    struct delivery_writer *w = *w_p;
    if (!w)
        return;
    delivery_writer_flush(w);
    buf_free(&w->buf);
    free(w);
    *w_p = NULL;
}

struct counters *delivery_writer_counters(struct delivery_writer *w)
{
    return w->counters;
}

static void lost(struct delivery_writer *w, uint64_t lines, const char *why)
{
    counter_add(w->counters, COUNTER_LOG_LOST, lines);
    int64_t now = loop_now_ms(w->loop);
    if (w->complained_ms && now - w->complained_ms < COMPLAIN_MS)
        return;
    w->complained_ms = now;
    log_warning(NULL, "delivery_log_failed", "error", why, "lost",
                LOG_INT(counter_get(w->counters, COUNTER_LOG_LOST)), NULL);
}

void delivery_writer_flush(struct delivery_writer *w)
{
    timer_stop(w->loop, &w->later);
    loop_task_cancel(&w->soon);
    w->flushed_ms = loop_now_ms(w->loop);
    struct slice s = buf_slice(&w->buf);
    if (!s.n)
        return;
    bool torn = atomic_exchange(&w->log->torn, false);
    char line_break[] = "\n";
    struct iovec parts[2] = { { line_break, torn }, { (void *)(uintptr_t)s.p, s.n } };
    ssize_t n = writev(w->log->fd, parts, 2);
    if (n != (ssize_t)(torn + s.n)) {
        lost(w, w->lines, n < 0 ? strerror(errno) : "no space left");
        if (torn || n > 0)
            atomic_store(&w->log->torn, true);
    }
    w->lines = 0;
    buf_clear(&w->buf);
}

/* What each kind counts as; bounces and the like have a reason. */
static const struct kind {
    enum counter counter;
    bool has_reason;
} kinds[EVENT_KINDS] = {
    [EVENT_RECEIVED] = { COUNTER_RECEIVED, false },
    [EVENT_DELIVERED] = { COUNTER_DELIVERED, false },
    [EVENT_DEFERRED] = { COUNTER_DEFERRED, true },
    [EVENT_REROUTED] = { COUNTER_REROUTED, true },
    [EVENT_BOUNCED] = { COUNTER_BOUNCED, true },
    [EVENT_EXPIRED] = { COUNTER_EXPIRED, true },
    [EVENT_HELD] = { COUNTER_HELD, false },
    [EVENT_DROPPED] = { COUNTER_DROPPED, false },
    [EVENT_RELOAD] = { COUNTER_RELOADS, false },
    [EVENT_EGRESS_STATE] = { COUNTER_EGRESS_CHANGES, false },
    [EVENT_PATH_SWITCH] = { COUNTER_PATH_SWITCHES, false },
    [EVENT_LISTING] = { COUNTER_LISTING_CHANGES, false },
};

static void count(struct delivery_writer *w, const struct delivery_event *e)
{
    const struct kind *kind = &kinds[e->kind];
    counter_add(w->counters, kind->counter, 1);
    if (e->kind == EVENT_RECEIVED)
        counter_add(w->counters, COUNTER_RECEIVED_BYTES, e->size);
    if (e->kind == EVENT_DELIVERED && e->lane < LANE_COUNT)
        counter_add_wait(w->counters, e->lane, e->waited_ms);
    if (kind->has_reason)
        reasons_count(w->reasons, e->kind, e->code, e->enhanced, e->reply, 1,
                      loop_wall_ms(w->loop));
}

void delivery_log_write(struct delivery_writer *w, const struct delivery_event *e)
{
    count(w, e);
    if (!atomic_load_explicit(&w->log->attached, memory_order_relaxed))
        return;
    size_t before = buf_len(&w->buf);
    delivery_event_put(&w->buf, e, loop_wall_ms(w->loop), &w->clock);
    if (w->buf.full) { /* cannot be: a line is far smaller than what flushing leaves */
        w->buf.end = w->buf.start + before;
        w->buf.full = false;
        lost(w, 1, "line too long");
        return;
    }
    w->lines++;
    if (buf_len(&w->buf) >= FLUSH_BYTES)
        delivery_writer_flush(w);
    else if (loop_now_ms(w->loop) - w->flushed_ms >= FLUSH_MS)
        loop_task_schedule(w->loop, &w->soon);
    else if (!timer_is_set(&w->later))
        timer_set(w->loop, &w->later, FLUSH_MS);
}
