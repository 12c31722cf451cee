/*
 * tests/unit/test_spool_tier_marks — a tier is known by its mark: missing, elsewhere, another's
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/folder.h"
#include "gateway/base/log.h"
#include "tests/support/layout_rig.h"

static void assert_refused(const struct layout_rig *w, const char *text, enum rc rc,
                           const char *why)
{
    struct layout l;
    struct err err = { 0 };
    assert_int_equal(layout_rig_settle(w, text, &l, &err), rc);
    if (!strstr(err.text, why))
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    layout_free(&l);
}

static void a_tier_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct layout_rig w;
    char away[40];
    layout_rig_make(&w);
    unsigned places = layout_rig_settled(&w, "12", 0);
    snprintf(away, sizeof away, "%s-away", w.folders[2]);
    assert_int_equal(rename(w.folders[2], away), 0);
    assert_int_equal(mkdir(w.folders[2], 0700), 0); /* what is seen when it is not mounted */
    assert_refused(&w, "12", RC_NOT_FOUND, w.folders[2]);
    assert_refused(&w, "1", RC_NOT_FOUND, w.folders[2]);
    assert_refused(&w, "", RC_NOT_FOUND, w.folders[2]);
    assert_int_equal(rmdir(w.folders[2]), 0);
    assert_int_equal(rename(away, w.folders[2]), 0);
    layout_rig_settled(&w, "12", places);
    layout_rig_remove(&w);
}

static void a_tier_is_known_under_another_path(void **state)
{
    (void)state;
    struct layout_rig w;
    layout_rig_make(&w);
    unsigned places = layout_rig_settled(&w, "12", 0);
    assert_int_equal(rename(w.folders[2], w.folders[3]), 0); /* in the place of an empty one */
    assert_int_equal(mkdir(w.folders[2], 0700), 0);
    layout_rig_settled(&w, "13", places);
    layout_rig_settled(&w, "2", places);
    layout_rig_remove(&w);
}

static void a_tier_of_another_spool_is_refused(void **state)
{
    (void)state;
    struct layout_rig one, other;
    layout_rig_make(&one);
    layout_rig_make(&other);
    layout_rig_settled(&one, "12", 0);
    layout_rig_settled(&other, "1", 0);
    struct layout_list list;
    struct layout l;
    struct err err;
    layout_rig_list(&list, &other, "12");
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
    layout_rig_remove(&one);
    layout_rig_remove(&other);
}

static void a_new_disk_takes_the_path_of_one_that_moved(void **state)
{
    (void)state;
    struct layout_rig w;
    layout_rig_make(&w);
    unsigned places = layout_rig_settled(&w, "12", 0);
    assert_int_equal(rename(w.folders[2], w.folders[3]), 0);
    assert_int_equal(mkdir(w.folders[2], 0700), 0);
    layout_rig_settled(&w, "231", places);
    layout_rig_assert_in(w.folders[2], "waypost-tier");
    layout_rig_remove(&w);
}

static void a_lost_disk_that_comes_back_is_refused(void **state)
{
    (void)state;
    struct layout_rig w;
    layout_rig_make(&w);
    layout_rig_settled(&w, "12", 0);
    char *record = path_in(w.folders[0], "tiers");
    assert_int_equal(unlink(record), 0); /* nobody knows of 2 any more */
    char *mark = path_in(w.folders[1], "waypost-tier");
    assert_int_equal(unlink(mark), 0);
    assert_refused(&w, "12", RC_DENIED, w.folders[2]);
    free(record);
    free(mark);
    layout_rig_remove(&w);
}

static void one_folder_is_no_two_tiers(void **state)
{
    (void)state;
    struct layout_rig w;
    struct layout_list list;
    struct layout l;
    struct err err;
    char again[40];
    layout_rig_make(&w);
    layout_rig_list(&list, &w, "11");
    snprintf(again, sizeof again, "%s/", w.folders[1]);
    list.tiers[1].path = again;
    assert_int_equal(layout_settle(&list.conf, &l, &err), RC_DENIED);
    assert_non_null(strstr(err.text, "another tier, too"));
    layout_free(&l);
    layout_rig_settled(&w, "1", 0);
    layout_rig_remove(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tier_that_is_not_there_is_named),
        cmocka_unit_test(a_tier_is_known_under_another_path),
        cmocka_unit_test(a_tier_of_another_spool_is_refused),
        cmocka_unit_test(a_new_disk_takes_the_path_of_one_that_moved),
        cmocka_unit_test(a_lost_disk_that_comes_back_is_refused),
        cmocka_unit_test(one_folder_is_no_two_tiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
