/*
 * probes/path — does a path get through: UP, SUSPECT, DOWN
 *
 *   UP      -> SUSPECT  a failure, or a connection that is overdue
 *   SUSPECT -> UP       a success that is newer than the failures: it ended later, or began no
 *                       earlier (as when a connection that was thought overdue has got through)
 *   SUSPECT -> DOWN     by path_down(), when the evidence suffices and the caller knows another
 *                       egress that gets through (the verify guard is links_judge.c)
 *   DOWN    -> UP       so many successes in a row, 2 s apart: 3, and twice as many (at most 24)
 *                       after each relapse within 15 minutes. A path that flaps must moreover be
 *                       seen alive for twice as long as it stayed alive the last time (at most 2
 *                       minutes); one that stayed alive for minutes fell ill anew: no flapping.
 *                       After a short outage it must be seen alive for 45 s: more may come
 *   DOWN    -> UNKNOWN  by path_lapse(), when nothing shows for long that it still is
 *
 *   Evidence is a connection that failed; one that is merely overdue counts too, but two of the
 *   three must have failed. Overdue and failure of one connection are one piece of evidence.
 *   Times are those of the start and the end of a connection. Pure; a plain value; zeroed memory
 *   is a path nobody has tried.
 */
#ifndef WAYPOST_PROBES_PATH_H
#define WAYPOST_PROBES_PATH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PATH_EVIDENCE = 4, /* pieces kept: the first ones of a run */
    PATH_FAILURES = 3, /* that make a path DOWN */
    PATH_SPACING_MS = 2000,
    PATH_NEED = 3,
    PATH_NEED_MOST = 24,
    PATH_RELAPSE_MS = 15 * 60 * 1000,
    PATH_FLAP_MS = 2 * 60 * 1000, /* alive for less than that between two outages */
    PATH_SHORT_MS = 30 * 1000,    /* an outage */
    PATH_SHORT_SPAN_MS = 45 * 1000
};

struct evidence {
    uint64_t address; /* a hash */
    int64_t start_ms;
    bool failed; /* not merely overdue */
};

struct path {
    uint8_t state;                      /* enum path_state */
    uint8_t n;                          /* pieces in `at` */
    int64_t suspect_ms;                 /* when the run of failures was first seen */
    int64_t fail_start_ms, fail_end_ms; /* of the newest failure */
    int64_t ok_start_ms, ok_end_ms;     /* of the newest success; 0: never */
    int64_t down_ms, up_ms;             /* when it last became so */
    uint8_t need, ups;                  /* successes to be UP again, and so far */
    int64_t alive_ms, ups_ms;           /* when the first and the last of those were */
    int64_t span_ms;                    /* that must lie between those two to be UP again */
    bool by_egress;                     /* DOWN because the egress is */
    struct evidence at[PATH_EVIDENCE];
};

enum path_change { PATH_SAME, PATH_NOW_UP, PATH_NOW_SUSPECT, PATH_NOW_DOWN };

enum path_change path_success(struct path *p, int64_t start_ms, int64_t end_ms);
enum path_change path_failure(struct path *p, uint64_t address, bool failed, int64_t start_ms,
                              int64_t end_ms);
/* Enough failures from `addresses` different ones (2, or 1 where there is only one)? */
bool path_condemned(const struct path *p, unsigned addresses);
unsigned path_failures(const struct path *p); /* of the run, overdue ones not counted */
unsigned path_addresses(const struct path *p);
int64_t path_run_start(const struct path *p); /* start of the first connection of the run */

void path_down(struct path *p, bool by_egress, int64_t now_ms);
void path_up(struct path *p, int64_t now_ms); /* from DOWN, without further proof */
void path_acquit(struct path *p);             /* from SUSPECT: it was not the path */
/* While SUSPECT: what failed at this address was not the path; without anything else acquitted. */
void path_forget(struct path *p, uint64_t address);
/* From DOWN to UNKNOWN: nobody can tell any more. Another DOWN soon is a relapse. */
void path_lapse(struct path *p, int64_t now_ms);
/* How likely the next session fails, given what this run shows: 0 without one. */
double path_doubt(const struct path *p);

#endif
