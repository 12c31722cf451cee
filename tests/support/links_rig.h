/*
 * tests/support/links_rig — a link core with one group, or a few, in virtual time
 *
 *   Egresses "a", "b" and "c"; `a` is the fastest unless the test says otherwise. What happens
 *   between two ticks is judged at the second of them, so the observations of a case are given with
 *   their times and judged at once. Probes are answered: everything gets through but what a test
 *   says is dead. Asserts with cmocka.
 */
#ifndef WAYPOST_TESTS_SUPPORT_LINKS_RIG_H
#define WAYPOST_TESTS_SUPPORT_LINKS_RIG_H

#include "probes/links.h"

enum { A, B, C, LINKS_RIG_EGRESSES }; /* indices of links_rig_names */
enum { LINKS_RIG_ADDRESSES = 40, LINKS_RIG_PROBES = 16 };

extern const char *const links_rig_names[LINKS_RIG_EGRESSES];

struct links_rig {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms;
    unsigned addresses, gone; /* the first `gone` of them answer no probe */
    int group;                /* of what the test reports; 0 */
    double rtt_ms[LINKS_RIG_EGRESSES];
    uint32_t segments;                     /* of one observation */
    bool dead[LINKS_RIG_EGRESSES], silent; /* silent: probes get no answer at all */
    uint8_t dead_result;                   /* what probes say of one that is dead; OBS_REFUSED */
    struct links_probe probe[LINKS_RIG_PROBES];
    unsigned probes_n, sent[LINKS_RIG_EGRESSES], events[LINKS_EVENT_KINDS];
    struct advice *advice;
};

/* `addresses` of the group; round trips of 20, 60 and 100 ms, 10 segments in an observation. */
void lr_start(struct links_rig *r, unsigned addresses);
void lr_finish(struct links_rig *r);
void lr_configure(struct links_rig *r, double cost_of_a_ms); /* the others cost 1 ms */

void lr_run(struct links_rig *r, int64_t ms); /* a tick each 50 ms */
/* Mail by every egress, one connection in a second. */
void lr_learn(struct links_rig *r, unsigned seconds);

struct addr lr_address(const struct links_rig *r, unsigned i);
/* A connection that began at `start_ms` and ended `took_ms` later. */
void lr_see(struct links_rig *r, int e, const struct addr *to, uint8_t kind, uint8_t result,
            int64_t start_ms, int64_t took_ms);

#endif
