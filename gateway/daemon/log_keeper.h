/*
 * daemon/log_keeper — opens the delivery log anew in a folder that only root may write
 *
 *   The supervisor gives up root at its start, so after a rotation it could not make the new file
 *   in a folder like /var/log. Only then, a process of a few lines stays root for it: it can append
 *   to the one path of the start, in that folder, and do nothing else (no capability but those for
 *   this, Landlock on the folder, the shortest list of system calls). It gets one byte and answers
 *   with a descriptor; it ends when the supervisor does.
 */
#ifndef WAYPOST_DAEMON_LOG_KEEPER_H
#define WAYPOST_DAEMON_LOG_KEEPER_H

#include "gateway/base/slice.h"
#include "gateway/daemon/sandbox.h"

/* As root, before anything else is opened. *fd_r: the line to the keeper, or -1 when none is
 * needed: no log, not started by root, or the user may write the folder. */
enum rc log_keeper_start(struct slice path, const struct runas *runas, int *fd_r, struct err *err);

/* The file as it is named now, for appending. Waits a second at most. */
enum rc log_keeper_open(int keeper, int *fd_r, struct err *err);

#endif
