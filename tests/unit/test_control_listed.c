/*
 * tests/unit/test_control_listed — from a line in a feed's file to the table the workers obey
 *
 *   The supervisor's look at the file, control as a whole and the relay's end are on one loop, with
 *   the timers they have in the daemon, and a clock that stands still but for what the test adds:
 *   what is measured is what these timers add up to, whatever the machine is doing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/conf/bundle.h"
#include "gateway/conf/errors.h"
#include "gateway/daemon/control_parts.h"
#include "gateway/daemon/feed_files.h"
#include "gateway/daemon/messages.h"
#include "gateway/daemon/relay_links.h"
#include "tests/support/clock_rig.h"
#include "tests/support/line_rig.h"
#include "tests/support/temp_dir.h"

/* The last one is a proxy's, which tells where it leaves from. */
enum {
    STEP_MS = 10,
    TURNS = 6,
    EGRESSES = 22,
    FAR = EGRESSES - 1,
    START_MS = 4000,
    NEVER_MS = 60 * 1000,
    HOUR_MS = 3600 * 1000
};

static struct {
    struct loop *loop;
    char dir[64], path[80], feed[80], history[80];
    struct delivery_log *log;
    struct relay_links *relay;
    struct link_outbox *outbox;
    struct admin_server *server;
    struct control_parts parts;
    struct policies *policies;
    struct child control; /* as the supervisor sees it */
    struct ipc *line;     /* control's end of it */
    struct feed_files *files;
    bool barred[EGRESSES];          /* in the table that the worker has */
    int64_t table_ms;               /* when that was made */
    int64_t barred_since[EGRESSES]; /* when the first one with the bar was */
} rig;

static void advance(int64_t ms)
{
    for (int64_t done = 0; done < ms; done += STEP_MS) {
        clocks.ahead_ms += STEP_MS;
        for (int i = 0; i < TURNS; i++)
            loop_turn(rig.loop, 0);
    }
}

/* Long waits. */
static void pass(int64_t ms)
{
    const int64_t step_ms = ms < HOUR_MS ? 500 : 10000;
    for (int64_t done = 0; done < ms; done += step_ms) {
        clocks.ahead_ms += step_ms;
        for (int i = 0; i < TURNS; i++)
            loop_turn(rig.loop, 0);
    }
}

/* ---- the relay ---- */

static void on_advice(void *worker, struct advice *advice)
{
    (void)worker;
    for (int i = 0; i < EGRESSES; i++) {
        char name[2] = { (char)('a' + i), '\0' };
        int row = advice_egress(advice, slice_of(name));
        bool barred = row != ADVICE_NONE && advice->egress[row].fault == EGRESS_BARRED;
        if (barred && !rig.barred[i])
            rig.barred_since[i] = advice->made_ms;
        rig.barred[i] = barred;
    }
    rig.table_ms = advice->made_ms;
    advice_unref(&advice);
}

static void no_letter(void *worker, const struct link_letter *letter, struct errand *errand)
{
    (void)worker;
    (void)letter;
    relay_letter_done(errand, LETTER_NEVER);
}

static void open_relay(void)
{
    rig.server = line_listen(rig.loop, rig.path, &rig.relay);
    rig.relay = relay_links_new(rig.loop, 1, rig.log, NULL);
    rig.outbox = relay_links_outbox(rig.relay, 0);
    relay_links_worker(rig.relay, 0, loop_mailbox(rig.loop), on_advice, no_letter, NULL);
}

/* ---- the supervisor ---- */

static void on_message(void *arg, struct ipc_message *m)
{
    (void)arg;
    assert_int_equal(m->type, MSG_FEED);
    control_lists_feed(rig.parts.lists, m->bytes, m->fd_count == 1 ? m->fds[0] : -1);
    if (m->fd_count == 1)
        m->fds[0] = -1;
}

static void on_closed(void *arg, const char *why)
{
    (void)arg;
    (void)why;
}

/* The world, and so many of our addresses. As a whole: its content is swapped. */
static void list_first(int n)
{
    char fresh[90];
    snprintf(fresh, sizeof fresh, "%s.new", rig.feed);
    FILE *f = fopen(fresh, "w");
    assert_non_null(f);
    for (int i = 0; i < 100; i++)
        fprintf(f, "198.51.%d.0/24\n", i + (n ? 0 : 100));
    for (int i = 0; i < n; i++)
        fprintf(f, "203.0.113.%d\n", i + 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(fresh, rig.feed), 0);
}

static void start_control(void)
{
    control_parts_start(&rig.parts, rig.loop, rig.path, rig.history, rig.dir);
    control_parts_configure(&rig.parts, rig.policies);
}

/* Control alone, and the supervisor shows it the file. */
static void restart_control(void)
{
    control_parts_free(&rig.parts);
    memset(&rig.parts, 0, sizeof rig.parts);
    start_control();
    feed_files_configure(rig.files, policies_conf(rig.policies));
}

/* ---- the configuration ---- */

