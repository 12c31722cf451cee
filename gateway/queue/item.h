/*
 * queue/item — one message towards one destination key, the unit that waits and is scheduled
 *
 *   An item is one block of memory (the packed envelope and the key behind the struct) and belongs
 *   to exactly one worker at a time; it moves between workers by mailbox, pointer and all. While it
 *   waits it has no body in memory: a waiting item costs less than 500 bytes all in.
 *
 *   state     list node is on          wheel     who moves it on
 *   ROUTING   queue's routing list     -         resolver answer (queue/route)
 *   READY     a lane of a flow         deadline  site_take (delivery); wheel
 *   BUSY      site's busy list         -         delivery: defer, finish or give back
 *   WAITING   site's or limbo's list   due       wheel, operator
 *   HELD      site's or limbo's list   deadline  operator: release, drop, bounce; wheel
 *
 *   The spool has the durable record; the item is a cache of it. Whoever changes recipients, due
 *   time or attempts writes the record first (gateway/delivery/outcome).
 */
#ifndef WAYPOST_QUEUE_ITEM_H
#define WAYPOST_QUEUE_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/slice.h"
#include "gateway/conf/rules.h"
#include "gateway/io/mailbox.h"
#include "gateway/io/timerwheel.h"
#include "gateway/mail/body.h"
#include "gateway/spool/spool.h"

enum item_state { ITEM_ROUTING, ITEM_READY, ITEM_BUSY, ITEM_WAITING, ITEM_HELD };

struct geo_group;
struct mx_set;
struct queue;
struct site;

/* due_ms of an item that waits for an operator, also in its record: a restart keeps it held. */
#define ITEM_DUE_HELD INT64_MAX

enum { ITEM_TRIED_MAX = 2, ITEM_REFUSED_MAX = 2 };

/* The try before went by this egress, and why this one does not. */
struct item_detour {
    struct slice egress, reason;
};

struct item {
    union {
        struct {
            struct list node;
            struct wheel_node wake; /* armed while WAITING */
        };
        struct { /* between two workers: on no list, in no wheel */
            struct mail mail;
            struct queue *to;
            struct mx_set *mx; /* what it was routed by; NULL: fixed hosts, or not routed yet */
            const struct geo_group *place; /* of its destination; NULL: nobody asked */
        } travel;
    };
    struct site *site;   /* NULL in limbo: not routed (yet) */
    struct body *body;   /* one reference, or NULL: read it from the spool */
    struct spool_id id;  /* of the message */
    uint64_t fence;      /* handed back to the spool unchanged */
    int64_t accepted_ms; /* wall clock, as all three */
    int64_t due_ms;      /* WAITING: not before; else when it became ready */
    int64_t expire_ms;
    uint64_t body_size;
    uint64_t client;        /* envelope_client(): fair shares are between these */
    uint16_t sub, siblings; /* item number inside the message, and how many it was born with */
    uint16_t attempts;      /* attempts that ended, whatever came of them */
    uint8_t state, lane;    /* enum item_state, enum lane */
    uint8_t order;          /* what an operator asked while BUSY: enum item_order */
    uint8_t tried_n, refused_n;
    bool held;         /* counts in queue/held */
    bool goes_on;      /* was put off for no time at all: it keeps its place in line */
    bool wants_egress; /* WAITING, or BUSY with being late, because none could carry it */
    uint32_t sticky; /* stable hash of the name of the egress that the next try should take, too */
    int64_t sticky_until_ms;            /* monotonic; 0: none */
    uint16_t tried[ITEM_TRIED_MAX];     /* egresses that failed for it since it became ready */
    uint32_t refused[ITEM_REFUSED_MAX]; /* stable hashes: of our addresses that the receiver did not
                                           take it from since it was put off (delivery/refusal) */
    struct item_detour *detour;         /* NULL: it goes the way it was given */
    bool delay_told;       /* for retry.delay_notice: whoever wants to know was told of it */
    int64_t release_ms;    /* wall clock: no attempt before (RFC 4865); 0: none */
    int64_t deadline_ms;   /* wall clock: to be delivered by then (RFC 2852); 0: none */
    bool deadline_returns; /* it expires then; else its sender is told that it is late, */
    bool deadline_told;    /* once: when that is done */
    bool
        release_fixed; /* asked for as a time, not a duration: the clock's being set moves it not */
    uint16_t key_len;  /* destination key: "route/domain", or "route" for fixed hosts */
    uint32_t env_len;
    char data[]; /* packed envelope (gateway/mail/envelope.h), then the key */
};

bool item_refused(const struct item *item, struct slice egress);
/* Not by this one again. False: it has been refused from enough of them. */
bool item_refuse(struct item *item, struct slice egress);
bool item_tried(const struct item *item, int egress);
/* False: it has tried enough of them. */
bool item_try_other(struct item *item, int egress);
/* Copies the texts; instead of the one before. `egress` empty: none. */
void item_set_detour(struct item *item, struct slice egress, struct slice reason);

enum item_order { ORDER_NONE, ORDER_HOLD, ORDER_DROP, ORDER_BOUNCE };

/* When it could leave for the first time. */
int64_t item_since_ms(const struct item *item);
/* When its sender has to be told that it is late; INT64_MAX: never, or no more. */
int64_t item_late_ms(const struct item *item);
/* The deadline has passed and nothing may be tried any more. */
bool item_returns_late(const struct item *item, int64_t wall_ms);

/* The clock was then_ms and has been set to now_ms: times that follow from a duration move along.
 * One of the clock stays (release_fixed), with what counts from it; when the clock jumped over it,
 * the rest begins now. */
void item_clock_set(struct item *item, int64_t then_ms, int64_t now_ms);

/* Copies record, envelope and key. The caller owns the item until it is handed to the queue. */
struct item *item_new(const struct spool_item *record);
void item_free(struct item **item); /* must be on no list and no wheel; drops the body reference */

/* Replaces the packed envelope (recipients that are done leave it, so it never grows much). The
 * item must be BUSY; the block may move, *item follows. */
void item_set_envelope(struct item **item, struct slice packed);
/* The same for the key, when the configuration gives the item another route. */
void item_set_key(struct item **item, struct slice key);

struct slice item_envelope(const struct item *item);
struct slice item_key(const struct item *item);
/* The key up to the slash; "*" and more: not decided before the destination is known
 * (policies_route_late()). */
struct slice item_route(const struct item *item);
struct slice item_domain(const struct item *item); /* the key after it; empty with fixed hosts */

/* The record as the spool wants it; env and dest point into the item. */
void item_record(const struct item *item, struct spool_item *record_r);

/* Bytes that all items of the process take, without bodies. Any thread. */
size_t item_memory_total(void);

void item_drop_body(struct item *item);

/* It need not wait for its release any more; of no effect on an item that never had to. */
void item_released(struct item *item);

const char *item_state_name(enum item_state state);

#endif
