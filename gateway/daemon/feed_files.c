#include "gateway/daemon/feed_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/cursor.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/messages.h"
#include "gateway/io/timer.h"

enum { LOOK_MS = 500, MESSAGE_MAX = 8 << 10 };

/* What tells one state of a file from another, who may read it included. All zero: it cannot be
 * looked at. */
struct mark {
    int64_t inode, size;
    struct timespec written, changed;
};

struct file {
    char *path;
    struct mark seen, sent;
    bool told; /* `sent` holds */
};

struct feed_files {
    struct loop *loop;
    struct child *control;
    struct file *at;
    size_t n;
    struct timer look;
};

static struct mark mark_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct mark){ 0 };
    return (struct mark){ (int64_t)st.st_ino, (int64_t)st.st_size, st.st_mtim, st.st_ctim };
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct mark *a, const struct mark *b)
{
    return a->inode == b->inode && a->size == b->size && same_time(&a->written, &b->written) &&
           same_time(&a->changed, &b->changed);
}

/* A descriptor to read from, or -1 and why. */
static int open_file(const char *path, const char **why_r)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        *why_r = strerror(errno);
    } else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        *why_r = "not a regular file";
        close(fd);
        fd = -1;
    }
    return fd;
}

static void tell(const struct feed_files *files, struct file *f)
{
    const char *why = "";
    struct buf b;
    if (!files->control->ipc)
        return;
    int fd = open_file(f->path, &why);
    buf_init(&b, MESSAGE_MAX);
    put_slice16(&b, slice_of(f->path));
    put_slice16(&b, slice_of(why));
    ipc_send(files->control->ipc, MSG_FEED, buf_slice(&b), &fd, fd >= 0);
    buf_free(&b);
    if (fd >= 0)
        close(fd);
    f->sent = f->seen;
    f->told = true;
}

static void on_look(struct timer *timer)
{
    struct feed_files *files = CONTAINER_OF(timer, struct feed_files, look);
    for (size_t i = 0; i < files->n; i++) {
        struct file *f = &files->at[i];
        struct mark now = mark_of(f->path);
        bool rests = same(&now, &f->seen);
        f->seen = now;
        if (rests && (!f->told || !same(&now, &f->sent)))
            tell(files, f);
    }
    timer_set(files->loop, timer, LOOK_MS);
}

static void forget(struct feed_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        free(files->at[i].path);
    free(files->at);
    files->at = NULL;
    files->n = 0;
}

void feed_files_configure(struct feed_files *files, const struct conf *conf)
{
    forget(files);
    files->at = mem_array(conf->reputation.feeds.n + 1, sizeof *files->at);
    for (size_t i = 0; i < conf->reputation.feeds.n; i++) {
        struct slice path = conf->reputation.feeds.at[i].file;
        if (!path.n)
            continue;
        struct file *f = &files->at[files->n++];
        *f = (struct file){ .path = mem_strndup(path.p, path.n), .seen = mark_of(path.p) };
        tell(files, f);
    }
    if (files->n)
        timer_set(files->loop, &files->look, LOOK_MS);
    else
        timer_stop(files->loop, &files->look);
}

struct feed_files *feed_files_new(struct loop *loop, struct child *control)
{
    struct feed_files *files = mem_zero(sizeof *files);
    files->loop = loop;
    files->control = control;
    timer_init(&files->look, on_look);
    return files;
}

void feed_files_free(struct feed_files **files_p)
{
    struct feed_files *files = *files_p;
    if (!files)
        return;
    timer_stop(files->loop, &files->look);
    forget(files);
    free(files);
    *files_p = NULL;
}
