/*
 * daemon/sandbox — what a child process can no longer do
 *
 *   Three walls, one file each: another user without capabilities (privilege.c), no system calls
 *   but those its role needs (seccomp.c: no exec, no new processes, no listening ports, no tracing,
 *   no mounts, no kernel interfaces), no files but those named (landlock.c). Call before threads
 *   are started, in the order privilege, landlock, seccomp; each holds for the life of the process
 *   and all its threads.
 *
 * Errors: a wall that cannot be built is RC_IO and the process must not go on; only a kernel
 *         without Landlock is RC_NOT_FOUND, worth a warning.
 */
#ifndef WAYPOST_DAEMON_SANDBOX_H
#define WAYPOST_DAEMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gateway/base/rc.h"

/* The user that processes run as when started by root. */
struct runas {
    bool change; /* false: not started by root, everything stays as it is */
    bool marks;  /* relay and control may mark their packets (egress.mark): CAP_NET_RAW */
    uid_t uid;
    gid_t gid;
    char name[64];
};

/* The user `name`. The default one may be missing: `nobody` then, with a warning in the log. Any
 * other must be there (RC_NOT_FOUND): mail is not given to `nobody` for a typing error. */
enum rc runas_find(const char *name, struct runas *runas_r, struct err *err);
/* Supervisor: becomes that user, keeps only the right to bind low ports and to read what a reload
 * must read (keys that belong to root). */
enum rc privilege_keep_few(const struct runas *runas, struct err *err);
/* Child, before exec: that user and nothing else (but what `marks` needs). */
enum rc privilege_drop_all(const struct runas *runas, struct err *err);
/* No core dumps, no debugger of the same user: there are keys in memory. */
void privilege_hide_memory(void);

enum sandbox_role { SANDBOX_RELAY, SANDBOX_CONTROL, SANDBOX_LOG_KEEPER };

/* Calls that are not on the list of the role answer ENOSYS from here on. */
enum rc seccomp_enter(enum sandbox_role role, struct err *err);

enum path_right { PATH_READ, PATH_WRITE };

struct path_rule {
    const char *path; /* a folder with all below it, or a file; missing ones are skipped */
    enum path_right right;
};

enum rc landlock_enter(const struct path_rule *rules, size_t n, struct err *err);

#endif
