/*
 * daemon/worker — one thread of the relay with everything it owns
 *
 *   Loop, resolver, spool port, queue, delivery, SMTP server, log writer: made and freed by the
 *   main thread while no worker runs, used by the worker's thread in between. The main thread talks
 *   to a running worker by mailbox only; answers come back to its own loop.
 *
 *   Life: workers_new, workers_start; workers_apply for each reload; workers_stop; when `stopped`
 *   was called: workers_free.
 */
#ifndef WAYPOST_DAEMON_WORKER_H
#define WAYPOST_DAEMON_WORKER_H

#include "gateway/admin/fanout.h"
#include "gateway/daemon/relay_links.h"
#include "gateway/daemon/sockets.h"
#include "gateway/delivery/delivery.h"
#include "gateway/geo/group.h"
#include "gateway/ingress/ingress.h"
#include "gateway/queue/queue.h"
#include "gateway/report/delivery_log.h"

enum { LISTENERS_MAX = CONF_LISTENERS_MAX };

/* What one configuration gives to the workers. Immutable while it is being handed out. */
struct workplan {
    struct policies *policies;
    struct tls_server *tls; /* NULL: no certificate */
    struct geo *geo;        /* NULL: nothing is known of places */
    size_t listener_count;
    int (*listeners)[WORKERS_MAX]; /* [listener][worker]; taken over by the workers */
    char *changes;                 /* from the one before, for the delivery log */
};

struct workers_env {
    struct loop *home; /* the main thread's; callbacks run there */
    unsigned count;
    struct spool *spool;
    struct delivery_log *log;
    struct relay_links *links;
    const char *folder;         /* where allowances are kept; NULL: nowhere */
    void (*applied)(void *arg); /* every worker has the plan that workers_apply() gave */
    void (*scanned)(void *arg); /* once: the queue holds all that the spool held at the start */
    void (*stopped)(void *arg); /* every worker's thread has ended its work */
    void *arg;
};

struct worker;
struct workers;

/* RC_IO and text when a part of a worker cannot be made. */
enum rc workers_new(const struct workers_env *env, const struct workplan *plan,
                    struct workers **workers_r, struct err *err);
/* Starts the threads: mail is accepted, and what the spool holds comes into the queue. */
enum rc workers_start(struct workers *workers, struct err *err);
/* `plan` must live until applied(). One at a time. */
void workers_apply(struct workers *workers, const struct workplan *plan);
/* Other databases; each worker takes them up when its loop turns. */
void workers_use_geo(struct workers *workers, struct geo *geo);
/* Ends the service: no new connections, transactions may finish for up to bound_ms. */
void workers_stop(struct workers *workers, int64_t bound_ms);
void workers_free(struct workers **workers); /* after stopped(), or when never started */

unsigned workers_count(const struct workers *workers);
struct ingress_hub *workers_hub(struct workers *workers);
/* For looking at worker i; valid until workers_free(). */
void workers_show(struct workers *workers, unsigned i, struct fanout_worker *worker_r);

/* Warns about loops that have not turned for a while; to be called every second or so. */
void workers_watch(struct workers *workers);

#endif
