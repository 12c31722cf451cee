/*
 * tests/sim/standing_life — years in the life of some addresses, with everything that goes wrong
 *
 *   life_run() draws a world from the seed: members, pools, providers, dates of warm-up; then lets
 *   time pass in steps of minutes. Mail goes by what standing_take() permits. Storms come and go:
 *   a provider refuses everybody, a list names the world, an address is really burnt and relapses,
 *   limits, broken names, faults, orders, reloads, clocks that are set. At every step it is checked
 *   (standing_check.c) that nothing ineligible is used, nor the relay told that it may be, that
 *   evidence only decays, that soft evidence leaves half of each pool, that every change was an
 *   event and every dwell was kept; and a twin that is packed and unpacked all the time must behave
 *   the same and tell the relay the same.
 *   In the end everything is quiet for weeks, and all addresses must be back.
 *
 * Guarantees: the same seed, the same life. Deterministic, no clock.
 */
#ifndef WAYPOST_TESTS_SIM_STANDING_LIFE_H
#define WAYPOST_TESTS_SIM_STANDING_LIFE_H

#include "gateway/base/rnd.h"
#include "reputation/standing.h"

enum { LIFE_MEMBERS = 8, LIFE_PROVIDERS = 7, LIFE_POOLS = 3, LIFE_TWINS = 2 };

struct life_figures {
    uint64_t steps, transitions, restarts, mails, canaries, alarms, tables;
    uint64_t to[STANDING_STATES]; /* transitions into each, of members and providers */
    char broken[300];             /* "" when every property held */
};

/* What the events said, and nothing else: the oracle's view. */
struct life_shadow {
    enum standing_state state, provider[LIFE_PROVIDERS];
    int64_t since, provider_since[LIFE_PROVIDERS]; /* inner time */
    int64_t fell;                                  /* into quarantine, not back to it */
    double points;                                 /* at the last look */
    bool soft;                                     /* put out by soft evidence */
    bool touched;                                  /* had an input since then */
    bool faulted;                                  /* mail cannot leave by it just now */
    uint8_t clear[2];                              /* checks without it, of the two lists */
    int64_t clear_ms[2];
    bool listed[2], many[2], hard[2];
    double sent[LIFE_PROVIDERS], most[LIFE_PROVIDERS]; /* in this hour; allowed at most */
    bool unlimited[LIFE_PROVIDERS];
    uint32_t step[LIFE_PROVIDERS];
    int64_t step_ms[LIFE_PROVIDERS];
};

struct life_trouble { /* until when, in inner time */
    int64_t refuses_all[LIFE_PROVIDERS];
    int64_t burnt[LIFE_MEMBERS], listed[LIFE_MEMBERS][2], limited[LIFE_PROVIDERS];
    int64_t spam[LIFE_MEMBERS], names[LIFE_MEMBERS];
    int64_t world[2]; /* a list names everybody */
};

struct life {
    struct standing *twin[LIFE_TWINS];
    uint64_t heard[LIFE_TWINS]; /* hash over their events */
    uint64_t told;              /* version of standing that the relay has last been told */
    struct life_shadow shadow[LIFE_MEMBERS];
    struct life_trouble trouble;
    struct life_figures *figures;
    struct rnd rnd;
    int64_t wall, inner, hour, start;
    struct standing_member member[LIFE_MEMBERS];
    struct standing_set pool[LIFE_POOLS];
    struct standing_config config;
    bool pool_empty[LIFE_POOLS];
    bool verbose, quiet;
};

/* false: a property was broken, figures_r->broken says which and when. */
bool life_run(uint64_t seed, double years, bool verbose, struct life_figures *figures_r);

/* standing_check.c */
void life_break(struct life *l, const char *what, int member);
void life_on_event(struct life *l, const struct standing_event *e);
void life_note_quota(struct life *l, int m, int p);
void life_check_take(struct life *l, int m, int p, uint32_t given);
void life_check_step(struct life *l);
void life_check_end(struct life *l);
const char *life_provider(int p);
bool life_carries(enum standing_state state);

#endif
