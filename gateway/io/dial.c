#include "gateway/io/dial.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/io/dial_socket.h"
#include "gateway/io/dial_via.h"
#include "gateway/io/timer.h"

/* One address; under way while it has a descriptor: connecting, then talking to the proxy. */
struct trial {
    struct dial *dial;
    struct loop_watch *watch;
    struct timer timeout;
    int fd;
    unsigned proxy_at; /* which of the proxy's addresses */
    struct via_talk *talk;
    int64_t began_us, leg_began_us, first_leg_us;
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
    struct dial_via via;
    bool proxy_down;
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
        [DIAL_PROXY] = "the proxy does not answer",
        [DIAL_DENIED] = "the proxy gave up",
        [DIAL_FAILED] = "failed",
    };
    return names[fault];
}

int64_t dial_longest_us(const struct dial_result *r)
{
    int64_t longest = r->first_leg_us > r->beyond_us ? r->first_leg_us : r->beyond_us;
    return longest > 0 ? longest : -1;
}

static void close_socket(struct trial *t)
{
    loop_watch_free(&t->watch);
    via_talk_free(&t->talk);
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

static void close_trial(struct dial *d, size_t i, enum dial_fault fault, int error)
{
    struct trial *t = &d->trials[i];
    close_socket(t);
    timer_stop(d->loop, &t->timeout);
    d->attempts[i].fault = fault;
    d->attempts[i].error = error;
    d->attempts[i].spent_ms = (clock_mono_us() - t->began_us) / 1000;
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

static const char *why(const struct dial_attempt *a)
{
    bool errno_says_more =
        a->fault == DIAL_FAILED || a->fault == DIAL_PROXY || a->fault == DIAL_DENIED;
    if (a->text)
        return a->text;
    return a->error && errno_says_more ? strerror(a->error) : dial_fault_name(a->fault);
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
    result->egress_fault = d->proxy_down || (made && made == unplumbed);
    if (!last) {
        snprintf(result->text, sizeof result->text, "no address of a family this egress has");
        return;
    }
    char text[ADDR_TEXT_MAX];
    const struct addr *whose = last->fault == DIAL_PROXY ? &d->via.addrs[0] : &last->addr;
    snprintf(result->text, sizeof result->text, "%s: %s", addr_text(whose, text), why(last));
}

/* The proxy had its time; once it was asked for the target it is that which takes too long. */
static enum dial_fault overdue(const struct dial *d, const struct trial *t)
{
    if (d->via.kind && (!t->talk || via_talk_beyond_us(t->talk) < 0))
        return DIAL_PROXY;
    return DIAL_TIMED_OUT;
}

static void finish(struct dial *d, struct dial_result *result)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->trials[i].fd < 0)
            continue;
        enum dial_fault fault = result->rc == RC_OK ? DIAL_LOST : overdue(d, &d->trials[i]);
        d->proxy_down = d->proxy_down || fault == DIAL_PROXY;
        close_trial(d, i, fault, 0);
    }
    if (result->rc != RC_OK)
        explain(d, result);
    result->attempts = d->attempts;
    result->attempt_count = d->count;
    d->finished = true;
    d->done(d->arg, result);
    dial_free(d);
}

static void ready(struct dial *d, size_t i)
{
    struct trial *t = &d->trials[i];
    struct dial_result result = { .rc = RC_OK, .won = i };
    int fd = t->fd;
    t->fd = -1;
    result.connect_us = clock_mono_us() - t->began_us;
    if (t->talk) {
        int64_t beyond_us = via_talk_beyond_us(t->talk);
        result.first_leg_us = t->first_leg_us;
        result.beyond_us = beyond_us > 0 ? beyond_us : 0;
        result.source = *via_talk_source(t->talk);
    }
    close_trial(d, i, DIAL_CONNECTED, 0);
    result.stream = stream_new(d->loop, fd, &d->limits);
    finish(d, &result);
}

static void start_next(struct dial *d);

static void on_trial_failed(struct dial *d, size_t i, enum dial_fault fault, int error)
{
    d->open--;
    close_trial(d, i, fault, error);
    d->proxy_down = d->proxy_down || fault == DIAL_PROXY;
    start_next(d);
}

static bool begin_connect(struct dial *d, size_t i);

/* The proxy's next address, when this one cannot be connected to. */
static void proxy_failed(struct dial *d, size_t i, int error)
{
    struct trial *t = &d->trials[i];
    close_socket(t);
    t->proxy_at++;
    if (t->proxy_at >= d->via.addr_count || !begin_connect(d, i))
        on_trial_failed(d, i, DIAL_PROXY, error);
}

