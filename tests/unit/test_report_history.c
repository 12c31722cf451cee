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
        cmocka_unit_test_setup_teardown(an_unusable_folder_costs_history_only, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(questions_left_open_are_answered_at_the_end, open_loop,
                                        close_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
