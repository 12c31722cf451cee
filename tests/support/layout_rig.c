#include "tests/support/layout_rig.h"

#include <dirent.h>
#include <fcntl.h>
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
#include "tests/support/temp_dir.h"

void layout_rig_make(struct layout_rig *w)
{
    for (int i = 0; i < LAYOUT_FOLDERS; i++)
        temp_dir_make(w->folders[i], sizeof w->folders[i]);
}

void layout_rig_remove(const struct layout_rig *w)
{
    for (int i = 0; i < LAYOUT_FOLDERS; i++)
        temp_dir_remove(w->folders[i]);
}

void layout_rig_put(const char *folder, const char *name)
{
    mkdir(folder, 0700);
    char *path = path_in(folder, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    free(path);
}

void layout_rig_list(struct layout_list *list, const struct layout_rig *w, const char *text)
{
    unsigned n = 0;
    for (; text[n]; n++)
        list->tiers[n] = (struct spool_tier){ w->folders[text[n] - '0'], 1 << 30 };
    list->conf = (struct spool_conf){ .dir = w->folders[0], .tiers = list->tiers, .tier_count = n };
}

enum rc layout_rig_settle(const struct layout_rig *w, const char *text, struct layout *layout_r,
                          struct err *err)
{
    struct layout_list list;
    layout_rig_list(&list, w, text);
    return layout_settle(&list.conf, layout_r, err);
}

/* What RocksDB would have written: a sorted file for every place, bodies, and the log. */
static void fill(const struct layout_rig *w, const struct layout *l)
{
    char *db = path_in(w->folders[0], "db");
    layout_rig_put(db, "CURRENT");
    layout_rig_put(db, "000001.log");
    layout_rig_put(l->n ? l->sorted[0].path : db, "000010.sst");
    for (unsigned i = 1; i < l->n; i++) {
        char name[24];
        snprintf(name, sizeof name, "00001%u.sst", i);
        layout_rig_put(l->sorted[i].path, name);
    }
    layout_rig_put(l->bulk, "CURRENT");
    layout_rig_put(l->bulk, "000007.blob");
    free(db);
}

void layout_rig_assert_in(const char *folder, const char *name)
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
static void assert_settled(const struct layout_rig *w, const struct layout *l, unsigned places)
{
    char *db = path_in(w->folders[0], "db");
    layout_rig_assert_in(db, "CURRENT");
    layout_rig_assert_in(db, "000001.log");
    for (unsigned i = 0; i < places; i++) {
        char name[24];
        snprintf(name, sizeof name, "00001%u.sst", i);
        layout_rig_assert_in(l->n ? l->sorted[i].path : db, name);
    }
    layout_rig_assert_in(l->bulk, "CURRENT");
    layout_rig_assert_in(l->bulk, "000007.blob");
    unsigned n = 0;
    for (int i = 0; i < LAYOUT_FOLDERS; i++)
        n += files_in(w->folders[i]);
    assert_int_equal(n, places + 4);
    free(db);
}

unsigned layout_rig_settled(const struct layout_rig *w, const char *text, unsigned places)
{
    struct layout l;
    struct err err = { 0 };
    if (layout_rig_settle(w, text, &l, &err) != RC_OK)
        fail_msg("\"%s\": %s", text, err.text);
    if (places == 0)
        fill(w, &l);
    places = places ? places : (l.n ? l.n : 1);
    assert_settled(w, &l, places);
    layout_free(&l);
    return places;
}
