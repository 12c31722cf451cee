/*
 * dial_proxy — a proxy that is scripted byte by byte
 *
 *   A listener whose connections make the moves of `script`, one after the other. Behind its last
 *   answer it plays the target, too. Included by one test program.
 */
#ifndef WAYPOST_TESTS_UNIT_DIAL_PROXY_H
#define WAYPOST_TESTS_UNIT_DIAL_PROXY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/io/dial.h"
#include "gateway/io/listen.h"
#include "gateway/io/net.h"

enum { CONNS_MAX = 8, MOVES = 8 };

enum act { READ, SEND, SEND_SLOWLY, CLOSE, RESET, SILENCE };
struct move {
    enum act act;
    struct slice bytes; /* READ: exactly these are expected */
};

struct conn {
    struct loop_watch *watch;
    int fd;
    struct buf got;
    struct slice slow; /* to be sent one byte a turn */
    unsigned at;
};

static struct loop *loop;
static struct listener *listener;
static struct addr proxy;
static const struct move *script;
static struct conn conns[CONNS_MAX];
static unsigned conns_n;

static struct addr addr_of(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

static void conn_close(struct conn *c, bool reset)
{
    struct linger linger = { .l_onoff = 1 };
    loop_watch_free(&c->watch);
    if (c->fd >= 0 && reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void send_all(struct conn *c, struct slice bytes)
{
    assert_int_equal(send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL), (ssize_t)bytes.n);
}

/* True: the move is made, on to the next. */
static bool make_move(struct conn *c, const struct move *m)
{
    switch (m->act) {
    case READ:
        if (buf_len(&c->got) < m->bytes.n)
            return false;
        assert_memory_equal(buf_slice(&c->got).p, m->bytes.p, m->bytes.n);
        buf_consume(&c->got, m->bytes.n);
        return true;
    case SEND:
        send_all(c, m->bytes);
        return true;
    case SEND_SLOWLY:
        c->slow = m->bytes;
        loop_watch_set(c->watch, LOOP_READ | LOOP_WRITE);
        return false;
    case CLOSE:
    case RESET:
        conn_close(c, m->act == RESET);
        return false;
    case SILENCE:
        break;
    }
    return false;
}

static void play_on(struct conn *c)
{
    while (c->fd >= 0 && make_move(c, &script[c->at]))
        c->at++;
}

static void send_next_byte(struct conn *c)
{
    send_all(c, (struct slice){ c->slow.p, 1 });
    c->slow = slice_skip(c->slow, 1);
    if (c->slow.n)
        return;
    loop_watch_set(c->watch, LOOP_READ);
    c->at++;
    play_on(c);
}

static void on_ready(void *arg, int fd, unsigned what)
{
    struct conn *c = arg;
    char piece[512];
    ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    if (n == 0)
        loop_watch_set(c->watch, 0);
    if (n > 0)
        buf_put(&c->got, piece, (size_t)n);
    if (c->slow.n && (what & LOOP_WRITE))
        send_next_byte(c);
    else if (n > 0 && !c->slow.n)
        play_on(c);
}

static void on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
    struct conn *c = &conns[conns_n++];
    (void)arg, (void)peer, (void)local;
    assert_true(conns_n <= CONNS_MAX);
    *c = (struct conn){ .fd = fd };
    buf_init(&c->got, 4096);
    c->watch = loop_watch_new(loop, fd, LOOP_READ, on_ready, c);
    net_set_nodelay(fd);
    play_on(c);
}

/* The loop, too. */
static void proxy_open(void)
{
    int fd;
    struct addr any = addr_of("127.0.0.1");
    loop = loop_new();
    assert_int_equal(listen_open(&any, 64, &fd, NULL), RC_OK);
    net_local_of(fd, &proxy);
    listener = listener_new(loop, fd, on_accept, NULL);
}

static void proxy_forget(void)
{
    for (unsigned i = 0; i < conns_n; i++) {
        conn_close(&conns[i], false);
        buf_free(&conns[i].got);
    }
    conns_n = 0;
}

static void proxy_close(void)
{
    proxy_forget();
    if (listener)
        listener_free(&listener);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1);
    loop_free(&loop);
}

#endif
