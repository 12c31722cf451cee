/*
 * daemon/landlock — no files but those named (landlock(7), by system call)
 *
 *   Everything the running kernel's version of Landlock can restrict about files is restricted, and
 *   signals and abstract sockets to processes outside, where the kernel knows that (ABI 6).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/daemon/sandbox.h"

/* The kernel's structure of ABI 6; the headers we build with may know less. */
struct ruleset {
    uint64_t access_fs, access_net, scoped;
};

enum { SCOPE_ABSTRACT_UNIX = 1, SCOPE_SIGNAL = 2 };

#define RIGHT_REFER (1ull << 13)     /* ABI 2 */
#define RIGHT_TRUNCATE (1ull << 14)  /* ABI 3 */
#define RIGHT_IOCTL_DEV (1ull << 15) /* ABI 5 */

#define RIGHTS_FILE_READ ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE)
#define RIGHTS_READ (RIGHTS_FILE_READ | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_FILE_WRITE (RIGHTS_FILE_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE)
#define RIGHTS_WRITE                                                                               \
    (RIGHTS_READ | RIGHTS_FILE_WRITE | RIGHT_REFER | LANDLOCK_ACCESS_FS_REMOVE_DIR |               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG)

/* All rights of ABI 1, and those that came later. */
static uint64_t rights_of_abi(long abi)
{
    uint64_t rights = (1ull << 13) - 1;
    if (abi >= 2)
        rights |= RIGHT_REFER;
    if (abi >= 3)
        rights |= RIGHT_TRUNCATE;
    if (abi >= 5)
        rights |= RIGHT_IOCTL_DEV;
    return rights;
}

static size_t ruleset_size(long abi)
{
    if (abi >= 6)
        return sizeof(struct ruleset);
    return abi >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, access_net);
}

static enum rc allow(int ruleset, const struct path_rule *rule, uint64_t handled, struct err *err)
{
    int fd = open(rule->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return RC_OK; /* what is not there needs no right */
    struct stat st;
    bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    uint64_t rights = rule->right == PATH_WRITE ? (folder ? RIGHTS_WRITE : RIGHTS_FILE_WRITE)
                                                : (folder ? RIGHTS_READ : RIGHTS_FILE_READ);
    struct landlock_path_beneath_attr attr = { .allowed_access = rights & handled,
                                               .parent_fd = fd };
    long rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
    int error = errno;
    close(fd);
    if (rc != 0)
        return err_set(err, RC_IO, "landlock, %s: %s", rule->path, strerror(error));
    return RC_OK;
}

enum rc landlock_enter(const struct path_rule *rules, size_t n, struct err *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return err_set(err, RC_NOT_FOUND, "this kernel has no Landlock: %s", strerror(errno));
    struct ruleset attr = { .access_fs = rights_of_abi(abi),
                            .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL };
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, ruleset_size(abi), 0);
    if (fd < 0)
        return err_set(err, RC_IO, "landlock: %s", strerror(errno));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < n && rc == RC_OK; i++)
        rc = allow(fd, &rules[i], attr.access_fs, err);
    if (rc == RC_OK && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                        syscall(SYS_landlock_restrict_self, fd, 0) != 0))
        rc = err_set(err, RC_IO, "landlock: %s", strerror(errno));
    close(fd);
    return rc;
}
