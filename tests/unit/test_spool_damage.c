/*
 * tests/unit/test_spool_damage — damaged files and records, and keys that do not fit (local engine)
 *
 *   A damaged record is reported and set aside; everything else is still there.
 */
#include "tests/support/spool_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/mail/body.h"
#include "gateway/spool/db.h"

static const unsigned char key_one[32] = "the first key of 32 bytes ......";
static const unsigned char key_two[32] = "another key of 32 bytes .......";

static int setup(void **state)
{
    struct rig *rig = mem_zero(sizeof(*rig));
    rig_make(rig);
    log_set_fd(-1);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    rig_remove(rig);
    free(rig);
    return 0;
}

/* The largest file in a folder of the spool whose name ends so. */
static void find_file(const struct rig *rig, const char *folder, const char *end, char path_r[512])
{
    char dir_path[128];
    off_t most = -1;
    snprintf(dir_path, sizeof(dir_path), "%s/%s", rig->dir, folder);
    DIR *dir = opendir(dir_path);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char path[512];
        struct stat st;
        size_t n = strlen(entry->d_name), e = strlen(end);
        snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name);
        if (n < e || strcmp(entry->d_name + n - e, end) != 0 || stat(path, &st) < 0 ||
            st.st_size <= most)
            continue;
        most = st.st_size;
        memcpy(path_r, path, sizeof(path));
    }
    closedir(dir);
    assert_true(most > 0);
}

/* Changes bytes at `permille` of the file. */
static void damage(const char *path, int permille, size_t n)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    off_t at = st.st_size * permille / 1000;
    for (size_t i = 0; i < n; i++, at++) {
        char c;
        assert_int_equal(pread(fd, &c, 1, at), 1);
        c = (char)(c ^ 0x55);
        assert_int_equal(pwrite(fd, &c, 1, at), 1);
    }
    close(fd);
}

/* Works on the closed spool as the engine does. */
static void with_store(struct rig *rig, void (*fn)(struct db *db, void *arg), void *arg)
{
    struct db db = { .path = NULL };
    struct err err;
    char path[128];
    snprintf(path, sizeof(path), "%s/db", rig->dir);
    assert_int_equal(
        db_open(&db, &(struct db_conf){ .kind = DB_MAIN, .path = path }, DB_WRITABLE, &err), RC_OK);
    fn(&db, arg);
    db_close(&db);
}

static void flush_all(struct db *db, void *arg)
{
    struct err err;
    (void)arg;
    assert_int_equal(db_flush(db, FAMILY_ITEM, &err), RC_OK);
    assert_int_equal(db_flush(db, FAMILY_BODY, &err), RC_OK);
}

static void spoil_item(struct db *db, void *arg)
{
    struct record_key key = record_item_key(*(struct spool_id *)arg, 0);
    struct err err;
    assert_int_equal(db_put(db, FAMILY_ITEM, record_key_slice(&key), SLICE_LIT("\1\0junk"), &err),
                     RC_OK);
}

static void spoil_body(struct db *db, void *arg)
{
    struct record_key key = record_body_key(*(struct spool_id *)arg);
    struct err err;
    assert_int_equal(db_put(db, FAMILY_BODY, record_key_slice(&key), SLICE_LIT("\7junkjunk"), &err),
                     RC_OK);
}

static void count_aside(struct db *db, void *arg)
{
    rocksdb_iterator_t *it = db_iter(db, FAMILY_CORRUPT);
    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
        ++*(int *)arg;
    rocksdb_iter_destroy(it);
}

static void junk_item_is_set_aside(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    struct spool_id bad = rig_commit(rig, SLICE_LIT("bad"), 1);
    struct spool_id good = rig_commit(rig, SLICE_LIT("good"), 1);
    rig_close(rig);
    with_store(rig, spoil_item, &bad);
    rig_open(rig);
    struct rig_items all = rig_scan(rig, 10);
    assert_int_equal(all.rc, SPOOL_OK);
    assert_int_equal(all.count, 1);
    assert_int_equal(spool_id_cmp(all.items[0].id, good), 0);
    assert_int_equal(atomic_load(&rig->corrupt), 1);
    rig_items_free(&all);
    all = rig_restart(rig); /* it is reported once, and kept */
    assert_int_equal(atomic_load(&rig->corrupt), 1);
    assert_int_equal(all.count, 1);
    rig_items_free(&all);
    rig_close(rig);
    int aside = 0;
    with_store(rig, count_aside, &aside);
    assert_int_equal(aside, 1);
}

