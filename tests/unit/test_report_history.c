/*
 * unit/test_report_history — proves report/history
 *
 *   What is recorded is answered, also after a restart; damage and an unusable folder cost history
 *   only; every question is answered once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#include "gateway/base/clock.h"
#include "gateway/report/history.h"
#include "tests/support/temp_dir.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };
#define DAY (24ll * HOUR)

static int64_t hour; /* a whole one of today: the clock throws away minutes of long ago */

static char folder[64];
static struct loop *loop;
static unsigned answers;
static struct buf answer;
static enum rc answer_rc;

static void on_answer(void *arg, enum rc rc, struct buf *lines, const struct err *err)
{
    (void)arg;
    (void)err;
    answers++;
    answer_rc = rc;
    buf_clear(&answer);
    buf_put_slice(&answer, buf_slice(lines));
}

static void wait_for_answers(unsigned n)
{
    for (int i = 0; i < 5000 && answers < n; i++)
        loop_turn(loop, 2);
    assert_int_equal(answers, n);
}

static void ask_events(struct history *h)
{
    struct history_question q = { .what = HISTORY_EVENTS, .now_ms = hour + DAY, .since_ms = hour };
    unsigned before = answers;
    history_ask(h, &q, on_answer, NULL);
    assert_int_equal(answers, before); /* never from inside */
    wait_for_answers(before + 1);
}

static int open_loop(void **state)
{
    (void)state;
    hour = clock_wall_ms() / HOUR * HOUR - 2 * HOUR;
    temp_dir_make(folder, sizeof folder);
    loop = loop_new();
    buf_init(&answer, 1 << 20);
    answers = 0;
    return 0;
}

static int close_loop(void **state)
{
    (void)state;
    loop_free(&loop);
    buf_free(&answer);
    temp_dir_remove(folder);
    return 0;
}

static void spoil(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    static const char junk[] = "this is no database, and never was one; it is longer than a header "
                               "of one hundred bytes, which every database has.";
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    close(fd);
}

static void record_all(struct history *h)
{
    struct spread connect = { 0 };
    spread_add(&connect, 10);
    struct links_minute row = { .egress = slice_of("a"), .connect = &connect, .samples = 1 };
    struct links_event e = { .kind = LINKS_PATH_DOWN, .from = slice_of("a"), .reason = "x" };
    struct history_minute *minute = history_begin(h, hour + 1234);
    history_row(minute, &row);
    char name[] = "gone before it is written";
    row.egress = slice_of(name);
    history_row(minute, &row);
    memset(name, 0, sizeof name);
    connect.used = 0;
    history_write(&minute);
    assert_null(minute);
    history_event(h, hour, &e);
}

static void a_damaged_database_is_set_aside(void **state)
{
    char path[128];
    struct stat st;
    (void)state;
    spoil("links.db");
    struct history *h = history_new(loop, folder, 30 * DAY);
    record_all(h);
    ask_events(h);
    assert_int_equal(answer_rc, RC_OK);
    assert_true(buf_len(&answer) > 0); /* recorded in the new one */
    struct history_question q = { .what = HISTORY_LINKS, .now_ms = hour + HOUR, .since_ms = hour };
    history_ask(h, &q, on_answer, NULL);
    wait_for_answers(2);
    assert_non_null(memmem(answer.mem, buf_len(&answer), "gone before it is written", 25));
    snprintf(path, sizeof path, "%s/links.db.damaged", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(history_dropped(h), 0);
    history_free(&h);
}

static bool has_event(void)
{
    return memmem(answer.mem, buf_len(&answer), "\"reason\":\"x\"", 12) != NULL;
}

static void remove_it(void)
{
    static const char *const names[] = { "links.db", "links.db-wal", "links.db-shm" };
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
}

static void replace_by_junk(void)
{
    char from[128], to[128];
    spoil("junk");
    snprintf(from, sizeof from, "%s/junk", folder);
    snprintf(to, sizeof to, "%s/links.db", folder);
    assert_int_equal(rename(from, to), 0);
}

static void overwrite(void)
{
    spoil("links.db");
}

/* While it runs: what is written from then on is there, now and after a restart. */
static void what_happens_to_the_file_while_it_is_open(void **state)
{
    static void (*const what[])(void) = { remove_it, replace_by_junk, overwrite };
    (void)state;
    for (size_t i = 0; i < sizeof what / sizeof what[0]; i++) {
        struct history *h = history_new(loop, folder, 30 * DAY);
        record_all(h);
        ask_events(h);
        assert_true(has_event());
        what[i]();
        record_all(h); /* may be what finds the damage */
        ask_events(h);
        record_all(h);
        ask_events(h);
        assert_int_equal(answer_rc, RC_OK);
        assert_true(has_event());
        history_free(&h);
        h = history_new(loop, folder, 30 * DAY);
        ask_events(h);
        assert_int_equal(answer_rc, RC_OK);
        assert_true(has_event());
        history_free(&h);
        remove_it();
    }
}

/* From a backup: the journal of the one before is not its own. */
static void another_database_takes_its_place(void **state)
{
    char backup[128], to[128];
    struct links_event old = { .kind = LINKS_PATH_DOWN, .from = slice_of("a"), .reason = "old" };
    (void)state;
    struct history *h = history_new(loop, folder, 30 * DAY);
    history_event(h, hour, &old);
    history_free(&h);
    snprintf(to, sizeof to, "%s/links.db", folder);
    snprintf(backup, sizeof backup, "%s/backup", folder);
    assert_int_equal(rename(to, backup), 0);
    h = history_new(loop, folder, 30 * DAY);
    for (int i = 0; i < 100; i++)
        record_all(h);
    ask_events(h);
    assert_int_equal(rename(backup, to), 0);
    ask_events(h);
    assert_int_equal(answer_rc, RC_OK);
    assert_non_null(memmem(answer.mem, buf_len(&answer), "\"reason\":\"old\"", 14));
    assert_false(has_event());
    record_all(h);
    ask_events(h);
    assert_true(has_event());
    history_free(&h);
    snprintf(to, sizeof to, "%s/links.db.damaged", folder);
    assert_int_equal(access(to, F_OK), -1);
}

static void what_was_recorded_is_there_after_a_restart(void **state)
{
    (void)state;
    struct history *h = history_new(loop, folder, 30 * DAY);
    record_all(h);
    history_free(&h);
    h = history_new(loop, folder, 30 * DAY);
    ask_events(h);
    assert_non_null(memmem(answer.mem, buf_len(&answer), "\"reason\":\"x\"", 12));
    history_free(&h);
}

static void an_unusable_folder_costs_history_only(void **state)
{
    (void)state;
    struct history *h = history_new(loop, "/nonexistent/folder", 30 * DAY);
    record_all(h);
    ask_events(h);
    assert_int_equal(answer_rc, RC_IO);
    assert_int_equal(history_dropped(h), 3);
    history_free(&h);
}

static void questions_left_open_are_answered_at_the_end(void **state)
{
    (void)state;
    struct history *h = history_new(loop, folder, 30 * DAY);
    struct history_question q = { .what = HISTORY_EVENTS, .now_ms = hour + DAY, .since_ms = hour };
    history_ask(h, &q, on_answer, NULL);
    assert_int_equal(answers, 0);
    history_free(&h);
    assert_int_equal(answers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_damaged_database_is_set_aside, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(what_was_recorded_is_there_after_a_restart, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(another_database_takes_its_place, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(what_happens_to_the_file_while_it_is_open, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(an_unusable_folder_costs_history_only, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(questions_left_open_are_answered_at_the_end, open_loop,
                                        close_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
