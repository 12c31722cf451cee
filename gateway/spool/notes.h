/*
 * spool/notes — records in memory that outlives the process which put them there
 *
 *   kill -9 takes what a process has in its own memory. What it stored in a shared mapping of a
 *   file the kernel keeps, in the order of the stores; on a file system in memory that takes no
 *   call and never waits. It does not outlive the machine: that is the log's task.
 *
 *   One file is a ring: one thread puts records, another one strikes them out, oldest first. A ring
 *   that is full takes no more, and a folder may have no room for one: whoever keeps notes must be
 *   able to do without.
 *
 *   Header: magic, epoch, then at 64 bytes of distance the positions `put` and `struck`; both only
 *   grow. A record in the ring: length and checksum (4 bytes each), its bytes; it may go over the
 *   edge. All in the byte order of the machine.
 */
#ifndef WAYPOST_SPOOL_NOTES_H
#define WAYPOST_SPOOL_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

enum { NOTES_RING = 512 * 1024, NOTES_HEADER = 192, NOTES_FILE = NOTES_HEADER + NOTES_RING };

struct notes;

/* The file notes-<epoch>-<number> in `dir`, with all of its memory. NULL: cannot be had, or is
 * there already. */
struct notes *notes_new(const char *dir, uint32_t epoch, uint32_t number);
/* The file goes too, unless something in it was not struck out. */
void notes_free(struct notes **notes);

/* The position behind the record; 0: no room for it. */
uint64_t notes_put(struct notes *notes, struct slice record);
void notes_strike(struct notes *notes, uint64_t position); /* all records up to there */

/* What was not struck out when the processes ended, oldest first within a file; files by epoch,
 * from `since` on. What makes no sense ends its file. `record` is valid inside fn. */
typedef void notes_fn(void *arg, struct slice record);
void notes_each(const char *dir, uint32_t since, notes_fn *fn, void *arg);
void notes_remove(const char *dir, uint32_t before); /* the files of earlier epochs */
uint32_t notes_newest(const char *dir); /* epoch of the newest file; 0: there is none */
/* One file's bytes; false: it is not one, or damaged. */
bool notes_walk(struct slice file, notes_fn *fn, void *arg);

#endif
