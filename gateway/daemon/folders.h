/*
 * daemon/folders — the folders and the log file a start needs, made as root, owned by the relay
 *
 *   Existing folders keep their owner and mode: what an administrator has set up is not changed.
 *   One that the relay could not use (made while it ran as another user) is an error naming it.
 */
#ifndef WAYPOST_DAEMON_FOLDERS_H
#define WAYPOST_DAEMON_FOLDERS_H

#include "gateway/conf/conf.h"
#include "gateway/daemon/sandbox.h"

/* state and what is in it, the tiers of the spool, the folder of the delivery log. Call before
 * there are threads. */
enum rc folders_make(const struct conf *conf, const struct runas *runas, struct err *err);

/* For appending; made with mode 0640 when missing. `path` empty: *fd_r is -1. */
enum rc folders_open_log(struct slice path, const struct runas *runas, int *fd_r, struct err *err);
/* Is the file at `path` no longer the one behind fd (renamed, removed)? */
bool folders_log_moved(struct slice path, int fd);

#endif
