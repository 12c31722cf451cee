/*
 * unit/test_io_http — proves io/http_head and io/http
 *
 *   Heads: what is read and what is refused. The server: order, kept connections, streams, clients
 *   that go, that are many, that do not read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "gateway/base/mem.h"
#include "gateway/io/http.h"
#include "gateway/io/listen.h"
#include "gateway/io/net.h"

enum { TURNS_MAX = 2000 };

/* ---- heads ---- */

static struct http_head head; /* too large for a stack */

static enum rc parse(const char *text)
{
    size_t used;
    return http_head_parse(slice_of(text), &head, &used);
}

static void assert_slice(struct slice got, const char *want)
{
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void heads_are_read(void **state)
{
    size_t used;
    (void)state;
    const char *text = "GET /a%2Fb%20c?x=1&y=%41+b HTTP/1.1\r\nHost: h:1\r\nX-Y:  v w \r\n\r\nrest";
    assert_int_equal(http_head_parse(slice_of(text), &head, &used), RC_OK);
    assert_string_equal(text + used, "rest");
    assert_slice(head.method, "GET");
    assert_slice(head.path, "/a/b c");
    assert_slice(head.query, "x=1&y=%41+b");
    assert_slice(head.host, "h:1");
    assert_slice(http_head_field(&head, "x-y"), "v w");
    assert_null(http_head_field(&head, "absent").p);
    assert_true(head.keep);
    assert_false(head.has_body);

    assert_int_equal(parse("GET http://other.test/p HTTP/1.1\r\nHost: ignored\r\n\r\n"), RC_OK);
    assert_slice(head.host, "other.test");
    assert_slice(head.path, "/p");
    assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), RC_OK);
    assert_false(head.keep);
    assert_int_equal(parse("GET / HTTP/1.0\r\nConnection: a, Keep-Alive\r\n\r\n"), RC_OK);
    assert_true(head.keep);
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), RC_OK);
    assert_false(head.keep);
    assert_int_equal(parse("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"), RC_OK);
    assert_true(head.has_body);
    assert_int_equal(parse("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"),
                     RC_OK);
    assert_true(head.has_body);
}

static void heads_are_refused(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
        "GET /\r\nHost: h\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET nothing HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET http:///p HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /%4 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /%gg HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",                       /* no Host */
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", /* which one? */
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n",           /* blank before the colon */
        "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", /* obsolete folding */
        "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",      /* a bare line feed */
        "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",      /* a bare carriage return */
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        "\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(bad[i]) != RC_PARSE)
            fail_msg("taken: %s", bad[i]);
    }
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: h\r\n"), RC_AGAIN);
    char *big = mem_zero(HTTP_HEAD_MAX + 1);
    memset(big, 'a', HTTP_HEAD_MAX);
    assert_int_equal(parse(big), RC_LIMIT);
    size_t n = (size_t)snprintf(big, HTTP_HEAD_MAX, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < HTTP_FIELDS_MAX; i++)
        n += (size_t)snprintf(big + n, HTTP_HEAD_MAX - n, "a: b\r\n");
    snprintf(big + n, HTTP_HEAD_MAX - n, "\r\n");
    assert_int_equal(parse(big), RC_LIMIT);
    free(big);
}

static void queries_are_walked(void **state)
{
    struct slice rest = slice_of("a=1&&b=x%3Dy+z&c&d=%zz");
    struct buf name, value;
    bool bad;
    (void)state;
    buf_init(&name, 64);
    buf_init(&value, 64);
    assert_true(http_query_next(&rest, &name, &value, &bad));
    assert_slice(buf_slice(&value), "1");
    assert_true(http_query_next(&rest, &name, &value, &bad));
    assert_slice(buf_slice(&name), "b");
    assert_slice(buf_slice(&value), "x=y z");
    assert_true(http_query_next(&rest, &name, &value, &bad));
    assert_slice(buf_slice(&name), "c");
    assert_int_equal(buf_len(&value), 0);
    assert_false(http_query_next(&rest, &name, &value, &bad));
    assert_true(bad);
    buf_free(&name);
    buf_free(&value);
}

