/*
 * tests/support/sched_world — a site's order with drawn mail, in virtual time
 *
 *   One struct for one test: world_make() before, world_end() after. Mail that take() gives belongs
 *   to the test.
 */
#ifndef WAYPOST_TESTS_SUPPORT_SCHED_WORLD_H
#define WAYPOST_TESTS_SUPPORT_SCHED_WORLD_H

#include "gateway/base/rnd.h"
#include "gateway/queue/sched.h"

enum { SEEDS = 12, FLOWS = 3, CLIENTS = 20 };

struct sim_mail {
    struct list node;
    struct sched_mail is;
    struct sched_flow *flow;
};

struct world {
    struct sched sched;
    struct sched_flow flows[FLOWS];
    struct rnd rnd;
    int64_t now_ms;
    uint64_t given[LANE_COUNT]; /* cost */
};

void world_make(struct world *w, uint64_t seed, uint32_t slots);
void world_end(struct world *w);

struct sim_mail *world_send(struct world *w, int flow, enum lane lane, uint64_t client,
                            uint64_t bytes);
/* What is next, charged and off its line; NULL: nothing may go. */
struct sim_mail *world_take(struct world *w);

uint64_t some_bytes(struct rnd *rnd); /* of a small message, from a few to nearly large */
uint64_t apart(uint64_t a, uint64_t b);

#endif
