#include "gateway/daemon/log_keeper.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/folders.h"

enum { LINE_FD = 3, ANSWER_MS = 1000 };

/* ---- a descriptor over a socket: with a text instead when there is none ---- */

union control_room {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static void send_answer(int line, int fd, const char *why)
{
    union control_room room = { .bytes = { 0 } };
    struct iovec text = { (char *)(uintptr_t)why, strlen(why) + 1 };
    struct msghdr m = { .msg_iov = &text, .msg_iovlen = 1 };
    if (fd >= 0) {
        m.msg_control = room.bytes;
        m.msg_controllen = sizeof room.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    (void)sendmsg(line, &m, MSG_NOSIGNAL); /* nobody there any more: the next read says so */
}

static enum rc take_answer(int line, int *fd_r, struct err *err)
{
    union control_room room;
    char why[sizeof err->text] = "";
    struct iovec text = { why, sizeof why - 1 };
    struct msghdr m = { .msg_iov = &text,
                        .msg_iovlen = 1,
                        .msg_control = room.bytes,
                        .msg_controllen = sizeof room.bytes };
    if (recvmsg(line, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
        return err_set(err, RC_IO, "the log keeper is gone");
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c || c->cmsg_type != SCM_RIGHTS)
        return err_set(err, RC_IO, "%s", why);
    memcpy(fd_r, CMSG_DATA(c), sizeof *fd_r);
    return RC_OK;
}

/* ---- the keeper ---- */

static enum rc close_in(const char *folder, struct err *err)
{
    const struct path_rule rule = { folder, PATH_WRITE };
    capng_clear(CAPNG_SELECT_BOTH);
    if (capng_updatev(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                      CAP_DAC_OVERRIDE, CAP_CHOWN, -1) != 0 ||
        capng_apply(CAPNG_SELECT_BOTH) != 0)
        return err_set(err, RC_IO, "capabilities: %s", strerror(errno));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    enum rc rc = landlock_enter(&rule, 1, err);
    if (rc == RC_OK || rc == RC_NOT_FOUND)
        rc = seccomp_enter(SANDBOX_LOG_KEEPER, err);
    return rc;
}

static void keep(struct slice path, const struct runas *runas)
{
    char asked;
    while (read(LINE_FD, &asked, 1) == 1) {
        struct err err = { 0 };
        int fd;
        folders_open_log(path, runas, &fd, &err);
        send_answer(LINE_FD, fd, err.text);
        if (fd >= 0)
            close(fd);
    }
}

static _Noreturn void be_keeper(int line, struct slice path, const char *folder,
                                const struct runas *runas)
{
    struct err err;
    signal(SIGINT, SIG_IGN); /* the terminal's ^C is the supervisor's to hear */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    prctl(PR_SET_NAME, "wp-log", 0, 0, 0);
    log_set_process("log_keeper");
    dup2(line, LINE_FD);
    close_range(LINE_FD + 1, ~0u, 0);
    if (close_in(folder, &err) == RC_OK)
        keep(path, runas);
    else
        log_error(NULL, "log_keeper_failed", "error", err.text, NULL);
    _exit(0);
}

/* ---- the supervisor's side ---- */

static bool may_write(const struct stat *st, const struct runas *runas)
{
    return (st->st_uid == runas->uid && (st->st_mode & S_IWUSR)) ||
           (st->st_gid == runas->gid && (st->st_mode & S_IWGRP)) || (st->st_mode & S_IWOTH);
}

static enum rc start(struct slice path, const char *folder, const struct runas *runas, int *fd_r,
                     struct err *err)
{
    int line[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) != 0)
        return err_set(err, RC_IO, "log keeper: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        be_keeper(line[1], path, folder, runas);
    close(line[1]);
    if (pid < 0) {
        close(line[0]);
        return err_set(err, RC_IO, "log keeper: %s", strerror(errno));
    }
    *fd_r = line[0];
    return RC_OK;
}

enum rc log_keeper_start(struct slice path, const struct runas *runas, int *fd_r, struct err *err)
{
    struct stat st;
    enum rc rc = RC_OK;
    *fd_r = -1;
    if (!path.n || !runas->change)
        return RC_OK;
    char *folder = mem_strndup(path.p, path.n), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    if (stat(folder, &st) == 0 && !may_write(&st, runas))
        rc = start(path, folder, runas, fd_r, err);
    free(folder);
    return rc;
}

enum rc log_keeper_open(int keeper, int *fd_r, struct err *err)
{
    struct pollfd answer = { .fd = keeper, .events = POLLIN };
    int late = -1;
    if (take_answer(keeper, &late, err) == RC_OK)
        close(late); /* to a question that was given up */
    *fd_r = -1;
    if (send(keeper, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        return err_set(err, RC_IO, "the log keeper is gone");
    if (poll(&answer, 1, ANSWER_MS) != 1)
        return err_set(err, RC_IO, "the log keeper does not answer");
    return take_answer(keeper, fd_r, err);
}
