#include "gateway/io/dial.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/io/dial_socket.h"
#include "gateway/io/timer.h"

/* One address; `open` while its connect is under way. */
struct trial {
    struct dial *dial;
    struct loop_watch *watch;
    struct timer timeout;
    int fd;
    int64_t began_ms;
};

struct dial {
    struct loop *loop;
    struct loop_task begin;
    struct timer stagger, total;
    struct dial_attempt attempts[DIAL_ADDRS_MAX];
    struct trial trials[DIAL_ADDRS_MAX];
    size_t count, next, open; /* addresses; the next to try; connects under way */
    struct dial_source source;
    char *interface, *congestion; /* what source points to */
    int64_t stagger_ms, attempt_ms;
    struct stream_limits limits;
    bool finished;
    dial_done_fn *done;
    void *arg;
};

const char *dial_fault_name(enum dial_fault fault)
{
    static const char *const names[] = {
        [DIAL_UNTRIED] = "not tried",
        [DIAL_CONNECTED] = "connected",
        [DIAL_REFUSED] = "refused",
        [DIAL_RESET] = "reset",
        [DIAL_TIMED_OUT] = "timed out",
        [DIAL_UNREACHABLE] = "unreachable",
        [DIAL_UNPLUMBED] = "source address or interface not available",
        [DIAL_SKIPPED] = "no source address of this family",
        [DIAL_LOST] = "another address was faster",
        [DIAL_FAILED] = "failed",
    };
    return names[fault];
}

static void close_trial(struct dial *d, size_t i, enum dial_fault fault, int error)
{
    struct trial *t = &d->trials[i];
    loop_watch_free(&t->watch);
    timer_stop(d->loop, &t->timeout);
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    d->attempts[i].fault = fault;
    d->attempts[i].error = error;
    d->attempts[i].spent_ms = loop_now_ms(d->loop) - t->began_ms;
}

static void dial_free(struct dial *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->trials[i].fd >= 0)
            close_trial(d, i, DIAL_LOST, 0);
    loop_task_cancel(&d->begin);
    timer_stop(d->loop, &d->stagger);
    timer_stop(d->loop, &d->total);
    free(d->interface);
    free(d->congestion);
    free(d);
}

/* The last failure that says something, as a line; whether all of it is the egress's fault. */
static void explain(const struct dial *d, struct dial_result *result)
{
    size_t made = 0, unplumbed = 0;
    const struct dial_attempt *last = NULL;
    for (size_t i = 0; i < d->count; i++) {
        const struct dial_attempt *a = &d->attempts[i];
        if (a->fault == DIAL_UNTRIED || a->fault == DIAL_SKIPPED)
            continue;
        made++;
        unplumbed += a->fault == DIAL_UNPLUMBED;
        last = a;
    }
    result->egress_fault = made && made == unplumbed;
    if (!last) {
        snprintf(result->text, sizeof result->text, "no address of a family this egress has");
        return;
    }
    char text[ADDR_TEXT_MAX];
    bool errno_says_more = last->error && last->fault == DIAL_FAILED;
    snprintf(result->text, sizeof result->text, "%s: %s", addr_text(&last->addr, text),
             errno_says_more ? strerror(last->error) : dial_fault_name(last->fault));
}

static void finish(struct dial *d, struct dial_result *result)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->trials[i].fd >= 0)
            close_trial(d, i, result->rc == RC_OK ? DIAL_LOST : DIAL_TIMED_OUT, 0);
    if (result->rc != RC_OK)
        explain(d, result);
    result->attempts = d->attempts;
    result->attempt_count = d->count;
    d->finished = true;
    d->done(d->arg, result);
    dial_free(d);
}

/* The connection stands. A proxy to talk through first (via) would begin here. */
static void ready(struct dial *d, size_t i)
{
    struct dial_result result = { .rc = RC_OK, .won = i };
    int fd = d->trials[i].fd;
    d->trials[i].fd = -1;
    close_trial(d, i, DIAL_CONNECTED, 0);
    result.connect_ms = d->attempts[i].spent_ms;
    result.stream = stream_new(d->loop, fd, &d->limits);
    finish(d, &result);
}

static void start_next(struct dial *d);

static void on_trial_failed(struct dial *d, size_t i, enum dial_fault fault, int error)
{
    d->open--;
    close_trial(d, i, fault, error);
    start_next(d);
}

