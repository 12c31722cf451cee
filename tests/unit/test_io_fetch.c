/*
 * tests/unit/test_io_fetch — requests to a web server that answers as it likes
 *
 *   The server is a thread that takes one connection after the other, keeps the request it read and
 *   sends the reply that the test has set.
 */
#include <arpa/inet.h>
#include <pthread.h>
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

#include "gateway/io/fetch.h"

enum { REQUEST_MAX_BYTES = 4096, TURNS_MAX = 2000 };

static struct {
    int listening;
    uint16_t port;
    pthread_t thread;
    const char *reply; /* NULL: none, the connection is kept */
    char request[REQUEST_MAX_BYTES];
} web;

static void serve_one(int fd)
{
    size_t n = 0;
    ssize_t got;
    do { /* one read brings a small request; a POST's body may come in a second one */
        got = recv(fd, web.request + n, sizeof web.request - 1 - n, 0);
        n += got > 0 ? (size_t)got : 0;
        web.request[n] = '\0';
    } while (got > 0 && (!strstr(web.request, "\r\n\r\n") ||
                         (strncmp(web.request, "POST", 4) == 0 && !strstr(web.request, "}"))));
    if (web.reply)
        (void)!write(fd, web.reply, strlen(web.reply));
    else
        while (recv(fd, web.request, 1, 0) > 0) {
        }
    close(fd);
}

static void *serve(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(web.listening, NULL, NULL)) >= 0;)
        serve_one(fd);
    return NULL;
}

static void web_start(const char *reply)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof sin;
    web.reply = reply;
    web.request[0] = '\0';
    web.listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(web.listening, (const void *)&sin, sizeof sin), 0);
    assert_int_equal(listen(web.listening, 4), 0);
    assert_int_equal(getsockname(web.listening, (void *)&sin, &n), 0);
    web.port = ntohs(sin.sin_port);
    assert_int_equal(pthread_create(&web.thread, NULL, serve, NULL), 0);
}

static void web_stop(void)
{
    shutdown(web.listening, SHUT_RDWR);
    pthread_join(web.thread, NULL);
    close(web.listening);
}

struct seen {
    bool done;
    enum rc rc;
    int status;
    char body[64], etag[64], modified[64], redirect[128], error[128];
};

static void on_fetched(void *arg, const struct fetch_result *r)
{
    struct seen *s = arg;
    s->done = true;
    s->rc = r->rc;
    s->status = r->status;
    snprintf(s->body, sizeof s->body, "%.*s", SLICE_FMT(r->body));
    snprintf(s->etag, sizeof s->etag, "%s", r->etag);
    snprintf(s->modified, sizeof s->modified, "%s", r->modified);
    snprintf(s->redirect, sizeof s->redirect, "%s", r->redirect ? r->redirect : "");
    snprintf(s->error, sizeof s->error, "%s", r->error);
}

/* Fetches http://HOST:PORT/x of the server with `plan`. */
static struct seen run(const char *host, struct fetch_plan plan)
{
    struct loop *loop = loop_new();
    struct fetcher *fetcher = fetcher_new(loop);
    struct seen seen = { 0 };
    char url[128];
    snprintf(url, sizeof url, "http://%s:%u/x", host, (unsigned)web.port);
    plan.url = url;
    plan.max = plan.max ? plan.max : 1000;
    plan.timeout_ms = plan.timeout_ms ? plan.timeout_ms : 10000;
    fetch_start(fetcher, &plan, on_fetched, &seen);
    assert_false(seen.done);
    for (int i = 0; i < TURNS_MAX && !seen.done; i++)
        loop_turn(loop, 20);
    assert_true(seen.done);
    fetcher_free(&fetcher);
    loop_free(&loop);
    return seen;
}

static void test_get(void **state)
{
    (void)state;
    web_start("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nLast-Modified: Mon\r\nContent-Length: 5\r\n\r\n"
              "hello");
    struct seen s = run("127.0.0.1", (struct fetch_plan){ .etag = "\"v0\"", .modified = "Sun" });
    web_stop();
    assert_int_equal(s.rc, RC_OK);
    assert_int_equal(s.status, 200);
    assert_string_equal(s.body, "hello");
    assert_string_equal(s.etag, "\"v1\"");
    assert_string_equal(s.modified, "Mon");
    assert_non_null(strstr(web.request, "GET /x HTTP/1.1\r\n"));
    assert_non_null(strstr(web.request, "If-None-Match: \"v0\"\r\n"));
    assert_non_null(strstr(web.request, "If-Modified-Since: Sun\r\n"));
    assert_non_null(strstr(web.request, "User-Agent: waypost/"));
}

