/*
 * io/watch — descriptors and signals of a loop: the thin layer over libevent's events
 */
#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/io/loop.h"

struct loop_watch {
    struct loop *loop;
    struct event event;
    unsigned what;
    loop_watch_fn *fn;
    void *arg;
};

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct loop_watch *watch = arg;
    unsigned ready = (what & EV_READ ? LOOP_READ : 0u) | (what & EV_WRITE ? LOOP_WRITE : 0u);
    watch->fn(watch->arg, fd, ready);
}

static void arm(struct loop_watch *watch, int fd, unsigned what)
{
    short events = EV_PERSIST;
    if (what & LOOP_READ)
        events |= EV_READ;
    if (what & LOOP_WRITE)
        events |= EV_WRITE;
    int rc = event_assign(&watch->event, loop_base(watch->loop), fd, events, on_ready, watch);
    assert(rc == 0);
    (void)rc;
    watch->what = what;
    if (what)
        event_add(&watch->event, NULL);
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, unsigned what, loop_watch_fn *fn,
                                  void *arg)
{
    struct loop_watch *watch = mem_zero(sizeof *watch);
    watch->loop = loop;
    watch->fn = fn;
    watch->arg = arg;
    arm(watch, fd, what);
    return watch;
}

void loop_watch_set(struct loop_watch *watch, unsigned what)
{
    if (what == watch->what)
        return;
    int fd = event_get_fd(&watch->event);
    event_del(&watch->event);
    arm(watch, fd, what);
}

void loop_watch_free(struct loop_watch **watch)
{
    if (!*watch)
        return;
    event_del(&(*watch)->event);
    free(*watch);
    *watch = NULL;
}

struct loop_signal {
    struct event event;
    void (*fn)(void *arg, int signo);
    void *arg;
};

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct loop_signal *sig = arg;
    (void)what;
    sig->fn(sig->arg, signo);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signo, void (*fn)(void *arg, int signo),
                                    void *arg)
{
    struct loop_signal *sig = mem_zero(sizeof *sig);
    sig->fn = fn;
    sig->arg = arg;
    int rc = evsignal_assign(&sig->event, loop_base(loop), signo, on_signal, sig);
    assert(rc == 0);
    rc = event_add(&sig->event, NULL);
    assert(rc == 0);
    (void)rc;
    return sig;
}

void loop_signal_free(struct loop_signal **sig)
{
    if (!*sig)
        return;
    event_del(&(*sig)->event);
    free(*sig);
    *sig = NULL;
}
