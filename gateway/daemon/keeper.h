/*
 * daemon/keeper — small files of state, written whole and beside the loop
 *
 *   keeper_save() hands bytes to a thread that writes them to a new file, syncs it and gives it its
 *   name: a reader sees the old content or the new one. A slow or full disk delays nobody; what
 *   comes while it writes takes the place of what still waits under the same name. A write that
 *   fails is logged (once, until one works again) and its bytes are dropped.
 *
 *   Each file has a checksum, and the one of before stays beside it ("name.before"). keeper_load()
 *   takes the newest that is sound; a damaged one becomes "name.damaged" and is logged
 *   (`state_damaged`), and so is the use of the one of before (`state_of_before`).
 *
 * Threads: all calls from one thread. keeper_free() waits until all is written.
 */
#ifndef WAYPOST_DAEMON_KEEPER_H
#define WAYPOST_DAEMON_KEEPER_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum { KEEPER_FILES_MAX = 4 };
#define KEEPER_BEFORE ".before"

struct keeper;

struct keeper *keeper_new(const char *folder); /* which exists */
void keeper_free(struct keeper **keeper);

/* `name` is a literal; at most KEEPER_FILES_MAX different ones. The bytes are copied. */
void keeper_save(struct keeper *keeper, const char *name, struct slice bytes);

/* Until all that was handed over is on the disk. False: the last write of some file failed. */
bool keeper_wait(struct keeper *keeper);
/* The last write of some file failed: what it was to keep is only in memory. */
bool keeper_fails(struct keeper *keeper);

/* Takes the content of a copy, valid during the call. False, and why: it is damaged. */
typedef bool keeper_take_fn(void *arg, struct slice bytes, struct err *err);

/* At the start: `take` gets the copies, newest first, until it likes one. RC_NOT_FOUND: nothing was
 * ever kept; RC_PARSE: all that was is damaged, or larger than `max`. */
enum rc keeper_load(struct keeper *keeper, const char *name, size_t max, keeper_take_fn *take,
                    void *arg);

#endif
