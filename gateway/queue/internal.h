/*
 * queue/internal — what the files of queue/ share; nobody else includes it
 *
 *   queue.c    life, coming in, coming back from delivery, reload
 *   place.c    every change of an item's state, and the wheel
 *   route.c    from a destination key to a site and its owner
 *   lookup.c   MX sets and places that are being asked for
 *   decide.c   routes that depend on them
 *   site.c     sites, flows, back-off
 *   limits.c   what the rules of `traffic` say about them
 *   clock.c    when the clock is set
 *   inspect.c  looking and acting as an operator
 *
 *   All of it belongs to the worker's loop.
 */
#ifndef WAYPOST_QUEUE_INTERNAL_H
#define WAYPOST_QUEUE_INTERNAL_H

#include "gateway/base/map.h"
#include "gateway/io/timer.h"
#include "gateway/queue/queue.h"

/* A route with hosts of its own: its site is known without DNS. */
struct fixed_site {
    char *key; /* NULL: an MX route */
    unsigned owner;
};

struct queue {
    struct queue_env env;
    struct queue_events events;
    struct wheel *wheel;
    struct timer wake, sweep;
    struct map *sites; /* key -> struct site */
    struct list site_list, ready_sites;
    struct loop_task announce;
    struct map *lookups; /* what is asked -> struct lookup */
    struct list routing, limbo_busy, limbo_waiting, limbo_held;
    uint32_t limbo_busy_n, limbo_waiting_n, limbo_held_n;
    struct loop_clock clock;
    struct fixed_site *fixed; /* parallel to conf->rules.routes */
};

/* ---- place.c: every change of an item's state ---- */
/* untried: site_take() gave it out and it was not used; it goes first, and has cost nothing. */
void place_ready(struct item *item, struct flow *flow, bool untried);
void place_busy(struct queue *q, struct item *item);
void place_waiting(struct queue *q, struct item *item, int64_t due_ms);
/* Waits wait_ms and up to an eighth more, without its body: what is put off together does not come
 * back together. */
void place_put_off(struct queue *q, struct item *item, int64_t wait_ms);
void place_held(struct queue *q, struct item *item);
void place_wake_anew(struct queue *q, struct item *item); /* WAITING; its times were changed */
void place_nowhere(struct queue *q, struct item *item); /* off its list and wheel, counts follow */
/* place_busy, then events.trouble. */
void place_trouble(struct queue *q, struct item *item, enum queue_trouble why, const char *text);
void place_wheel_init(struct queue *q);

/* ---- route.c ---- */
/* Finds the item's site and hands it to the owner; the item must be nowhere. */
void route_item(struct queue *q, struct item *item);
/* The MX set is known; `place` NULL: not asked for yet. */
void route_known(struct queue *q, struct item *item, struct mx_set *mx,
                 const struct geo_group *place);
void route_fixed_build(struct queue *q);
void route_fixed_free(struct queue *q);

/* ---- decide.c ---- */
enum decision { DECIDED, DECIDE_WITH_PLACE, DECIDE_NOTHING_FITS };
/* The route of an item whose key does not name one that there is; on DECIDED the key names it now.
 * `mx` may be NULL. DECIDE_WITH_PLACE: come again with it. */
enum decision decide(struct queue *q, struct item **item, const struct mx_set *mx,
                     const struct geo_group *place, const struct conf_route **route_r);

/* ---- lookup.c ---- */
/* Both go on in route_known(), at once or when there is an answer. */
void lookup_mx(struct queue *q, struct item *item, struct slice domain);
void lookup_place(struct queue *q, struct item *item, struct mx_set *mx);
void lookups_free(struct queue *q);
struct list *lookup_items(void *lookup); /* a value of q->lookups */

/* ---- site.c ---- */
/* `mx` NULL: fixed hosts; `place` NULL: not known. Makes the site when it is new; takes a reference
 * of mx. */
struct site *site_get(struct queue *q, struct slice key, struct mx_set *mx,
                      const struct geo_group *place, const struct conf_route *route,
                      struct item *first);
struct flow *site_flow(struct site *site, const struct conf_route *route); /* made when new */
struct flow *site_flow_named(struct site *site, struct slice name);        /* NULL: none */
void site_share_slots(struct site *site); /* its limit has changed */
void site_announce(struct site *site);
void site_sweep(struct queue *q,
                bool all); /* frees what nobody used for a while; all: at the end */

/* ---- limits.c ---- */
void site_set_limits(struct site *site);  /* what they follow from has changed */
void site_reconfigure(struct site *site); /* so have the policies */
void site_note_item(struct site *site, const struct item *item); /* has come to it */

/* ---- clock.c ---- */
void clock_watch(struct queue *q);
void clock_mend(struct queue *q, struct item *item); /* of the start scan: its times make sense */

/* ---- inspect.c ---- */
void hold_item(struct queue *q, struct item *item); /* place_held, written and noted */

unsigned owner_of(const struct queue *q, struct slice key);

#endif
