/*
 * crash/faultfs — a disk that fails on command, by LD_PRELOAD
 *
 *   FAULTFS_DIR names a folder, FAULTFS_CONTROL a file whose first byte says what happens to writes
 * and syncs below that folder: 0 nothing, 'S' ENOSPC on what makes files longer, 'I' EIO on every
 * write and sync, 'D' EIO on syncs only. The file is mapped when the process starts, before any
 * sandbox, so that the test can change its mind at any moment. Everything else passes through.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile const char *control;
static const char *folder;

__attribute__((constructor)) static void faultfs_init(void)
{
    const char *path = getenv("FAULTFS_CONTROL");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    folder = getenv("FAULTFS_DIR");
    if (fd < 0 || !folder)
        return;
    void *p = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
    control = p == MAP_FAILED ? NULL : p;
    close(fd);
}

static bool below_folder(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return false;
    path[n] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

/* The errno to fail with, 0: none. */
static int verdict(int fd, bool is_sync)
{
    char mode = control ? *control : 0;
    if (mode == 0 || !below_folder(fd))
        return 0;
    if (mode == 'S')
        return is_sync ? 0 : ENOSPC;
    if (mode == 'D')
        return is_sync ? EIO : 0;
    return EIO;
}

/* Defines a wrapper: fails with the verdict, or calls the C library's function. */
#define WRAP(type, name, is_sync, params, ...)                                                     \
    type name params;                                                                              \
    type name params                                                                               \
    {                                                                                              \
        static type(*next) params;                                                                 \
        int e = verdict(fd, is_sync);                                                              \
        if (!next)                                                                                 \
            *(void **)&next = dlsym(RTLD_NEXT, #name);                                             \
        if (e) {                                                                                   \
            errno = e;                                                                             \
            return -1;                                                                             \
        }                                                                                          \
        return next(__VA_ARGS__);                                                                  \
    }

WRAP(ssize_t, write, false, (int fd, const void *p, size_t n), fd, p, n)
WRAP(ssize_t, pwrite, false, (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
WRAP(ssize_t, pwrite64, false, (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
WRAP(ssize_t, writev, false, (int fd, const struct iovec *v, int n), fd, v, n)
WRAP(int, fallocate, false, (int fd, int mode, off_t at, off_t n), fd, mode, at, n)
WRAP(int, fallocate64, false, (int fd, int mode, off_t at, off_t n), fd, mode, at, n)
WRAP(int, fsync, true, (int fd), fd)
WRAP(int, fdatasync, true, (int fd), fd)
