/*
 * queue/sched — the order of one site: which of all that is ready goes next
 *
 *   Four choices, each a module of its own, each O(1):
 *     1. what may go at all: slots kept for the lanes above, and those of large mail (slots.h);
 *     2. the lane: urgent first, the others by weight, with ageing (lanes.h);
 *     3. the flow (route): the one that was given least of this lane, by cost;
 *     4. the client: deficit round robin by cost (fair.h), and of its mail the oldest.
 *   Large messages (SCHED_LARGE bytes and more) stand in lines of their own and are never weighed
 *   against small ones: what a 1 GiB mail costs is paid by large mail.
 *
 *   The cost of a message is its bytes and SCHED_MESSAGE_COST, about what a transaction takes by
 *   itself; for each transaction, as it begins. The worst cases that follow are in
 *   docs/SCHEDULER.md.
 *
 *   Nodes are the caller's; `look` says what the scheduler wants to know about one and must always
 *   say the same while it is here. Time is monotonic milliseconds and comes in. Pure.
 */
#ifndef WAYPOST_QUEUE_SCHED_H
#define WAYPOST_QUEUE_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/queue/fair.h"
#include "gateway/queue/lanes.h"
#include "gateway/queue/slots.h"

enum {
    SCHED_MESSAGE_COST = 16 * 1024,
    SCHED_LARGE = 1024 * 1024,
    SCHED_COST_MOST = SCHED_LARGE + SCHED_MESSAGE_COST, /* of a small message */
    SCHED_GRAIN = 64 * 1024,                            /* what a client may spend in a round */
    SCHED_GRAIN_LARGE = 64 * 1024 * 1024
};

enum sched_size { SCHED_SMALL_MAIL, SCHED_LARGE_MAIL, SCHED_SIZES };

struct sched_mail {
    enum lane lane;
    uint64_t client; /* who it is from: fair shares are between these */
    uint64_t bytes;
};

typedef void sched_look_fn(struct list *node, struct sched_mail *mail_r);

/* Mail of one route. Zero it before sched_flow_init(). */
struct sched_flow {
    struct list link;
    struct fair *fair[SCHED_SIZES][LANE_COUNT]; /* made when first used */
    uint64_t spent[SCHED_SIZES][LANE_COUNT];
    uint32_t ready[LANE_COUNT]; /* of both sizes */
};

struct sched {
    sched_look_fn *look;
    struct list flows;
    enum lane end; /* the caller's: lanes from this one on are passed over; LANE_COUNT: none */
    struct lanes lanes[SCHED_SIZES];
    struct slots slots;                         /* the caller sets slots.all, takes and leaves */
    uint64_t flow_now[SCHED_SIZES][LANE_COUNT]; /* what the flow served last had spent */
    uint32_t ready[SCHED_SIZES][LANE_COUNT];
};

/* SCHED_SLOT: for a session that is free, or may be opened. SCHED_BEHIND: to stand behind a message
 * under way, which takes no slot: small mail only, whether it could have a slot or not. */
enum sched_for { SCHED_SLOT, SCHED_BEHIND };

void sched_init(struct sched *s, sched_look_fn *look);
void sched_flow_init(struct sched *s, struct sched_flow *flow);
/* Leaves the site; nodes still in it are let go, not touched again. */
void sched_flow_end(struct sched_flow *flow);

/* Gives back the memory of lanes in which nothing is ready, now and then; their clients owe nothing
 * then, as nobody waited for what they had. */
void sched_flow_trim(struct sched_flow *flow);

bool sched_is_large(uint64_t bytes);
uint64_t sched_cost(uint64_t bytes);

void sched_add(struct sched *s, struct sched_flow *flow, struct list *node, int64_t now_ms);
/* It has had its place before: before the rest of its client's mail. */
void sched_add_first(struct sched *s, struct sched_flow *flow, struct list *node, int64_t now_ms);
/* It was charged and has not gone: first of its client again, and nothing was spent. */
void sched_put_back(struct sched *s, struct sched_flow *flow, struct list *node, int64_t now_ms);
void sched_del(struct sched *s, struct sched_flow *flow, struct list *node);

/* The nodes of each client of a flow, lane by lane. The call may remove nodes, and add none here.
 * Stops on false, which it returns. */
bool sched_each(struct sched_flow *flow, bool (*fn)(void *arg, struct list *line), void *arg);
/* Moves all nodes to the end of `to`; each still counts here until its sched_del(). */
void sched_drain(struct sched_flow *flow, struct list *to);

/* The node whose turn it is, and its flow; NULL: none that may go. `only` NULL: of all flows.
 * Nothing changes; asked again, it says the same until something does or time makes a lane age. */
struct list *sched_next(struct sched *s, struct sched_flow *only, enum sched_for what,
                        int64_t now_ms, struct sched_flow **flow_r);
/* This one goes: call it before sched_del(). It need not be the one sched_next() says. */
void sched_charge(struct sched *s, struct sched_flow *flow, struct list *node, enum sched_for what,
                  int64_t now_ms);
/* One that went takes a transaction more: it costs as much again. */
void sched_charge_again(struct sched *s, struct sched_flow *flow, struct list *node,
                        int64_t now_ms);

#endif
