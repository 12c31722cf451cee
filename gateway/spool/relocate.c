#include "gateway/spool/relocate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/folder.h"
#include "gateway/base/mem.h"

enum { PART_BYTES = 256 * 1024 };

/* What is not there under its own name yet: never taken for a file of the store. */
static const char unfinished[] = ".moving";

static bool ends_in(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n >= m && strcmp(name + n - m, ending) == 0;
}

static enum rc trouble(const char *doing, const char *path, struct err *err)
{
    return err_set(err, RC_IO, "cannot %s %s: %s", doing, path, strerror(errno));
}

static bool write_whole(int fd, const char *part, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, part, n);
        if (done < 0)
            return false;
        part += done;
        n -= (size_t)done;
    }
    return true;
}

static enum rc pour(int in, int out, const char *from, const char *to, struct err *err)
{
    char *part = mem_zero(PART_BYTES);
    enum rc rc = RC_OK;
    ssize_t n = 0;
    while (rc == RC_OK && (n = read(in, part, PART_BYTES)) > 0)
        if (!write_whole(out, part, (size_t)n))
            rc = trouble("write", to, err);
    if (rc == RC_OK && n < 0)
        rc = trouble("read", from, err);
    if (rc == RC_OK && fsync(out) != 0)
        rc = trouble("write", to, err);
    free(part);
    return rc;
}

static enum rc copy_to(const char *from, const char *fresh, struct err *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return trouble("read", from, err);
    int out = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum rc rc = out < 0 ? trouble("write", fresh, err) : pour(in, out, from, fresh, err);
    close(in);
    if (out >= 0)
        close(out);
    return rc;
}

static char *fresh_name(const char *to)
{
    size_t n = strlen(to) + sizeof unfinished;
    char *fresh = mem_zero(n);
    snprintf(fresh, n, "%s%s", to, unfinished);
    return fresh;
}

enum rc relocate_copy(const char *from, const char *to, struct err *err)
{
    char *fresh = fresh_name(to), *above = folder_above(to);
    enum rc rc = copy_to(from, fresh, err);
    if (rc == RC_OK && (rename(fresh, to) != 0 || folder_sync(above) != 0))
        rc = trouble("write", to, err);
    if (rc == RC_OK && unlink(from) != 0)
        rc = trouble("remove", from, err);
    if (rc != RC_OK)
        (void)unlink(fresh);
    free(fresh);
    free(above);
    return rc;
}

static enum rc move_one(const char *from, const char *to, const char *name, struct err *err)
{
    char *here = path_in(from, name), *there = path_in(to, name);
    enum rc rc = RC_OK;
    if (rename(here, there) != 0)
        rc = errno == EXDEV ? relocate_copy(here, there, err) : trouble("move", here, err);
    free(here);
    free(there);
    return rc;
}

static bool is_wanted(DIR *dir, const char *name, const char *ending)
{
    struct stat st;
    return ends_in(name, ending) && !ends_in(name, unfinished) &&
           (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISREG(st.st_mode));
}

static enum rc move_all(DIR *dir, const char *from, const char *to, const char *ending,
                        size_t *count_r, struct err *err)
{
    enum rc rc = RC_OK;
    const struct dirent *entry;
    for (errno = 0; rc == RC_OK && (entry = readdir(dir)); errno = 0) {
        if (ends_in(entry->d_name, unfinished)) /* of a copy that was killed */
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        if (!is_wanted(dir, entry->d_name, ending))
            continue;
        if (*count_r == 0 && folder_make(to, 0700) != 0 && errno != EEXIST)
            return trouble("make", to, err);
        rc = move_one(from, to, entry->d_name, err);
        (*count_r)++;
    }
    return rc == RC_OK && errno != 0 ? trouble("read", from, err) : rc;
}

/* Under another name: a link, or a mount. */
static bool is_one_folder(DIR *dir, const char *to)
{
    struct stat a, b;
    return fstat(dirfd(dir), &a) == 0 && stat(to, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

enum rc relocate(const char *from, const char *to, const char *ending, size_t *count_r,
                 struct err *err)
{
    *count_r = 0;
    DIR *dir = opendir(from);
    if (!dir)
        return errno == ENOENT ? RC_OK : trouble("read", from, err);
    enum rc rc = is_one_folder(dir, to) ? RC_OK : move_all(dir, from, to, ending, count_r, err);
    closedir(dir);
    if (rc == RC_OK && *count_r > 0 && (folder_sync(to) != 0 || folder_sync(from) != 0))
        rc = trouble("write", to, err);
    return rc;
}
