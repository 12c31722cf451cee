/*
 * queue/queue — a worker's part of the queue: where items wait, and how they find their site
 *
 *   Every call belongs to the worker's loop unless it says "any thread". Items come in by
 *   queue_submit() (fresh mail, at the accepting worker) or queue_load() (start scan); the queue
 *   resolves the destination, posts the item to the worker that owns the site, and tells delivery
 *   through queue_events when something may be sent. It never talks to a network itself.
 *
 *   What delivery owes for each item it has taken: exactly one of queue_return (not tried; no
 *   attempt is counted), queue_defer (try again at due_ms), queue_finish (gone). The spool record
 *   is delivery's business, before that call.
 */
#ifndef WAYPOST_QUEUE_QUEUE_H
#define WAYPOST_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/rnd.h"
#include "gateway/dns/resolver.h"
#include "gateway/geo/group.h"
#include "gateway/io/loop.h"
#include "gateway/queue/item.h"
#include "gateway/queue/site.h"
#include "gateway/spool/spool.h"
#include "policies/policies.h"

/* Why an item could not be given to a site, or must leave the queue without an attempt. */
enum queue_trouble {
    TROUBLE_NXDOMAIN,   /* no such domain: 5.1.2, permanent */
    TROUBLE_NULL_MX,    /* RFC 7505: 5.1.10, permanent */
    TROUBLE_NO_ADDRESS, /* names a mail exchanger without usable address: 5.4.4, permanent */
    TROUBLE_DNS,        /* no answer for now: 4.4.3 */
    TROUBLE_ROUTE,      /* its route left the configuration and none fits all recipients: 4.3.5 */
    TROUBLE_EXPIRED,    /* waited too long: 4.4.7; with a deadline 5.4.7 */
    TROUBLE_LATE,       /* past its deadline, or late by retry.delay_notice while no attempt of its
                           own would tell so: its sender is told, and nothing else changes */
    TROUBLE_BOUNCE,     /* the operator said so: 5.7.0 */
    TROUBLE_DROP        /* the operator said so: no report to anyone */
};

enum queue_note { NOTE_HELD, NOTE_RELEASED };

struct reply_rules;

struct queue_events {
    /* The site has ready items and no back-off: at most once a loop turn. */
    void (*ready)(void *arg, struct site *site);
    /* The item is BUSY and delivery's: it owes one of the three calls. item->site may be NULL. */
    void (*trouble)(void *arg, struct item *item, enum queue_trouble why, const char *text);
    /* An operator held or released a waiting item; it is not delivery's, this is for the log. */
    void (*noted)(void *arg, const struct item *item, enum queue_note note);
    /* The site is about to be freed: release site->delivery. It has no sessions. */
    void (*site_gone)(void *arg, struct site *site);
    void *arg;
};

struct queue_env {
    struct loop *loop;
    struct resolver *resolver;
    struct spool_port *spool;
    struct policies *policies;         /* one reference is taken */
    struct rnd *rnd;                   /* the worker's */
    struct geo_cache *geo;             /* the worker's; only asked when a rule does */
    const struct reply_rules *replies; /* whose hosts are; NULL: providers are not known */
    unsigned index, count;             /* this worker, and how many there are */
    struct queue *const *all; /* the queues of all workers, by index; filled before any call */
};

struct queue *queue_new(const struct queue_env *env, const struct queue_events *events);
void queue_free(struct queue **queue);

/* Takes ownership. The item is committed to the spool. */
void queue_submit(struct queue *queue, struct item *item);
/* The same for an item from the start scan: waits for its due time before it is looked up, and if
 * it expired while nothing ran, is tried once more. Any thread may post it: it goes to the worker
 * its key hashes to. */
void queue_load(struct queue *queue, struct item *item);

void queue_return(struct queue *queue, struct item *item);
/* Due already: it goes before the other mail of its client. */
void queue_defer(struct queue *queue, struct item *item, int64_t due_ms);
void queue_finish(struct queue *queue, struct item **item);

/* A reload: new limits and routes for what waits; items keep their route by name. */
void queue_reconfigure(struct queue *queue, struct policies *policies);
const struct policies *queue_policies(const struct queue *queue);

/* An egress is back: the site's mail that waits for one need not wait any longer. */
void queue_wake(struct queue *queue, struct site *site);
/* Tells delivery again that the site may go on (a session became free, a limit rose). */
void queue_kick(struct queue *queue, struct site *site);

#endif
