/*
 * tests/sim/world — the truth: paths, mail destinations and what happens to them, from a seed
 *
 *   A world has egresses, groups of MX addresses, a round trip, a loss and a rate for each path at
 *   each moment, and episodes: whole egresses or single paths swallow everything, lose packets and
 *   get slow, flap, single addresses die, whole destinations go away. The core never sees any of
 *   it; the oracle and the figures do.
 *
 * Units: milliseconds, bytes per millisecond, shares 0..1.
 */
#ifndef WAYPOST_TESTS_SIM_WORLD_H
#define WAYPOST_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/rnd.h"

enum { WORLD_EGRESS = 4, WORLD_GROUPS = 6, WORLD_ADDRESSES = 48, WORLD_EPISODES = 4096 };
#define WORLD_START_MS INT64_C(10000000) /* when measuring begins */
#define WORLD_WARM_UP_MS INT64_C(600000) /* the time before that */
#define WORLD_LEARN_MS INT64_C(3600000)  /* the same where mail, and so addresses, are rare */
#define WORLD_CONNECT_MS 10000           /* after which the relay gives a connection up */

enum scenario {
    SCENARIO_MIXED,
    SCENARIO_QUIET,
    SCENARIO_FLAP,
    SCENARIO_OUTAGE,
    SCENARIO_SPARSE,
    SCENARIO_SINGLE, /* each group has one address: a server of its own */
    SCENARIO_HOSTS,  /* a quarter of the addresses of each group are gone for good */
};

enum episode_kind {
    EPISODE_BLACKHOLE, /* egress or path */
    EPISODE_BROWNOUT,
    EPISODE_FLAP,    /* 15 s dead, 35 s alive */
    EPISODE_OUTAGE,  /* a group, from everywhere */
    EPISODE_ADDRESS, /* one address of a group, from everywhere */
};

struct episode {
    enum episode_kind kind;
    int egress, group, address; /* -1: all */
    int64_t from_ms, to_ms;
    double loss, slower; /* brownout */
};

struct world {
    enum scenario scenario;
    int64_t end_ms;
    double rate; /* mails per second and group */
    double rtt[WORLD_EGRESS][WORLD_GROUPS], loss[WORLD_EGRESS][WORLD_GROUPS];
    double bandwidth[WORLD_EGRESS][WORLD_GROUPS];
    double drift[WORLD_EGRESS][WORLD_GROUPS], phase[WORLD_EGRESS][WORLD_GROUPS];
    double period_ms[WORLD_EGRESS][WORLD_GROUPS];
    double greet_ms[WORLD_GROUPS], final_ms[WORLD_GROUPS];
    int addresses[WORLD_GROUPS];
    double offset[WORLD_GROUPS][WORLD_ADDRESSES]; /* factor on the round trip */
    struct episode episode[WORLD_EPISODES];
    int episodes;
};

void world_make(struct world *w, enum scenario scenario, double hours, double rate, uint64_t seed);
struct addr world_address(int group, int index); /* index 0..; WORLD_ADDRESSES is the beacon */

bool world_path_alive(const struct world *w, int egress, int group, int64_t now_ms);
bool world_group_alive(const struct world *w, int group, int64_t now_ms);
bool world_address_alive(const struct world *w, int group, int address, int64_t now_ms);
double world_rtt(const struct world *w, int egress, int group, int64_t now_ms);
double world_loss(const struct world *w, int egress, int group, int64_t now_ms);
/* Expected time of a mail by a path that is alive. */
double world_time(const struct world *w, int egress, int group, double bytes, bool warm,
                  int64_t now_ms);
/* The fastest live path for a mail when no session stands; -1: none. */
int world_best(const struct world *w, int group, double bytes, int64_t now_ms);

#endif
