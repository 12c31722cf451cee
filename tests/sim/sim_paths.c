/*
 * tests/sim/sim_paths — `sim-paths --seed N --hours H [--rate R] [--scenario S] [--verbose] --json`
 *
 *   One world, one JSON object. Scenarios: mixed quiet flap outage sparse single hosts.
 *   The rate is that of the mail of one group per second: 0.5, sparse 0.02. Exit 2 on a bad
 *   argument.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

static const char *const scenarios[] = { "mixed",  "quiet",  "flap", "outage",
                                         "sparse", "single", "hosts" };

struct arguments {
    enum scenario scenario;
    double hours, rate;
    uint64_t seed;
    bool verbose;
};

static bool number(const char *text, double least, double most, double *value_r)
{
    char *rest = NULL;
    *value_r = strtod(text, &rest);
    return rest != text && *rest == 0 && *value_r >= least && *value_r <= most;
}

static bool scenario(const char *text, enum scenario *scenario_r)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        if (strcmp(text, scenarios[i]) == 0) {
            *scenario_r = (enum scenario)i;
            return true;
        }
    return false;
}

static bool one(struct arguments *a, const char *key, const char *value)
{
    char *rest = NULL;
    if (strcmp(key, "--scenario") == 0)
        return scenario(value, &a->scenario);
    if (strcmp(key, "--hours") == 0)
        return number(value, 0.05, 1000, &a->hours);
    if (strcmp(key, "--rate") == 0)
        return number(value, 0.0001, 100, &a->rate);
    if (strcmp(key, "--seed") != 0)
        return false;
    a->seed = strtoull(value, &rest, 10);
    return rest != value && *rest == 0;
}

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
    *a = (struct arguments){ .hours = 3, .seed = 1 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            continue;
        if (strcmp(argv[i], "--verbose") == 0) {
            a->verbose = true;
            continue;
        }
        if (i + 1 == argc || !one(a, argv[i], argv[i + 1]))
            return false;
        i++;
    }
    if (a->rate <= 0)
        a->rate = a->scenario == SCENARIO_SPARSE ? 0.02 : 0.5;
    return true;
}

int main(int argc, char **argv)
{
    struct arguments a;
    struct sim_figures f;
    if (!read_arguments(argc, argv, &a)) {
        fprintf(stderr,
                "sim-paths --seed N --hours H [--rate R] "
                "[--scenario mixed|quiet|flap|outage|sparse|single|hosts] [--verbose] --json\n");
        return 2;
    }
    sim_run(a.scenario, a.hours, a.rate, a.seed, a.verbose, &f);
    printf("{\"scenario\":\"%s\",\"seed\":%llu,\"hours\":%g,\"rate\":%g,\"extra_mean_pct\":%.3f,"
           "\"extra_p99_ms\":%.1f,\"first_try_failures_pct\":%.4f,"
           "\"switches_per_hour_group\":%.3f,\"escape_p50_s\":%.2f,\"escape_p95_s\":%.2f,"
           "\"sign_p50_s\":%.2f,\"sign_p95_s\":%.2f,"
           "\"outage_switches\":%u,\"brownout_left_p95_s\":%.1f,\"probes_per_s\":%.2f,"
           "\"preference_left_p50_s\":%.1f,\"preference_left_p95_s\":%.1f,"
           "\"flap_switches_max\":%u,\"extra_large_pct\":%.3f,\"switches\":%u,\"mails\":%u,"
           "\"escapes\":%u,"
           "\"brownouts\":%u,\"false_downs\":%u}\n",
           scenarios[a.scenario], (unsigned long long)a.seed, a.hours, a.rate, f.extra_mean_pct,
           f.extra_p99_ms, f.first_try_failures_pct, f.switches_per_hour_group, f.escape_p50_s,
           f.escape_p95_s, f.sign_p50_s, f.sign_p95_s, f.outage_switches, f.brownout_left_p95_s,
           f.probes_per_s, f.preference_left_p50_s, f.preference_left_p95_s, f.flap_switches,
           f.extra_large_pct, f.switches, f.mails, f.escapes, f.brownouts, f.false_downs);
    return 0;
}