static void on_connect(void *arg, int fd, unsigned what)
{
    struct trial *t = arg;
    struct dial *d = t->dial;
    int error = 0;
    socklen_t n = sizeof error;
    (void)what;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    size_t i = (size_t)(t - d->trials);
    if (error)
        on_trial_failed(d, i, dial_fault_of(error), error);
    else
        ready(d, i);
}

static void on_trial_timeout(struct timer *timer)
{
    struct trial *t = CONTAINER_OF(timer, struct trial, timeout);
    on_trial_failed(t->dial, (size_t)(t - t->dial->trials), DIAL_TIMED_OUT, 0);
}

/* Begins attempt i. True: under way. */
static bool begin_trial(struct dial *d, size_t i)
{
    struct trial *t = &d->trials[i];
    int error = 0;
    t->began_ms = loop_now_ms(d->loop);
    enum dial_fault fault = dial_socket_connect(&d->attempts[i].addr, &d->source, &t->fd, &error);
    if (fault != DIAL_CONNECTED) {
        close_trial(d, i, fault, error);
        return false;
    }
    t->watch = loop_watch_new(d->loop, t->fd, LOOP_WRITE, on_connect, t);
    timer_set(d->loop, &t->timeout, d->attempt_ms);
    d->open++;
    return true;
}

/* Begins the next attempt that can be begun; ends the dial when none is left nor under way. */
static void start_next(struct dial *d)
{
    while (d->next < d->count) {
        size_t i = d->next++;
        if (d->attempts[i].fault == DIAL_UNTRIED && begin_trial(d, i)) {
            timer_set(d->loop, &d->stagger, d->stagger_ms);
            return;
        }
    }
    if (d->open == 0) {
        struct dial_result result = { .rc = RC_IO };
        finish(d, &result);
    }
}

static void on_begin(struct loop_task *task)
{
    start_next(CONTAINER_OF(task, struct dial, begin));
}

static void on_stagger(struct timer *timer)
{
    start_next(CONTAINER_OF(timer, struct dial, stagger));
}

static void on_total(struct timer *timer)
{
    struct dial_result result = { .rc = RC_TIMEOUT };
    finish(CONTAINER_OF(timer, struct dial, total), &result);
}

static bool has_source(const struct dial_source *source, const struct addr *to)
{
    if (source->v4.family == ADDR_NONE && source->v6.family == ADDR_NONE)
        return true;
    return (to->family == ADDR_V4 ? source->v4 : source->v6).family != ADDR_NONE;
}

static void add_address(struct dial *d, const struct addr *addr)
{
    struct trial *t = &d->trials[d->count];
    struct dial_attempt *a = &d->attempts[d->count++];
    t->dial = d;
    t->fd = -1;
    timer_init(&t->timeout, on_trial_timeout);
    a->addr = *addr;
    a->fault = has_source(&d->source, addr) ? DIAL_UNTRIED : DIAL_SKIPPED;
}

/* The given order, but families take turns, the first one's first (RFC 8305 section 4). */
static void add_addresses(struct dial *d, const struct addr *addrs, size_t n)
{
    size_t i[2] = { 0, 0 };
    uint8_t first = n ? addrs[0].family : ADDR_NONE;
    for (unsigned turn = 0; d->count < DIAL_ADDRS_MAX && (i[0] < n || i[1] < n); turn ^= 1) {
        size_t *at = &i[turn];
        while (*at < n && (addrs[*at].family == first) != (turn == 0))
            ++*at;
        if (*at < n)
            add_address(d, &addrs[(*at)++]);
    }
}

struct dial *dial_start(struct loop *loop, const struct dial_plan *plan, dial_done_fn *done,
                        void *arg)
{
    struct dial *d = mem_zero(sizeof *d);
    d->loop = loop;
    d->stagger_ms = plan->stagger_ms;
    d->attempt_ms = plan->attempt_ms;
    d->limits = plan->limits;
    d->done = done;
    d->arg = arg;
    if (plan->source)
        d->source = *plan->source;
    if (d->source.interface)
        d->source.interface = d->interface = mem_strdup(d->source.interface);
    if (d->source.congestion)
        d->source.congestion = d->congestion = mem_strdup(d->source.congestion);
    add_addresses(d, plan->addrs, plan->addr_count);
    loop_task_init(&d->begin, on_begin);
    timer_init(&d->stagger, on_stagger);
    timer_init(&d->total, on_total);
    timer_set(loop, &d->total, plan->total_ms);
    loop_task_schedule(loop, &d->begin);
    return d;
}

void dial_cancel(struct dial **dial)
{
    struct dial *d = *dial;
    *dial = NULL;
    if (d && !d->finished)
        dial_free(d);
}
