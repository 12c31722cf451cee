/*
 * tests/sim/sim_internal — the parts of a simulation
 *
 *   sim.c: time and events; sim_mail.c: what the relay does and sees; sim_probe.c: what probes do
 *   and see, and their budgets; sim_watch.c: escapes, switches, figures.
 */
#ifndef WAYPOST_TESTS_SIM_SIM_INTERNAL_H
#define WAYPOST_TESTS_SIM_SIM_INTERNAL_H

#include "gateway/base/rnd.h"
#include "policies/choose.h"
#include "probes/links.h"
#include "tests/sim/sim.h"

enum event_kind { EVENT_MAIL, EVENT_RETRY, EVENT_OBSERVE, EVENT_ARRIVAL };

struct mail {
    int group, address;
    double bytes, waited_ms, oracle_ms; /* oracle_ms < 0: not counted */
    uint64_t sender;
    unsigned excluded;
};

struct arrival {
    int egress, group, address;
};

struct sim_event {
    int64_t at_ms;
    enum event_kind kind;
    int group;
    union {
        struct mail mail;
        struct observation observation;
        struct arrival arrival;
    };
};

/* A path that mail should leave. */
struct watch {
    bool brownout;
    int egress, group;
    int64_t from_ms, to_ms, left_ms, lost_ms; /* left, lost its preference; < 0: not yet */
    int64_t sign_ms;                          /* the core heard of the first failure; likewise */
};

struct numbers {
    double *at;
    size_t n, room;
};

enum { WATCHES = 4096, SWITCHES = 65536 };

struct sim {
    struct world *world;
    struct rnd rnd;
    struct links *links;
    struct links_egress egress[WORLD_EGRESS];
    char name[WORLD_EGRESS][8];
    struct conf *conf;
    uint16_t all[WORLD_EGRESS];
    struct advice *advice, *coming; /* what the relay has, and what is on its way */
    struct choice_rows rows;
    int row_of_group[WORLD_GROUPS]; /* in the advice */
    int64_t now_ms, explore_ms[WORLD_GROUPS];
    int64_t warm_ms[WORLD_EGRESS][WORLD_GROUPS][WORLD_ADDRESSES];
    struct sim_event *heap;
    size_t heap_n, heap_room;
    /* budgets, at the receiving side */
    struct numbers egress_sent[WORLD_EGRESS], all_sent;
    struct numbers egress_arrivals[WORLD_EGRESS], all_arrivals;
    int64_t pair_ms[WORLD_EGRESS][WORLD_GROUPS][WORLD_ADDRESSES];
    int64_t address_ms[WORLD_GROUPS][WORLD_ADDRESSES];
    /* figures */
    struct watch watch[WATCHES];
    size_t watches;
    int next_episode;
    struct numbers extra, escapes, left, lost, signs;
    double oracle_ms[2], extra_ms[2]; /* 1: large mail */
    struct {
        double extra_ms;
        unsigned mails;
    } part[CHOICE_REASONS][2]; /* by why the last choice was made; 1: large mail */
    unsigned mails, first_failures, probes, switches, outage_switches, false_downs;
    unsigned flap[WORLD_EPISODES];
    bool verbose;
    struct choice choice;
};

void numbers_add(struct numbers *n, double value);
double numbers_quantile(struct numbers *n, double q); /* sorts */
void sim_push(struct sim *s, const struct sim_event *event);
void sim_observe_later(struct sim *s, int group, const struct observation *o, int64_t at_ms);
struct observation sim_observation(const struct sim *s, int egress, int group, int address,
                                   uint8_t kind, int64_t end_ms);
/* When a connection begun now gets through: 0, 1, 3 or 7 s from now; -1 not before `until_ms`. */
int64_t sim_connect(struct sim *s, int egress, int group, int address, int64_t until_ms);
double sim_jitter(struct sim *s, double ms); /* 10 % */
unsigned sim_lost(struct sim *s, unsigned n, double share);

int sim_choose(struct sim *s, const struct mail *mail, bool explore, struct rnd *rnd);
void sim_mail(struct sim *s, const struct mail *mail);
void sim_new_mail(struct sim *s, int group);

void sim_probe(void *arg, const struct links_probe *probe);
void sim_arrival(struct sim *s, const struct arrival *arrival);

void sim_link_event(void *arg, const struct links_event *event);
void sim_watch(struct sim *s);
void sim_sign(struct sim *s, int group, const struct observation *o); /* before the core has it */

#endif
