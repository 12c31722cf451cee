/*
 * tests/unit/test_webhook — what counts as taken, by web servers that answer as they like
 *
 *   Two messages are posted. The second one follows when the first was taken; one that failed is
 *   tried again 10 s later, and the second waits behind it.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/daemon/webhook.h"
#include "tests/support/clock_rig.h"

enum { HUGE_BYTES = 10 << 20, TURNS_MAX = 2000, QUIET_TURNS = 20 };

struct row {
    const char *reply; /* NULL: none, and the connection stands */
    bool huge;         /* and 10 MiB behind it */
    bool hangs;        /* and then nothing */
    bool taken;
};

static const struct row rows[] = {
    { .reply = "HTTP/1.1 204 No Content\r\n\r\n", .taken = true },
    { .reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .taken = true },
    { .reply = "HTTP/1.1 200 OK\r\n\r\n", .huge = true, .taken = true },
    { .reply = "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n", .huge = true, .taken = true },
    { .reply = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", .taken = true },
    { .reply = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" },
    { .reply = "HTTP/1.1 500 Oops\r\n\r\n", .huge = true },
    { .reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" },
    { .reply = "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n" },
    { .reply = "HTTP/1.1 307 Again\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n" },
    { .reply = "" },
    { .reply = "SSH-2.0-x\r\n" },
    { .reply = "HTTP/1.1 100 Continue\r\n\r\n", .hangs = true },
    { .reply = NULL, .hangs = true },
};

static struct {
    _Atomic(const struct row *) row;
    int listening;
    uint16_t port;
    pthread_t thread;
    atomic_uint posts;  /* that were answered */
    atomic_bool second; /* the second message was one of them */
} web;

static void read_post(int fd)
{
    char request[4096];
    size_t n = 0;
    ssize_t got;
    do {
        got = recv(fd, request + n, sizeof request - n, 0);
        n += got > 0 ? (size_t)got : 0;
    } while (got > 0 && n < sizeof request && !memchr(request, '}', n));
    if (memmem(request, n, "two", 3))
        atomic_store(&web.second, true);
}

static void serve_one(int fd)
{
    static const char zeros[64 << 10];
    const struct row *row = web.row;
    char rest;
    read_post(fd);
    if (row->reply)
        (void)!send(fd, row->reply, strlen(row->reply), MSG_NOSIGNAL);
    for (size_t n = 0; row->huge && n < HUGE_BYTES; n += sizeof zeros)
        if (send(fd, zeros, sizeof zeros, MSG_NOSIGNAL) < 0)
            break;
    atomic_fetch_add(&web.posts, 1);
    while (row->hangs && recv(fd, &rest, 1, 0) > 0) {
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

static void web_start(const struct row *row)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof sin;
    web.row = row;
    atomic_store(&web.posts, 0);
    atomic_store(&web.second, false);
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

static void on_gone(void *arg, bool lost)
{
    *(unsigned *)arg += lost;
}

static bool never(struct slice older, struct slice newer, struct buf *out)
{
    (void)older;
    (void)newer;
    (void)out;
    return false;
}

static const struct webhook_ops apart = { on_gone, never };

static void test_what_counts_as_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char url[64];
        unsigned lost = 0;
        struct loop *loop = loop_new();
        struct webhook *hook = webhook_new(loop, &apart, &lost);
        web_start(&rows[i]);
        snprintf(url, sizeof url, "http://127.0.0.1:%u/hook?key=secret", (unsigned)web.port);
        struct conf conf = { .reputation.notify.webhook = slice_of(url) };
        webhook_configure(hook, &conf);
        webhook_post(hook, SLICE_LIT("{\"text\":\"one\"}"), 0);
        webhook_post(hook, SLICE_LIT("{\"text\":\"two\"}"), 0);
        unsigned wanted = rows[i].taken ? 2 : 1;
        for (int n = 0; n < TURNS_MAX && atomic_load(&web.posts) < wanted; n++)
            loop_turn(loop, 20);
        for (int n = 0; n < QUIET_TURNS; n++)
            loop_turn(loop, 10);
        if (atomic_load(&web.second) != rows[i].taken)
            print_error("row %zu\n", i);
        assert_int_equal(atomic_load(&web.second), rows[i].taken);
        assert_int_equal(atomic_load(&web.posts), wanted);
        assert_int_equal(lost, 0); /* not before a day has passed */
        webhook_free(&hook);
        loop_free(&loop);
        web_stop();
    }
}

struct kept {
    unsigned n;
    char at[WEBHOOK_WAITING_MAX][32];
};

static void keep_one(void *arg, struct slice json, int64_t age_ms)
{
    struct kept *k = arg;
    assert_true(age_ms >= 0);
    assert_true(k->n < WEBHOOK_WAITING_MAX);
    snprintf(k->at[k->n++], sizeof k->at[0], "%.*s", SLICE_FMT(json));
}

/* One that hangs holds no more than so many: the oldest goes, but for the one under way, and it is
 * said. */
static void test_the_newest_are_kept(void **state)
{
    static const struct row silent = { .hangs = true };
    char url[64];
    unsigned lost = 0;
    struct kept kept = { 0 };
    (void)state;
    struct loop *loop = loop_new();
    struct webhook *hook = webhook_new(loop, &apart, &lost);
    web_start(&silent);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)web.port);
    struct conf conf = { .reputation.notify.webhook = slice_of(url) };
    webhook_configure(hook, &conf);
    for (int i = 0; i < WEBHOOK_WAITING_MAX + 3; i++) {
        char json[32];
        snprintf(json, sizeof json, "{\"text\":%d}", i);
        webhook_post(hook, slice_of(json), i);
    }
    assert_int_equal(lost, 3);
    webhook_each(hook, keep_one, &kept);
    assert_int_equal(kept.n, WEBHOOK_WAITING_MAX);
    assert_string_equal(kept.at[0], "{\"text\":0}");
    assert_string_equal(kept.at[1], "{\"text\":4}");
    assert_string_equal(kept.at[kept.n - 1], "{\"text\":34}");
    webhook_free(&hook);
    loop_free(&loop);
    web_stop();
}

/* Down for long: what is a day old is given up when it fails once more, what is younger waits. */
static void test_a_day_of_patience(void **state)
{
    static const struct row broken = { .reply = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" };
    static const int64_t day = 24 * 3600 * 1000;
    char url[64];
    (void)state;
    for (int old = 0; old < 2; old++) {
        unsigned lost = 0;
        struct kept kept = { 0 };
        struct loop *loop = loop_new();
        struct webhook *hook = webhook_new(loop, &apart, &lost);
        web_start(&broken);
        snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)web.port);
        struct conf conf = { .reputation.notify.webhook = slice_of(url) };
        webhook_configure(hook, &conf);
        webhook_post(hook, SLICE_LIT("{\"text\":\"one\"}"), old ? day : day - 3600 * 1000);
        for (int n = 0; n < TURNS_MAX && atomic_load(&web.posts) < 1; n++)
            loop_turn(loop, 20);
        for (int n = 0; n < QUIET_TURNS; n++)
            loop_turn(loop, 10);
        webhook_each(hook, keep_one, &kept);
        assert_int_equal(lost, old);
        assert_int_equal(kept.n, !old);
        webhook_free(&hook);
        loop_free(&loop);
        web_stop();
    }
}

