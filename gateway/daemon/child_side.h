/*
 * daemon/child_side — what every child process does first
 *
 *   The privileges are gone already (child.c, before exec). What is left: the name in `ps` and in
 *   the log, signals, death with the parent, memory that no debugger or core dump shows.
 */
#ifndef WAYPOST_DAEMON_CHILD_SIDE_H
#define WAYPOST_DAEMON_CHILD_SIDE_H

#include "gateway/base/rc.h"

/* Name, signals (the supervisor decides when to end, not a ^C or systemd's SIGTERM to the whole
 * group), death with the parent, hidden memory. RC_DENIED: not started by a supervisor. */
enum rc child_side_begin(const char *role, struct err *err);

#endif
