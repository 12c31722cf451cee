/*
 * tests/unit/test_spool_layout — the files of a spool follow its tiers: from any list to any other,
 * killed at any step of it and at any step of the next try, whichever list that one has
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/folder.h"
#include "gateway/base/log.h"
#include "gateway/spool/layout.h"
#include "gateway/spool/relocate.h"
#include "tests/support/temp_dir.h"

enum { FOLDERS = 4, DIED = 9, STEPS_MAX = 200 }; /* folder 0 is the spool's own */

/* ---- dying at a step: these take the place of libc's ---- */

static int steps_left = -1;
static size_t disk_name; /* so many bytes of a path name its disk; 0: there is one disk */

static void step(void)
{
    if (steps_left == 0)
        _exit(DIED);
    if (steps_left > 0)
        steps_left--;
}

int rename(const char *from, const char *to)
{
    step();
    if (strncmp(from, to, disk_name) != 0) {
        errno = EXDEV;
        return -1;
    }
    return (int)syscall(SYS_rename, from, to);
}

int unlink(const char *path)
{
    step();
    return (int)syscall(SYS_unlink, path);
}

int fsync(int fd) /* the machine lives on */
{
    (void)fd;
    step();
    return 0;
}

/* ---- a spool of empty files ---- */

struct world {
    char folders[FOLDERS][32];
};

static void world_make(struct world *w)
{
    for (int i = 0; i < FOLDERS; i++)
        temp_dir_make(w->folders[i], sizeof w->folders[i]);
}

static void world_remove(const struct world *w)
{
    for (int i = 0; i < FOLDERS; i++)
        temp_dir_remove(w->folders[i]);
}

static void put(const char *folder, const char *name)
{
    mkdir(folder, 0700);
    char *path = path_in(folder, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    free(path);
}

/* "21": folder 2, then folder 1. */
struct list {
    struct spool_tier tiers[FOLDERS];
    struct spool_conf conf;
};

static void list_of(struct list *list, const struct world *w, const char *text)
{
    unsigned n = 0;
    for (; text[n]; n++)
        list->tiers[n] = (struct spool_tier){ w->folders[text[n] - '0'], 1 << 30 };
    list->conf = (struct spool_conf){ .dir = w->folders[0], .tiers = list->tiers, .tier_count = n };
}

static enum rc settle(const struct world *w, const char *text, struct layout *layout_r,
                      struct err *err)
{
    struct list list;
    list_of(&list, w, text);
    return layout_settle(&list.conf, layout_r, err);
}

/* What RocksDB would have written: a sorted file for every place, bodies, and the log. */
static void fill(const struct world *w, const struct layout *l)
{
    char *db = path_in(w->folders[0], "db");
    put(db, "CURRENT");
    put(db, "000001.log");
    put(l->n ? l->sorted[0].path : db, "000010.sst");
    for (unsigned i = 1; i < l->n; i++) {
        char name[24];
        snprintf(name, sizeof name, "00001%u.sst", i);
        put(l->sorted[i].path, name);
    }
    put(l->bulk, "CURRENT");
    put(l->bulk, "000007.blob");
    free(db);
}

static void assert_in(const char *folder, const char *name)
{
    char *path = path_in(folder, name);
    if (access(path, F_OK) != 0)
        fail_msg("%s is missing", path);
    free(path);
}

static unsigned files_in(const char *folder)
{
    unsigned n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        struct stat st;
        assert_int_equal(fstatat(dirfd(dir), entry->d_name, &st, 0), 0);
        if (S_ISDIR(st.st_mode) && entry->d_name[0] != '.') {
            char *path = path_in(folder, entry->d_name);
            n += files_in(path);
            free(path);
        }
        n += S_ISREG(st.st_mode) && strncmp(entry->d_name, "tiers", 5) != 0 &&
             strcmp(entry->d_name, "waypost-tier") != 0;
    }
    closedir(dir);
    return n;
}

/* Each file where the layout has it, none twice; `places` had files. */
static void assert_settled(const struct world *w, const struct layout *l, unsigned places)
{
    char *db = path_in(w->folders[0], "db");
    assert_in(db, "CURRENT");
    assert_in(db, "000001.log");
    for (unsigned i = 0; i < places; i++) {
        char name[24];
        snprintf(name, sizeof name, "00001%u.sst", i);
        assert_in(l->n ? l->sorted[i].path : db, name);
    }
    assert_in(l->bulk, "CURRENT");
    assert_in(l->bulk, "000007.blob");
    unsigned n = 0;
    for (int i = 0; i < FOLDERS; i++)
        n += files_in(w->folders[i]);
    assert_int_equal(n, places + 4);
    free(db);
}