/* The name is never looked up: there is no such name. */
static void test_name_with_given_addresses(void **state)
{
    struct addr a = { .family = ADDR_V4, .bytes = { 127, 0, 0, 1 } };
    (void)state;
    web_start("HTTP/1.1 204 No Content\r\n\r\n");
    struct seen s = run("feeds.invalid", (struct fetch_plan){ .addrs = &a, .addr_count = 1 });
    web_stop();
    assert_int_equal(s.rc, RC_OK);
    assert_int_equal(s.status, 204);
    assert_non_null(strstr(web.request, "Host: feeds.invalid:"));
}

static void test_post(void **state)
{
    (void)state;
    web_start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct seen s = run("127.0.0.1", (struct fetch_plan){ .body = SLICE_LIT("{\"a\":1}"),
                                                          .content_type = "application/json" });
    web_stop();
    assert_int_equal(s.status, 200);
    assert_non_null(strstr(web.request, "POST /x HTTP/1.1\r\n"));
    assert_non_null(strstr(web.request, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(web.request, "\r\n\r\n{\"a\":1}"));
}

static void test_redirect_is_handed_over(void **state)
{
    (void)state;
    web_start("HTTP/1.1 301 Moved\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n");
    struct seen s = run("127.0.0.1", (struct fetch_plan){ 0 });
    web_stop();
    assert_int_equal(s.status, 301);
    assert_true(strlen(s.redirect) > 9 && strcmp(s.redirect + strlen(s.redirect) - 2, "/y") == 0);
}

static void test_bounds(void **state)
{
    (void)state;
    web_start("HTTP/1.1 200 OK\r\n\r\nmuch more than ten bytes");
    struct seen s = run("127.0.0.1", (struct fetch_plan){ .max = 10 });
    web_stop();
    assert_int_equal(s.rc, RC_LIMIT);
    assert_string_equal(s.error, "the answer is too large");
    web_start(NULL);
    struct loop *loop = loop_new();
    struct fetcher *fetcher = fetcher_new(loop);
    struct seen late = { 0 };
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)web.port);
    struct fetch_plan plan = { .url = url, .max = 10, .timeout_ms = 100 };
    fetch_start(fetcher, &plan, on_fetched, &late);
    for (int i = 0; i < TURNS_MAX && !late.done; i++)
        loop_turn(loop, 20);
    assert_int_equal(late.rc, RC_TIMEOUT);
    fetcher_free(&fetcher);
    loop_free(&loop);
    web_stop();
}

static void test_broken_servers(void **state)
{
    static const char *const replies[] = { "", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
                                           "SSH-2.0-x\r\n" };
    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        web_start(replies[i]);
        struct seen s = run("127.0.0.1", (struct fetch_plan){ 0 });
        web_stop();
        assert_int_equal(s.rc, RC_IO);
        assert_true(s.error[0]);
    }
}

static void test_cancel(void **state)
{
    (void)state;
    web_start(NULL);
    struct loop *loop = loop_new();
    struct fetcher *fetcher = fetcher_new(loop);
    struct seen seen = { 0 };
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)web.port);
    struct fetch_plan plan = { .url = url, .max = 10, .timeout_ms = 10000 };
    struct fetch *one = fetch_start(fetcher, &plan, on_fetched, &seen);
    fetch_start(fetcher, &plan, on_fetched, &seen); /* ended by fetcher_free() */
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 10);
    fetch_cancel(&one);
    assert_null(one);
    loop_turn(loop, 10);
    fetcher_free(&fetcher);
    loop_free(&loop);
    assert_false(seen.done);
    web_stop();
}

static void test_targets(void **state)
{
    static const struct {
        const char *url, *host;
        uint16_t port;
        bool https, literal;
    } rows[] = {
        { "https://a.example/x?y", "a.example", 443, true, false },
        { "http://a.example:8080", "a.example", 8080, false, false },
        { "https://[2001:db8::1]/", "2001:db8::1", 443, true, true },
        { "http://192.0.2.1/", "192.0.2.1", 80, false, true },
        { "ftp://a.example/", NULL, 0, false, false },
        { "nonsense", NULL, 0, false, false },
        { "https://", NULL, 0, false, false },
        { "", NULL, 0, false, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fetch_target t;
        struct err err;
        enum rc rc = fetch_target_of(rows[i].url, &t, &err);
        assert_int_equal(rc, rows[i].host ? RC_OK : RC_PARSE);
        if (!rows[i].host)
            continue;
        assert_string_equal(t.host, rows[i].host);
        assert_int_equal(t.port, rows[i].port);
        assert_int_equal(t.https, rows[i].https);
        assert_int_equal(t.literal, rows[i].literal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),    cmocka_unit_test(test_name_with_given_addresses),
        cmocka_unit_test(test_post),   cmocka_unit_test(test_redirect_is_handed_over),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_broken_servers),
        cmocka_unit_test(test_cancel), cmocka_unit_test(test_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
