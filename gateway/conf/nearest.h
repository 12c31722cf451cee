/*
 * conf/nearest — the name a user probably meant
 *
 *   Edit distance with swaps of neighbours counted once; near is at most a third of the longer
 *   word, at least one and at most three edits. Also for the command line.
 */
#ifndef WAYPOST_CONF_NEAREST_H
#define WAYPOST_CONF_NEAREST_H

#include "gateway/base/slice.h"

/* The nearest of the names (edit distance), NULL when none is near. */
const char *nearest_name(struct slice word, const char *const *names, size_t n);

#endif
