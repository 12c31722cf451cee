/*
 * tests/support/wp/clock_shim — loaded before the C library, it sets the wall clock of a program
 *
 *   The file $CLOCK_SHIM holds a number of seconds (int64_t, as this machine has it) that every
 *   reading of CLOCK_REALTIME is ahead; who changes the file sets the clock while the program runs.
 *   It is mapped at the start, before a sandbox closes the way to files. CLOCK_MONOTONIC is left
 *   alone, as it is by whoever sets a real clock.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead_s;

__attribute__((constructor)) static void map_it(void)
{
    const char *path = getenv("CLOCK_SHIM");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead_s, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        abort();
    ahead_s = at;
    close(fd);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, id, now);
    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) && ahead_s)
        now->tv_sec += *ahead_s;
    return rc;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec at;
    (void)zone;
    int rc = clock_gettime(CLOCK_REALTIME, &at);
    *now = (struct timeval){ .tv_sec = at.tv_sec, .tv_usec = at.tv_nsec / 1000 };
    return rc;
}

time_t time(time_t *now_r)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (now_r)
        *now_r = at.tv_sec;
    return at.tv_sec;
}
