/*
 * spool/local_wal — damage in the log (WAL) of the main store
 *
 *   RocksDB skips a damaged record of its log, says so in its own text log, and deletes the file
 *   after the recovery. So the logs get a second name before the store is opened; if the text log
 *   then tells of bytes that were dropped, the names stay (folder "damaged") for whoever wants to
 *   look, and the loss is reported; otherwise they go. The last record may be torn when the machine
 *   lost power in the middle of a write: then it was never acknowledged.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/folder.h"
#include "gateway/base/mem.h"
#include "gateway/spool/local.h"

enum { TEXT_LOG_MAX = 1 << 20 };

static char *path_of(const struct local *local, const char *folder, const char *name)
{
    char *parent = path_in(local->dir, folder), *path = path_in(parent, name);
    free(parent);
    return path;
}

static bool is_log(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".log") == 0;
}

/* Runs fn for every log in a folder of the spool. */
static void each_log(struct local *local, const char *folder,
                     void (*fn)(struct local *local, const char *name))
{
    char *path = path_in(local->dir, folder);
    DIR *dir = opendir(path);
    for (const struct dirent *entry = NULL; dir && (entry = readdir(dir));)
        if (is_log(entry->d_name))
            fn(local, entry->d_name);
    if (dir)
        closedir(dir);
    free(path);
}

static void keep_one(struct local *local, const char *name)
{
    char *from = path_of(local, "db", name), *to = path_of(local, "replay", name);
    bool kept = link(from, to) == 0;
    (void)kept; /* no hard links on this disk: nothing to look at later, no more than that */
    free(from);
    free(to);
}

static void make_folder(struct local *local, const char *folder)
{
    char *path = path_in(local->dir, folder);
    (void)folder_make(path, 0700);
    free(path);
}

static void forget_one(struct local *local, const char *name)
{
    char *path = path_of(local, "replay", name);
    (void)unlink(path);
    free(path);
}

static void set_aside_one(struct local *local, const char *name)
{
    char *from = path_of(local, "replay", name), *to = path_of(local, "damaged", name);
    (void)rename(from, to);
    free(from);
    free(to);
}

void wal_keep(struct local *local)
{
    make_folder(local, "replay");
    each_log(local, "replay", forget_one);
    each_log(local, "db", keep_one);
}

/* "LOG", or in a folder of its own the store's path with this ending. */
static bool is_text_log(const char *name)
{
    size_t n = strlen(name);
    return n >= 3 && strcmp(name + n - 3, "LOG") == 0;
}

static FILE *open_text_log(const struct local *local)
{
    FILE *file = NULL;
    DIR *dir = opendir(local->main.text_dir ? local->main.text_dir : local->main.path);
    for (const struct dirent *entry = NULL; dir && !file && (entry = readdir(dir));) {
        int fd = is_text_log(entry->d_name)
                     ? openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC)
                     : -1;
        file = fd >= 0 ? fdopen(fd, "r") : NULL;
    }
    if (dir)
        closedir(dir);
    return file;
}

/* RocksDB starts a new text log with every opening, so all in it is about this one. */
static bool text_log_tells(const struct local *local, char line_r[256])
{
    FILE *file = open_text_log(local);
    bool found = false;
    for (size_t read = 0; file && !found && read < TEXT_LOG_MAX && fgets(line_r, 256, file);) {
        read += strlen(line_r);
        found = strstr(line_r, ": dropping ") != NULL;
    }
    if (file)
        fclose(file);
    line_r[strcspn(line_r, "\n")] = '\0';
    return found;
}

void wal_check(struct local *local)
{
    char line[256] = "";
    if (text_log_tells(local, line)) {
        make_folder(local, "damaged");
        each_log(local, "replay", set_aside_one);
        aside_report(local, FAMILY_SYS, (struct spool_id){ 0 }, line);
    }
    each_log(local, "replay", forget_one);
}
