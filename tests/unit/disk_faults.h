/*
 * tests/unit/disk_faults — a disk that refuses, for one test program
 *
 *   The write calls below stand before the C library's for the whole program, RocksDB included;
 *   they fail for files below a test's folder while a fault is on, or a sync of a log does not come
 *   back. To be included by the program's main file only.
 */
#ifndef WAYPOST_TESTS_UNIT_DISK_FAULTS_H
#define WAYPOST_TESTS_UNIT_DISK_FAULTS_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"

enum { FAULT_NONE, FAULT_WRITE, FAULT_SYNC, FAULT_STALL };
static atomic_int fault, fault_errno, hits;

/* One below the folder, whose name ends like this. */
static bool is_spool_file(int fd, const char *ending)
{
    char link[32], path[128];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    size_t len = n > 0 ? (size_t)n : 0, tail = strlen(ending);
    path[len] = '\0';
    return strncmp(path, TEMP_DIR_PREFIX, sizeof TEMP_DIR_PREFIX - 1) == 0 && len >= tail &&
           strcmp(path + len - tail, ending) == 0;
}

static bool refused(int kind, int fd)
{
    if (atomic_load(&fault) != kind || !is_spool_file(fd, kind == FAULT_STALL ? ".log" : ""))
        return false;
    atomic_fetch_add(&hits, 1);
    errno = atomic_load(&fault_errno);
    return true;
}

static void hang(int fd)
{
    if (!refused(FAULT_STALL, fd))
        return;
    while (atomic_load(&fault) == FAULT_STALL)
        usleep(1000);
}

ssize_t write(int fd, const void *data, size_t n)
{
    return refused(FAULT_WRITE, fd) ? -1 : syscall(SYS_write, fd, data, n);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return refused(FAULT_WRITE, fd) ? -1 : syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    return refused(FAULT_WRITE, fd) ? -1 : syscall(SYS_pwrite64, fd, data, n, at);
}

int fdatasync(int fd)
{
    hang(fd);
    return refused(FAULT_SYNC, fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    hang(fd);
    return refused(FAULT_SYNC, fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

static void fault_on(int kind, int error)
{
    atomic_store(&hits, 0);
    atomic_store(&fault_errno, error);
    atomic_store(&fault, kind);
}

static void fault_off(void)
{
    atomic_store(&fault, FAULT_NONE);
}

#endif
