#include "gateway/daemon/supervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/cursor.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/folders.h"
#include "gateway/daemon/geo_files.h"
#include "gateway/daemon/log_keeper.h"
#include "gateway/daemon/messages.h"
#include "gateway/daemon/notify.h"
#include "gateway/daemon/reload.h"
#include "gateway/daemon/watch.h"

enum { EXIT_CONFIGURATION = 78, STOP_MS = 30000, OPEN_FILES = 1 << 20, CHANGES_MAX = 256 << 10 };

const struct conf *supervisor_conf(const struct supervisor *s)
{
    return policies_conf(s->now.policies);
}

enum rc supervisor_open_log(const struct supervisor *s, struct slice path, int *fd_r,
                            struct err *err)
{
    enum rc rc = folders_open_log(path, &s->runas, fd_r, err);
    if (rc != RC_OK && s->log_keeper >= 0 && slice_eq_str(path, s->log_kept))
        rc = log_keeper_open(s->log_keeper, fd_r, err);
    return rc;
}

/* ---- children ---- */

static void end_if_alone(struct supervisor *s)
{
    if (s->stopping && !s->relay.pid && !s->control.pid)
        loop_stop(s->loop);
}

static void stop(struct supervisor *s, int exit_status)
{
    s->stopping = true;
    s->exit_status = exit_status;
    notify_stopping();
    child_stop(&s->relay);
    child_stop(&s->control);
    timer_set(s->loop, &s->stop_bound, STOP_MS);
    end_if_alone(s);
}

static void relay_started(void *arg, struct child *child)
{
    struct supervisor *s = arg;
    ipc_send(child->ipc, MSG_ADMIN, (struct slice){ NULL, 0 }, &s->relay_admin_fd, 1);
    setup_send(s, &s->now, slice_of(""));
}

static void control_started(void *arg, struct child *child)
{
    struct supervisor *s = arg;
    struct buf path;
    buf_init(&path, 1024);
    buf_put_slice(&path, supervisor_conf(s)->state);
    buf_puts(&path, "/run/relay.sock");
    ipc_send(child->ipc, MSG_ADMIN, buf_slice(&path), &s->control_admin_fd, 1);
    buf_free(&path);
    setup_tell_control(s);
}

static void child_ready(struct supervisor *s, struct child *child)
{
    child->ready = true;
    log_info(NULL, "child_ready", "role", child->role, NULL);
    if (s->relay.ready && s->control.ready && !s->was_ready) {
        s->was_ready = true;
        notify_ready();
        log_info(NULL, "ready", "workers", LOG_INT(s->workers), NULL);
    }
}

static void on_message(void *arg, struct child *child, struct ipc_message *m)
{
    struct supervisor *s = arg;
    struct cursor c = cur_of(m->bytes.p, m->bytes.n);
    switch (m->type) {
    case MSG_READY:
        child_ready(s, child);
        return;
    case MSG_APPLIED: {
        bool ok = cur_u8(&c);
        reload_finish(s, ok, cur_bytes(&c, cur_left(&c)));
        return;
    }
    case MSG_RELOAD:
        if (child == &s->control)
            reload_begin(s, true, cur_u32(&c));
        return;
    default:
        log_error(NULL, "message_unknown", "role", child->role, "type", LOG_INT(m->type), NULL);
        child_kill(child);
    }
}

static bool on_exit_of(void *arg, struct child *child, int status)
{
    struct supervisor *s = arg;
    if (child == &s->relay)
        reload_finish(s, false, slice_of("the relay ended while it applied the configuration"));
    if (s->stopping) {
        end_if_alone(s);
        return false;
    }
    /* A relay that cannot start (wrong key, no permission) will not get better by trying again. */
    if (child == &s->relay && !s->was_ready && WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        stop(s, WEXITSTATUS(status));
        return false;
    }
    return true;
}

/* ---- signals ---- */

static void on_signal(void *arg, int signo)
{
    struct supervisor *s = arg;
    if (signo == SIGCHLD) {
        child_reap(&s->relay);
        child_reap(&s->control);
    } else if (signo == SIGHUP) {
        reload_begin(s, false, 0);
    } else if (s->stopping) {
        child_kill(&s->relay);
        child_kill(&s->control);
    } else {
        log_info(NULL, "stopping", "signal", LOG_INT(signo), NULL);
        stop(s, 0);
    }
}

static void on_stop_bound(struct timer *timer)
{
    struct supervisor *s = CONTAINER_OF(timer, struct supervisor, stop_bound);
    log_warning(NULL, "stop_forced", NULL);
    child_kill(&s->relay);
    child_kill(&s->control);
}

/* ---- start ---- */

static unsigned worker_count(const struct conf *conf)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t n = conf->workers ? conf->workers : (uint64_t)(cores > 0 ? cores : 1);
    return n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

/* A start goes on without a database that cannot be used. */
static void open_geo(struct supervisor *s)
{
    char folder[4096];
    struct conf_errors *errors = conf_errors_new();
    snprintf(folder, sizeof folder, "%s/run/geo", supervisor_conf(s)->state.p);
    s->geo = geo_files_new(folder);
    geo_files_update(s->geo, &supervisor_conf(s)->geo, true, NULL, errors);
    geo_files_log(errors);
    conf_errors_free(&errors);
}

