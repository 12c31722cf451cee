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

static bool take(void *arg, struct slice bytes, struct err *err)
{
    struct buf *into = arg;
    if (slice_eq_str(bytes, "bad")) {
        err_set(err, RC_PARSE, "not to my liking");
        return false;
    }
    buf_clear(into);
    buf_put_slice(into, bytes);
    return true;
}

static enum rc load(const char *name, struct buf *into)
{
    struct keeper *k = keeper_new(folder);
    enum rc rc = keeper_load(k, name, into->limit, take, into);
    keeper_free(&k);
    assert_null(k);
    return rc;
}

static void save(const char *text)
{
    struct keeper *k = keeper_new(folder);
    keeper_save(k, "one", slice_of(text));
    assert_true(keeper_wait(k));
    keeper_free(&k);
}

/* Turns the bit over that is so many bytes before the end. */
static void damage(const char *name, long before_end)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -before_end, SEEK_END), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, -before_end, SEEK_END), 0);
    assert_true(fputc(c ^ 1, f) != EOF);
    assert_int_equal(fclose(f), 0);
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
    save("more than that");
    buf_init(&small, 4);
    assert_int_equal(load("none", &small), RC_NOT_FOUND);
    assert_int_equal(load("one", &small), RC_PARSE);
    assert_true(is_there("one.damaged") && !is_there("one"));
    buf_free(&small);
}

/* Wherever a bit flips: the one of before is taken, and the damaged one kept for a look. */
static void test_the_one_of_before(void **state)
{
    struct buf found;
    (void)state;
    buf_init(&found, 100);
    for (long at = 1; at <= 4 + 16; at++) {
        save("old");
        save("new!");
        damage("one", at);
        assert_int_equal(load("one", &found), RC_OK);
        if (at <= 4 + 12) /* else it no longer looks like one with a checksum: its taker decides */
            assert_true(slice_eq_str(buf_slice(&found), "old") && is_there("one.damaged"));
    }
    save("bad"); /* sound, but of no use */
    assert_int_equal(load("one", &found), RC_OK);
    save("newest");
    assert_int_equal(load("one", &found), RC_OK);
    assert_true(slice_eq_str(buf_slice(&found), "newest"));
    buf_free(&found);
}

static void test_both_are_damaged(void **state)
{
    struct buf found;
    (void)state;
    buf_init(&found, 100);
    save("old");
    save("new");
    damage("one", 1);
    damage("one" KEEPER_BEFORE, 1);
    assert_int_equal(load("one", &found), RC_PARSE);
    assert_true(is_there("one.damaged") && is_there("one" KEEPER_BEFORE ".damaged"));
    assert_int_equal(load("one", &found), RC_NOT_FOUND);
    save("anew");
    assert_int_equal(load("one", &found), RC_OK);
    assert_true(slice_eq_str(buf_slice(&found), "anew"));
    buf_free(&found);
}

/* Between the two renames there is the one of before; and versions before wrote no checksum. */
static void test_half_way_and_without_a_checksum(void **state)
{
    char path[128], before[160];
    struct buf found;
    (void)state;
    buf_init(&found, 100);
    save("old");
    snprintf(path, sizeof path, "%s/one", folder);
    snprintf(before, sizeof before, "%s%s", path, KEEPER_BEFORE);
    assert_int_equal(rename(path, before), 0);
    assert_int_equal(load("one", &found), RC_OK);
    assert_true(slice_eq_str(buf_slice(&found), "old"));
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs("plain", f) >= 0 && fclose(f) == 0);
    assert_int_equal(load("one", &found), RC_OK);
    assert_true(slice_eq_str(buf_slice(&found), "plain"));
    buf_free(&found);
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
        T(test_the_last_word_is_kept),  T(test_what_cannot_be_loaded),
        T(test_what_cannot_be_written), T(test_the_one_of_before),
        T(test_both_are_damaged),       T(test_half_way_and_without_a_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
