/*
 * tests/sim/sim_standing — `sim-standing --seed N --years Y [--verbose] --json`
 *
 *   One life, one JSON object; exit 1 when a property broke, 2 on a bad argument.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/standing_life.h"

static bool read_arguments(int argc, char **argv, uint64_t *seed, double *years, bool *verbose)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--verbose") == 0)
            *verbose = true;
        else if (more && strcmp(argv[i], "--seed") == 0)
            *seed = strtoull(argv[++i], NULL, 10);
        else if (more && strcmp(argv[i], "--years") == 0)
            *years = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--json") != 0)
            return false;
    }
    return *years > 0 && *years <= 100;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    double years = 2;
    bool verbose = false;
    struct life_figures f;
    if (!read_arguments(argc, argv, &seed, &years, &verbose)) {
        fprintf(stderr, "sim-standing --seed N --years Y [--verbose] --json\n");
        return 2;
    }
    bool held = life_run(seed, years, verbose, &f);
    printf("{\"seed\":%llu,\"years\":%g,\"steps\":%llu,\"mails\":%llu,\"transitions\":%llu,"
           "\"restarts\":%llu,\"canaries\":%llu,\"alarms\":%llu,\"into\":{",
           (unsigned long long)seed, years, (unsigned long long)f.steps,
           (unsigned long long)f.mails, (unsigned long long)f.transitions,
           (unsigned long long)f.restarts, (unsigned long long)f.canaries,
           (unsigned long long)f.alarms);
    for (int i = 0; i < STANDING_STATES; i++)
        printf("%s\"%s\":%llu", i ? "," : "", standing_state_names[i], (unsigned long long)f.to[i]);
    printf("},\"broken\":\"%s\"}\n", f.broken);
    return held ? 0 : 1;
}
