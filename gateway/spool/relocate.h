/*
 * spool/relocate — brings the files of one folder into another, over disks too
 *
 *   Each file is in one of the two at every moment, whole and under its name; interrupted, it goes
 *   on where it was when it is called again. Nobody else may use the two meanwhile.
 */
#ifndef WAYPOST_SPOOL_RELOCATE_H
#define WAYPOST_SPOOL_RELOCATE_H

#include <stddef.h>

#include "gateway/base/rc.h"

/* Those whose names end in `ending` ("": all). Makes `to` when there is something for it (the
 * folder above must exist). A missing `from` has nothing. *count_r: how many were moved. RC_IO: the
 * disk said no (full, perhaps); what was moved stays where it is. */
enum rc relocate(const char *from, const char *to, const char *ending, size_t *count_r,
                 struct err *err);

/* One file, to another disk: written beside its new name, synced, and only then taken away here. */
enum rc relocate_copy(const char *from, const char *to, struct err *err);

#endif
