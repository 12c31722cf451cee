#include "gateway/daemon/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/daemon/messages.h"

enum { QUICK_MS = 1000, AGAIN_MIN_MS = 100, AGAIN_MAX_MS = 30000, GOODBYE_MS = 2000 };

/* In the new process, between fork and exec. */
static void become_child(const struct child *child, int fd, pid_t parent)
{
    struct err err;
    if (privilege_drop_all(child->runas, &err) != RC_OK) {
        log_error(NULL, "child_failed", "role", child->role, "error", err.text, NULL);
        return;
    }
    /* After the change of user, which clears it. The parent may be gone already. */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        return;
    if (fd == CHILD_FD)
        fcntl(fd, F_SETFD, 0);
    else if (dup2(fd, CHILD_FD) < 0)
        return;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char name[] = "waypost";
    char *argv[] = { name, (char *)(uintptr_t)child->role, NULL };
    fexecve(child->exe_fd, argv, environ);
    log_error(NULL, "child_failed", "role", child->role, "error", strerror(errno), NULL);
}

static void on_message(void *arg, struct ipc_message *message)
{
    struct child *child = arg;
    child->ops.on_message(child->arg, child, message);
}

/* Its end of the line is shut: it is about to end, or it has gone mad. */
static void on_closed(void *arg, const char *why)
{
    struct child *child = arg;
    (void)why;
    timer_set(child->loop, &child->again, GOODBYE_MS);
}

static void on_again(struct timer *timer)
{
    struct child *child = CONTAINER_OF(timer, struct child, again);
    struct err err;
    if (child->pid)
        child_kill(child);
    else if (child_start(child, &err) != RC_OK) {
        log_error(NULL, "child_failed", "role", child->role, "error", err.text, NULL);
        timer_set(child->loop, &child->again, AGAIN_MAX_MS);
    }
}

enum rc child_start(struct child *child, struct err *err)
{
    int fds[2];
    enum rc rc = ipc_pair(fds, err);
    if (rc != RC_OK)
        return rc;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become_child(child, fds[1], parent);
        _exit(127);
    }
    int error = errno;
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return err_set(err, RC_IO, "fork: %s", strerror(error));
    }
    static const struct ipc_ops ops = { on_message, on_closed };
    child->pid = pid;
    child->ready = false;
    child->started_ms = loop_now_ms(child->loop);
    child->ipc = ipc_new(child->loop, fds[0], &ops, child);
    timer_init(&child->again, on_again);
    log_info(NULL, "child_started", "role", child->role, "pid", LOG_INT(pid), NULL);
    child->ops.on_start(child->arg, child);
    return RC_OK;
}

static void start_again(struct child *child)
{
    bool quick = loop_now_ms(child->loop) - child->started_ms < QUICK_MS;
    child->quick_deaths = quick ? child->quick_deaths + 1 : 0;
    unsigned doublings = child->quick_deaths > 10 ? 10 : child->quick_deaths;
    int64_t delay = quick ? (AGAIN_MIN_MS / 2) << doublings : 0;
    timer_set(child->loop, &child->again, delay > AGAIN_MAX_MS ? AGAIN_MAX_MS : delay);
}

void child_reap(struct child *child)
{
    int status;
    if (!child->pid || waitpid(child->pid, &status, WNOHANG) != child->pid)
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        log_info(NULL, "child_ended", "role", child->role, "pid", LOG_INT(child->pid), NULL);
    else
        log_error(NULL, "child_died", "role", child->role, "pid", LOG_INT(child->pid),
                  WIFSIGNALED(status) ? "signal" : "status",
                  LOG_INT(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)), NULL);
    child->pid = 0;
    timer_stop(child->loop, &child->again);
    child->ready = false;
    ipc_free(&child->ipc);
    if (child->ops.on_exit(child->arg, child, status))
        start_again(child);
}

void child_stop(struct child *child)
{
    if (child->pid)
        ipc_send(child->ipc, MSG_STOP, (struct slice){ NULL, 0 }, NULL, 0);
    else if (child->again.fn)
        timer_stop(child->loop, &child->again);
}

void child_kill(struct child *child)
{
    if (child->pid)
        kill(child->pid, SIGKILL);
}

void child_free(struct child *child)
{
    if (child->again.fn)
        timer_stop(child->loop, &child->again);
    ipc_free(&child->ipc);
}
