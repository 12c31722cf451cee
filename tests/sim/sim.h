/*
 * tests/sim/sim — the decision core in a drawn world, driven as control and relay drive it
 *
 *   The core (probes/links) sees observations only, some milliseconds late; the relay chooses with
 *   policies/choose by the advice that has reached it, 50 ms later; probes cost time and get lost
 *   like mail. The oracle takes the fastest live path of each moment. Mail to a destination that
 *   is away from everywhere is left out of the figures. Budgets are asserted where the probes
 *   arrive.
 */
#ifndef WAYPOST_TESTS_SIM_SIM_H
#define WAYPOST_TESTS_SIM_SIM_H

#include "tests/sim/world.h"

struct sim_figures {
    double extra_mean_pct;  /* time over the oracle's, of mail below 500 KB */
    double extra_large_pct; /* of the few larger ones */
    double extra_p99_ms;
    double first_try_failures_pct; /* mails whose first connection went into a dead path */
    double switches_per_hour_group;
    double escape_p50_s, escape_p95_s; /* until new mail leaves a dead path */
    double sign_p50_s, sign_p95_s;     /* until the core has heard of any failure there at all */
    double brownout_left_p95_s;
    double preference_left_p50_s, preference_left_p95_s; /* until a dead path is not preferred */
    double probes_per_s;
    unsigned outage_switches; /* during destination outages and 30 s after */
    unsigned flap_switches;   /* most of any one flapping of 15 minutes, and a minute after */
    unsigned switches, mails, escapes, brownouts;
    unsigned false_downs; /* paths thought dead that were alive, as was the destination */
};

/* Aborts when a guarantee of the core is broken: a budget, a path that may not be chosen. */
void sim_run(enum scenario scenario, double hours, double rate, uint64_t seed, bool verbose,
             struct sim_figures *figures_r);

#endif