static struct policies *configuration(void)
{
    struct bundle *b = bundle_new();
    struct conf_errors *errors = conf_errors_new();
    struct policies *p = NULL;
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text,
               "hostname: gw.example\nstate: /tmp\nlisten: [ { address: \"127.0.0.1:2525\" } ]\n"
               "clients: [ { network: 127.0.0.0/8 } ]\ndns: { servers: [\"127.0.0.1:9\"] }\n"
               "reputation: { feeds: [ { file: \"%s\", format: netset, points: 100 } ] }\n"
               "egress:\n",
               rig.feed);
    for (int i = 0; i < EGRESSES - 1; i++)
        buf_printf(&text, "  - { name: %c, address: 203.0.113.%d }\n", 'a' + i, i + 1);
    buf_printf(&text, "  - { name: %c, via: { socks5: \"127.0.0.1:9\" } }\n", 'a' + FAR);
    bundle_put(b, "/w.yaml", buf_slice(&text));
    bundle_put(b, rig.feed, slice_of(""));
    if (policies_load(b, "/w.yaml", &p, errors) != RC_OK) {
        buf_clear(&text);
        conf_errors_put_text(errors, &text);
        fail_msg("%.*s", SLICE_FMT(buf_slice(&text)));
    }
    conf_errors_free(&errors);
    bundle_free(&b);
    buf_free(&text);
    return p;
}

