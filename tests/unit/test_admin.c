/*
 * tests/unit/test_admin — requests and their wire form, the server with rude and slow clients
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/admin/passage.h"
#include "gateway/admin/server.h"
#include "gateway/io/listen.h"

/* ---- requests ---- */

static void requests_that_are_none(void **state)
{
    static const char *const lines[] = {
        "",
        "x",
        "{}",
        "[]",
        "null",
        "{\"verb\":1}",
        "{\"verb\":\"a\",\"verb\":\"b\"}",
        "{\"verb\":\"a\",\"more\":1}",
        "{\"verb\":\"a\",\"fields\":{}}",
        "{\"verb\":\"a\",\"fields\":[1]}",
        "{\"verb\":\"a\",\"fields\":[[\"x\"]]}",
        "{\"verb\":\"a\",\"fields\":[[\"x\",\"y\",\"z\"]]}",
        "{\"verb\":\"a\",\"fields\":[[\"x\",1]]}",
        "{\"verb\":\"a\\u0000b\"}",
        "{\"verb\":\"a\"} trailing",
        "{\"verb\":\"\xff\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct request r;
        struct err err;
        assert_int_equal(request_parse(slice_of(lines[i]), &r, &err), RC_PARSE);
        assert_null(r.verb);
        assert_true(err.text[0]);
    }
}

static void requests_come_back_as_they_were(void **state)
{
    struct request r = { 0 }, again;
    struct buf b;
    (void)state;
    request_set(&r, "queue", "list");
    assert_true(request_add(&r, "to", "\"quoted\\\" \x01 j\xc3\xb6rg"));
    assert_true(request_add(&r, "header", "A: 1"));
    assert_true(request_add(&r, "header", "B: 2"));
    buf_init(&b, REQUEST_MAX);
    request_put(&b, &r);
    struct slice line = { buf_slice(&b).p, buf_len(&b) - 1 };
    assert_int_equal(request_parse(line, &again, NULL), RC_OK);
    assert_string_equal(again.verb, "queue");
    assert_string_equal(again.action, "list");
    assert_int_equal(again.field_count, 3);
    assert_string_equal(request_get(&again, "to"), "\"quoted\\\" \x01 j\xc3\xb6rg");
    assert_string_equal(again.fields[2].value, "B: 2");
    assert_null(request_get(&again, "from"));
    while (request_add(&again, "x", "y"))
        assert_true(again.field_count <= REQUEST_FIELDS_MAX);
    assert_int_equal(again.field_count, REQUEST_FIELDS_MAX);
    buf_free(&b);
    request_free(&r);
    request_free(&again);
}

/* ---- the server ---- */

struct world {
    struct loop *loop;
    struct admin_server *server;
    char path[64];
    struct call *kept; /* of the verb "later" */
    size_t rows_sent;
    unsigned rooms;
};

static void verb_echo(void *arg, struct call *call, const struct request *request)
{
    (void)arg;
    call_row(call, SLICE_LIT("{\"a\":1}"));
    call_end(&call, true, slice_of(request->action));
}

static void verb_later(void *arg, struct call *call, const struct request *request)
{
    struct world *w = arg;
    (void)request;
    w->kept = call;
}

/* Endless rows, as far as there is room. */
static void pour(void *arg)
{
    static char row[1024];
    struct world *w = arg;
    w->rooms++;
    memset(row, '1', sizeof row);
    while (!call_gone(w->kept) && !call_full(w->kept) && w->rows_sent < 100000) {
        call_row(w->kept, (struct slice){ row, sizeof row });
        w->rows_sent++;
    }
    if (call_gone(w->kept) || w->rows_sent == 100000)
        call_end(&w->kept, true, slice_of("poured"));
    else
        call_on_room(w->kept, pour, w);
}

static void verb_pour(void *arg, struct call *call, const struct request *request)
{
    struct world *w = arg;
    (void)request;
    w->kept = call;
    pour(w);
}