static void junk_body_is_set_aside(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    struct spool_id bad = rig_commit(rig, SLICE_LIT("bad"), 1);
    struct spool_id good = rig_commit(rig, SLICE_LIT("good"), 1);
    rig_close(rig);
    with_store(rig, spoil_body, &bad);
    rig_open(rig);
    enum spool_rc rc;
    assert_null(rig_load(rig, bad, &rc));
    assert_int_equal(rc, SPOOL_CORRUPT);
    assert_int_equal(atomic_load(&rig->corrupt), 1);
    char *text = rig_load(rig, good, &rc);
    assert_string_equal(text, "good");
    free(text);
    rig_close(rig);
    int aside = 0;
    with_store(rig, count_aside, &aside);
    assert_int_equal(aside, 1);
}

static void damaged_log_loses_one_batch_only(void **state)
{
    enum { MESSAGES = 30 };
    struct rig *rig = *state;
    char path[512], text[2000];
    memset(text, 't', sizeof(text));
    rig_open(rig);
    for (int i = 0; i < MESSAGES; i++)
        rig_commit(rig, (struct slice){ text, sizeof(text) }, 1);
    rig_close(rig);
    find_file(rig, "db", ".log", path);
    damage(path, 500, 8);
    rig_open(rig);
    assert_true(atomic_load(&rig->corrupt) > 0);
    struct rig_items all = rig_scan(rig, 10);
    assert_true(all.count < MESSAGES);
    assert_true(all.count >= MESSAGES * 4 / 10); /* a block of the log at most, not all behind it */
    rig_items_free(&all);
    find_file(rig, "damaged", ".log", path);
    int before = atomic_load(&rig->corrupt);
    rig_reopen(rig);
    assert_int_equal(atomic_load(&rig->corrupt), before);
}

static void torn_end_of_the_log_is_normal(void **state)
{
    struct rig *rig = *state;
    char path[512];
    struct stat st;
    rig_open(rig);
    struct spool_id first = rig_commit(rig, SLICE_LIT("first"), 1);
    rig_commit(rig, SLICE_LIT("torn"), 1);
    rig_close(rig);
    find_file(rig, "db", ".log", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 3), 0);
    rig_open(rig);
    struct rig_items all = rig_scan(rig, 10);
    assert_int_equal(all.count, 1);
    assert_int_equal(spool_id_cmp(all.items[0].id, first), 0);
    assert_int_equal(atomic_load(&rig->corrupt), 0);
    rig_items_free(&all);
}

static void commit_many(struct rig *rig, unsigned n, struct slice text)
{
    struct rig_answer *answers = mem_array(n, sizeof(*answers));
    struct body *body = body_new(0);
    memset(answers, 0, n * sizeof(*answers));
    body_append(body, text);
    for (unsigned i = 0; i < n; i++) {
        struct spool_id id = spool_new_id(rig->port);
        struct spool_item item = rig_item(id, 0, "destination.example");
        spool_commit(rig->port, id, body, &item, 1, rig_answered, &answers[i]);
        if (i % 512 == 511)
            rig_wait(rig, &answers[i].done);
    }
    for (unsigned i = 0; i < n; i++) {
        rig_wait(rig, &answers[i].done);
        assert_int_equal(answers[i].rc, SPOOL_OK);
    }
    body_unref(&body);
    free(answers);
}

static void damaged_file_hides_one_block_only(void **state)
{
    enum { MESSAGES = 4000 };
    struct rig *rig = *state;
    char path[512];
    rig_open(rig);
    commit_many(rig, MESSAGES, SLICE_LIT("x"));
    rig_close(rig);
    with_store(rig, flush_all, NULL);
    find_file(rig, "db", ".sst", path);
    damage(path, 400, 16);
    rig_open(rig);
    struct rig_items all = rig_scan(rig, 300);
    assert_int_equal(all.rc, SPOOL_OK);
    assert_true(all.count < MESSAGES);
    assert_true(all.count > MESSAGES * 9 / 10);
    assert_true(atomic_load(&rig->corrupt) > 0);
    rig_items_free(&all);
    rig_commit(rig, SLICE_LIT("it still takes mail"), 1);
}

