/*
 * tests/unit/test_control_alarm — letters that waited while control was not there, to a relay
 *
 *   Control's end and the relay's are on one loop; the relay's is served by a real admin server on
 *   a UNIX socket, and its worker is a function that takes letters, or does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/conf/bundle.h"
#include "gateway/conf/errors.h"
#include "gateway/daemon/alarm_unsent.h"
#include "gateway/daemon/control_alarm.h"
#include "gateway/daemon/keeper.h"
#include "gateway/daemon/relay_links.h"
#include "tests/support/clock_rig.h"
#include "tests/support/line_rig.h"
#include "tests/support/temp_dir.h"

enum { LETTERS = 4, TURNS_MAX = 2000, LATER_MS = 60 * 1000 };

static struct {
    struct loop *loop;
    char dir[64], path[80];
    struct delivery_log *log;
    struct relay_links *relay;
    struct admin_server *server;
    struct control_links *control;
    struct control_alarm *alarm;
    unsigned letters, again; /* that came, and such as had come before */
    bool in_order;
    enum letter_fate fate; /* what the worker makes of them */
    bool hangs;            /* it takes one and says nothing */
    struct errand *errand; /* that one */
} rig;

static void no_advice(void *worker, struct advice *advice)
{
    (void)worker;
    advice_unref(&advice);
}

static void on_letter(void *worker, const struct link_letter *letter, struct errand *errand)
{
    char text[16];
    (void)worker;
    snprintf(text, sizeof text, "letter %u", rig.letters);
    rig.in_order = rig.in_order && slice_eq_str(letter->text, text);
    rig.letters += rig.fate == LETTER_KEPT && !rig.hangs;
    rig.again += rig.fate != LETTER_KEPT || rig.hangs;
    rig.errand = errand;
    if (!rig.hangs)
        relay_letter_done(errand, rig.fate);
}

static void on_fate(void *arg, uint64_t ticket, enum letter_fate fate)
{
    (void)arg;
    if (rig.alarm)
        control_alarm_letter(rig.alarm, ticket, fate);
}

static void open_relay(void)
{
    rig.server = line_listen(rig.loop, rig.path, &rig.relay);
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
    clocks_run();
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
    struct control_links_env env = {
        .loop = rig.loop, .relay_path = rig.path, .folder = rig.dir, .letter = on_fate
    };
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

static void until(const unsigned *count, unsigned n)
{
    for (int i = 0; i < TURNS_MAX && *count < n; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(*count, n);
}

static void turns(int n)
{
    for (int i = 0; i < n; i++)
        loop_turn(rig.loop, 1);
}

static void count_one(void *arg, const struct unsent *m)
{
    (void)m;
    ++*(unsigned *)arg;
}

static bool count_kept(void *arg, struct slice bytes, struct err *err)
{
    return unsent_read(bytes, count_one, arg, err) == RC_OK;
}

/* Messages that a control begun now would find. */
static unsigned kept(void)
{
    struct keeper *keeper = keeper_new(rig.dir);
    unsigned n = 0;
    assert_int_equal(keeper_load(keeper, "unsent.bin", UNSENT_PACK_MAX, count_kept, &n), RC_OK);
    keeper_free(&keeper);
    return n;
}

/* The relay dies when it has taken one and not stored it: that one is given to the next relay, and
 * is kept on disk until one says that it has it. */
static void test_one_that_the_relay_died_with(void **state)
{
    (void)state;
    rig.hangs = true;
    leave_letters(loop_wall_ms(rig.loop));
    begin_control();
    until(&rig.again, 1);
    turns(50);
    assert_int_equal(rig.again, 1); /* the next one waits for what becomes of it */
    assert_int_equal(kept(), LETTERS);
    struct errand *first = rig.errand;
    relay_links_hang_up(rig.relay);
    rig.hangs = false;
    turns(50);
    clocks.ahead_ms += LATER_MS;
    until(&rig.letters, LETTERS);
    assert_true(rig.in_order);
    assert_int_equal(rig.again, 1);
    relay_letter_done(first, LETTER_KEPT); /* too late to be about anything */
    turns(50);
    assert_int_equal(control_alarm_stats(rig.alarm).lost, 0);
}

/* Such mail cannot be sent by any relay: it does not hold up the others. */
static void test_one_that_can_never_be_sent(void **state)
{
    (void)state;
    rig.fate = LETTER_NEVER;
    leave_letters(loop_wall_ms(rig.loop));
    begin_control();
    until(&rig.again, 1);
    rig.fate = LETTER_KEPT;
    rig.letters = 1; /* they go on with the second */
    until(&rig.letters, LETTERS);
    assert_true(rig.in_order);
    assert_int_equal(control_alarm_stats(rig.alarm).lost, 1);
}

static void listen_by_mail(void)
{
    struct bundle *b = bundle_new();
    struct conf_errors *errors = conf_errors_new();
    struct policies *p = NULL;
    bundle_put(b, "/w.yaml",
               slice_of("hostname: gw.example\nstate: /tmp\n"
                        "listen: [ { address: \"127.0.0.1:2525\" } ]\n"
                        "clients: [ { network: 127.0.0.0/8 } ]\n"
                        "reputation: { notify: { mail: p@x.test } }\n"));
    assert_int_equal(policies_load(b, "/w.yaml", &p, errors), RC_OK);
    control_alarm_configure(rig.alarm, p);
    policies_unref(&p);
    conf_errors_free(&errors);
    bundle_free(&b);
}

/* The relay says that it can store nothing now: it is left alone for a while, also when there is
 * more to tell meanwhile. The clock is stopped. */
static void test_a_pause_is_kept(void **state)
{
    (void)state;
    rig.fate = LETTER_LATER;
    leave_letters(loop_wall_ms(rig.loop));
    begin_control();
    listen_by_mail();
    until(&rig.again, 1);
    turns(20);
    clocks_stop();
    control_alarm_list(rig.alarm, SLICE_LIT("zen.test"), LIST_SILENT, "no answer");
    clocks.ahead_ms += 2000; /* what belongs together is gathered for a second */
    turns(50);
    assert_int_equal(control_alarm_stats(rig.alarm).messages, 1);
    assert_int_equal(rig.again, 1);
    clocks.ahead_ms += LATER_MS;
    turns(50);
    assert_int_equal(rig.again, 2);
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
        cmocka_unit_test_setup_teardown(test_one_that_the_relay_died_with, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_can_never_be_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_pause_is_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
