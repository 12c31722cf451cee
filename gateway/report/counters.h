/*
 * report/counters — what a worker has done since it started
 *
 *   One struct a worker, on cache lines of its own. Only the worker adds (a plain load and store);
 *   anybody may read or sum, and sees each counter somewhere between before and now. Events of the
 *   delivery log are counted by delivery_log_write(), so nobody else adds those.
 */
#ifndef WAYPOST_REPORT_COUNTERS_H
#define WAYPOST_REPORT_COUNTERS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/conf/rules.h"

enum counter {
    /* counted by delivery_log_write() */
    COUNTER_RECEIVED, /* messages */
    COUNTER_RECEIVED_BYTES,
    COUNTER_DELIVERED, /* recipients, from here to DROPPED */
    COUNTER_DEFERRED,
    COUNTER_REROUTED,
    COUNTER_BOUNCED,
    COUNTER_EXPIRED,
    COUNTER_HELD,
    COUNTER_DROPPED,
    COUNTER_RELOADS,
    COUNTER_EGRESS_CHANGES,
    COUNTER_PATH_SWITCHES,
    COUNTER_LISTING_CHANGES,
    COUNTER_LOG_LOST, /* lines that could not be written */
    /* counted by ingress */
    COUNTER_CONNECTIONS_IN,
    COUNTER_CONNECTIONS_REFUSED,
    COUNTER_REJECTED,   /* commands answered 5yz that ended a recipient or a message */
    COUNTER_TEMPFAILED, /* 4yz likewise */
    COUNTER_AUTH_FAILED,
    COUNTER_URGENT_LOWERED, /* messages beyond a quota of urgent mail */
    /* counted by delivery */
    COUNTER_CONNECTIONS_OUT,
    COUNTER_CONNECTS_FAILED,
    COUNTER_SESSIONS_REUSED, /* transactions on a session that had carried one before */
    COUNTER_BYTES_OUT,
    COUNTERS
};
extern const char *const counter_names[COUNTERS];

/* How long mail has waited, from when it could leave to its delivery, by lane. A bucket holds what
 * waited at most so long, and longer than the one before; the last one all the rest. */
enum { WAIT_BUCKETS = 16 };
extern const int64_t wait_bounds_ms[WAIT_BUCKETS - 1];

struct counters {
    alignas(64) _Atomic uint64_t v[COUNTERS];
    _Atomic uint64_t waits[LANE_COUNT][WAIT_BUCKETS];
    _Atomic uint64_t waited_ms[LANE_COUNT];
};

static inline void counter_bump(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static inline void counter_add(struct counters *c, enum counter which, uint64_t n)
{
    counter_bump(&c->v[which], n);
}

void counter_add_wait(struct counters *c, enum lane lane, int64_t waited_ms);

static inline uint64_t counter_get(const struct counters *c, enum counter which)
{
    return atomic_load_explicit(&c->v[which], memory_order_relaxed);
}

#endif
