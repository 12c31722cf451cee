#include "tests/support/io_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/io/listen.h"
#include "gateway/io/net.h"

enum { PATIENCE_MS = 20000, SHOWN_MAX = 64 << 20 };

const struct stream_limits io_rig_limits = { 4096, 1 << 20, 64 << 10 };

static void tell(struct io_rig *rig, const char *event)
{
    buf_printf(&rig->events, "%s ", event);
    if (rig->on_event)
        rig->on_event(rig, event);
}

static void on_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    struct io_rig *rig = arg;
    rig->shows++;
    *used_r = rig->use ? rig->use(rig, (struct slice){ p, n }) : n;
    buf_put(&rig->shown, p, *used_r);
}

static void on_eof(void *arg)
{
    tell(arg, "eof");
}

static void on_error(void *arg, const struct err *err)
{
    struct io_rig *rig = arg;
    rig->err = *err;
    buf_printf(&rig->events, "error:%s ", rc_name(err->code));
    if (rig->on_event)
        rig->on_event(rig, "error");
}

static void on_drain(void *arg)
{
    tell(arg, "drain");
}

static void on_timeout(void *arg)
{
    tell(arg, "timeout");
}

static void on_tls(void *arg)
{
    tell(arg, "tls");
}

const struct stream_ops io_rig_ops = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_error = on_error,
    .on_drain = on_drain,
    .on_timeout = on_timeout,
    .on_tls = on_tls,
};

void io_rig_pair(int fds[2])
{
    struct addr addr;
    struct err err;
    int server;
    struct sockaddr_storage ss;
    addr_parse(slice_of("127.0.0.1"), &addr);
    assert_int_equal(listen_open(&addr, 4, &server, &err), RC_OK);
    net_local_of(server, &addr);
    socklen_t n = net_to_sockaddr(&addr, &ss);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[0], (struct sockaddr *)&ss, n), 0);
    fds[1] = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(fds[1] >= 0);
    close(server);
}

void io_rig_events(struct io_rig *rig)
{
    buf_init(&rig->events, 1 << 16);
    buf_init(&rig->shown, SHOWN_MAX);
}

void io_rig_open(struct io_rig *rig, const struct stream_limits *limits)
{
    int fds[2];
    *rig = (struct io_rig){ 0 };
    io_rig_events(rig);
    rig->loop = loop_new();
    io_rig_pair(fds);
    rig->peer = fds[0];
    rig->stream = stream_new(rig->loop, fds[1], limits);
    stream_set_ops(rig->stream, &io_rig_ops, rig);
}

void io_rig_close(struct io_rig *rig)
{
    stream_close(&rig->stream);
    if (rig->peer >= 0)
        close(rig->peer);
    loop_free(&rig->loop);
    buf_free(&rig->events);
    buf_free(&rig->shown);
}

bool io_rig_saw(const struct io_rig *rig, const char *word)
{
    struct slice s = buf_slice(&rig->events);
    return s.n && memmem(s.p, s.n, word, strlen(word)) != NULL;
}

void io_rig_until(struct io_rig *rig, const char *word)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    while (!io_rig_saw(rig, word)) {
        if (clock_mono_ms() > end_ms)
            fail_msg("no \"%s\" among \"%.*s\" (%s)", word, SLICE_FMT(buf_slice(&rig->events)),
                     rig->err.text);
        loop_turn(rig->loop, 50);
    }
}

void io_rig_turns(struct io_rig *rig, int n)
{
    for (int i = 0; i < n; i++)
        loop_turn(rig->loop, 5);
}

void io_rig_send(struct io_rig *rig, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(rig->peer, text, n, MSG_NOSIGNAL), n);
}

bool io_rig_recv(struct io_rig *rig, struct buf *b)
{
    static char chunk[65536];
    for (;;) {
        ssize_t n = recv(rig->peer, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n <= 0)
            return n == 0;
        buf_put(b, chunk, (size_t)n);
    }
}
