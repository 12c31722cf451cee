/*
 * tests/support/spool_rig — a spool in a folder of its own, with calls that wait
 *
 *   Every call runs the loop until its callback came; what never comes fails the test after a
 *   bounded number of turns. The conformance tests use nothing else, so that they hold for any
 *   engine.
 */
#ifndef WAYPOST_TESTS_SUPPORT_SPOOL_RIG_H
#define WAYPOST_TESTS_SUPPORT_SPOOL_RIG_H

#include <stdatomic.h>

#include "gateway/io/loop.h"
#include "gateway/spool/spool.h"

struct rig {
    char dir[64], scratch_dir[64]; /* the latter in memory, out of reach of a disk that fails */
    struct spool_conf conf;        /* change before rig_open() */
    struct spool *spool;
    struct loop *loop;
    struct spool_port *port;
    atomic_int corrupt, health;
};

void rig_make(struct rig *rig); /* a fresh folder, conf with defaults */
void rig_open(struct rig *rig); /* must succeed */
void rig_close(struct rig *rig);
void rig_reopen(struct rig *rig);
void rig_remove(struct rig *rig); /* closes, and deletes the folder */
void rig_wait(struct rig *rig, const bool *done);
void rig_turns(struct rig *rig, int64_t ms); /* lets time pass */

/* Item `sub` of a message with the text as its destination and envelope. */
struct spool_item rig_item(struct spool_id id, uint16_t sub, const char *text);

struct rig_answer {
    bool done;
    enum spool_rc rc;
    uint64_t fence;
};
void rig_answered(void *answer, enum spool_rc rc, uint64_t fence); /* a spool_commit_fn */

/* A message with `n` items "d0", "d1", ... */
enum spool_rc rig_try_commit(struct rig *rig, struct spool_id id, struct slice body, unsigned n,
                             uint64_t *fence_r);
struct spool_id rig_commit(struct rig *rig, struct slice body, unsigned n); /* must succeed */
enum spool_rc rig_apply(struct rig *rig, const struct spool_op *ops, unsigned n);
enum spool_rc rig_done(struct rig *rig, const struct spool_item *item);

/* What a scan shows: items with copies of dest and env. Freed by rig_items_free. */
struct rig_items {
    bool done;
    enum spool_rc rc;
    unsigned count, pages, page_max;
    struct spool_item *items;
};
struct rig_items rig_scan(struct rig *rig, unsigned page);
void rig_items_free(struct rig_items *items);
/* NULL: not there. */
const struct spool_item *rig_find(const struct rig_items *items, struct spool_id id, uint16_t sub);
/* Closes and opens again, and scans. */
struct rig_items rig_restart(struct rig *rig);

/* The body as text, NUL-terminated, to be freed; NULL unless SPOOL_OK. */
char *rig_load(struct rig *rig, struct spool_id id, enum spool_rc *rc_r);
/* Through a reader. */
char *rig_read(struct rig *rig, struct spool_id id, size_t *len_r, enum spool_rc *rc_r);

#endif