static void damaged_chunk_is_reported(void **state)
{
    enum { LEN = 600 * 1024 };
    struct rig *rig = *state;
    char path[512];
    char *text = mem_zero(LEN);
    struct rig_answer answer = { .done = false };
    memset(text, 'L', LEN);
    rig_open(rig);
    struct spool_id id = spool_new_id(rig->port);
    struct spool_item item = rig_item(id, 0, "d");
    struct spool_writer *w = spool_writer_begin(rig->port, id, free, NULL);
    (void)spool_writer_append(w, text, LEN);
    spool_writer_commit(&w, &item, 1, rig_answered, &answer);
    rig_wait(rig, &answer.done);
    assert_int_equal(answer.rc, SPOOL_OK);
    free(text);
    rig_close(rig);
    find_file(rig, "bulk", ".blob", path);
    damage(path, 700, 4);
    rig_open(rig);
    enum spool_rc rc;
    assert_null(rig_load(rig, id, &rc));
    assert_int_equal(rc, SPOOL_CORRUPT);
    assert_true(atomic_load(&rig->corrupt) > 0);
}

static enum rc open_with(struct rig *rig, const unsigned char *key, struct err *err)
{
    struct spool *spool = NULL;
    struct spool_conf conf = rig->conf;
    conf.key = key;
    enum rc rc = spool_open(&conf, &spool, err);
    spool_close(&spool);
    return rc;
}

static void key_must_fit(void **state)
{
    struct rig *rig = *state;
    struct err err = { .text = "" };
    rig->conf.key = key_one;
    rig_open(rig);
    struct spool_id id = rig_commit(rig, SLICE_LIT("secret text"), 1);
    rig_close(rig);
    assert_int_equal(open_with(rig, key_two, &err), RC_DENIED);
    assert_non_null(strstr(err.text, "key does not fit"));
    assert_int_equal(open_with(rig, NULL, &err), RC_DENIED);
    assert_non_null(strstr(err.text, "sealed"));
    struct rig_items all;
    rig_open(rig);
    all = rig_scan(rig, 10);
    assert_int_equal(all.count, 1);
    enum spool_rc rc;
    char *text = rig_load(rig, id, &rc);
    assert_string_equal(text, "secret text");
    free(text);
    assert_int_equal(rig_done(rig, &all.items[0]), SPOOL_OK);
    rig_items_free(&all);
    rig_close(rig);
    assert_int_equal(open_with(rig, NULL, &err), RC_OK); /* empty: sealing may end */
    rig->conf.key = NULL;
    rig_open(rig);
    rig_commit(rig, SLICE_LIT("open text"), 1);
    rig_close(rig);
    assert_int_equal(open_with(rig, key_one, &err), RC_DENIED);
    assert_non_null(strstr(err.text, "not sealed"));
}

static void sealed_files_do_not_show_the_text(void **state)
{
    struct rig *rig = *state;
    char path[512], block[4096];
    rig->conf.key = key_one;
    rig_open(rig);
    rig_commit(rig, SLICE_LIT("very-secret-body"), 1);
    rig_close(rig);
    find_file(rig, "db", ".log", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, block, sizeof(block));
    close(fd);
    assert_true(n > 100);
    assert_null(memmem(block, (size_t)n, "very-secret-body", 16));
}

static void no_permission_is_said(void **state)
{
    struct rig *rig = *state;
    struct err err = { .text = "" };
    struct spool *spool = NULL;
    rig->conf.dir = "/proc/no-such-place/spool";
    assert_int_not_equal(spool_open(&rig->conf, &spool, &err), RC_OK);
    assert_non_null(strstr(err.text, "/proc/no-such-place"));
}

#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(junk_item_is_set_aside),
        RIG_TEST(junk_body_is_set_aside),
        RIG_TEST(damaged_log_loses_one_batch_only),
        RIG_TEST(torn_end_of_the_log_is_normal),
        RIG_TEST(damaged_file_hides_one_block_only),
        RIG_TEST(damaged_chunk_is_reported),
        RIG_TEST(key_must_fit),
        RIG_TEST(sealed_files_do_not_show_the_text),
        RIG_TEST(no_permission_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
