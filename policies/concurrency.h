/*
 * policies/concurrency — how many sessions a server bears, found out from how it answers
 *
 *   One for each way to a site (egress and site). The level of an attempt is how many were under
 *   way when it began, itself included: for the first message of a session, when that was opened.
 *
 *   - Beginning. The limit is CONCURRENCY_FIRST and grows with each message that goes through while
 *     two thirds of it are used, up to one and a half times what is used: until the server refuses
 *     or becomes slow.
 *   - Growing. From then on one level above the limit is tried, once half a round of messages went
 *     through at the present one. Two attempts taken there in a row make it the limit; six where
 *     the server refused before.
 *   - Refusals. 421 and its kin are evidence, not proof: some servers refuse one in twenty whatever
 *     we do. Each refusal counts for "the limit is below this level", each attempt taken at that
 *     level or above against it, by how unlikely they are at the server's usual rate of refusals
 *     (a sequential probability ratio test). Beyond doubt the limit falls to just below the lowest
 *     level refused, and that ceiling is remembered.
 *   - Experiment. Refusals that are more than usual and not enough for that verdict: for a while
 *     the limit is a tenth lower, at least one. When half of them or more are gone, they came from
 *     our being too many, and it stays there; else the server is like that, and the limit is
 *     restored.
 *   - Trying again. The ceiling is tried again after CONCURRENCY_PROBE attempts and
 *     CONCURRENCY_PROBE_MS, both doubled each time it holds, up to eight times that. Refusals
 *     there weigh more.
 *   - Service time. While a message takes more than twice as long as at best, the limit does not
 *     grow; above two and a half times it falls by one per round: the rest would only wait there.
 *     Below CONCURRENCY_SLOW_MS nothing is slow.
 *   - Half open. Refused at level 1: nothing for a pause (15 s, doubling to 10 min), then one at a
 *     time until one is taken; from there it grows again.
 *
 *   Pure: time comes in, monotonic milliseconds. A plain value.
 */
#ifndef WAYPOST_POLICIES_CONCURRENCY_H
#define WAYPOST_POLICIES_CONCURRENCY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CONCURRENCY_FIRST = 8,
    CONCURRENCY_PROBE = 200,
    CONCURRENCY_PROBE_MS = 1000,
    CONCURRENCY_SLOW_MS = 250,
    CONCURRENCY_PAUSE_MS = 15000,
    CONCURRENCY_PAUSE_MOST_MS = 600000
};

struct concurrency {
    uint32_t most, limit;
    bool beginning;       /* not refused yet, nor slow */
    int64_t probe_at_ms;  /* the ceiling is not tried again before */
    uint32_t ceiling;     /* the server refused above this; 0: not known */
    uint32_t held;        /* times in a row that the ceiling held, saturating */
    uint32_t since_probe; /* attempts taken since it last did */
    uint32_t trial_taken; /* attempts taken one above the limit, in a row */
    /* evidence against the present limit, while `doubt` > 0 */
    double doubt;
    uint32_t low;                        /* lowest level refused */
    uint32_t doubt_refused, doubt_taken; /* not yet in the usual rate */
    double refused, attempts;            /* the usual rate; decaying */
    /* the experiment */
    uint32_t now_refused, now_attempts; /* since the limit changed, or they were looked at */
    uint32_t lowered;                   /* by how much; 0: none under way */
    double rate_above; /* lowered: of refusals before; else the one found to be the server's own */
    /* service time */
    double service_ms;         /* smoothed; 0: not known */
    double best_ms[2];         /* lowest of this and the last stretch of time; 0: none */
    int64_t best_at_ms;        /* when best_ms[0] began */
    uint32_t samples;          /* saturating */
    uint32_t served, slow_run; /* since the last change of the limit; too slow */
    /* half open */
    bool blocked;
    uint32_t pauses;
    int64_t until_ms;
};

void concurrency_init(struct concurrency *c, uint32_t most);
void concurrency_set_most(struct concurrency *c, uint32_t most); /* at least 1 */

/* How many may be under way now; 0 during a pause. */
uint32_t concurrency_limit(const struct concurrency *c, int64_t now_ms);
/* When to ask again; 0: no pause. */
int64_t concurrency_until(const struct concurrency *c);

/* An attempt that began at this level was taken, or refused for being too much. Failures of other
 * kinds say nothing here; neither does a refusal from before the limit fell. */
void concurrency_taken(struct concurrency *c, uint32_t level, int64_t now_ms);
void concurrency_refused(struct concurrency *c, uint32_t level, int64_t now_ms);
/* A message went through while that many sessions stood, and the server took that long to answer:
 * not what its size made of it. */
void concurrency_served(struct concurrency *c, uint32_t standing, double took_ms, int64_t now_ms);

#endif
