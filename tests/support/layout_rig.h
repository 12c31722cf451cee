/*
 * tests/support/layout_rig — the files of a spool, empty, in folders that are tiers in any order
 *
 *   Lists of tiers are texts, a digit each: "21" is folder 2, then folder 1.
 */
#ifndef WAYPOST_TESTS_SUPPORT_LAYOUT_RIG_H
#define WAYPOST_TESTS_SUPPORT_LAYOUT_RIG_H

#include "gateway/spool/layout.h"

enum { LAYOUT_FOLDERS = 4 }; /* folder 0 is the spool's own */

struct layout_rig {
    char folders[LAYOUT_FOLDERS][32];
};

struct layout_list {
    struct spool_tier tiers[LAYOUT_FOLDERS];
    struct spool_conf conf;
};

void layout_rig_make(struct layout_rig *w);
void layout_rig_remove(const struct layout_rig *w);
void layout_rig_put(const char *folder, const char *name); /* an empty file */
void layout_rig_assert_in(const char *folder, const char *name);
void layout_rig_list(struct layout_list *list, const struct layout_rig *w, const char *text);
enum rc layout_rig_settle(const struct layout_rig *w, const char *text, struct layout *layout_r,
                          struct err *err);
/* Settles, and asserts that each file is where the layout has it, and none twice. `places`: how
 * many have a sorted file; 0: there is no file yet, it makes them. Returns how many have one. */
unsigned layout_rig_settled(const struct layout_rig *w, const char *text, unsigned places);

#endif
