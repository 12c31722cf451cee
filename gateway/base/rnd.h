/*
 * base/rnd — small fast random numbers, passed in, never global
 *
 *   Seeded explicitly, so the same seed replays the same run (xoshiro256**). Not for secrets: those
 *   come from the crypto library. rnd_seed_system() is for the shell (workers, processes).
 */
#ifndef WAYPOST_BASE_RND_H
#define WAYPOST_BASE_RND_H

#include <stddef.h>
#include <stdint.h>

struct rnd {
    uint64_t s[4];
};

void rnd_seed(struct rnd *r, uint64_t seed);
void rnd_seed_system(struct rnd *r); /* from getrandom(2) */
/* Unpredictable bytes from the system, for what a stranger must not guess; at most 256. */
void rnd_system_bytes(void *p, size_t n);
uint64_t rnd_u64(struct rnd *r);
uint64_t rnd_below(struct rnd *r, uint64_t n); /* 0 <= x < n, no bias; n > 0 */
double rnd_unit(struct rnd *r);                /* 0 <= x < 1 */
/* `value` moved by up to +-percent of itself; for jitter. */
int64_t rnd_jitter(struct rnd *r, int64_t value, int percent);

#endif
