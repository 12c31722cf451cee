/* tests/support/temp_dir — see the header */
#include "tests/support/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

/* cmocka.h needs these and stddef.h */
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8 };

void temp_dir_make(char *path_r, size_t size)
{
    snprintf(path_r, size, TEMP_DIR_PREFIX "XXXXXX");
    assert_non_null(mkdtemp(path_r));
}

static void remove_tree(const char *path, int depth)
{
    DIR *dir = depth > 0 ? opendir(path) : NULL;
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        char inner[1024];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        remove_tree(inner, depth - 1);
    }
    if (dir)
        closedir(dir);
    (void)remove(path);
}

void temp_dir_remove(const char *path)
{
    remove_tree(path, DEPTH_MAX);
}