static void raise_open_files(void)
{
    struct rlimit limit = { OPEN_FILES, OPEN_FILES };
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bool has_marks(const struct conf *conf)
{
    for (size_t i = 0; i < conf->egress.n; i++)
        if (conf->egress.at[i].mark)
            return true;
    return false;
}

/* Everything that takes the rights we were started with; then gives them up. */
static enum rc open_all(struct supervisor *s, struct err *err)
{
    const struct conf *conf = supervisor_conf(s);
    raise_open_files();
    enum rc rc = runas_find(conf->user.p, &s->runas, err);
    s->runas.marks = has_marks(conf);
    if (rc == RC_OK)
        rc = folders_make(conf, &s->runas, err);
    if (rc == RC_OK) {
        s->log_kept = mem_strndup(conf->log.deliveries.p, conf->log.deliveries.n);
        rc = log_keeper_start(conf->log.deliveries, &s->runas, &s->log_keeper, err);
    }
    if (rc == RC_OK)
        rc = sockets_open(conf, s->workers, NULL, &s->now.sockets, err);
    if (rc == RC_OK)
        rc = folders_open_log(conf->log.deliveries, &s->runas, &s->now.log_fd, err);
    if (rc == RC_OK)
        rc = privilege_keep_few(&s->runas, err);
    if (rc == RC_OK)
        open_geo(s);
    if (rc == RC_OK)
        rc = sockets_open_admin(conf->state.p, "relay.sock", &s->relay_admin_fd, err);
    if (rc == RC_OK)
        rc = sockets_open_admin(conf->state.p, "admin.sock", &s->control_admin_fd, err);
    return rc;
}

static struct child child_of(struct supervisor *s, const char *role, int exe_fd,
                             void (*on_start)(void *arg, struct child *child))
{
    return (struct child){ .role = role,
                           .loop = s->loop,
                           .runas = &s->runas,
                           .exe_fd = exe_fd,
                           .ops = { on_start, on_message, on_exit_of },
                           .arg = s };
}

static enum rc start_children(struct supervisor *s, int exe_fd, struct err *err)
{
    s->relay = child_of(s, "relay", exe_fd, relay_started);
    s->control = child_of(s, "control", exe_fd, control_started);
    s->feeds = feed_files_new(s->loop, &s->control);
    enum rc rc = child_start(&s->relay, err);
    return rc == RC_OK ? child_start(&s->control, err) : rc;
}

static void run(struct supervisor *s)
{
    static const int signals[] = { SIGCHLD, SIGHUP, SIGTERM, SIGINT };
    enum { SIGNALS = sizeof signals / sizeof signals[0] };
    struct loop_signal *watches[SIGNALS];
    for (size_t i = 0; i < SIGNALS; i++)
        watches[i] = loop_signal_new(s->loop, signals[i], on_signal, s);
    watch_start(s);
    loop_run(s->loop);
    watch_stop(s);
    timer_stop(s->loop, &s->stop_bound);
    for (size_t i = 0; i < SIGNALS; i++)
        loop_signal_free(&watches[i]);
}

/* This very program, also after its file was replaced; out of the way of CHILD_FD. */
static int open_program(void)
{
    int low = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    int fd = fcntl(low, F_DUPFD_CLOEXEC, CHILD_FD + 1);
    close(low);
    return fd;
}

static int start_and_run(struct supervisor *s)
{
    struct err err;
    int exe_fd = open_program();
    s->loop = loop_new();
    timer_init(&s->stop_bound, on_stop_bound);
    enum rc rc = open_all(s, &err);
    if (rc == RC_OK) {
        privilege_hide_memory();
        rc = start_children(s, exe_fd, &err);
    }
    if (rc == RC_OK) {
        run(s);
    } else {
        log_error(NULL, "start_failed", "error", err.text, NULL);
        s->exit_status = 1;
        child_kill(&s->relay);
    }
    feed_files_free(&s->feeds);
    child_free(&s->relay);
    child_free(&s->control);
    loop_free(&s->loop);
    close(exe_fd);
    return s->exit_status;
}

/* Errors are for whoever typed the command; warnings of a start that goes on are for the log. */
static void show_errors(struct conf_errors *errors)
{
    struct buf text;
    struct slice line, rest;
    buf_init(&text, 1 << 20);
    conf_errors_put_text(errors, &text);
    rest = buf_slice(&text);
    while (rest.n) {
        slice_cut(rest, '\n', &line, &rest);
        char *copy = mem_strndup(line.p, line.n);
        if (conf_errors_count(errors))
            fprintf(stderr, "%s\n", copy);
        else
            log_warning(NULL, "configuration_warning", "text", copy, NULL);
        free(copy);
    }
    buf_free(&text);
}

int supervisor_run(const char *path)
{
    signal(SIGPIPE, SIG_IGN);
    log_set_process("supervisor");
    notify_open();
    struct supervisor s = { .path = path,
                            .relay_admin_fd = -1,
                            .control_admin_fd = -1,
                            .log_keeper = -1,
                            .next = { .log_fd = -1 } };
    struct conf_errors *errors = conf_errors_new();
    enum rc rc = setup_read(path, &s.now, errors);
    show_errors(errors);
    conf_errors_free(&errors);
    if (rc != RC_OK)
        return EXIT_CONFIGURATION;
    buf_init(&s.next_changes, CHANGES_MAX);
    log_set_level(supervisor_conf(&s)->log.level);
    s.workers = worker_count(supervisor_conf(&s));
    int status = start_and_run(&s);
    setup_free(&s.next);
    setup_free(&s.now);
    geo_files_free(&s.geo);
    buf_free(&s.next_changes);
    free(s.log_kept);
    log_info(NULL, "stopped", "status", LOG_INT(status), NULL);
    return status;
}
