/*
 * test_daemon_links — the line between relay and control, both ends on one loop
 *
 *   The relay's end is served by a real admin server on a UNIX socket; a worker is a function that
 *   takes advice. Nothing may ever wait for the other side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/daemon/control_line.h"
#include "gateway/daemon/relay_links.h"
#include "tests/support/temp_dir.h"

static struct {
    struct loop *loop;
    char dir[64], path[80];
    struct delivery_log *log;
    struct relay_links *links;
    struct admin_server *server;
    struct control_line *line;
    struct advice *taken; /* by the worker, the last one */
    unsigned opened, observed, tables;
    struct observation last;
} rig;

static void advise(void *worker, struct advice *advice)
{
    (void)worker;
    if (rig.taken)
        advice_unref(&rig.taken);
    rig.taken = advice;
    rig.tables++;
}

static void serve(void *arg, struct call *call, const struct request *request)
{
    (void)arg;
    (void)request;
    relay_links_serve(rig.links, call);
}

static const struct admin_verb verbs[] = { { "links", serve }, { NULL, NULL } };

static void listen_now(void)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(sa.sun_path, rig.path, strlen(rig.path));
    unlink(rig.path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 4), 0);
    rig.server = admin_server_new(rig.loop, fd, verbs, NULL);
}

static void on_open(void *arg)
{
    (void)arg;
    rig.opened++;
}

static void on_observation(void *arg, const struct observation *o)
{
    (void)arg;
    rig.observed++;
    rig.last = *o;
}

static int set_up(void **state)
{
    static const struct control_line_ops ops = { on_open, on_observation };
    (void)state;
    memset(&rig, 0, sizeof rig);
    temp_dir_make(rig.dir, sizeof rig.dir);
    snprintf(rig.path, sizeof rig.path, "%s/relay.sock", rig.dir);
    rig.loop = loop_new();
    rig.log = delivery_log_new();
    rig.links = relay_links_new(rig.loop, 1, rig.log);
    relay_links_worker(rig.links, 0, loop_mailbox(rig.loop), advise, NULL);
    rig.line = control_line_new(rig.loop, rig.path, &ops, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    control_line_free(&rig.line);
    relay_links_hang_up(rig.links);
    admin_server_free(&rig.server);
    relay_links_free(&rig.links);
    if (rig.taken)
        advice_unref(&rig.taken);
    delivery_log_free(&rig.log);
    for (int i = 0; i < 20; i++)
        loop_turn(rig.loop, 1);
    loop_free(&rig.loop);
    temp_dir_remove(rig.dir);
    return 0;
}

static void until(const unsigned *count, unsigned n)
{
    for (int i = 0; i < 400 && *count < n; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(*count, n);
}

static struct advice *table(uint64_t version)
{
    struct advice *a = advice_new(1, 1);
    a->version = version;
    a->egress[0].name = advice_text(a, SLICE_LIT("e"));
    a->egress[0].share = 1;
    a->group[0].carrier = advice_text(a, SLICE_LIT("other"));
    a->group[0].region = advice_text(a, SLICE_LIT("other"));
    a->group[0].preferred = a->group[0].preferred_large = ADVICE_NONE;
    return a;
}

static void observe(unsigned n)
{
    static struct observation at[OBSERVE_BATCH_MAX];
    for (unsigned i = 0; i < n; i++)
        at[i] = (struct observation){ .kind = OBS_MAIL, .result = OBS_OK, .code = 250, .at_us = 7 };
    relay_links_observe(relay_links_outbox(rig.links, 0), at, n);
}

static void test_observations_go_one_way_and_advice_the_other(void **state)
{
    (void)state;
    listen_now();
    until(&rig.opened, 1);
    observe(3);
    until(&rig.observed, 3);
    assert_int_equal(rig.last.code, 250);
    struct advice *a = table(42);
    assert_true(control_line_advise(rig.line, a));
    advice_unref(&a);
    until(&rig.tables, 1);
    assert_int_equal(rig.taken->version, 42);
    assert_int_equal(relay_links_advice(rig.links)->version, 42);
}

/* A worker that has not looked yet gets the newest table only. */
static void test_the_newest_table_wins(void **state)
{
    (void)state;
    listen_now();
    until(&rig.opened, 1);
    for (uint64_t v = 1; v <= 3; v++) {
        struct advice *a = table(v);
        for (int i = 0; i < 100 && !control_line_advise(rig.line, a); i++)
            loop_turn(rig.loop, 1);
        advice_unref(&a);
    }
    for (int i = 0; i < 400 && (!rig.taken || rig.taken->version != 3); i++)
        loop_turn(rig.loop, 5);
    assert_int_equal(rig.taken->version, 3);
}

/* No room and nobody there: counted, never waited for. */
static void test_what_cannot_be_sent_is_lost_and_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) /* four batches fit until the loop turns */
        observe(OBSERVE_BATCH_MAX);
    for (int i = 0; i < 5; i++)
        loop_turn(rig.loop, 1);
    listen_now();
    until(&rig.opened, 1);
    observe(1);
    until(&rig.observed, 1);
    assert_int_equal(control_line_lost(rig.line), 8 * OBSERVE_BATCH_MAX);
}

/* The relay goes away and comes back; the table it had stays with the workers meanwhile. */
static void test_the_line_is_made_again(void **state)
{
    (void)state;
    listen_now();
    until(&rig.opened, 1);
    struct advice *a = table(5);
    assert_true(control_line_advise(rig.line, a));
    until(&rig.tables, 1);
    relay_links_hang_up(rig.links);
    admin_server_free(&rig.server);
    for (int i = 0; i < 100 && control_line_is_open(rig.line); i++)
        loop_turn(rig.loop, 10);
    assert_false(control_line_is_open(rig.line));
    assert_false(control_line_advise(rig.line, a));
    advice_unref(&a);
    assert_int_equal(rig.taken->version, 5);
    listen_now();
    until(&rig.opened, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_observations_go_one_way_and_advice_the_other),
        T(test_the_newest_table_wins),
        T(test_what_cannot_be_sent_is_lost_and_counted),
        T(test_the_line_is_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