/* ---- the server ---- */

static struct loop *loop;
static struct http_server *server;
static struct addr address;
static struct http_call *held; /* by the handler of /hold and /stream */
static int gone_count;

static void on_gone(void *arg)
{
    (void)arg;
    gone_count++;
}

static void handler(void *arg, struct http_call *call, const struct http_head *h)
{
    (void)arg;
    if (slice_eq_str(h->path, "/hold")) {
        held = call;
        http_on_gone(call, on_gone, NULL);
    } else if (slice_eq_str(h->path, "/stream")) {
        held = call;
        http_on_gone(call, on_gone, NULL);
        http_begin(call, 200, "text/event-stream");
        http_write(call, slice_of("data: 1\n\n"));
    } else {
        http_header(call, "X-Test", "yes");
        http_reply(&call, 200, "text/plain", h->path);
    }
}

static int open_server(void **state)
{
    int fd;
    struct err err;
    (void)state;
    struct addr any;
    addr_parse(slice_of("127.0.0.1:0"), &any);
    assert_int_equal(listen_open(&any, 256, &fd, &err), RC_OK);
    net_local_of(fd, &address);
    loop = loop_new();
    server = http_server_new(loop, fd, handler, NULL);
    held = NULL;
    gone_count = 0;
    return 0;
}

static int close_server(void **state)
{
    (void)state;
    http_server_free(&server);
    loop_free(&loop);
    return 0;
}

static int client(void)
{
    struct sockaddr_storage ss;
    socklen_t n = net_to_sockaddr(&address, &ss);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&ss, n), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Turns the loop until the client has read `want`; everything that came is in `got`. True: then
 * came the end of the connection. */
static bool until(int fd, const char *want, struct buf *got)
{
    char piece[4096];
    for (int i = 0; i < TURNS_MAX; i++) {
        loop_turn(loop, 2);
        ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        if (n > 0)
            buf_put(got, piece, (size_t)n);
        if (n == 0)
            return true;
        if (want && buf_len(got) && memmem(buf_slice(got).p, buf_len(got), want, strlen(want)))
            return false;
    }
    fail_msg("waited in vain for: %s", want ? want : "the end");
    return false;
}

static bool has(const struct buf *got, const char *text)
{
    return memmem(buf_slice(got).p, buf_len(got), text, strlen(text)) != NULL;
}

