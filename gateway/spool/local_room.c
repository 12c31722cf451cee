/*
 * spool/local_room — may the stores be written? Asked before they are opened for writing
 *
 *   Opening replays the log into sorted files, so it needs about as much space as the log has
 *   bytes. Without it, or when the disk refuses a test, the stores are opened for reading and the
 *   spool starts sick: new mail is refused, what waits is delivered, and local_recover.c opens them
 *   for writing when there is room.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "gateway/base/folder.h"
#include "gateway/base/mem.h"
#include "gateway/spool/local.h"

enum { PROBE_BYTES = 256 * 1024, MARGIN = 8 << 20 };

/* Does the disk take a write and its flush? */
static bool disk_takes(const struct local *local, struct err *err)
{
    char *path = path_in(local->dir, "probe");
    char *block = mem_zero(PROBE_BYTES);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0;
    if (ok) {
        errno = ENOSPC; /* what a short write means */
        ok = write(fd, block, PROBE_BYTES) == PROBE_BYTES && fsync(fd) == 0;
    }
    if (!ok)
        err_set(err, RC_IO, "%s: %s", path, strerror(errno));
    if (fd >= 0) {
        close(fd);
        (void)unlink(path);
    }
    free(block);
    free(path);
    return ok;
}

/* Bytes of the main store's logs: what an opening may write anew. */
static uint64_t log_bytes(const struct local *local)
{
    char *path = path_in(local->dir, "db");
    uint64_t sum = 0;
    DIR *dir = opendir(path);
    for (const struct dirent *entry = NULL; dir && (entry = readdir(dir));) {
        struct stat st;
        size_t n = strlen(entry->d_name);
        if (n > 4 && strcmp(entry->d_name + n - 4, ".log") == 0 &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            sum += (uint64_t)st.st_size;
    }
    if (dir)
        closedir(dir);
    free(path);
    return sum;
}

static uint64_t free_of(const char *path, uint64_t least)
{
    struct statvfs fs;
    if (!path || statvfs(path, &fs) < 0)
        return least;
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return bytes < least ? bytes : least;
}

uint64_t room_free(const struct local *local)
{
    uint64_t least = free_of(local->dir, UINT64_MAX);
    for (unsigned i = 0; i < local->tier_count; i++)
        least = free_of(local->tiers[i].path, least);
    return least;
}

bool room_ready(const struct local *local, struct err *err)
{
    uint64_t need = log_bytes(local) + MARGIN, have = room_free(local);
    if (have >= need)
        return disk_takes(local, err);
    err_set(err, RC_IO,
            "No space left: %" PRIu64 " MiB are free on the spool's disk, %" PRIu64 " are needed",
            have >> 20, (need >> 20) + 1);
    return false;
}

bool room_is_full(const struct err *err)
{
    return strstr(err->text, "No space left") || strstr(err->text, "quota exceeded");
}