static void on_talk(void *arg, int fd, unsigned what)
{
    struct trial *t = arg;
    struct dial *d = t->dial;
    size_t i = (size_t)(t - d->trials);
    unsigned watch = 0;
    int error = 0;
    bool asked = via_talk_beyond_us(t->talk) >= 0;
    (void)fd, (void)what;
    enum dial_fault fault = via_talk_run(t->talk, &watch, &error, &d->attempts[i].text);
    if (fault == DIAL_CONNECTED) {
        ready(d, i);
    } else if (fault != DIAL_UNTRIED) {
        on_trial_failed(d, i, fault, error);
    } else {
        loop_watch_set(t->watch, watch);
        bool asks_now = via_talk_beyond_us(t->talk) >= 0;
        if (!asked)
            timer_set(d->loop, &t->timeout, asks_now ? d->attempt_ms : d->via.proxy_ms);
    }
}

static void on_connect(void *arg, int fd, unsigned what)
{
    struct trial *t = arg;
    struct dial *d = t->dial;
    size_t i = (size_t)(t - d->trials);
    int error = 0;
    socklen_t n = sizeof error;
    (void)what;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    if (error && d->via.kind) {
        proxy_failed(d, i, error);
    } else if (error) {
        on_trial_failed(d, i, dial_fault_of(error), error);
    } else if (d->via.kind) {
        t->first_leg_us = clock_mono_us() - t->leg_began_us;
        t->talk = via_talk_new(&d->via, &d->attempts[i].addr, fd);
        loop_watch_free(&t->watch);
        t->watch = loop_watch_new(d->loop, fd, LOOP_WRITE, on_talk, t);
        on_talk(t, fd, 0);
    } else {
        ready(d, i);
    }
}

static void on_trial_timeout(struct timer *timer)
{
    struct trial *t = CONTAINER_OF(timer, struct trial, timeout);
    struct dial *d = t->dial;
    size_t i = (size_t)(t - d->trials);
    if (d->via.kind && !t->talk)
        proxy_failed(d, i, ETIMEDOUT);
    else
        on_trial_failed(d, i, overdue(d, t), 0);
}

/* Connects to the address, or to the proxy. False: it failed at once, with the attempt's fault. */
static bool begin_connect(struct dial *d, size_t i)
{
    struct trial *t = &d->trials[i];
    struct dial_attempt *a = &d->attempts[i];
    enum dial_fault fault;
    t->leg_began_us = clock_mono_us();
    do {
        const struct addr *to = d->via.kind ? &d->via.addrs[t->proxy_at] : &a->addr;
        fault = dial_socket_connect(to, &d->source, &t->fd, &a->error);
    } while (fault != DIAL_CONNECTED && fault != DIAL_UNPLUMBED &&
             ++t->proxy_at < d->via.addr_count);
    a->fault = fault;
    if (fault != DIAL_CONNECTED)
        return false;
    a->fault = DIAL_UNTRIED;
    t->watch = loop_watch_new(d->loop, t->fd, LOOP_WRITE, on_connect, t);
    timer_set(d->loop, &t->timeout, d->via.kind ? d->via.proxy_ms : d->attempt_ms);
    return true;
}

/* Begins attempt i. True: under way. */
static bool begin_trial(struct dial *d, size_t i)
{
    struct trial *t = &d->trials[i];
    struct dial_attempt *a = &d->attempts[i];
    t->began_us = clock_mono_us();
    if (begin_connect(d, i)) {
        d->open++;
        return true;
    }
    bool proxy = d->via.kind && a->fault != DIAL_UNPLUMBED && !dial_error_is_ours(a->error);
    d->proxy_down = d->proxy_down || proxy;
    close_trial(d, i, proxy ? DIAL_PROXY : a->fault, a->error);
    return false;
}

/* Begins the next attempt that can be begun; ends the dial when none is left nor under way. */
static void start_next(struct dial *d)
{
    while (d->next < d->count && !d->proxy_down) {
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
    bool suits = d->via.kind ? via_suits(&d->via, addr) : has_source(&d->source, addr);
    a->fault = suits ? DIAL_UNTRIED : DIAL_SKIPPED;
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
    if (plan->via)
        d->via = *plan->via;
    assert(!d->via.kind || (d->via.addr_count && d->via.addr_count <= DIAL_VIA_ADDRS_MAX));
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
