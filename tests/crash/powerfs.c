/*
 * crash/powerfs — what would survive a power cut, written down as it happens, by LD_PRELOAD
 *
 *   POWERFS_DIR names a folder, POWERFS_JOURNAL a file that exists. Every change of a name below
 * the folder, and every sync of a file or folder there, is appended to the journal, a line each:
 *
 *     C path          a file or folder was made         U path kept      a name was removed
 *     L path          a second name was made            R old new kept   renamed; kept: "-" or what
 *     F inode size    that much of the file is synced                    had the new name before
 *     S path          the folder's names are synced
 *
 * Removed files live on under a second name in POWERFS_DIR/kept, so that a removal that was not
 * synced can be taken back. power.py reads the journal after kill -9, when the page cache still has
 * everything, and puts the folder into the state it would have after a cut.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;
static int journal = -1;
static atomic_uint kept_count;

__attribute__((constructor)) static void powerfs_init(void)
{
    const char *path = getenv("POWERFS_JOURNAL");
    folder = getenv("POWERFS_DIR");
    journal = path && folder ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
}

static int watched(const char *path)
{
    return journal >= 0 && strncmp(path, folder, strlen(folder)) == 0;
}

/* One write each: lines of several threads do not mix. */
static void note(const char *format, ...)
{
    char line[3 * PATH_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (write(journal, line, (size_t)n) != n)
        abort(); /* a journal with holes would prove nothing */
}

#define NEXT(name)                                                                                 \
    static __typeof__(&name) next;                                                                 \
    if (!next)                                                                                     \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

/* A second name for what is about to lose its own; "-" when there is nothing. */
static void keep(const char *path, char kept_r[PATH_MAX])
{
    struct stat st;
    snprintf(kept_r, PATH_MAX, "-");
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    snprintf(kept_r, PATH_MAX, "%s/kept", folder);
    mkdir(kept_r, 0700);
    snprintf(kept_r, PATH_MAX, "%s/kept/%d-%u", folder, getpid(), atomic_fetch_add(&kept_count, 1));
    if (linkat(AT_FDCWD, path, AT_FDCWD, kept_r, 0) != 0)
        abort();
}

static int made(const char *path, int flags, int fd, int was_there)
{
    if (fd >= 0 && (flags & O_CREAT) && !was_there)
        note("C %s\n", path);
    return fd;
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        NEXT(name);                                                                                \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = mode_of(flags, args);                                                        \
        va_end(args);                                                                              \
        if (!watched(path))                                                                        \
            return next(path, flags, mode);                                                        \
        int was_there = access(path, F_OK) == 0;                                                   \
        return made(path, flags, next(path, flags, mode), was_there);                              \
    }
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir);
    int rc = next(path, mode);
    if (rc == 0 && watched(path))
        note("C %s\n", path);
    return rc;
}

int link(const char *from, const char *to)
{
    NEXT(link);
    int rc = next(from, to);
    if (rc == 0 && watched(to))
        note("L %s\n", to);
    return rc;
}

int unlink(const char *path)
{
    NEXT(unlink);
    char kept[PATH_MAX];
    if (!watched(path))
        return next(path);
    keep(path, kept);
    int rc = next(path);
    if (rc == 0)
        note("U %s %s\n", path, kept);
    return rc;
}

int rename(const char *from, const char *to)
{
    NEXT(rename);
    char kept[PATH_MAX];
    if (!watched(to))
        return next(from, to);
    keep(to, kept);
    int rc = next(from, to);
    if (rc == 0)
        note("R %s %s %s\n", from, to, kept);
    return rc;
}

/* The size before the call: what comes while it runs is not covered. */
static int synced(int fd, int (*next)(int))
{
    struct stat st;
    char self[64], path[PATH_MAX];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    ssize_t n = journal >= 0 ? readlink(self, path, sizeof path - 1) : -1;
    path[n > 0 ? n : 0] = '\0';
    int above =
        n > 0 && folder && strncmp(folder, path, (size_t)n) == 0; /* has the folder's name */
    if ((!watched(path) && !above) || fstat(fd, &st) != 0)
        return next(fd);
    int rc = next(fd);
    if (rc == 0 && S_ISDIR(st.st_mode))
        note("S %s\n", path);
    else if (rc == 0)
        note("F %ju %jd\n", (uintmax_t)st.st_ino, (intmax_t)st.st_size);
    return rc;
}

int fsync(int fd)
{
    NEXT(fsync);
    return synced(fd, next);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    return synced(fd, next);
}