/* Turns until so many posts were answered; the pauses between them are over at once. */
static void hurry(struct loop *loop, unsigned posts)
{
    enum { LONGEST_MS = 21 * 60 * 1000, JUMP_TURNS = 10, AGAIN_TURNS = 200 };
    unsigned seen = atomic_load(&web.posts);
    int still = 0; /* turns since the last answer */
    for (int i = 0; i < TURNS_MAX && atomic_load(&web.posts) < posts; i++) {
        loop_turn(loop, 10);
        unsigned now = atomic_load(&web.posts);
        still = now == seen ? still + 1 : 0;
        seen = now;
        if (still % AGAIN_TURNS == JUMP_TURNS) /* again: it was not taken yet */
            clocks.ahead_ms += LONGEST_MS;
    }
}

/* The server is there and does not want this one: those behind do not wait for a day. */
static void test_one_that_is_refused(void **state)
{
    static const struct {
        struct row row;
        bool given_up;
    } refusals[] = {
        { { .reply = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n" }, true },
        { { .reply = "HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n" }, false },
        { { .reply = "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n" }, false },
        { { .reply = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" }, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        char url[64];
        unsigned lost = 0;
        struct loop *loop = loop_new();
        struct webhook *hook = webhook_new(loop, &apart, &lost);
        web_start(&refusals[i].row);
        snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)web.port);
        struct conf conf = { .reputation.notify.webhook = slice_of(url) };
        webhook_configure(hook, &conf);
        webhook_post(hook, SLICE_LIT("{\"text\":\"one\"}"), 0);
        webhook_post(hook, SLICE_LIT("{\"text\":\"two\"}"), 0);
        hurry(loop, 5);
        assert_int_equal(atomic_load(&web.posts), 5);
        assert_false(atomic_load(&web.second));
        hurry(loop, 6);
        assert_int_equal(atomic_load(&web.posts), 6);
        assert_int_equal(atomic_load(&web.second), refusals[i].given_up);
        assert_int_equal(lost, refusals[i].given_up);
        webhook_free(&hook);
        loop_free(&loop);
        web_stop();
    }
}

/* "1", "2": "12". */
static bool side_by_side(struct slice older, struct slice newer, struct buf *out)
{
    older.n--; /* the brace: the server reads until there is one */
    buf_put_slice(out, older);
    buf_put_slice(out, newer);
    return true;
}

/* Down for hours while a lot happens, then back: one message, with all of it. What comes later has
 * one of its own again. */
static void test_one_that_was_away_gets_one_message(void **state)
{
    static const struct row down = { .reply = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n" };
    static const struct row starting = { .reply =
                                             "HTTP/1.1 404 Not Yet\r\nContent-Length: 0\r\n\r\n" };
    static const struct row up = { .reply = "HTTP/1.1 204 No Content\r\n\r\n" };
    static const struct webhook_ops together = { on_gone, side_by_side };
    enum { TRIES = 6, MESSAGES = 2 * WEBHOOK_WAITING_MAX };
    char url[64];
    unsigned lost = 0;
    struct kept kept = { 0 };
    (void)state;
    struct loop *loop = loop_new();
    struct webhook *hook = webhook_new(loop, &together, &lost);
    web_start(&down);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)web.port);
    struct conf conf = { .reputation.notify.webhook = slice_of(url) };
    webhook_configure(hook, &conf);
    for (unsigned i = 0; i < MESSAGES; i++) {
        webhook_post(hook, i + 1 < MESSAGES ? SLICE_LIT("1}") : SLICE_LIT("two}"), 0);
        if (i % (MESSAGES / TRIES) == 0)
            hurry(loop, atomic_load(&web.posts) + 1);
    }
    for (int n = 0; n < QUIET_TURNS; n++)
        loop_turn(loop, 10);
    webhook_each(hook, keep_one, &kept);
    assert_int_equal(kept.n, 1);
    assert_false(atomic_load(&web.second)); /* it came when it was down */
    web.row = &starting; /* one such answer, after however many of none, is not its last word */
    unsigned before = atomic_load(&web.posts) + 1;
    hurry(loop, before);
    atomic_store(&web.second, false);
    web.row = &up;
    hurry(loop, before + 1);
    assert_true(atomic_load(&web.second));
    webhook_post(hook, SLICE_LIT("3}"), 0);
    hurry(loop, before + 2);
    for (int n = 0; n < QUIET_TURNS; n++)
        loop_turn(loop, 10);
    assert_int_equal(atomic_load(&web.posts), before + 2);
    kept.n = 0;
    webhook_each(hook, keep_one, &kept);
    assert_int_equal(kept.n, 0);
    assert_int_equal(lost, 0);
    webhook_free(&hook);
    loop_free(&loop);
    web_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_counts_as_taken),
        cmocka_unit_test(test_the_newest_are_kept),
        cmocka_unit_test(test_a_day_of_patience),
        cmocka_unit_test(test_one_that_is_refused),
        cmocka_unit_test(test_one_that_was_away_gets_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