static void requests_are_answered_in_order_and_the_connection_is_kept(void **state)
{
    struct buf got;
    (void)state;
    buf_init(&got, 1 << 16);
    int fd = client();
    say(fd, "GET /one HTTP/1.1\r\nHost: h\r\n\r\nHEAD /two HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /three HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_true(until(fd, NULL, &got));
    const char *at = buf_slice(&got).p;
    assert_true(slice_starts_with(buf_slice(&got), "HTTP/1.1 200 OK\r\nDate: "));
    assert_true(has(&got, "X-Test: yes\r\n\r\n/one"));
    assert_true(has(&got, "Content-Length: 4\r\n")); /* of /two, whose body is left out */
    assert_false(has(&got, "/two"));
    assert_true(slice_ends_with(buf_slice(&got), "\r\n\r\n/three"));
    assert_true(at != NULL && has(&got, " GMT\r\n") && has(&got, "Connection: close\r\n"));
    close(fd);
    buf_free(&got);
}

static void what_is_no_request_is_refused_and_closed(void **state)
{
    static const struct {
        const char *say, *want;
    } cases[] = { { "HELO x\r\n\r\n", "HTTP/1.1 400 " },
                  { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
                    "HTTP/1.1 413 " } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf got;
        buf_init(&got, 1 << 16);
        int fd = client();
        say(fd, cases[i].say);
        assert_true(until(fd, NULL, &got));
        assert_true(slice_starts_with(buf_slice(&got), cases[i].want));
        close(fd);
        buf_free(&got);
    }
    struct buf got;
    buf_init(&got, 1 << 16);
    char *big = mem_zero(HTTP_HEAD_MAX + 1);
    memset(big, 'a', HTTP_HEAD_MAX);
    int fd = client();
    say(fd, big);
    until(fd, "HTTP/1.1 431 ", &got);
    close(fd);
    free(big);
    buf_free(&got);
}

static void a_stream_ends_with_the_call_or_tells_that_the_client_went(void **state)
{
    struct buf got;
    (void)state;
    buf_init(&got, 1 << 16);
    int fd = client();
    say(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    until(fd, "data: 1\n\n", &got);
    assert_false(has(&got, "Content-Length"));
    http_write(held, slice_of("data: 2\n\n"));
    http_end(&held);
    assert_null(held);
    assert_true(until(fd, NULL, &got));
    assert_true(has(&got, "data: 2\n\n"));
    close(fd);

    buf_clear(&got);
    fd = client();
    say(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    until(fd, "data: 1\n\n", &got);
    close(fd);
    for (int i = 0; i < TURNS_MAX && !gone_count; i++)
        loop_turn(loop, 2);
    assert_int_equal(gone_count, 1);
    assert_true(http_gone(held));
    http_write(held, slice_of("data: 3\n\n")); /* goes nowhere */
    http_end(&held);
    assert_int_equal(http_connections(server), 0);
    buf_free(&got);
}

static void a_late_answer_to_a_client_that_went_is_harmless(void **state)
{
    (void)state;
    int fd = client();
    say(fd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < TURNS_MAX && !held; i++)
        loop_turn(loop, 2);
    assert_non_null(held);
    close(fd);
    loop_turn(loop, 2);
    http_reply(&held, 200, "text/plain", slice_of("late"));
    for (int i = 0; i < TURNS_MAX && http_connections(server); i++)
        loop_turn(loop, 2);
    assert_int_equal(http_connections(server), 0);
}

static void a_client_that_does_not_read_is_seen(void **state)
{
    (void)state;
    static char block[64 << 10];
    int fd = client();
    say(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < TURNS_MAX && !held; i++)
        loop_turn(loop, 2);
    for (int i = 0; i < 400 && !http_full(held, sizeof block); i++) {
        http_write(held, (struct slice){ block, sizeof block });
        loop_turn(loop, 0);
    }
    assert_true(http_full(held, sizeof block));
    close(fd);
    http_end(&held);
}

static void a_newcomer_takes_the_place_of_an_idle_one(void **state)
{
    struct buf got;
    int fds[HTTP_CONNECTIONS + 1];
    (void)state;
    buf_init(&got, 1 << 16);
    for (int i = 0; i <= HTTP_CONNECTIONS; i++) {
        fds[i] = client();
        loop_turn(loop, 5);
    }
    for (int i = 0; i < 20; i++)
        loop_turn(loop, 1);
    assert_int_equal(http_connections(server), HTTP_CONNECTIONS);
    assert_true(until(fds[0], NULL, &got)); /* the oldest was ended */
    say(fds[HTTP_CONNECTIONS], "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    until(fds[HTTP_CONNECTIONS], "\r\n\r\n/x", &got);
    for (int i = 0; i <= HTTP_CONNECTIONS; i++)
        close(fds[i]);
    buf_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read),
        cmocka_unit_test(heads_are_refused),
        cmocka_unit_test(queries_are_walked),
        cmocka_unit_test_setup_teardown(requests_are_answered_in_order_and_the_connection_is_kept,
                                        open_server, close_server),
        cmocka_unit_test_setup_teardown(what_is_no_request_is_refused_and_closed, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(a_stream_ends_with_the_call_or_tells_that_the_client_went,
                                        open_server, close_server),
        cmocka_unit_test_setup_teardown(a_late_answer_to_a_client_that_went_is_harmless,
                                        open_server, close_server),
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read_is_seen, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(a_newcomer_takes_the_place_of_an_idle_one, open_server,
                                        close_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
