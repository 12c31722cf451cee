/*
 * tests/unit/test_spool_layout — the files of a spool follow its tiers: from any list to any other,
 * killed at any step of it and at any step of the next try, whichever list that one has
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/folder.h"
#include "gateway/base/log.h"
#include "gateway/spool/relocate.h"
#include "tests/support/layout_rig.h"
#include "tests/support/temp_dir.h"

enum { DIED = 9, STEPS_MAX = 200 };

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

/* Settles in a process that dies at this step. True: it got through before. */
static bool settle_and_die(const struct layout_rig *w, const char *text, int at)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct layout l;
        steps_left = at;
        enum rc rc = layout_rig_settle(w, text, &l, NULL);
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
            struct layout_rig w;
            layout_rig_make(&w);
            unsigned places = layout_rig_settled(&w, lists[from], 0);
            layout_rig_settled(&w, lists[to], places);
            layout_rig_settled(&w, lists[from], places);
            layout_rig_remove(&w);
        }
    }
}

static void die_at_each_step(const char *from, const char *to, const char *then)
{
    bool through = false;
    for (int at = 0; !through; at++) {
        assert_true(at < STEPS_MAX);
        struct layout_rig w;
        layout_rig_make(&w);
        unsigned places = layout_rig_settled(&w, from, 0);
        through = settle_and_die(&w, to, at);
        if (at % 3 == 0)
            settle_and_die(&w, then, at / 2);
        layout_rig_settled(&w, then, places);
        layout_rig_remove(&w);
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
        for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i += disks ? 3 : 1)
            die_at_each_step(cases[i].from, cases[i].to, cases[i].then);
    }
    disk_name = 0;
}

static void a_folder_is_not_moved_into_itself(void **state)
{
    (void)state;
    struct layout_rig w;
    size_t count = 0;
    layout_rig_make(&w);
    layout_rig_put(w.folders[1], "000010.sst");
    char *again = path_in(w.folders[1], "");
    disk_name = strlen(again); /* as a second mount of it would be */
    assert_int_equal(relocate(w.folders[1], again, "", &count, NULL), RC_OK);
    layout_rig_assert_in(w.folders[1], "000010.sst");
    assert_int_equal(count, 0);
    disk_name = 0;
    free(again);
    layout_rig_remove(&w);
}

static void a_file_is_copied_whole_to_another_disk(void **state)
{
    (void)state;
    struct layout_rig w;
    layout_rig_make(&w);
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
    layout_rig_remove(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_any_list_to_any_other_and_back),
        cmocka_unit_test(killed_at_any_step_it_goes_on),
        cmocka_unit_test(a_folder_is_not_moved_into_itself),
        cmocka_unit_test(a_file_is_copied_whole_to_another_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
