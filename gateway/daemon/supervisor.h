/*
 * daemon/supervisor — the process that `waypost serve` is: reads, opens, starts, watches
 *
 *   It reads and checks the configuration, opens the listening sockets, becomes an unprivileged
 *   user and keeps two children going: relay and control. It parses nothing that comes from a
 *   network.
 *
 *   signal          does
 *   SIGHUP          reload (reload.h)
 *   SIGTERM SIGINT  the relay finishes what it is sending; the second one ends everything at once
 *
 *   Parts: supervisor.c life and signals; reload.c configurations; watch.c files that change;
 *   child.c processes; sockets.c, folders.c what they need; log_keeper.c a log in a root folder;
 *   geo_files.c databases; feed_files.c feeds.
 */
#ifndef WAYPOST_DAEMON_SUPERVISOR_H
#define WAYPOST_DAEMON_SUPERVISOR_H

#include "gateway/daemon/child.h"
#include "gateway/daemon/feed_files.h"
#include "gateway/daemon/sockets.h"
#include "policies/policies.h"

/* Runs until told to stop. Returns the exit status: 0, 1, 78 (configuration; errors on stderr). */
int supervisor_run(const char *path);

/* ---- for the parts ---- */

/* Everything that is one configuration in force. */
struct setup {
    struct bundle *bundle;
    struct policies *policies;
    struct sockets *sockets;
    int log_fd; /* -1: none */
};

/* Who waits for the outcome of a reload: tokens of control. */
enum { ASKERS_MAX = 16 };
struct askers {
    uint32_t token[ASKERS_MAX];
    unsigned n;
};

struct supervisor {
    struct loop *loop;
    const char *path; /* of waypost.yaml */
    struct runas runas;
    unsigned workers;
    int relay_admin_fd, control_admin_fd;
    int log_keeper;          /* the line to it, -1: none */
    char *log_kept;          /* the path it opens */
    struct setup now;        /* in force */
    struct setup next;       /* sent to the relay, not applied yet; policies NULL: none */
    struct buf next_changes; /* what `next` changes, for the operator */
    struct askers asked;     /* for the reload under way */
    struct askers again;     /* while it is: for the one behind it */
    bool reload_again;
    struct child relay, control;
    struct timer watch;
    struct geo_files_set *geo;
    struct feed_files *feeds;
    int64_t files_mark;    /* of the watched files as they are in force */
    int64_t files_refused; /* of a state of them that could not be used: complain once */
    bool log_complained;   /* that the delivery log cannot be opened anew */
    struct timer stop_bound;
    bool stopping, was_ready;
    int exit_status;
};

const struct conf *supervisor_conf(const struct supervisor *s);
/* As folders_open_log(), with the rights of the start for the log that was there then. */
enum rc supervisor_open_log(const struct supervisor *s, struct slice path, int *fd_r,
                            struct err *err);

#endif