static const struct admin_verb verbs[] = {
    { "echo", verb_echo }, { "later", verb_later }, { "pour", verb_pour }, { NULL, NULL }
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    int fd;
    snprintf(w->path, sizeof w->path, "/tmp/wp-admin-%d.sock", (int)getpid());
    w->loop = loop_new();
    assert_int_equal(listen_open_unix(w->path, 0600, 16, &fd, NULL), RC_OK);
    w->server = admin_server_new(w->loop, fd, verbs, w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    admin_server_free(&w->server);
    loop_free(&w->loop);
    unlink(w->path);
    free(w);
    return 0;
}

static int dial(struct world *w, const char *line)
{
    int fd;
    assert_int_equal(passage_connect(w->path, &fd, NULL), RC_OK);
    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    return fd;
}

/* What the server sends until it closes (true) or `bytes` have come. */
static size_t receive(struct world *w, int fd, char *text, size_t size, bool *closed_r)
{
    size_t n = 0;
    *closed_r = false;
    for (int i = 0; i < 2000 && n < size - 1 && !*closed_r; i++) {
        loop_turn(w->loop, 1);
        ssize_t got = read(fd, text + n, size - 1 - n);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            *closed_r = true;
        if (got > 0)
            n += (size_t)got;
    }
    text[n] = '\0';
    return n;
}

static void answers_end_with_a_status(void **state)
{
    static const struct {
        const char *line, *answer;
    } rows[] = {
        { "{\"verb\":\"echo\",\"action\":\"x\"}\n",
          "{\"row\":{\"a\":1}}\n{\"end\":{\"status\":0,\"text\":\"x\"}}\n" },
        { "{\"verb\":\"nope\"}\n", "{\"end\":{\"status\":1,\"text\":\"unknown verb\"}}\n" },
        { "garbage\n", "{\"end\":{\"status\":1," },
        { "{\"verb\":\"echo\"}\n{\"verb\":\"echo\"}\n",
          "{\"row\":{\"a\":1}}\n{\"end\":{\"status\":0,\"text\":\"\"}}\n" },
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        bool closed;
        int fd = dial(w, rows[i].line);
        receive(w, fd, text, sizeof text, &closed);
        assert_true(closed);
        assert_memory_equal(text, rows[i].answer, strlen(rows[i].answer));
        close(fd);
    }
}

static void a_line_without_end_is_not_kept(void **state)
{
    struct world *w = *state;
    char *line = malloc(REQUEST_MAX * 4), text[64];
    bool closed;
    memset(line, ' ', REQUEST_MAX * 4);
    int fd = dial(w, "");
    ssize_t n = write(fd, line, REQUEST_MAX * 4);
    assert_true(n > REQUEST_MAX);
    assert_int_equal(receive(w, fd, text, sizeof text, &closed), 0);
    assert_true(closed);
    close(fd);
    free(line);
}

static void a_call_outlives_its_client(void **state)
{
    struct world *w = *state;
    int fd = dial(w, "{\"verb\":\"later\"}\n");
    for (int i = 0; i < 100 && !w->kept; i++)
        loop_turn(w->loop, 1);
    assert_non_null(w->kept);
    struct linger hard = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    call_row(w->kept, SLICE_LIT("{}"));
    for (int i = 0; i < 100 && !call_gone(w->kept); i++) {
        call_row(w->kept, SLICE_LIT("{}"));
        loop_turn(w->loop, 1);
    }
    assert_true(call_gone(w->kept));
    call_row(w->kept, SLICE_LIT("{}"));
    call_end(&w->kept, true, slice_of(""));
    assert_null(w->kept);
}

static void a_slow_reader_is_waited_for(void **state)
{
    struct world *w = *state;
    char *text = malloc(1 << 20);
    size_t total = 0;
    bool closed = false;
    int fd = dial(w, "{\"verb\":\"pour\"}\n");
    for (int i = 0; i < 50; i++)
        loop_turn(w->loop, 1);
    assert_true(w->rows_sent > 0 && w->rows_sent < 5000); /* stopped, though nobody reads */
    for (int i = 0; i < 2000 && !closed; i++)
        total += receive(w, fd, text, 1 << 20, &closed);
    assert_true(closed);
    assert_null(w->kept);
    assert_true(w->rooms > 10);
    assert_int_equal(total, 100000 * (1024 + 9) +
                                strlen("{\"end\":{\"status\":0,\"text\":\"poured\"}}\n"));
    close(fd);
    free(text);
}

static void too_many_callers_are_turned_away(void **state)
{
    struct world *w = *state;
    int fds[40];
    char text[64];
    bool closed;
    for (int i = 0; i < 40; i++) {
        fds[i] = dial(w, "");
        loop_turn(w->loop, 1);
    }
    receive(w, fds[39], text, sizeof text, &closed);
    assert_true(closed);
    struct pollfd p = { .fd = fds[0], .events = POLLIN };
    assert_int_equal(poll(&p, 1, 0), 0); /* the first is still there */
    for (int i = 0; i < 40; i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_are_none),
        cmocka_unit_test(requests_come_back_as_they_were),
        cmocka_unit_test_setup_teardown(answers_end_with_a_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_without_end_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_outlives_its_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_reader_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_callers_are_turned_away, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
