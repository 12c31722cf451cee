/*
 * ingress/limits — who has how much, counted over all workers without locks
 *
 *   Client addresses are counted in a count-min sketch: two rows of counters at places that a
 *   seeded hash of the address gives; the smaller one counts. Memory is fixed, nothing is
 *   allocated for a peer; two addresses may share both places, then each seems to have the
 *   connections of both (chance about 1 in 10^9 for a pair). An IPv6 client is its /64.
 *
 *   A `clients` entry has a counter of its own: connections, and the rate as a virtual schedule
 *   (GCRA): one number, moved by compare-and-swap. A rate of 500/min lets 500 go at once and
 *   then one every 120 ms.
 *
 *   limits.connections is for the process, and a tenth of it is out of reach for strangers, who are
 *   neither listed for any recipient nor authenticated yet: they cannot keep the clients of the
 *   gateway out by taking every place. limits.connections_per_client is for an address; an
 *   entry's own `connections` is for all addresses of that entry together and takes the place
 *   of the limit per address.
 *
 *   Wrong passwords of an address are counted in the same way and forgotten by half each
 *   minute.
 */
#ifndef WAYPOST_INGRESS_LIMITS_H
#define WAYPOST_INGRESS_LIMITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/units.h"

enum { SKETCH_WIDTH = 1 << 15, PENALTY_WIDTH = 1 << 12 };

struct sketch {
    _Atomic uint32_t at[2][SKETCH_WIDTH];
};

struct penalties {
    _Atomic uint64_t at[2][PENALTY_WIDTH]; /* minutes since start << 32 | wrong passwords */
};

/* One entry of `clients`; lives as long as the hub. */
struct client_counter {
    struct client_counter *next;
    struct network network;
    _Atomic uint32_t connections;
    _Atomic int64_t schedule_ns; /* when the messages taken so far are paid for */
};

uint64_t client_hash(const struct addr *addr);

uint32_t sketch_add(struct sketch *s, uint64_t hash); /* the count, this one included */
void sketch_sub(struct sketch *s, uint64_t hash);

/* One message more? False: the rate is used up, nothing was counted. */
bool client_rate_take(struct client_counter *c, const struct rate *rate, int64_t now_ms);

/* Counts a wrong password; the answer is how many there were lately, this one included. */
unsigned penalty_add(struct penalties *p, uint64_t hash, int64_t now_ms);
/* How long the refusal is held back: 1 s, doubled with each, at most 30 s. */
int64_t penalty_delay_ms(unsigned count);

#endif
