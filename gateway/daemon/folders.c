#include "gateway/daemon/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/folder.h"

enum { PATH_MAX_BYTES = 4001 };

/* Makes the last folder of the path, given to the user, and those above that are missing. */
static enum rc make_one(const char *path, mode_t mode, const struct runas *runas, struct err *err)
{
    char part[PATH_MAX_BYTES];
    size_t n = strlen(path);
    if (n >= PATH_MAX_BYTES)
        return err_set(err, RC_LIMIT, "path too long: %.100s...", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        bool last = i == n;
        if (folder_make(part, last ? mode : 0755) != 0) {
            if (errno == EEXIST)
                continue;
            return err_set(err, RC_IO, "cannot make %s: %s", part, strerror(errno));
        }
        if (last && runas->change && chown(part, runas->uid, runas->gid) != 0)
            return err_set(err, RC_IO, "cannot give %s to %s: %s", part, runas->name,
                           strerror(errno));
    }
    return RC_OK;
}

/* In `state`, in this order. */
static const struct {
    const char *name;
    mode_t mode;
} own[] = {
    { "run", 0755 },     { "run/geo", 0755 },    { "spool", 0700 },
    { "history", 0700 }, { "reputation", 0700 }, { "advice", 0700 },
};
enum { OWN_N = sizeof own / sizeof own[0] };

static enum rc make_own(const char *state, const struct runas *runas, struct err *err)
{
    enum rc rc = make_one(state, 0755, runas, err);
    for (size_t i = 0; rc == RC_OK && i < OWN_N; i++) {
        char *path = path_in(state, own[i].name);
        rc = make_one(path, own[i].mode, runas, err);
        free(path);
    }
    return rc;
}

static enum rc try_folder(const char *path, const struct runas *runas, struct err *err)
{
    if (faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == 0 || errno == EROFS)
        return RC_OK; /* what waits on a disk that takes no writes is delivered all the same */
    return err_set(err, RC_IO, "user %s cannot use %s: %s (made by another user? chown -R %s)",
                   runas->name, path, strerror(errno), runas->name);
}

static enum rc try_all(const struct conf *conf, const struct runas *runas, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < OWN_N; i++) {
        char *path = path_in(conf->state.p, own[i].name);
        rc = try_folder(path, runas, err);
        free(path);
    }
    for (size_t i = 0; rc == RC_OK && i < conf->spool.tiers.n; i++)
        rc = try_folder(conf->spool.tiers.at[i].path.p, runas, err);
    return rc;
}

/* With the rights that the relay will have, while those of root can still be taken back. */
static enum rc try_as_user(const struct conf *conf, const struct runas *runas, struct err *err)
{
    if (!runas->change)
        return RC_OK;
    gid_t gid = getegid();
    uid_t uid = geteuid();
    enum rc rc = RC_IO;
    if (setegid(runas->gid) == 0 && seteuid(runas->uid) == 0)
        rc = try_all(conf, runas, err);
    else
        err_set(err, rc, "cannot become user %s: %s", runas->name, strerror(errno));
    if (seteuid(uid) != 0 || setegid(gid) != 0)
        return err_set(err, RC_IO, "cannot be root again: %s", strerror(errno));
    return rc;
}

static enum rc make_log_folder(struct slice file, const struct runas *runas, struct err *err)
{
    char path[PATH_MAX_BYTES];
    if (file.n >= sizeof path)
        return err_set(err, RC_LIMIT, "path too long: %.100s...", file.p);
    memcpy(path, file.p, file.n);
    path[file.n] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return RC_OK;
    *slash = '\0';
    return make_one(path, 0755, runas, err);
}

enum rc folders_make(const struct conf *conf, const struct runas *runas, struct err *err)
{
    enum rc rc = make_own(conf->state.p, runas, err);
    for (size_t i = 0; rc == RC_OK && i < conf->spool.tiers.n; i++)
        rc = make_one(conf->spool.tiers.at[i].path.p, 0700, runas, err);
    if (rc == RC_OK && conf->log.deliveries.n)
        rc = make_log_folder(conf->log.deliveries, runas, err);
    if (rc == RC_OK)
        rc = try_as_user(conf, runas, err);
    return rc;
}

enum rc folders_open_log(struct slice path, const struct runas *runas, int *fd_r, struct err *err)
{
    *fd_r = -1;
    if (!path.n)
        return RC_OK;
    /* O_NONBLOCK: a FIFO without a reader is an error, not a wait. */
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd = open(path.p, flags, 0640);
    if (fd < 0)
        return err_set(err, RC_IO, "cannot open %s: %s", path.p, strerror(errno));
    struct stat st;
    if (runas->change && geteuid() == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_size == 0 && fchown(fd, runas->uid, runas->gid) != 0) {
        close(fd);
        return err_set(err, RC_IO, "cannot give %s to %s: %s", path.p, runas->name,
                       strerror(errno));
    }
    *fd_r = fd;
    return RC_OK;
}

bool folders_log_moved(struct slice path, int fd)
{
    struct stat open_file, named;
    if (fd < 0 || fstat(fd, &open_file) != 0)
        return false;
    if (stat(path.p, &named) != 0)
        return errno == ENOENT;
    return named.st_ino != open_file.st_ino || named.st_dev != open_file.st_dev;
}
