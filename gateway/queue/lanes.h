/*
 * queue/lanes — which lane's turn it is
 *
 *   Urgent goes first. Below it, high, normal and bulk share by weight (8 : 4 : 1, in cost, as
 *   long as they have mail); a lane that was empty joins at the present and has saved up nothing.
 *   Two things keep a lane from waiting for ever behind those above it:
 *     - for every LANES_URGENT_SHARE of urgent cost the lanes below have one of their own, so they
 *       keep a seventeenth under a flood of urgent mail; nothing is saved up while they could
 *       not go;
 *     - a lane that had mail and was given nothing for lanes_age_ms[] goes next, at most every
 *       fourth time. Where mail goes slowly, so that weights mean long waits, this bounds them.
 *
 *   Bounds (docs/SCHEDULER.md), c being the highest cost: while two of the three lanes below urgent
 *   have mail and no ageing happens, their cost divided by weight differs by at most c / weight of
 *   the one + c / weight of the other.
 *
 *   O(1), no memory of its own, pure: time comes in (monotonic milliseconds). What may go at all
 *   is the caller's business (queue/slots): a lane that may not counts as empty in lanes_next().
 */
#ifndef WAYPOST_QUEUE_LANES_H
#define WAYPOST_QUEUE_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/conf/rules.h"

enum { LANES_URGENT_SHARE = 16, LANES_AGED_EVERY = 4 };

extern const unsigned lanes_weight[LANE_COUNT]; /* 0: not by weight */
extern const int64_t lanes_age_ms[LANE_COUNT];

/* Zeroed memory is a fresh one. */
struct lanes {
    uint64_t spent[LANE_COUNT];   /* by weight */
    uint64_t now;                 /* what the lane served last had spent by then */
    uint64_t owed;                /* to the lanes below urgent */
    int64_t since_ms[LANE_COUNT]; /* it was given something, or began to wait */
    uint32_t since_aged;          /* turns since one was given for age */
};

/* The lane has mail, and had none. */
void lanes_join(struct lanes *l, enum lane lane, int64_t now_ms);
/* `cost` is that of the message in front of each lane, 0: none that may go. LANE_COUNT: none. */
enum lane lanes_next(const struct lanes *l, const uint64_t cost[LANE_COUNT], int64_t now_ms);
/* The message in front of `lane` goes; cost[] as for lanes_next(), whatever that said. */
void lanes_charge(struct lanes *l, enum lane lane, const uint64_t cost[LANE_COUNT], int64_t now_ms);
/* It did not go after all. */
void lanes_refund(struct lanes *l, enum lane lane, uint64_t cost);

#endif