static unsigned settle_whole(const struct world *w, const char *text, unsigned places)
{
    struct layout l;
    struct err err = { 0 };
    if (settle(w, text, &l, &err) != RC_OK)
        fail_msg("\"%s\": %s", text, err.text);
    if (places == 0)
        fill(w, &l);
    places = places ? places : (l.n ? l.n : 1);
    assert_settled(w, &l, places);
    layout_free(&l);
    return places;
}

/* Settles in a process that dies at this step. True: it got through before. */
static bool settle_and_die(const struct world *w, const char *text, int at)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct layout l;
        steps_left = at;
        enum rc rc = settle(w, text, &l, NULL);
        _exit(rc == RC_OK ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != DIED)
        assert_int_equal(WEXITSTATUS(status), 0);
    return WEXITSTATUS(status) != DIED;
}

/* ---- tests ---- */

static const char *const lists[] = { "", "1", "12", "21", "3", "132", "0", "01" };
enum { LISTS = sizeof lists / sizeof lists[0] };

static void from_any_list_to_any_other_and_back(void **state)
{
    (void)state;
    for (unsigned from = 0; from < LISTS; from++) {
        for (unsigned to = 0; to < LISTS; to++) {
            struct world w;
            world_make(&w);
            unsigned places = settle_whole(&w, lists[from], 0);
            settle_whole(&w, lists[to], places);
            settle_whole(&w, lists[from], places);
            world_remove(&w);
        }
    }
}

static void die_at_each_step(const char *from, const char *to, const char *then)
{
    bool through = false;
    for (int at = 0; !through; at++) {
        assert_true(at < STEPS_MAX);
        struct world w;
        world_make(&w);
        unsigned places = settle_whole(&w, from, 0);
        through = settle_and_die(&w, to, at);
        if (at % 3 == 0)
            settle_and_die(&w, then, at / 2);
        settle_whole(&w, then, places);
        world_remove(&w);
    }
}

static void killed_at_any_step_it_goes_on(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *then;
    } cases[] = {
        { "", "12", "12" },  { "", "12", "" },    { "12", "21", "21" }, { "12", "21", "12" },
        { "12", "1", "1" },  { "12", "1", "12" }, { "12", "3", "132" }, { "12", "", "" },
        { "", "12", "213" }, { "1", "01", "0" },
    };
    for (int disks = 0; disks < 2; disks++) {
        disk_name = disks ? strlen(TEMP_DIR_PREFIX "XXXXXX") : 0;
        for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
            die_at_each_step(cases[i].from, cases[i].to, cases[i].then);
    }
    disk_name = 0;
}

static void assert_refused(const struct world *w, const char *text, enum rc rc, const char *why)
{
    struct layout l;
    struct err err = { 0 };
    assert_int_equal(settle(w, text, &l, &err), rc);
    if (!strstr(err.text, why))
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    layout_free(&l);
}

static void a_tier_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct world w;
    char away[40];
    world_make(&w);
    unsigned places = settle_whole(&w, "12", 0);
    snprintf(away, sizeof away, "%s-away", w.folders[2]);
    assert_int_equal(rename(w.folders[2], away), 0);
    assert_int_equal(mkdir(w.folders[2], 0700), 0); /* what is seen when it is not mounted */
    assert_refused(&w, "12", RC_NOT_FOUND, w.folders[2]);
    assert_refused(&w, "1", RC_NOT_FOUND, w.folders[2]);
    assert_refused(&w, "", RC_NOT_FOUND, w.folders[2]);
    assert_int_equal(rmdir(w.folders[2]), 0);
    assert_int_equal(rename(away, w.folders[2]), 0);
    settle_whole(&w, "12", places);
    world_remove(&w);
}

static void a_tier_is_known_under_another_path(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    unsigned places = settle_whole(&w, "12", 0);
    assert_int_equal(rename(w.folders[2], w.folders[3]), 0); /* in the place of an empty one */
    assert_int_equal(mkdir(w.folders[2], 0700), 0);
    settle_whole(&w, "13", places);
    settle_whole(&w, "2", places);
    world_remove(&w);
}

