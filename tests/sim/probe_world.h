/*
 * tests/sim/probe_world — a link core among hosts that answer probes, hang, refuse or are cut off
 *
 *   In virtual time. What must hold of every single probe is asserted as it leaves, from what has
 *   left before and nothing else: the budgets in every window, the spacing of an address. Mail of
 *   a group goes by the egress that the table of advice prefers. Asserts with cmocka.
 */
#ifndef WAYPOST_TESTS_SIM_PROBE_WORLD_H
#define WAYPOST_TESTS_SIM_PROBE_WORLD_H

#include "probes/links.h"

enum {
    NAMES = 8, /* egresses there may be */
    GROUPS = 50,
    GROUPS_DRAWN = 10,
    HOSTS = 24, /* of a group, at most */
    TICK_MS = 50,
    MINUTE_MS = 60 * 1000,
    SETTLED_MS = 5 * MINUTE_MS, /* since the start or a change */
    SENT_MAX = 40000,
    ANSWERS_MAX = 512
};

enum host { HOST_FINE, HOST_HANGS, HOST_TIMES_OUT, HOST_REFUSES };

struct sent {
    int64_t at_ms;
    int egress;
};

struct answer {
    int64_t at_ms;
    struct observation o;
    int group;
};

struct probe_world {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms, start_ms, changed_ms;
    /* the truth */
    int groups, hosts[GROUPS];
    enum host host[GROUPS][HOSTS];
    double rtt_ms[NAMES][GROUPS], rate[GROUPS]; /* mails per second */
    int64_t dead_until_ms[NAMES][GROUPS];
    /* the configuration */
    bool used[NAMES];
    int order[NAMES]; /* by index of the configuration */
    uint32_t egress_n;
    struct rate per_egress, total;
    int64_t interval_ms;
    /* what has left */
    struct sent sent[SENT_MAX];
    unsigned sent_n;
    int64_t pair_ms[NAMES][GROUPS][HOSTS], address_ms[GROUPS][HOSTS];
    int64_t seen_ms[NAMES][GROUPS]; /* the path was last probed, or carried mail */
    double longest;                 /* that any path went without, in turns (turn_ms()) */
    /* by whether mail goes by the path: probes, and the path's ticks, while all was settled */
    unsigned probes[2];
    uint64_t ticks[2];
    bool scripted;   /* nothing happens by chance */
    bool shuts_out;  /* the first host of group 0 refuses connections by the first egress */
    bool crowds;     /* most mail of a group goes to its first host */
    unsigned urgent; /* probes */
    unsigned events[LINKS_EVENT_KINDS];
    struct answer answer[ANSWERS_MAX];
    unsigned answers;
    struct advice *advice;
};

/* Without egresses, hosts and budgets. */
struct probe_world *pw_new(uint64_t seed);
void pw_free(struct probe_world *w);
int64_t pw_between(struct probe_world *w, int64_t least, int64_t most);
struct links_hooks pw_hooks(struct probe_world *w);

/* Makes the groups, "c" and "r0" to "r9"; once they are described. */
void pw_groups(struct probe_world *w);
/* Applies the configuration that is in the world. */
void pw_configure(struct probe_world *w);
void pw_learn(struct probe_world *w); /* every host has had a mail, by the first egress */
void pw_tick(struct probe_world *w);

int pw_preferred(const struct probe_world *w, int group); /* index in the configuration, or < 0 */
/* So little mail that probes have to tell, and hosts enough to be asked; and for some time so. */
bool pw_is_rare(const struct probe_world *w, int group);

#endif
