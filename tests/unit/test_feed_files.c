/*
 * tests/unit/test_feed_files — which state of a feed's file the supervisor tells control about
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/cursor.h"
#include "gateway/daemon/feed_files.h"
#include "gateway/daemon/feed_read.h"
#include "gateway/daemon/feed_rest.h"
#include "gateway/daemon/messages.h"
#include "tests/support/temp_dir.h"

enum { TURNS_MAX = 2000, NOBODY = 65534 };

static struct {
    struct loop *loop;
    struct child control;
    struct ipc *other; /* control's end */
    struct feed_files *files;
    char dir[64], path[128];
    unsigned told, opened;
    char why[128];
} rig;

static void on_message(void *arg, struct ipc_message *m)
{
    (void)arg;
    struct cursor c = cur_of(m->bytes.p, m->bytes.n);
    struct slice path = cur_slice16(&c), why = cur_slice16(&c);
    assert_int_equal(m->type, MSG_FEED);
    assert_true(slice_eq_str(path, rig.path));
    rig.told++;
    rig.opened += m->fd_count;
    snprintf(rig.why, sizeof rig.why, "%.*s", SLICE_FMT(why));
}

static void on_closed(void *arg, const char *why)
{
    (void)arg;
    (void)why;
}

static void write_file(const char *text)
{
    FILE *f = fopen(rig.path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    static const struct ipc_ops ops = { on_message, on_closed };
    int fds[2];
    (void)state;
    memset(&rig, 0, sizeof rig);
    temp_dir_make(rig.dir, sizeof rig.dir);
    assert_int_equal(chmod(rig.dir, 0755), 0);
    snprintf(rig.path, sizeof rig.path, "%s/feed", rig.dir);
    write_file("192.0.2.1\n");
    rig.loop = loop_new();
    assert_int_equal(ipc_pair(fds, NULL), RC_OK);
    rig.control.ipc = ipc_new(rig.loop, fds[0], &ops, NULL);
    rig.other = ipc_new(rig.loop, fds[1], &ops, NULL);
    rig.files = feed_files_new(rig.loop, &rig.control);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    feed_files_free(&rig.files);
    ipc_free(&rig.control.ipc);
    ipc_free(&rig.other);
    loop_free(&rig.loop);
    temp_dir_remove(rig.dir);
    return 0;
}

static void configure(void)
{
    struct conf_feed feed = { .file = slice_of(rig.path) };
    struct conf conf = { .reputation.feeds = { &feed, 1 } };
    feed_files_configure(rig.files, &conf);
}

static void until_told(unsigned n)
{
    for (int i = 0; i < TURNS_MAX && rig.told < n; i++)
        loop_turn(rig.loop, 20);
    assert_int_equal(rig.told, n);
}

/* Rights are no part of the content, but without them there is none. */
static void test_a_file_that_may_be_read_again(void **state)
{
    bool root = geteuid() == 0;
    (void)state;
    assert_int_equal(chmod(rig.path, 0), 0);
    if (root)
        assert_int_equal(seteuid(NOBODY), 0);
    configure();
    until_told(1);
    assert_string_equal(rig.why, "Permission denied");
    assert_int_equal(rig.opened, 0);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(rig.path, 0644), 0);
    if (root)
        assert_int_equal(seteuid(NOBODY), 0);
    until_told(2);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_string_equal(rig.why, "");
    assert_int_equal(rig.opened, 1);
}

/* What rests is told once; what is written again is told when it rests. */
static void test_a_file_that_changes(void **state)
{
    (void)state;
    configure();
    until_told(1);
    assert_int_equal(rig.opened, 1);
    write_file("192.0.2.1\n192.0.2.2\n");
    until_told(2);
    assert_int_equal(unlink(rig.path), 0);
    until_told(3);
    assert_string_equal(rig.why, "No such file or directory");
    assert_int_equal(mkdir(rig.path, 0755), 0);
    until_told(4);
    assert_string_equal(rig.why, "not a regular file");
    assert_int_equal(rmdir(rig.path), 0);
    assert_int_equal(mkfifo(rig.path, 0644), 0); /* nobody writes: opening it must not wait */
    until_told(5);
    assert_string_equal(rig.why, "not a regular file");
    assert_int_equal(rig.opened, 2);
}

/* ---- one that is never at rest ---- */

/* Caught in the middle of a line it would have another address than it will have. */
static void test_what_may_be_half_written(void **state)
{
    static const struct {
        const char *text;
        bool restless;
        enum rc rc;
    } rows[] = {
        { "192.0.2.12\n", false, RC_OK },
        { "192.0.2.12\n192.0.2.1", false, RC_OK },
        { "192.0.2.12\n", true, RC_OK },
        { "192.0.2.12\n192.0.2.1", true, RC_AGAIN },
        { "", true, RC_OK }, /* no feed either way: that is said by who parses it */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf content;
        write_file(rows[i].text);
        buf_init(&content, FEED_READ_MAX);
        int fd = open(rig.path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(feed_read(fd, rows[i].restless, &content, NULL), rows[i].rc);
        assert_true(slice_eq_str(buf_slice(&content), rows[i].text));
        buf_free(&content);
    }
}

static enum feed_look look_at(struct feed_rest *f, int64_t inode, int64_t now_ms)
{
    struct feed_mark mark = { .inode = inode, .size = 100 };
    return feed_rest_look(f, &mark, now_ms);
}

/* Written again before each look: read once a minute, and once more when it rests at last. */
static void test_one_that_never_rests(void **state)
{
    struct feed_rest f = { 0 };
    int64_t now = 1000, inode = 1;
    unsigned restless = 0;
    (void)state;
    assert_int_equal(look_at(&f, inode, now), FEED_AS_BEFORE);
    assert_int_equal(look_at(&f, inode, now += 500), FEED_RESTS);
    assert_int_equal(look_at(&f, inode, now += 500), FEED_AS_BEFORE);
    int64_t since = now;
    for (int i = 0; i < 5 * 120; i++) {
        enum feed_look look = look_at(&f, ++inode, now += 500);
        assert_int_not_equal(look, FEED_RESTS);
        restless += look == FEED_RESTLESS;
        assert_true(restless >= (now - since) / FEED_RESTLESS_MS - 1);
    }
    assert_in_range(restless, 4, 5);
    assert_int_equal(look_at(&f, inode, now += 500), FEED_RESTS);
    assert_int_equal(look_at(&f, inode, now += 500), FEED_AS_BEFORE);
    assert_int_equal(look_at(&f, ++inode, now += 500), FEED_AS_BEFORE); /* a minute begins anew */
    assert_int_equal(look_at(&f, inode, now += 500), FEED_RESTS);
}

/* It may have been read half written: what it was at its last change is read once more. */
static void test_one_that_rests_as_it_was_told(void **state)
{
    struct feed_rest f = { 0 };
    int64_t now = 1000, inode = 1;
    enum feed_look look;
    (void)state;
    do
        look = look_at(&f, ++inode, now += 500);
    while (look == FEED_AS_BEFORE && now < 3 * FEED_RESTLESS_MS);
    assert_int_equal(look, FEED_RESTLESS);
    assert_int_equal(look_at(&f, inode, now += 500), FEED_RESTS);
    for (int i = 0; i < 300; i++)
        assert_int_equal(look_at(&f, inode, now += 500), FEED_AS_BEFORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_that_may_be_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_may_be_half_written, set_up, tear_down),
        cmocka_unit_test(test_one_that_never_rests),
        cmocka_unit_test(test_one_that_rests_as_it_was_told),
        cmocka_unit_test_setup_teardown(test_a_file_that_changes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
