/*
 * spool/tiers — which tiers a spool has files in, and that all of them are there
 *
 *   <dir>/tiers names them; each has a mark, the file waypost-tier. A tier whose mark is missing is
 *   a disk that is not mounted: the spool without it would look like one that lost mail. A mark
 *   moves with its folder, so a tier may get another path. Text, so that an operator whose disk is
 *   lost for good can take it out.
 */
#ifndef WAYPOST_SPOOL_TIERS_H
#define WAYPOST_SPOOL_TIERS_H

#include <stdbool.h>

#include "gateway/base/rc.h"
#include "gateway/spool/spool.h"

enum { TIER_ID = 16, TIER_TOKEN = 2 * TIER_ID };
#define TIER_MARK "waypost-tier"

struct known_tier {
    char *path;                 /* owned */
    char token[TIER_TOKEN + 1]; /* what its mark says: the spool's id, and its own */
    bool wanted;                /* is in the configuration */
};

struct tiers {
    const char *dir; /* the spool's, borrowed */
    char id[TIER_ID + 1];
    unsigned places; /* most tiers that there ever were: a file may have any of their places */
    unsigned n;
    struct known_tier known[SPOOL_RECORDED_MAX];
    bool changed; /* they are not those that are recorded */
};

/* The recorded ones, found, and those of `conf`. Writes at most the spool's id. Errors as
 * layout_settle(); tiers_free() in any case. */
enum rc tiers_find(struct tiers *tiers_r, const struct spool_conf *conf, struct err *err);
/* Marks all, and records them: what is to be moved may be in any. */
enum rc tiers_take(const struct tiers *tiers, struct err *err);
/* All is moved: records those that are wanted, and removes the marks of the others. */
enum rc tiers_leave(const struct tiers *tiers, struct err *err);
void tiers_free(struct tiers *tiers);

#endif
