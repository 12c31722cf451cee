/*
 * daemon/scratch — a folder in memory, for what must be writable when the disk is not
 *
 *   The spool's engine keeps its text log there, and what kill -9 must not take
 *   (spool_conf.scratch_dir). One folder per spool, told apart by the spool's own device and inode,
 *   the same at every start; it stays behind until the machine restarts, with some kilobytes, and
 *   after kill -9 with half a MiB a worker until the next start. /dev/shm is everybody's: a folder
 *   there that is not ours alone is not used.
 */
#ifndef WAYPOST_DAEMON_SCRATCH_H
#define WAYPOST_DAEMON_SCRATCH_H

#include <stdbool.h>

enum { SCRATCH_PATH = 64 };

/* Makes the folder when it is missing, mode 0700. False: there is none to be had. */
bool scratch_make(const char *spool_dir, char path_r[SCRATCH_PATH]);

#endif