static int set_up(void **state)
{
    static const struct ipc_ops ops = { on_message, on_closed };
    int fds[2];
    (void)state;
    memset(&rig, 0, sizeof rig);
    memset(&line_says, 0, sizeof line_says);
    clocks_stop();
    temp_dir_make(rig.dir, sizeof rig.dir);
    snprintf(rig.path, sizeof rig.path, "%s/relay.sock", rig.dir);
    snprintf(rig.feed, sizeof rig.feed, "%s/feed", rig.dir);
    snprintf(rig.history, sizeof rig.history, "%s/history", rig.dir);
    assert_int_equal(mkdir(rig.history, 0700), 0);
    list_first(0);
    rig.loop = loop_new();
    rig.log = delivery_log_new();
    open_relay();
    rig.policies = configuration();
    start_control();
    assert_int_equal(ipc_pair(fds, NULL), RC_OK);
    rig.control.ipc = ipc_new(rig.loop, fds[0], &ops, NULL);
    rig.line = ipc_new(rig.loop, fds[1], &ops, NULL);
    rig.files = feed_files_new(rig.loop, &rig.control);
    feed_files_configure(rig.files, policies_conf(rig.policies));
    advance(START_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    feed_files_free(&rig.files);
    ipc_free(&rig.control.ipc);
    ipc_free(&rig.line);
    control_parts_free(&rig.parts);
    relay_links_hang_up(rig.relay);
    admin_server_free(&rig.server);
    relay_links_free(&rig.relay);
    delivery_log_free(&rig.log);
    policies_unref(&rig.policies);
    for (int i = 0; i < 20; i++)
        loop_turn(rig.loop, 0);
    loop_free(&rig.loop);
    temp_dir_remove(rig.dir);
    return 0;
}

/* One more address is listed, at another moment between two looks each time: within two seconds the
 * table that bars it is at the worker, and bars no other. */
static void test_a_line_in_a_file_bars_within_two_seconds(void **state)
{
    enum { PROMISED_MS = 2000, LISTED = EGRESSES / 2, APART_MS = 370 };
    int64_t longest_ms = 0;
    (void)state;
    for (int i = 0; i < EGRESSES; i++)
        assert_false(rig.barred[i]);
    for (int n = 1; n <= LISTED; n++) {
        int64_t took_ms = 0;
        advance(3000 + n * APART_MS);
        list_first(n);
        for (; !rig.barred[n - 1] && took_ms < NEVER_MS; took_ms += STEP_MS)
            advance(STEP_MS);
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
        for (int i = 0; i < EGRESSES; i++)
            assert_int_equal(rig.barred[i], i < n);
    }
    print_message("from the file to the worker: %lld ms of the timers\n", (long long)longest_ms);
    assert_true(longest_ms <= PROMISED_MS);
}

/* Which row of the table stands for it is that of its egress, whose address nobody configured. */
static int far_member(void)
{
    static const struct addr none = { .family = ADDR_NONE };
    const char name[2] = { 'a' + FAR, '\0' };
    return standing_find(control_standing_core(rig.parts.standing), slice_of(name), &none);
}

static const char *far_state(void)
{
    struct standing_view v;
    assert_true(standing_view(control_standing_core(rig.parts.standing), far_member(), 0, &v));
    return standing_state_names[v.state];
}

/* Mail was taken there, from this address. */
static void mail_from(const char *address)
{
    const char name[2] = { 'a' + FAR, '\0' };
    struct reply_report r = { .egress = slice_hash_stable(slice_of(name)),
                              .count = 1,
                              .code = 250 };
    assert_int_equal(addr_parse(slice_of(address), &r.source), RC_OK);
    relay_links_report(rig.outbox, &r, 1);
    advance(100);
}

/* An address that no configuration names is watched as soon as it turns out; what is listed is its
 * egress, and a new control knows where it left from: by now no mail would tell it. */
static void test_an_address_that_turns_out_is_watched(void **state)
{
    enum { LISTED = 7 };
    (void)state;
    list_first(LISTED);
    advance(5000);
    for (int i = 0; i < EGRESSES; i++)
        assert_int_equal(rig.barred[i], i < LISTED);
    mail_from("10.1.2.3"); /* not what receivers see */
    mail_from("198.51.7.1");
    advance(3000);
    assert_true(rig.barred[FAR]);
    pass(5 * 60 * 1000 + 5000); /* draining ends */
    assert_string_equal(far_state(), "listed");
    restart_control();
    pass(10 * 1000);
    assert_string_equal(far_state(), "listed");
    list_first(0); /* three looks that find nothing, a quarter of an hour apart */
    pass(40 * 60 * 1000);
    assert_string_equal(far_state(), "quarantined");
}

/* The proxy has another address by now, of which no mail can tell while the one before is listed:
 * after a reset that one is asked about no more. Without one its listing ends a day after it was
 * last looked up. */
static void test_an_address_that_is_forgotten_is_listed_no_more(void **state)
{
    enum { LISTED = 7 };
    const char name[2] = { 'a' + FAR, '\0' };
    struct err err;
    (void)state;
    list_first(LISTED);
    mail_from("198.51.7.1");
    pass(5 * 60 * 1000 + 5000);
    assert_string_equal(far_state(), "listed");
    assert_int_equal(standing_order(control_standing_core(rig.parts.standing), far_member(),
                                    STANDING_RESET, loop_wall_ms(rig.loop), &err),
                     RC_OK);
    control_standing_forget(rig.parts.standing, slice_of(name));
    pass(10 * 60 * 1000);
    assert_string_equal(far_state(), "clean");
    mail_from("198.51.7.1");
    pass(5 * 60 * 1000 + 5000);
    assert_string_equal(far_state(), "listed");
    control_standing_forget(rig.parts.standing, slice_of(name));
    pass(23 * HOUR_MS);
    assert_string_equal(far_state(), "listed");
    pass(2 * HOUR_MS);
    assert_string_not_equal(far_state(), "listed");
}

static ino_t kept(void)
{
    struct stat st;
    char path[96];
    snprintf(path, sizeof path, "%s/standing.bin", rig.dir);
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* The disk is full when an order is given, and then not any more: it is kept without another
 * change, for there may come none before a kill. */
static void test_what_could_not_be_written_is_when_it_can(void **state)
{
    enum { WAITS = 60 };
    char aside[96];
    struct err err;
    (void)state;
    snprintf(aside, sizeof aside, "%s.aside", rig.dir);
    assert_true(control_standing_save_now(rig.parts.standing));
    ino_t before = kept();
    assert_int_equal(rename(rig.dir, aside), 0);
    int64_t now_ms = loop_wall_ms(rig.loop);
    assert_int_equal(standing_order(control_standing_core(rig.parts.standing), 0, STANDING_DISABLE,
                                    now_ms, &err),
                     RC_OK);
    control_standing_touched(rig.parts.standing);
    assert_false(control_standing_save_now(rig.parts.standing));
    assert_int_equal(rename(aside, rig.dir), 0);
    assert_int_equal(kept(), before);
    for (int i = 0; i < WAITS && kept() == before; i++) {
        pass(1000);
        usleep(5000); /* it is written beside the loop */
    }
    assert_int_not_equal(kept(), before);
}

static void assert_first_is(const char *state)
{
    struct standing_view v;
    assert_true(
        standing_view(control_standing_core(rig.parts.standing), 0, loop_wall_ms(rig.loop), &v));
    assert_string_equal(standing_state_names[v.state], state);
}

/* That nothing is under way ends a drain when every worker obeys a table with the bar: it need not
 * be the newest. Before that mail may still begin. */
static void test_a_drain_ends_when_the_bar_is_obeyed(void **state)
{
    enum { SOON_MS = 5000 };
    struct err err;
    (void)state;
    line_says.answers = true;
    line_says.egress = "a";
    line_says.table_ms = rig.table_ms;
    assert_int_equal(standing_order(control_standing_core(rig.parts.standing), 0, STANDING_DRAIN,
                                    loop_wall_ms(rig.loop), &err),
                     RC_OK);
    control_standing_touched(rig.parts.standing);
    pass(SOON_MS);
    assert_true(rig.barred[0] && rig.barred_since[0] > line_says.table_ms);
    assert_first_is("draining");
    line_says.table_ms = rig.barred_since[0];
    line_says.transactions = 1;
    list_first(2);
    pass(SOON_MS);
    assert_true(rig.barred[1] && rig.table_ms > line_says.table_ms);
    assert_first_is("draining");
    line_says.transactions = 0;
    pass(SOON_MS);
    assert_first_is("disabled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_address_that_turns_out_is_watched, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_address_that_is_forgotten_is_listed_no_more, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_could_not_be_written_is_when_it_can, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_drain_ends_when_the_bar_is_obeyed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_line_in_a_file_bars_within_two_seconds, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
