/*
 * spool/layout — the folders in which the files of a spool lie, and how they get there
 *
 *   RocksDB knows a sorted file by its number and the place of its folder in a list. Here each
 *   place has a folder of its own name, in the tier that stands there in the configuration now:
 *
 *       <dir>/db  <tier>/1  <tier>/2 …      without tiers: all in <dir>
 *
 *   so that a file says by where it lies what place it has, and a changed list of tiers is a matter
 *   of moving files. The bulk store is in the last tier. Which tiers there are: tiers.h.
 */
#ifndef WAYPOST_SPOOL_LAYOUT_H
#define WAYPOST_SPOOL_LAYOUT_H

#include "gateway/base/rc.h"
#include "gateway/spool/spool.h"

struct layout {
    unsigned n;                                /* 0: all sorted files in <dir>/db */
    struct spool_tier sorted[SPOOL_TIERS_MAX]; /* by place; paths owned */
    char *bulk;                                /* folder of the bulk store */
};

/* Before the stores are opened, by who holds the spool's lock: looks for the tiers that were in
 * use, brings what lies elsewhere to where `conf` wants it, and remembers it. Interrupted, it goes
 * on at the next call, towards whatever `conf` says then. RC_NOT_FOUND: a tier is not there.
 * RC_DENIED: a new one belongs to another spool. RC_CORRUPT: <dir>/tiers is not understood.
 * RC_IO: the disk; nothing is lost. Whatever it returns, layout_free(). */
enum rc layout_settle(const struct spool_conf *conf, struct layout *layout_r, struct err *err);
void layout_free(struct layout *layout);

#endif
