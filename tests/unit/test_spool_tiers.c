/*
 * tests/unit/test_spool_tiers — more mail than the first tier has room for: it moves on to the
 * second, and every message is found again after a restart, also with other tiers
 */
#include "tests/support/spool_rig.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "gateway/base/folder.h"
#include "gateway/base/mem.h"
#include "gateway/mail/body.h"
#include "tests/support/temp_dir.h"

enum { MIB = 1 << 20, COUNT = 480, SIZE = 200 * 1024, FIRST_SIZE = 8 * MIB };

/* Bytes of the sorted files that have a place, in a tier. */
static uint64_t sorted_bytes(const char *tier, const char *place)
{
    uint64_t sum = 0;
    char *path = path_in(tier, place);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        struct stat st;
        if (strstr(entry->d_name, ".sst") && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
            sum += (uint64_t)st.st_size;
    }
    closedir(dir);
    free(path);
    return sum;
}

/* A text that names its message. */
static void fill_text(char *text, unsigned number)
{
    memset(text, 'a' + (int)(number % 26), SIZE);
    snprintf(text, 16, "%u", number);
}

static void commit_all(struct rig *rig)
{
    static char text[SIZE];
    for (unsigned i = 0; i < COUNT; i++) {
        fill_text(text, i);
        rig_commit(rig, (struct slice){ text, SIZE }, 1);
    }
}

static void wait_for_bytes(struct rig *rig, const char *tier, const char *place)
{
    for (int i = 0; i < 300 && sorted_bytes(tier, place) == 0; i++)
        rig_turns(rig, 100);
    assert_true(sorted_bytes(tier, place) > 0);
}

static void assert_all_there(struct rig *rig, const struct rig_items *all)
{
    static char want[SIZE];
    assert_int_equal(all->count, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        enum spool_rc rc;
        char *text = rig_load(rig, all->items[i].id, &rc);
        assert_int_equal(rc, SPOOL_OK);
        fill_text(want, i);
        assert_memory_equal(text, want, SIZE);
        free(text);
    }
}

static struct rig_items with_other_tiers(struct rig *rig, const struct spool_tier *tiers,
                                         unsigned n)
{
    rig->conf.tiers = tiers;
    rig->conf.tier_count = n;
    struct rig_items all = rig_restart(rig);
    assert_all_there(rig, &all);
    return all;
}

static void data_moves_to_the_second_tier(void **state)
{
    (void)state;
    struct rig rig;
    char first[32], second[32];
    temp_dir_make(first, sizeof first);
    temp_dir_make(second, sizeof second);
    struct spool_tier tiers[] = { { first, FIRST_SIZE }, { second, 0 } };
    rig_make(&rig);
    rig.conf.tiers = tiers;
    rig.conf.tier_count = 2;
    rig_open(&rig);
    commit_all(&rig);
    wait_for_bytes(&rig, second, "1");
    struct rig_items all = rig_restart(&rig);
    assert_all_there(&rig, &all);
    rig_items_free(&all);
    all = with_other_tiers(&rig, (struct spool_tier[]){ { second, FIRST_SIZE }, { first, 0 } }, 2);
    assert_true(sorted_bytes(first, "1") > 0);
    rig_items_free(&all);
    all = with_other_tiers(&rig, NULL, 0);
    assert_true(sorted_bytes(rig.dir, "1") > 0);
    rig_items_free(&all);
    all = with_other_tiers(&rig, (struct spool_tier[]){ { second, 0 } }, 1);
    assert_true(sorted_bytes(second, "1") > 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(rig_done(&rig, &all.items[i]), SPOOL_OK);
    rig_items_free(&all);
    all = rig_restart(&rig);
    assert_int_equal(all.count, 0);
    rig_items_free(&all);
    assert_int_equal(atomic_load(&rig.corrupt), 0);
    rig_remove(&rig);
    temp_dir_remove(first);
    temp_dir_remove(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(data_moves_to_the_second_tier) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
