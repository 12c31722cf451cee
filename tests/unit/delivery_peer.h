/*
 * delivery_peer — a scripted SMTP server on a loop, for delivery_rig.h
 *
 *   It plays one script per connection it gets: wait until the input holds `when`, then say `say`.
 *   All it received is kept, so a test can compare every byte.
 */
#ifndef WAYPOST_TESTS_UNIT_DELIVERY_PEER_H
#define WAYPOST_TESTS_UNIT_DELIVERY_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/io/loop.h"

enum then {
    GO_ON,
    ALONE, /* nothing may have come behind `when` */
    CLOSE,
    RESET
};

struct line {
    const char *when; /* "": at once; NULL ends the script: from then on it is silent */
    const char *say;  /* NULL: nothing */
    enum then then;
};

enum { CONNS_MAX = 16, SCRIPTS_MAX = 8, GOT_MAX = 8 * 1024 * 1024 };

struct conn {
    struct peer *peer;
    int fd;
    struct loop_watch *watch;
    const struct line *at;
    struct buf input, got;
    bool ended; /* the client closed */
};

struct peer {
    struct loop *loop;
    int fd;
    uint16_t port;
    struct loop_watch *watch;
    const struct line *scripts[SCRIPTS_MAX]; /* by connection; the last one serves all further */
    unsigned scripts_n, conns_n;
    struct conn conns[CONNS_MAX];
};

static void conn_close(struct conn *c)
{
    if (c->watch)
        loop_watch_free(&c->watch);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void conn_end(struct conn *c, enum then then)
{
    if (then == RESET) {
        struct linger hard = { 1, 0 };
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    conn_close(c);
}

static void conn_play(struct conn *c)
{
    while (c->fd >= 0 && c->at && c->at->when) {
        struct slice in = buf_slice(&c->input);
        size_t n = strlen(c->at->when);
        const char *hit = n ? memmem(in.p ? in.p : "", in.n, c->at->when, n) : in.p;
        if (n && !hit)
            return;
        if (n)
            buf_consume(&c->input, (size_t)(hit - in.p) + n);
        const struct line *line = c->at++;
        if (line->then == ALONE)
            assert_int_equal(buf_len(&c->input), 0);
        if (line->say)
            assert_int_equal(send(c->fd, line->say, strlen(line->say), MSG_NOSIGNAL),
                             strlen(line->say));
        if (line->then >= CLOSE)
            conn_end(c, line->then);
    }
}

static void on_peer_readable(void *arg, int fd, unsigned what)
{
    struct conn *c = arg;
    static char chunk[65536];
    (void)what;
    ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n <= 0) {
        c->ended = true;
        conn_close(c);
        return;
    }
    buf_put(&c->input, chunk, (size_t)n);
    buf_put(&c->got, chunk, (size_t)n);
    conn_play(c);
}

static void on_peer_accept(void *arg, int fd, unsigned what)
{
    struct peer *p = arg;
    (void)what;
    int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (got < 0)
        return;
    assert_true(p->conns_n < CONNS_MAX);
    struct conn *c = &p->conns[p->conns_n];
    unsigned script = p->conns_n < p->scripts_n ? p->conns_n : p->scripts_n - 1;
    p->conns_n++;
    c->peer = p;
    c->fd = got;
    c->at = p->scripts[script];
    buf_init(&c->input, GOT_MAX);
    buf_init(&c->got, GOT_MAX);
    c->watch = loop_watch_new(p->loop, got, LOOP_READ, on_peer_readable, c);
    conn_play(c);
}

static void peer_listen(struct peer *p, struct loop *loop)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    socklen_t n = sizeof sa;
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->loop = loop;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(p->fd, 16), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&sa, &n), 0);
    p->port = ntohs(sa.sin_port);
    p->watch = loop_watch_new(p->loop, p->fd, LOOP_READ, on_peer_accept, p);
}

/* Where it came from; valid until asked again. */
static inline const char *source_of(const struct conn *c)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    socklen_t n = sizeof sa;
    assert_int_equal(getpeername(c->fd, (struct sockaddr *)&sa, &n), 0);
    return inet_ntoa(sa.sin_addr);
}

static inline void peer_shut(struct peer *p) /* refuses connections from now on */
{
    if (p->watch)
        loop_watch_free(&p->watch);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static void peer_free(struct peer *p)
{
    peer_shut(p);
    for (unsigned i = 0; i < p->conns_n; i++) {
        conn_close(&p->conns[i]);
        buf_free(&p->conns[i].input);
        buf_free(&p->conns[i].got);
    }
}

#endif
