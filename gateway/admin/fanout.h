/*
 * admin/fanout — the same question to every worker, and the answers together
 *
 *   `work` runs on each worker's thread, in parallel, and writes into a buffer of its own; when all
 *   have answered `done` runs on the asker's loop with the buffers, in the order of the workers.
 */
#ifndef WAYPOST_ADMIN_FANOUT_H
#define WAYPOST_ADMIN_FANOUT_H

#include "gateway/base/buf.h"
#include "gateway/delivery/delivery.h"
#include "gateway/io/mailbox.h"
#include "gateway/queue/queue.h"
#include "gateway/report/counters.h"
#include "gateway/report/reasons.h"

/* What can be seen of a worker. All but `box` and `counters` belong to its thread. */
struct fanout_worker {
    struct mailbox *box;
    struct queue *queue;
    struct resolver *resolver;
    struct geo_cache *geo;
    struct delivery *delivery;
    const struct counters *counters;
    const struct reasons *reasons;
};

struct fanout_group {
    unsigned n;
    const struct fanout_worker *at; /* outlives every fanout */
    struct mailbox *home;
};

typedef void fanout_work_fn(void *arg, const struct fanout_worker *worker, struct buf *out);
/* The buffers may be emptied but not kept. */
typedef void fanout_done_fn(void *arg, struct buf *answers, unsigned n);

enum { FANOUT_ANSWER_MAX = 256 << 20 };

/* `done` never runs from inside this call. */
void fanout_run(const struct fanout_group *group, fanout_work_fn *work, fanout_done_fn *done,
                void *arg);

#endif
