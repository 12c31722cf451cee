/*
 * daemon/intake — a configuration as the relay receives it, piece by piece, until it is complete
 *
 *   Collects the messages of one series (messages.h). intake_finish() turns them into a plan for
 *   the workers: rules compiled by the same code that the supervisor checked them with, TLS context
 *   made.
 */
#ifndef WAYPOST_DAEMON_INTAKE_H
#define WAYPOST_DAEMON_INTAKE_H

#include "gateway/daemon/ipc.h"
#include "gateway/daemon/worker.h"

struct intake {
    unsigned workers; /* 0: no series has begun */
    char *path;
    struct bundle *bundle;
    int (*listeners)[WORKERS_MAX];
    size_t listener_count;
    int log_fd; /* -1: none */
};

void intake_init(struct intake *in);
void intake_reset(struct intake *in); /* closes and frees what was collected */
/* MSG_BEGIN, MSG_LISTENER, MSG_LOG. RC_PARSE: not what the supervisor would send. */
enum rc intake_take(struct intake *in, struct ipc_message *message, struct err *err);
/* *plan_r gets the policies, the TLS context and the listeners; the log stays in `in`. `spool`: the
 * one that is open, NULL before the start; a key it would not open with at the next start is
 * refused. */
enum rc intake_finish(struct intake *in, struct tls_tickets *tickets, struct spool *spool,
                      struct workplan *plan_r, struct err *err);
/* Gives back the plan's references; its listeners belong to the workers by then. */
void workplan_release(struct workplan *plan);

#endif
