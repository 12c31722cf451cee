/*
 * tests/unit/test_daemon_keeper — small files of state: whole or as before, whatever happens
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

#include "gateway/daemon/keeper.h"
#include "tests/support/temp_dir.h"

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    temp_dir_make(folder, sizeof folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

static bool is_there(const char *name)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &st) == 0;
}

static enum rc load(const char *name, struct buf *into)
{
    struct err err;
    struct keeper *k = keeper_new(folder);
    enum rc rc = keeper_load(k, name, into, &err);
    keeper_free(&k);
    assert_null(k);
    return rc;
}

static void test_the_last_word_is_kept(void **state)
{
    static char large[200000];
    struct buf found;
    (void)state;
    memset(large, 'x', sizeof large);
    struct keeper *k = keeper_new(folder);
    for (int i = 0; i < 100; i++) {
        large[0] = (char)('a' + i % 26);
        keeper_save(k, "one", (struct slice){ large, sizeof large });
        keeper_save(k, "two", SLICE_LIT("short"));
    }
    keeper_free(&k);
    assert_false(is_there("one.new"));
    buf_init(&found, sizeof large);
    assert_int_equal(load("one", &found), RC_OK);
    assert_true(slice_eq(buf_slice(&found), (struct slice){ large, sizeof large }));
    buf_clear(&found);
    assert_int_equal(load("two", &found), RC_OK);
    assert_true(slice_eq_str(buf_slice(&found), "short"));
    buf_free(&found);
}

static void test_what_cannot_be_loaded(void **state)
{
    struct buf small;
    (void)state;
    struct keeper *k = keeper_new(folder);
    keeper_save(k, "one", SLICE_LIT("more than that"));
    keeper_free(&k);
    buf_init(&small, 4);
    assert_int_equal(load("none", &small), RC_NOT_FOUND);
    assert_int_equal(load("one", &small), RC_LIMIT);
    buf_free(&small);
    k = keeper_new(folder);
    keeper_set_aside(k, "one");
    keeper_free(&k);
    assert_true(is_there("one.damaged") && !is_there("one"));
}

/* A disk that is full: said, and the old content stays. */
static void test_what_cannot_be_written(void **state)
{
    char path[128];
    struct buf found;
    (void)state;
    struct keeper *k = keeper_new(folder);
    keeper_save(k, "one", SLICE_LIT("old"));
    keeper_free(&k);
    snprintf(path, sizeof path, "%s/one.new", folder);
    assert_int_equal(symlink("/dev/full", path), 0);
    k = keeper_new(folder);
    keeper_save(k, "one", SLICE_LIT("new"));
    keeper_free(&k);
    buf_init(&found, 100);
    assert_int_equal(load("one", &found), RC_OK);
    assert_true(slice_eq_str(buf_slice(&found), "old"));
    k = keeper_new(folder); /* and the next one goes through */
    keeper_save(k, "one", SLICE_LIT("newer"));
    keeper_free(&k);
    buf_clear(&found);
    assert_int_equal(load("one", &found), RC_OK);
    assert_true(slice_eq_str(buf_slice(&found), "newer"));
    buf_free(&found);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_last_word_is_kept),
        T(test_what_cannot_be_loaded),
        T(test_what_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
