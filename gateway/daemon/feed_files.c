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
#include "gateway/daemon/feed_rest.h"
#include "gateway/daemon/messages.h"
#include "gateway/io/timer.h"

enum { LOOK_MS = 500, MESSAGE_MAX = 8 << 10 };

struct file {
    char *path;
    struct feed_rest rest;
};

struct feed_files {
    struct loop *loop;
    struct child *control;
    struct file *at;
    size_t n;
    struct timer look;
};

static struct feed_mark mark_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct feed_mark){ 0 };
    return (struct feed_mark){ (int64_t)st.st_ino, (int64_t)st.st_size, st.st_mtim, st.st_ctim };
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

/* `restless`: it may be half written, and its reader has to know. */
static void tell(const struct feed_files *files, const struct file *f, bool restless)
{
    const char *why =
        restless ? "it is written all the time: nobody can tell when it is whole" : "";
    struct buf b;
    int fd = open_file(f->path, &why);
    buf_init(&b, MESSAGE_MAX);
    put_slice16(&b, slice_of(f->path));
    put_slice16(&b, slice_of(why));
    ipc_send(files->control->ipc, MSG_FEED, buf_slice(&b), &fd, fd >= 0);
    buf_free(&b);
    if (fd >= 0)
        close(fd);
}

static void look(const struct feed_files *files, struct file *f)
{
    struct feed_mark now = mark_of(f->path);
    if (!files->control->ipc)
        return;
    enum feed_look found = feed_rest_look(&f->rest, &now, loop_now_ms(files->loop));
    if (found != FEED_AS_BEFORE)
        tell(files, f, found == FEED_RESTLESS);
}

static void on_look(struct timer *timer)
{
    struct feed_files *files = CONTAINER_OF(timer, struct feed_files, look);
    for (size_t i = 0; i < files->n; i++)
        look(files, &files->at[i]);
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
        *f = (struct file){ .path = mem_strndup(path.p, path.n), .rest.seen = mark_of(path.p) };
        look(files, f); /* as if it rested */
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
