/*
 * delivery/engine — what the files of delivery/ share; nobody else includes it
 *
 *   struct delivery   one per worker
 *   struct target     delivery's part of a site: its sessions            (dispatch.c)
 *   struct session    a connection towards a target, with its dialogue   (session.h)
 *   struct attempt    an item in delivery's hands                        (attempt.h)
 *
 *   A session has at most two attempts: the one whose transaction runs, and one behind it whose
 *   commands have been sent already. Each attempt ends in settle_attempt() or attempt_return().
 */
#ifndef WAYPOST_DELIVERY_ENGINE_H
#define WAYPOST_DELIVERY_ENGINE_H

#include "gateway/base/buf.h"
#include "gateway/delivery/delivery.h"
#include "gateway/delivery/paths.h"
#include "gateway/io/timer.h"
#include "gateway/io/tls.h"
#include "gateway/io/way.h"
#include "reputation/report.h"

struct allowances;
struct attempt;
struct egress_table;
struct honesties;
struct observer;
struct peers;
struct reply_rules;
struct session;
struct gauges;
struct tally;
struct tolls;
struct views;

struct delivery {
    struct loop *loop;
    struct resolver *resolver;
    struct spool_port *spool;
    struct policies *policies;
    struct delivery_writer *log;
    struct counters *counters;
    struct rnd *rnd;
    struct geo_cache *geo; /* NULL: nothing is known of places */
    struct queue *queue;
    unsigned workers;
    struct tls_client *tls;
    struct egress_table *egress;
    struct peers *peers;
    struct views *views;
    struct list targets;
    struct list idle;                /* sessions without work, the most recently used first */
    struct list dead;                /* sessions to be freed before the loop waits */
    struct list wanting[LANE_COUNT]; /* targets that found no room for a session for mail of this
                                        lane, the first to ask first */
    struct list spare;               /* attempts to be used again */
    struct list large;               /* attempts whose large body is being sent */
    struct timer sense_tick, stall_tick;
    struct observer *observer;
    struct paths *paths;
    const struct reply_rules *replies; /* NULL: replies are not judged */
    struct allowances *allowances;     /* of all workers; NULL: none are kept */
    struct honesties *honesties;       /* of all workers */
    struct gauges *gauges;             /* of all workers; NULL: no limit of `traffic` is kept */
    struct timer tolls_tick;
    struct tally *tally;
    struct timer tally_tick;
    struct loop_task bury;
    struct loop_task room;    /* lets in those that stand in line */
    unsigned turn;            /* of the lanes below urgent: whose line is first */
    struct loop_task cut_off; /* ends sessions whose source is gone */
    uint32_t sessions, sessions_max, idle_n, opening_n, attempts_n, notices, spare_n;
    uint32_t parting; /* connections that are being closed; sessions_max bounds both */
    bool draining;
    struct timer drain_bound;
    struct loop_task drained;
    delivery_done_fn *drain_done;
    void *drain_arg;
};

const struct conf *delivery_conf(const struct delivery *d);
/* Call whenever a session or a notice ends: finishes a drain. */
void delivery_check_drained(struct delivery *d);

/* ---- dispatch.c: who carries what ---- */

struct target {
    struct list link;    /* delivery->targets */
    struct list want;    /* delivery->wanting, that of a relay, or on no list */
    enum lane want_lane; /* in delivery->wanting; LANE_COUNT: in that of a relay */
    struct delivery *delivery;
    struct site *site;
    struct list idle;     /* sessions ready for mail, the most recently used first */
    struct list others;   /* opening and working */
    struct list partings; /* connections that are being closed (parting.h) */
    uint32_t opening, parting;
    uint32_t at_once;    /* sessions that may be opened side by side where none stand */
    bool proven;         /* a session worked and none has failed since */
    bool running, again; /* inside target_run() */
    uint8_t families;    /* of the addresses seen: bit 0 IPv4, bit 1 IPv6; 0: not known yet */
    int64_t open_us;     /* smoothed: what a new session costs */
    int64_t final_us;    /* smoothed: from the end of data to the reply */
    int64_t opens_us;    /* ahead_learn(): what a new session takes */
    int64_t busy_us;     /* smoothed: a transaction */
    uint32_t mail_max;   /* MAILMAX of the session that was opened last; 0: none */
    struct addr address; /* where its mail goes, for the group; ADDR_NONE: not known yet */
    struct kept_way kept[PATHS_KEPT];
    char provider[REPORT_PROVIDER_MAX]; /* repute_provider(); empty: not asked yet */
    struct list tolls;                  /* delivery/tolls */
    uint32_t tolls_stamp;               /* site->limit_stamp that they were looked up with */
    struct list crowds;                 /* delivery/crowd */
    uint32_t crowds_n;
    struct timer look; /* target_look_in() */
};

enum { TARGET_OPENS_FIRST = 2 }; /* sessions at once towards a site that has not proven itself */

/* Gives ready mail to sessions, or opens some. Safe to call at any time, from anywhere. */
void target_run(struct target *target);
/* Is mail more urgent than this waiting for a session? */
bool target_outranks(const struct target *target, const struct item *item);

/* ---- room.c: all sessions of the worker ---- */

/* Of all there may be, is one left for this lane? */
bool delivery_has_room(const struct delivery *d, enum lane lane);
/* False: there is none, and the target stands in line for it. One at rest may make way. */
bool delivery_find_room(struct target *target, enum lane lane);
/* A session ended or came to rest, or a connection is closed: those that stand in line look again,
 * at the end of the turn. */
void delivery_room(struct delivery *d);
void delivery_let_in(struct loop_task *task); /* of struct delivery */

/* ---- target.c ---- */

struct target *target_of(struct delivery *d, struct site *site);
void target_free(struct target *target);
/* target_run() in that time at the latest. */
void target_look_in(struct target *target, int64_t ms);

#endif
