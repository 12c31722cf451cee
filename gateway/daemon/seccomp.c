/*
 * daemon/seccomp — the system calls that a process of ours needs, and no others
 *
 *   An allow list per role, gathered from what is below us (C library, RocksDB, OpenSSL, libevent,
 *   c-ares, SQLite, libcurl, the sanitizers of a test build), a little wider than what they call
 *   today: the neighbours of a call, so that another version of a library that prefers openat2 or
 *   epoll_pwait2 works too. No program is run, no process made, no port opened, no memory both
 *   written and executed.
 *
 *   A call that is not listed answers ENOSYS and nothing else happens. That is safest for mail: a
 *   library takes it for an older kernel and goes another way, as it must on one (EPERM would be
 *   an error of the file at hand, and a killed relay would be killed again at the same message).
 *   The kernel logs each one (audit record type 1326 with the number of the call), so a call that
 *   is missing here is found out without harm.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/daemon/sandbox.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* names of malloc's memory */
#endif

/* What any program of the C library does, and descriptors it was given. */
static const int base[] = {
    /* memory; mmap and mprotect have rules of their own */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(msync),
    SCMP_SYS(mincore), SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(munlock), SCMP_SYS(membarrier),
    /* threads; clone has a rule of its own */
    SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(rseq), SCMP_SYS(gettid),
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_get_priority_max),
    SCMP_SYS(sched_get_priority_min), SCMP_SYS(getcpu),
    /* signals, to the own threads only (abort) */
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall), SCMP_SYS(signalfd4),
    /* time and chance */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres_time64), SCMP_SYS(clock_nanosleep_time64),
    SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
    /* who we are */
    SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getresuid), SCMP_SYS(getresgid), SCMP_SYS(getgroups),
    SCMP_SYS(getpgrp), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrusage), SCMP_SYS(times),
    SCMP_SYS(getrlimit), SCMP_SYS(ugetrlimit),
    /* open descriptors */
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
    SCMP_SYS(close_range), SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(fstat), SCMP_SYS(fstat64),
    SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(fcntl), SCMP_SYS(fcntl64),
    SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(poll), SCMP_SYS(ppoll),
    SCMP_SYS(ppoll_time64), SCMP_SYS(select), SCMP_SYS(_newselect), SCMP_SYS(pselect6),
    SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2)
};

/* Relay and control: event loops, sockets, files. Which files is Landlock's to say. */
static const int working[] = {
    SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(pipe),
    SCMP_SYS(pipe2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_settime64), SCMP_SYS(timerfd_gettime), SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch), SCMP_SYS(ioctl),
    /* sockets; socket has a rule of its own, and listen is the supervisor's */
    SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(accept), SCMP_SYS(accept4),
    SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt), SCMP_SYS(send), SCMP_SYS(sendto), SCMP_SYS(sendmmsg), SCMP_SYS(recv),
    SCMP_SYS(recvfrom), SCMP_SYS(recvmmsg), SCMP_SYS(recvmmsg_time64),
    /* files */
    SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2), SCMP_SYS(pwrite64), SCMP_SYS(pwritev),
    SCMP_SYS(pwritev2), SCMP_SYS(stat), SCMP_SYS(stat64), SCMP_SYS(lstat), SCMP_SYS(lstat64),
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(getdents), SCMP_SYS(getdents64),
    SCMP_SYS(statfs), SCMP_SYS(statfs64), SCMP_SYS(fstatfs), SCMP_SYS(fstatfs64), SCMP_SYS(fsync),
    SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64), SCMP_SYS(truncate),
    SCMP_SYS(fallocate), SCMP_SYS(fadvise64), SCMP_SYS(flock), SCMP_SYS(rename), SCMP_SYS(renameat),
    SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir), SCMP_SYS(umask), SCMP_SYS(utimensat), SCMP_SYS(sendfile),
    SCMP_SYS(copy_file_range)
};

/* RocksDB's. */
static const int relay_only[] = {
    SCMP_SYS(sync_file_range),  SCMP_SYS(readahead),   SCMP_SYS(link),
    SCMP_SYS(linkat),           SCMP_SYS(getpriority), SCMP_SYS(setpriority),
    SCMP_SYS(ioprio_get),       SCMP_SYS(ioprio_set),  SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_setaffinity)
};

/* SQLite's. */
static const int control_only[] = { SCMP_SYS(fchmod), SCMP_SYS(fchown) };
static const int keeper_only[] = { SCMP_SYS(fchown) };

static int allow_list(scmp_filter_ctx ctx, const int *calls, size_t n)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (calls[i] >= 0) /* negative: not of this architecture */
            rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
    return rc;
}

