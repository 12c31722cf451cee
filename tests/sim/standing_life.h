/*
 * tests/sim/standing_life — years in the life of some addresses, with everything that goes wrong
 *
 *   life_run() draws a world from the seed: members, pools, providers, dates of warm-up; then lets
 *   time pass in steps of minutes. Mail goes by what standing_take() permits. Storms come and go:
 *   a provider refuses everybody, or all do, a list names the world, an address is really burnt and
 *   relapses, limits, broken names, lists that die, providers without mail for weeks, faults,
 *   orders, reloads, other pools, clocks that are set. At every step it is checked
 *   (standing_check.c) that nothing ineligible is used, nor the relay told that it may be, that
 *   soft evidence leaves half of each pool, that every change was an event; and
 *   (standing_oracle.c) that evidence is what stands, and what decays by half in six hours, that
 *   every dwell and block lasts, longer each time, that what was idle for long is cold, and who is
 *   the last resort at a provider that blocks all. A twin
 *   that is packed and unpacked all the time, and is away meanwhile, must behave the same and tell
 *   the relay the same.
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
    uint64_t away, relapses, repeats, forgotten, died; /* restarts that took a while; falls soon
                                                          after a release; blocks soon after one;
                                                          cold providers; listings that ended so */
    uint64_t resorts;             /* mails that a blocked address carried all the same */
    uint64_t to[STANDING_STATES]; /* transitions into each, of members and providers */
    char broken[300];             /* "" when every property held */
};

/* What the events said, and nothing else: the oracle's view. */
struct life_shadow {
    enum standing_state state, provider[LIFE_PROVIDERS];
    int64_t since;    /* inner time */
    int64_t fell;     /* into quarantine, not back to it */
    double points;    /* at the last look... */
    int64_t looked;   /* ...which was then */
    bool soft;        /* put out by soft evidence */
    bool touched;     /* had an input since then */
    bool faulted;     /* mail cannot leave by it just now */
    uint8_t clear[2]; /* checks without it, of the two lists */
    int64_t clear_ms[2];
    bool listed[2], many[2], hard[2], broken;
    int64_t heard[2];     /* a valid answer of the list that has it */
    int64_t freed, dwell; /* last release; of the quarantine it is in */
    uint32_t falls;       /* soon after a release, in a row */
    int64_t blocked_until[LIFE_PROVIDERS], used[LIFE_PROVIDERS]; /* used: 0: never */
    uint32_t blocks[LIFE_PROVIDERS];
    double sent[LIFE_PROVIDERS], most[LIFE_PROVIDERS]; /* in this hour; allowed at most */
    bool unlimited[LIFE_PROVIDERS];
    uint32_t step[LIFE_PROVIDERS];
    int64_t step_ms[LIFE_PROVIDERS];
};

struct life_trouble { /* until when, in inner time */
    int64_t refuses_all[LIFE_PROVIDERS];
    int64_t burnt[LIFE_MEMBERS], listed[LIFE_MEMBERS][2], limited[LIFE_PROVIDERS];
    int64_t spam[LIFE_MEMBERS], names[LIFE_MEMBERS];
    int64_t world[2];               /* a list names everybody */
    int64_t died[2], dead[2];       /* a list says nothing of use: since, until */
    int64_t silent[LIFE_PROVIDERS]; /* no mail for it */
};

struct life {
    struct standing *twin[LIFE_TWINS];
    uint64_t heard[LIFE_TWINS]; /* hash over their events */
    uint64_t told;              /* version of standing that the relay has last been told */
    uint64_t told_changes;      /* of states, by then */
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
bool life_in_pool(const struct life *l, uint32_t pool, uint32_t m);
void life_must(struct life *l, bool holds, const char *what, int member);

/* standing_oracle.c */
void life_oracle_member(struct life *l, const struct standing_event *e);
void life_oracle_provider(struct life *l, const struct standing_event *e, int p);
void life_oracle_used(struct life *l, int m, int p);         /* before a take */
void life_oracle_reset(struct life *l, int m);               /* after the order */
bool life_oracle_canary(const struct life *l, int m, int p); /* the block is over */
bool life_oracle_resort(const struct life *l, int m, int p); /* it carries mail all the same */
void life_oracle_step(struct life *l, int m, const struct standing_view *v);
void life_oracle_idle(struct life *l, int m, int p, const struct standing_provider_view *v);
const char *life_provider(int p);
bool life_carries(enum standing_state state);

#endif