static void a_tier_of_another_spool_is_refused(void **state)
{
    (void)state;
    struct world one, other;
    world_make(&one);
    world_make(&other);
    settle_whole(&one, "12", 0);
    settle_whole(&other, "1", 0);
    struct list list;
    struct layout l;
    struct err err;
    list_of(&list, &other, "12");
    list.tiers[1].path = one.folders[2];
    assert_int_equal(layout_settle(&list.conf, &l, &err), RC_DENIED);
    assert_non_null(strstr(err.text, "another spool"));
    layout_free(&l);
    char *record = path_in(other.folders[0], "tiers");
    FILE *file = fopen(record, "a");
    assert_non_null(file);
    fputs("tear xyz\n", file);
    fclose(file);
    free(record);
    assert_refused(&other, "1", RC_CORRUPT, "tiers:6: not understood");
    world_remove(&one);
    world_remove(&other);
}

static void a_new_disk_takes_the_path_of_one_that_moved(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    unsigned places = settle_whole(&w, "12", 0);
    assert_int_equal(rename(w.folders[2], w.folders[3]), 0);
    assert_int_equal(mkdir(w.folders[2], 0700), 0);
    settle_whole(&w, "231", places);
    assert_in(w.folders[2], "waypost-tier");
    world_remove(&w);
}

static void a_lost_disk_that_comes_back_is_refused(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    settle_whole(&w, "12", 0);
    char *record = path_in(w.folders[0], "tiers");
    assert_int_equal(unlink(record), 0); /* nobody knows of 2 any more */
    char *mark = path_in(w.folders[1], "waypost-tier");
    assert_int_equal(unlink(mark), 0);
    assert_refused(&w, "12", RC_DENIED, w.folders[2]);
    free(record);
    free(mark);
    world_remove(&w);
}

static void one_folder_is_no_two_tiers(void **state)
{
    (void)state;
    struct world w;
    struct list list;
    struct layout l;
    struct err err;
    char again[40];
    world_make(&w);
    list_of(&list, &w, "11");
    snprintf(again, sizeof again, "%s/", w.folders[1]);
    list.tiers[1].path = again;
    assert_int_equal(layout_settle(&list.conf, &l, &err), RC_DENIED);
    assert_non_null(strstr(err.text, "another tier, too"));
    layout_free(&l);
    settle_whole(&w, "1", 0);
    world_remove(&w);
}

static void a_folder_is_not_moved_into_itself(void **state)
{
    (void)state;
    struct world w;
    size_t count = 0;
    world_make(&w);
    put(w.folders[1], "000010.sst");
    char *again = path_in(w.folders[1], "");
    disk_name = strlen(again); /* as a second mount of it would be */
    assert_int_equal(relocate(w.folders[1], again, "", &count, NULL), RC_OK);
    assert_in(w.folders[1], "000010.sst");
    assert_int_equal(count, 0);
    disk_name = 0;
    free(again);
    world_remove(&w);
}

static void a_file_is_copied_whole_to_another_disk(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    char *from = path_in(w.folders[1], "000010.sst"), *to = path_in(w.folders[2], "000010.sst");
    FILE *file = fopen(from, "w");
    assert_non_null(file);
    for (int i = 0; i < 300000; i++)
        fprintf(file, "%d\n", i);
    fclose(file);
    assert_int_equal(relocate_copy(from, to, NULL), RC_OK);
    assert_int_not_equal(access(from, F_OK), 0);
    file = fopen(to, "r");
    assert_non_null(file);
    for (int i = 0, got = -1; i < 300000; i++)
        assert_true(fscanf(file, "%d", &got) == 1 && got == i);
    fclose(file);
    struct err err;
    assert_int_equal(relocate_copy(from, to, &err), RC_IO);
    assert_non_null(strstr(err.text, from));
    free(from);
    free(to);
    world_remove(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_any_list_to_any_other_and_back),
        cmocka_unit_test(killed_at_any_step_it_goes_on),
        cmocka_unit_test(a_tier_that_is_not_there_is_named),
        cmocka_unit_test(a_tier_is_known_under_another_path),
        cmocka_unit_test(a_tier_of_another_spool_is_refused),
        cmocka_unit_test(a_new_disk_takes_the_path_of_one_that_moved),
        cmocka_unit_test(a_lost_disk_that_comes_back_is_refused),
        cmocka_unit_test(one_folder_is_no_two_tiers),
        cmocka_unit_test(a_folder_is_not_moved_into_itself),
        cmocka_unit_test(a_file_is_copied_whole_to_another_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
