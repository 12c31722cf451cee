#include "gateway/daemon/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/folder.h"

enum { PATH_MAX_BYTES = 4000 };

/* Makes the last folder of the path, given to the user, and those above that are missing. */
static enum rc make_one(const char *path, mode_t mode, const struct runas *runas, struct err *err)
{
    char part[PATH_MAX_BYTES + 1];
    size_t n = strlen(path);
    if (n > PATH_MAX_BYTES)
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

static enum rc make_below(const char *folder, const char *name, mode_t mode,
                          const struct runas *runas, struct err *err)
{
    char path[PATH_MAX_BYTES];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return err_set(err, RC_LIMIT, "path too long: %.100s...", folder);
    return make_one(path, mode, runas, err);
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
    const char *state = conf->state.p;
    enum rc rc = make_one(state, 0755, runas, err);
    if (rc == RC_OK)
        rc = make_below(state, "run", 0755, runas, err);
    if (rc == RC_OK)
        rc = make_below(state, "run/geo", 0755, runas, err);
    if (rc == RC_OK)
        rc = make_below(state, "spool", 0700, runas, err);
    if (rc == RC_OK)
        rc = make_below(state, "history", 0700, runas, err);
    if (rc == RC_OK)
        rc = make_below(state, "reputation", 0700, runas, err);
    if (rc == RC_OK)
        rc = make_below(state, "advice", 0700, runas, err);
    for (size_t i = 0; rc == RC_OK && i < conf->spool.tiers.n; i++)
        rc = make_one(conf->spool.tiers.at[i].path.p, 0700, runas, err);
    if (rc == RC_OK && conf->log.deliveries.n)
        rc = make_log_folder(conf->log.deliveries, runas, err);
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
