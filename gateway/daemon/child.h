/*
 * daemon/child — a child process of the supervisor: started, watched, started again
 *
 *   A child is this same program, executed anew as an unprivileged user with its end of a
 *   socketpair as CHILD_FD: it shares no memory with the supervisor. One that dies is started again
 *   at once; one that dies within a second of its start waits longer each time, up to 30 s.
 *
 * Callbacks: from the loop. on_start: a new process is there, send it what it needs. on_message.
 *            on_exit: it is gone; return false to leave it so.
 */
#ifndef WAYPOST_DAEMON_CHILD_H
#define WAYPOST_DAEMON_CHILD_H

#include <sys/types.h>

#include "gateway/daemon/ipc.h"
#include "gateway/daemon/sandbox.h"
#include "gateway/io/timer.h"

struct child;

struct child_ops {
    void (*on_start)(void *arg, struct child *child);
    void (*on_message)(void *arg, struct child *child, struct ipc_message *message);
    bool (*on_exit)(void *arg, struct child *child, int status); /* as waitpid(2) gives it */
};

struct child {
    const char *role; /* "relay", "control": the verb it is executed with */
    struct loop *loop;
    const struct runas *runas;
    int exe_fd; /* this program */
    struct child_ops ops;
    void *arg;
    pid_t pid;       /* 0: not running */
    struct ipc *ipc; /* NULL: not running */
    bool ready;      /* it said MSG_READY: the owner sets it, a new start clears it */
    int64_t started_ms;
    unsigned quick_deaths;
    struct timer again; /* start it, or (while it runs) end it */
};

/* Starts it (again). RC_IO with text when there is no process to be had. */
enum rc child_start(struct child *child, struct err *err);
/* To be called after SIGCHLD. */
void child_reap(struct child *child);
void child_stop(struct child *child); /* asks it to end; it is not started again */
void child_kill(struct child *child); /* SIGKILL; on_exit follows */
void child_free(struct child *child); /* not running any more */

#endif
