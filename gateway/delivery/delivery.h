/*
 * delivery/delivery — a worker's SMTP client: takes what the queue has ready and sends it
 *
 *   One struct delivery per worker, on its loop. The queue tells it through delivery_events() that
 *   a site has mail; it chooses an egress, finds or opens a session, runs the transaction and
 *   settles the outcome: log line, spool record, bounce, and the one call it owes the queue for
 *   each item.
 *
 *   Order of life: delivery_new, queue_new(env, delivery_events), delivery_set_queue; ...;
 *   delivery_drain until done, spool_port_free (its last callbacks still use delivery and queue),
 *   queue_free, delivery_free.
 *
 * Guarantees: a message is reported delivered only on the next hop's 2yz for its data; one whose
 *             final reply is missing is tried again and marked so in the log.
 * See:        RFC 5321, 2920, 3030, 3207, 3461, 4954, 6531, 6710, 9422.
 */
#ifndef WAYPOST_DELIVERY_DELIVERY_H
#define WAYPOST_DELIVERY_DELIVERY_H

#include <stdint.h>

#include "gateway/base/rnd.h"
#include "gateway/delivery/observe.h"
#include "gateway/delivery/tally.h"
#include "gateway/dns/honesty.h"
#include "gateway/dns/resolver.h"
#include "gateway/io/loop.h"
#include "gateway/queue/queue.h"
#include "gateway/report/delivery_log.h"
#include "gateway/spool/spool.h"
#include "policies/choose.h"
#include "policies/policies.h"

struct delivery;
struct gauges;
struct geo_cache;

struct delivery_env {
    struct loop *loop;
    struct resolver *resolver;
    struct spool_port *spool;
    struct policies *policies;   /* one reference is taken */
    struct delivery_writer *log; /* the worker's; its counters are added to */
    struct rnd *rnd;             /* the worker's */
    struct geo_cache *geo;       /* the worker's: carrier and region of addresses; may be NULL */
    unsigned count;              /* workers: each may hold its share of connections_total */
    observe_sink_fn *observe;    /* what sessions and transactions were like; NULL: nobody asks */
    void *observe_arg;
    const struct reply_rules *replies; /* what remote replies mean; NULL: not judged */
    struct allowances *allowances;     /* of all workers; NULL: none are kept */
    struct gauges *gauges;             /* of all workers; NULL: no limit of `traffic` is kept */
    struct honesties *honesties; /* of all workers; NULL: resolvers of egresses are not used */
    tally_sink_fn *report;       /* what replies say about our addresses; NULL: nobody asks */
    void *report_arg;
};

struct delivery *delivery_new(const struct delivery_env *env);
/* After delivery_drain() was done (or nothing was ever taken), the port and the queue are freed. */
void delivery_free(struct delivery **delivery);

void delivery_events(struct delivery *delivery, struct queue_events *events_r);
void delivery_set_queue(struct delivery *delivery, struct queue *queue); /* before the loop runs */

/* A reload: for sessions opened from now on; those at work keep what they began with. */
void delivery_reconfigure(struct delivery *delivery, struct policies *policies);

/* What control knows about the paths now; takes the reference over. The egress of each mail is
 * chosen by it, until it is stale; without any, by weight. */
void delivery_advise(struct delivery *delivery, struct advice *advice);

/* Transactions under way by what that advice bars: fn for each session, the source as the other
 * side sees it. Returns made_ms of the advice; 0: there is none. */
typedef void delivery_under_way_fn(void *arg, struct slice egress, const struct addr *source,
                                   unsigned transactions);
int64_t delivery_under_way(struct delivery *delivery, delivery_under_way_fn *fn, void *arg);

/* Mail of ours to a person: stored and queued like any other, in the lane `high`. Texts are copied;
 * failures are logged. `done` is called once, now or later: RC_OK: it is on stable storage;
 * RC_AGAIN: not now; else there is no such mail. */
typedef void delivery_letter_fn(void *arg, enum rc rc);
void delivery_letter(struct delivery *delivery, struct slice to, struct slice subject,
                     struct slice text, delivery_letter_fn *done, void *arg);

/* What would be chosen for a mail now, and why, without choosing: nothing changes by it. */
struct delivery_question {
    const struct policies *policies; /* that the route is of */
    const struct conf_route *route;
    const struct mx_set *mx; /* NULL: the hosts of the route */
    struct slice sender, recipient;
    uint64_t bytes;
    enum lane lane;
};
/* NULL: a reload is just under way. Valid until the loop goes on. *address_r: of the destination,
 * ADDR_NONE: not known yet; *known_r: this worker delivers there. */
const struct choice *delivery_explain(struct delivery *delivery,
                                      const struct delivery_question *question,
                                      struct addr *address_r, bool *known_r);

/* How many of the name servers of an egress are left out because they rewrite answers. */
unsigned delivery_rewriting(const struct delivery *delivery, int egress);

/* Takes nothing more, lets running transactions finish for up to bound_ms, says QUIT to idle
 * sessions. `done` runs once, from the loop, when no session is left; what was cut off by the bound
 * has been given back to the queue. */
typedef void delivery_done_fn(void *arg);
void delivery_drain(struct delivery *delivery, int64_t bound_ms, delivery_done_fn *done, void *arg);

struct delivery_stats {
    uint32_t sessions, idle, opening; /* now */
    uint32_t transactions;            /* under way now */
    uint32_t notices;                 /* notifications being written now */
    uint32_t egress_down;             /* egress addresses that are not ours at the moment */
    uint32_t remembered;              /* addresses remembered as failing or as broken in TLS */
};
void delivery_get_stats(const struct delivery *delivery, struct delivery_stats *stats_r);

#endif
