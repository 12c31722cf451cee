/*
 * tests/unit/test_control_alarm — letters that waited while control was not there, to a relay
 *
 *   Control's end and the relay's are on one loop; the relay's is served by a real admin server on
 *   a UNIX socket, and its worker is a function that takes letters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/daemon/alarm_unsent.h"
#include "gateway/daemon/control_alarm.h"
#include "gateway/daemon/keeper.h"
#include "gateway/daemon/relay_links.h"
#include "tests/support/temp_dir.h"

enum { LETTERS = 4, TURNS_MAX = 2000 };

static struct {
    struct loop *loop;
    char dir[64], path[80];
    struct delivery_log *log;
    struct relay_links *relay;
    struct admin_server *server;
    struct control_links *control;
    struct control_alarm *alarm;
    unsigned letters; /* that came */
    bool in_order;
} rig;

static void no_advice(void *worker, struct advice *advice)
{
    (void)worker;
    advice_unref(&advice);
}

static void on_letter(void *worker, const struct link_letter *letter)
{
    char text[16];
    (void)worker;
    snprintf(text, sizeof text, "letter %u", rig.letters++);
    rig.in_order = rig.in_order && slice_eq_str(letter->text, text);
}

static void serve(void *arg, struct call *call, const struct request *request)
{
    (void)arg;
    (void)request;
    relay_links_serve(rig.relay, call);
}

static void open_relay(void)
{
    static const struct admin_verb verbs[] = { { "links", serve }, { NULL, NULL } };
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(sa.sun_path, rig.path, strlen(rig.path));
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 4), 0);
    rig.server = admin_server_new(rig.loop, fd, verbs, NULL);
    rig.relay = relay_links_new(rig.loop, 1, rig.log, rig.dir);
    relay_links_worker(rig.relay, 0, loop_mailbox(rig.loop), no_advice, on_letter, NULL);
}

static int set_up(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    temp_dir_make(rig.dir, sizeof rig.dir);
    snprintf(rig.path, sizeof rig.path, "%s/relay.sock", rig.dir);
    rig.in_order = true;
    rig.loop = loop_new();
    rig.log = delivery_log_new();
    open_relay();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    control_alarm_free(&rig.alarm);
    control_links_free(&rig.control);
    relay_links_hang_up(rig.relay);
    admin_server_free(&rig.server);
    relay_links_free(&rig.relay);
    delivery_log_free(&rig.log);
    for (int i = 0; i < 20; i++)
        loop_turn(rig.loop, 1);
    loop_free(&rig.loop);
    temp_dir_remove(rig.dir);
    return 0;
}

/* As an earlier control left them. */
static void leave_letters(int64_t since_ms)
{
    struct keeper *keeper = keeper_new(rig.dir);
    struct buf bytes;
    buf_init(&bytes, UNSENT_PACK_MAX);
    unsent_begin(&bytes);
    for (int i = 0; i < LETTERS; i++) {
        char text[16];
        snprintf(text, sizeof text, "letter %d", i);
        struct unsent m = { since_ms, SLICE_LIT("p@x.test"), SLICE_LIT("s"), slice_of(text) };
        unsent_put(&bytes, &m);
    }
    keeper_save(keeper, "unsent.bin", buf_slice(&bytes));
    assert_true(keeper_wait(keeper));
    keeper_free(&keeper);
    buf_free(&bytes);
}

static void begin_control(void)
{
    struct control_links_env env = { .loop = rig.loop, .relay_path = rig.path, .folder = rig.dir };
    rig.control = control_links_new(&env);
    struct control_alarm_env alarm = { .loop = rig.loop, .links = rig.control, .folder = rig.dir };
    rig.alarm = control_alarm_new(&alarm);
}

/* The relay has room for a few at once, and drops the others: no two in one turn, however late a
 * turn is. */
static void test_one_at_a_time(void **state)
{
    (void)state;
    leave_letters(loop_wall_ms(rig.loop));
    begin_control();
    for (int i = 0; i < TURNS_MAX && rig.letters < LETTERS; i++) {
        unsigned before = rig.letters;
        loop_turn(rig.loop, 10);
        assert_true(rig.letters <= before + 1);
    }
    assert_int_equal(rig.letters, LETTERS);
    assert_true(rig.in_order);
    assert_int_equal(control_alarm_stats(rig.alarm).lost, 0);
}

/* What has waited for too long is given up, and counted. */
static void test_a_day_of_patience(void **state)
{
    (void)state;
    leave_letters(loop_wall_ms(rig.loop) - (int64_t)25 * 3600 * 1000);
    begin_control();
    assert_int_equal(control_alarm_stats(rig.alarm).lost, LETTERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_day_of_patience, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
