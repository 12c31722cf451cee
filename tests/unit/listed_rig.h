/*
 * tests/unit/listed_rig — a feed's file, the supervisor's look at it, control and the relay's end
 *
 *   On one loop, with a clock that is the test's. Included by one test program.
 */
#ifndef WAYPOST_TESTS_UNIT_LISTED_RIG_H
#define WAYPOST_TESTS_UNIT_LISTED_RIG_H

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

#endif