/* Allows `call` when argument `arg`, under `mask`, is `value`. */
static int allow_if(scmp_filter_ctx ctx, int call, unsigned arg, uint64_t mask, uint64_t value)
{
    if (call < 0)
        return 0;
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
                            SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, mask, value));
}

/* Memory is written or executed, not both: libraries may be loaded, code not be made. */
static int allow_memory(scmp_filter_ctx ctx)
{
    static const uint64_t fit[] = { 0, PROT_WRITE, PROT_EXEC };
    int rc = allow_if(ctx, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
    for (size_t i = 0; rc == 0 && i < sizeof fit / sizeof fit[0]; i++) {
        rc = allow_if(ctx, SCMP_SYS(mmap), 2, PROT_WRITE | PROT_EXEC, fit[i]);
        if (rc == 0)
            rc = allow_if(ctx, SCMP_SYS(mmap2), 2, PROT_WRITE | PROT_EXEC, fit[i]);
    }
    return rc;
}

/* A clone that is no thread is a new process. prlimit64 and prctl: no way to another process or to
 * new rights. */
static int allow_some(scmp_filter_ctx ctx)
{
    static const uint64_t prctls[] = { PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE };
    int rc = allow_if(ctx, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
    for (size_t i = 0; rc == 0 && i < sizeof prctls / sizeof prctls[0]; i++)
        rc = allow_if(ctx, SCMP_SYS(prctl), 0, UINT32_MAX, prctls[i]);
    if (rc == 0)
        rc = allow_if(ctx, SCMP_SYS(prlimit64), 0, UINT32_MAX, 0); /* of ourselves */
    return rc;
}

/* UNIX and IP only: no raw packets, no netlink, no exotic families. */
static int allow_sockets(scmp_filter_ctx ctx)
{
    static const uint64_t families[] = { AF_UNIX, AF_INET, AF_INET6 };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof families / sizeof families[0]; i++)
        rc = allow_if(ctx, SCMP_SYS(socket), 0, UINT32_MAX, families[i]);
    return rc;
}

/* abort() sends its signal to the own process; to others there is no way. */
static int allow_abort(scmp_filter_ctx ctx)
{
    return allow_if(ctx, SCMP_SYS(tgkill), 0, UINT32_MAX, (uint64_t)getpid());
}

#define ALLOW(list) allow_list(ctx, (list), sizeof(list) / sizeof((list)[0]))

static int allow_role(scmp_filter_ctx ctx, enum sandbox_role role)
{
    int rc = ALLOW(base);
    if (rc == 0)
        rc = allow_memory(ctx);
    if (rc == 0)
        rc = allow_some(ctx);
    if (rc == 0)
        rc = allow_abort(ctx);
    if (rc == 0 && role == SANDBOX_LOG_KEEPER)
        return ALLOW(keeper_only);
    if (rc == 0)
        rc = ALLOW(working);
    if (rc == 0)
        rc = allow_sockets(ctx);
    if (rc == 0)
        rc = role == SANDBOX_RELAY ? ALLOW(relay_only) : ALLOW(control_only);
    return rc;
}

/* What the C library tries as a matter of course and can do without, so that it is not logged:
 * clone3 hides its flags from a filter, and behind it comes clone; a netlink socket is asked for
 * by the sorting of addresses. */
static int refuse_quietly(scmp_filter_ctx ctx)
{
    int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_GT, AF_INET6, 0));
    return rc;
}

/* The same of the filter that logs: refusals there would be logged too. The strictest wins. */
static int leave_to_the_quiet_one(scmp_filter_ctx ctx)
{
    int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone3), 0);
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_GT, AF_INET6, 0));
    return rc;
}

static int load_quiet(void)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc = ctx ? refuse_quietly(ctx) : -ENOMEM;
    if (rc == 0)
        rc = seccomp_load(ctx);
    seccomp_release(ctx);
    return rc;
}

static int load_list(enum sandbox_role role)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!ctx)
        return -ENOMEM;
    /* Not every kernel can log or has a use for the tree; the filter holds without. */
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    int rc = allow_role(ctx, role);
    if (rc == 0)
        rc = leave_to_the_quiet_one(ctx);
    if (rc == 0)
        rc = seccomp_load(ctx);
    seccomp_release(ctx);
    return rc;
}

enum rc seccomp_enter(enum sandbox_role role, struct err *err)
{
    int rc = load_quiet(); /* first: the list forbids loading another */
    if (rc == 0)
        rc = load_list(role);
    return rc == 0 ? RC_OK : err_set(err, RC_IO, "seccomp: %s", strerror(-rc));
}
