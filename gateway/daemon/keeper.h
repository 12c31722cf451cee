/*
 * daemon/keeper — small files of state, written whole and beside the loop
 *
 *   keeper_save() hands bytes to a thread that writes them to a new file, syncs it and gives it its
 *   name: a reader sees the old content or the new one. A slow or full disk delays nobody; what
 *   comes while it writes takes the place of what still waits under the same name. A write that
 *   fails is logged (once, until one works again) and its bytes are dropped.
 *
 * Threads: all calls from one thread. keeper_free() waits until all is written.
 */
#ifndef WAYPOST_DAEMON_KEEPER_H
#define WAYPOST_DAEMON_KEEPER_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum { KEEPER_FILES_MAX = 4 };

struct keeper;

struct keeper *keeper_new(const char *folder); /* which exists */
void keeper_free(struct keeper **keeper);

/* `name` is a literal; at most KEEPER_FILES_MAX different ones. The bytes are copied. */
void keeper_save(struct keeper *keeper, const char *name, struct slice bytes);

/* Until all that was handed over is on the disk. False: the last write failed. */
bool keeper_wait(struct keeper *keeper);

/* At the start. RC_NOT_FOUND: there is none; RC_LIMIT: larger than `into` may be. */
enum rc keeper_load(struct keeper *keeper, const char *name, struct buf *into, struct err *err);
void keeper_set_aside(struct keeper *keeper, const char *name); /* as "name.damaged" */

#endif
