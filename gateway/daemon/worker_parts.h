/*
 * daemon/worker_parts — the inside of a worker, for worker.c and worker_parts.c only
 *
 *   Between pthread_create and pthread_join everything here belongs to the worker's thread, but for
 *   what is marked as the main thread's and the atomics. Parts are made in the order of their needs
 *   and unmade in steps over all workers: items may still be handed from one to another.
 */
#ifndef WAYPOST_DAEMON_WORKER_PARTS_H
#define WAYPOST_DAEMON_WORKER_PARTS_H

#include <pthread.h>

#include "gateway/daemon/worker.h"
#include "gateway/io/timer.h"

/* One listening socket: what accept tells the SMTP server. */
struct door {
    struct worker *worker;
    unsigned listener; /* index into conf->listen */
    struct listener *socket;
};

struct worker {
    struct counters counters; /* first: on cache lines of its own */
    struct workers *workers;
    pthread_t thread;
    struct loop *loop;
    struct resolver *resolver;
    struct geo_cache *geo;
    struct mail geo_order;          /* from the main thread: take up geo_next */
    _Atomic(struct geo *) geo_next; /* NULL: taken up, the mail is free */
    struct spool_port *port;
    struct reasons reasons;
    struct delivery_writer *log;
    struct rnd rnd;
    struct delivery *delivery;
    struct queue *queue;
    struct ingress *ingress;
    struct door *doors;
    size_t door_count;
    uint64_t scanned;       /* items read at the start */
    struct mail scan_ended; /* to the main thread */

    struct mail order, answer; /* from and to the main thread, one at a time */
    const struct workplan *plan;
    unsigned index;
    bool ingress_done, delivery_done, ended;
    bool stalled; /* the main thread's note */
    struct timer stop_bound, beat;
    _Atomic int64_t beat_ms; /* when the loop last turned */
};

struct workers {
    struct workers_env env;
    struct ingress_hub *hub;
    struct reply_rules *replies;
    struct allowances *allowances;
    struct keeper *keeper; /* of what is left of them; NULL: nothing is kept */
    struct honesties *honesties;
    struct gauges *gauges;
    struct queue **queues;
    struct resolver **resolvers;
    struct worker *at;
    unsigned answers_due;
    int64_t stop_bound_ms;
    bool running;
};

enum { WORKER_STEPS = 4 };

/* Makes all parts; the others' queues need not exist yet. */
enum rc worker_make(struct worker *w, const struct workplan *plan, struct err *err);
/* Frees the parts of one step (0 first). */
void worker_unmake(struct worker *w, int step);
void worker_listen(struct worker *w, const struct workplan *plan); /* instead of what was before */
void worker_use_geo(struct worker *w, struct geo *geo);            /* on the main thread */
void worker_unlisten(struct worker *w);
/* Brings what the spool holds into the queues, page by page. On the worker's thread. */
void worker_scan(struct worker *w);

#endif
