/*
 * queue/site — everything one destination shares: the MX set, its lanes, limits and back-off
 *
 *   A site is the set of MX hosts that a domain shares with others (or a route's fixed hosts). It
 *   lives on one worker, so its counters are plain integers. Mail of different routes to one site
 *   has a flow each (allowed egresses, TLS level and credentials differ), but shares the limits.
 *
 *   site_front() says which ready item is next, site_take() hands it out; the item is then BUSY and
 *   counted in site->busy until delivery gives it back (queue_return), defers or finishes it.
 *   Connections are counted by delivery in site->sessions, which never exceeds
 *   site->limit.connections; what each kind of mail may hold of them is queue/slots.
 */
#ifndef WAYPOST_QUEUE_SITE_H
#define WAYPOST_QUEUE_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/dns/resolver.h"
#include "gateway/queue/item.h"
#include "gateway/queue/sched.h"
#include "policies/traffic.h"

struct queue;
struct conf_route;

/* Why nothing more of what is READY leaves. */
enum site_hold {
    SITE_FREE,
    SITE_BACKOFF,
    SITE_OPENING,     /* no more are opened before one of those under way has come about */
    SITE_CONNECTIONS, /* as many as it may have */
    SITE_BEARS,       /* it takes no more, as was found out */
    SITE_LIMIT,       /* of `traffic`: held_by says which */
    SITE_TOTAL,       /* no session is left to this worker, or to the relay */
    SITE_NO_EGRESS    /* that may and can carry it */
};

/* Mail of one route towards a site. */
struct flow {
    struct list link; /* on site->flows */
    struct site *site;
    const struct conf_route *route; /* of the configuration in force; a reload changes it */
    struct sched_flow order;        /* its READY items */
    char name[];                    /* of the route: outlives configurations */
};

struct site {
    struct list link;       /* on the queue's list of sites */
    struct list ready_link; /* on its list of sites to announce */
    struct queue *queue;
    char *key;                     /* canonical text; the same for every domain with this MX set */
    char *name;                    /* for people: the first domain seen, or the route */
    struct mx_set *mx;             /* one reference; NULL: the route's fixed hosts */
    const struct geo_group *place; /* carrier and region; NULL: no rule has asked for them */
    struct list flows, busy_items, waiting_items, held_items;
    uint32_t busy, waiting, held;
    struct traffic_limits limit; /* whatever the egress */
    uint32_t limit_stamp;        /* changes with what its limits follow from */
    bool *by_domain;          /* traffic rules that its mail meets; NULL: none asks for domains */
    uint8_t hold;             /* enum site_hold, while something is READY; kept by delivery */
    bool no_egress;           /* the last that was to leave found none */
    uint32_t bears;           /* sessions, as delivery found out; 0: not known */
    struct sched order;       /* of what is READY; delivery takes and leaves its slots */
    uint32_t sessions;        /* open or opening; kept by delivery */
    uint32_t failures;        /* whole host list failed, in a row; a success resets it */
    int64_t backoff_until_ms; /* monotonic; no session is opened before */
    int64_t last_used_ms;     /* monotonic; idle sites are dropped */
    void *delivery;           /* delivery's own state for the site (its sessions) */
    char held_by[96];         /* SITE_LIMIT */
    char last_error[160];
};

/* Its limits by this egress; empty: by whichever. `tolls_r` has room for policies_traffic_count().
 * Returns how many tolls there are, and puts what they are counted over into `facts_r`, of slices
 * that live as long as site and policies do. */
size_t site_limits(const struct site *site, struct slice egress, struct traffic_limits *limits_r,
                   struct traffic_toll *tolls_r, struct facts *facts_r);

uint32_t flow_ready(const struct flow *flow);
uint32_t site_ready(const struct site *site); /* of all flows */
uint32_t site_ready_in(const struct site *site, enum lane lane);

/* The item whose turn it is (queue/sched), still READY, and its flow; NULL: none may go. `only`
 * NULL: of all flows. An item that has expired meanwhile goes to queue_events.trouble instead and
 * the one behind it is given. */
struct item *site_front(struct site *site, struct flow *only, enum sched_for what,
                        struct flow **flow_r);
/* That item is BUSY now, and its client, flow and lane have spent its cost. Whether it holds a slot
 * is told by slots_take() and slots_leave() on site->order.slots. */
void site_take(struct site *site, struct flow *flow, struct item *item, enum sched_for what);

/* One that was taken begins a further transaction, for recipients the last had no room for. */
void site_charge_again(struct item *item);

/* The server bears that many sessions; 0: not known. Its lanes share those. */
void site_bears(struct site *site, uint64_t sessions);
/* The whole host list failed: no session before backoff_until_ms (doubling from at most 15 s, with
 * jitter; never longer than retry.max or 10 min). Items that are or become ready meanwhile wait for
 * its end, without an attempt being counted. */
void site_failed(struct site *site, const char *reason);
/* Its mail cannot leave now, while that of other routes may: what is ready waits about 15 s,
 * without an attempt being counted. */
void flow_failed(struct flow *flow, const char *reason);
/* The same for one READY item of it alone. */
void flow_put_off(struct flow *flow, struct item *item, const char *reason);
/* A session got as far as EHLO: clears failures and back-off. */
void site_succeeded(struct site *site);

#endif
