#include "gateway/daemon/feed_read.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 256 << 10 };

static enum rc read_all(int fd, struct buf *out, struct err *err)
{
    for (;;) {
        char *room = buf_reserve(out, PIECE);
        if (!room)
            return err_set(err, RC_LIMIT, "larger than 64 MiB");
        ssize_t n = pread(fd, room, PIECE, (off_t)buf_len(out));
        if (n < 0)
            return err_set(err, RC_IO, "%s", strerror(errno));
        if (n == 0)
            return RC_OK;
        buf_commit(out, (size_t)n);
    }
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

enum rc feed_read(int fd, bool restless, struct buf *out, struct err *err)
{
    struct stat before, after;
    enum rc rc = fstat(fd, &before) == 0 ? RC_OK : err_set(err, RC_IO, "%s", strerror(errno));
    if (rc == RC_OK)
        rc = read_all(fd, out, err);
    if (rc == RC_OK && (fstat(fd, &after) != 0 || !same(&before, &after)))
        rc = err_set(err, RC_AGAIN, "it changes while it is read");
    struct slice s = buf_slice(out);
    if (rc == RC_OK && restless && s.n && s.p[s.n - 1] != '\n')
        rc = err_set(err, RC_AGAIN, "it ends in the middle of a line");
    close(fd);
    return rc;
}
