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
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/daemon/control_line.h"
#include "gateway/daemon/relay_links.h"
#include "tests/support/line_rig.h"
#include "tests/support/temp_dir.h"

static struct {
    struct loop *loop;
    char dir[64], path[80];
    struct delivery_log *log;
    struct relay_links *links;
    struct admin_server *server;
    struct control_line *line;
    struct advice *taken; /* by the worker, the last one */
    unsigned opened, observed, tables, reported, letters, fates;
    enum letter_fate fate; /* of the last letter */
    uint64_t ticket;       /* its */
    struct errand *errand; /* of one that the worker is still at; NULL: it is quick */
    bool slow;
    struct reply_report report;
    struct observation last;
    char letter[128];
} rig;

static void advise(void *worker, struct advice *advice)
{
    (void)worker;
    if (rig.taken)
        advice_unref(&rig.taken);
    rig.taken = advice;
    rig.tables++;
}

static void listen_now(void)
{
    rig.server = line_listen(rig.loop, rig.path, &rig.links);
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

static void on_report(void *arg, const struct reply_report *r)
{
    (void)arg;
    rig.reported++;
    rig.report = *r;
}

static void on_fate(void *arg, uint64_t ticket, enum letter_fate fate)
{
    (void)arg;
    rig.fates++;
    rig.ticket = ticket;
    rig.fate = fate;
}

static void on_letter(void *worker, const struct link_letter *letter, struct errand *errand)
{
    (void)worker;
    rig.letters++;
    if (rig.slow)
        rig.errand = errand;
    else
        relay_letter_done(errand, LETTER_KEPT);
    snprintf(rig.letter, sizeof rig.letter, "%.*s|%.*s|%.*s", SLICE_FMT(letter->to),
             SLICE_FMT(letter->subject), SLICE_FMT(letter->text));
}

static int set_up(void **state)
{
    static const struct control_line_ops ops = { on_open, on_observation, on_report, on_fate };
    (void)state;
    memset(&rig, 0, sizeof rig);
    temp_dir_make(rig.dir, sizeof rig.dir);
    snprintf(rig.path, sizeof rig.path, "%s/relay.sock", rig.dir);
    rig.loop = loop_new();
    rig.log = delivery_log_new();
    rig.links = relay_links_new(rig.loop, 1, rig.log, rig.dir);
    relay_links_worker(rig.links, 0, loop_mailbox(rig.loop), advise, on_letter, NULL);
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

static void test_reports_and_notes(void **state)
{
    static const char text[] = "550 5.7.1 [203.0.113.9] is blocked";
    struct reply_report at[2] = {
        { .egress = 7, .count = 1, .class = REPLY_IP_BLOCKED, .code = 550 },
        { .egress = 8, .count = 12, .class = REPLY_NONE, .code = 250 }
    };
    struct link_note note = { .kind = NOTE_LISTING,
                              .egress = SLICE_LIT("e"),
                              .provider = SLICE_LIT("google"),
                              .state = SLICE_LIT("listed"),
                              .reason = SLICE_LIT("zen.example has it") };
    char line[2048] = "", path[96];
    (void)state;
    addr_parse(slice_of("203.0.113.9"), &at[0].source);
    report_text(at[0].provider, sizeof at[0].provider, slice_of("google"));
    report_text(at[0].text, sizeof at[0].text, slice_of(text));
    note.source = at[0].source;
    snprintf(path, sizeof path, "%s/log", rig.dir);
    delivery_log_attach(rig.log, open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    listen_now();
    until(&rig.opened, 1);
    relay_links_report(relay_links_outbox(rig.links, 0), at, 1);
    until(&rig.reported, 1);
    assert_memory_equal(&rig.report, &at[0], sizeof at[0]);
    relay_links_report(relay_links_outbox(rig.links, 0), at, 2);
    until(&rig.reported, 3);
    assert_memory_equal(&rig.report, &at[1], sizeof at[1]);
    control_line_note(rig.line, &note);
    for (int i = 0; i < 400 && !strstr(line, "zen.example"); i++) {
        loop_turn(rig.loop, 10);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, line, sizeof line - 1);
        line[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    assert_non_null(strstr(line, "\"event\":\"listing\""));
    assert_non_null(strstr(line, "\"source\":\"203.0.113.9\""));
    assert_non_null(strstr(line, "\"provider\":\"google\""));
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

/* More than there is room for at once: one is under way at a time, and its fate comes back. */
static void test_letters_reach_a_worker(void **state)
{
    (void)state;
    struct link_letter letter = { 0, SLICE_LIT("p@x.test"), SLICE_LIT("subject"),
                                  SLICE_LIT("a\nb\n") };
    assert_false(control_line_letter(rig.line, &letter)); /* nobody answers yet */
    listen_now();
    until(&rig.opened, 1);
    for (unsigned i = 1; i <= 20; i++) {
        letter.ticket = 100 + i;
        assert_true(control_line_letter(rig.line, &letter));
        assert_false(control_line_letter(rig.line, &letter));
        until(&rig.fates, i);
        assert_int_equal(rig.letters, i);
        assert_int_equal(rig.ticket, letter.ticket);
        assert_int_equal(rig.fate, LETTER_KEPT);
    }
    assert_string_equal(rig.letter, "p@x.test|subject|a\nb\n");
    struct buf frame;
    buf_init(&frame, 4096);
    letter.text = SLICE_LIT("");
    link_put_letter(&frame, &letter);
    assert_int_equal(link_read_letter(slice_skip(buf_slice(&frame), LINK_HEAD), &letter), RC_PARSE);
    buf_free(&frame);
}

/* The line goes while the worker is at it: its sender hears at once, and not of what comes of it on
 * the next line, where another may be under way. */
static void test_a_letter_of_a_line_that_is_lost(void **state)
{
    (void)state;
    struct link_letter letter = { 7, SLICE_LIT("p@x.test"), SLICE_LIT("s"), SLICE_LIT("a\n") };
    rig.slow = true;
    listen_now();
    until(&rig.opened, 1);
    assert_true(control_line_letter(rig.line, &letter));
    until(&rig.letters, 1);
    relay_links_hang_up(rig.links);
    until(&rig.fates, 1);
    assert_true(rig.ticket == 7 && rig.fate == LETTER_LATER);
    until(&rig.opened, 2);
    struct errand *first = rig.errand;
    letter.ticket = 8;
    assert_true(control_line_letter(rig.line, &letter));
    until(&rig.letters, 2);
    relay_letter_done(first, LETTER_KEPT);
    for (int i = 0; i < 20; i++)
        loop_turn(rig.loop, 1);
    assert_int_equal(rig.fates, 1);
    relay_letter_done(rig.errand, LETTER_NEVER);
    until(&rig.fates, 2);
    assert_true(rig.ticket == 8 && rig.fate == LETTER_NEVER);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_observations_go_one_way_and_advice_the_other),
        T(test_the_newest_table_wins),
        T(test_what_cannot_be_sent_is_lost_and_counted),
        T(test_the_line_is_made_again),
        T(test_reports_and_notes),
        T(test_letters_reach_a_worker),
        T(test_a_letter_of_a_line_that_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
