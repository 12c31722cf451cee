#include "gateway/daemon/keeper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"

enum { FOLDER_BYTES = 1024, PATH_BYTES = FOLDER_BYTES + 64, PART_BYTES = 4096 };

struct kept {
    const char *name;   /* NULL: free */
    struct slice bytes; /* to be written; p NULL: nothing */
};

struct keeper {
    char folder[FOLDER_BYTES];
    pthread_t thread;
    pthread_mutex_t mutex; /* of the rest */
    pthread_cond_t woken, rested;
    struct kept at[KEEPER_FILES_MAX];
    bool ending, writing;
    bool failing; /* the last write failed */
};

/* ---- on the thread ---- */

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
    return true;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static bool write_file(const struct keeper *k, const char *name, struct slice bytes)
{
    char path[PATH_BYTES], fresh[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    snprintf(fresh, sizeof fresh, "%s/%s.new", k->folder, name);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = write_all(fd, bytes) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    errno = error;
    if (!ok || rename(fresh, path) != 0) {
        error = errno;
        unlink(fresh);
        errno = error;
        return false;
    }
    sync_folder(k->folder);
    return true;
}

static void keep(struct keeper *k, const struct kept *what)
{
    if (write_file(k, what->name, what->bytes)) {
        if (k->failing)
            log_info(NULL, "state_kept_again", "file", what->name, NULL);
        k->failing = false;
        return;
    }
    if (!k->failing)
        log_error(NULL, "state_not_kept", "folder", k->folder, "file", what->name, "error",
                  strerror(errno), NULL);
    k->failing = true;
}

static struct kept *next(struct keeper *k)
{
    for (unsigned i = 0; i < KEEPER_FILES_MAX; i++)
        if (k->at[i].bytes.p)
            return &k->at[i];
    return NULL;
}

static void *run(void *arg)
{
    struct keeper *k = arg;
    pthread_mutex_lock(&k->mutex);
    for (;;) {
        struct kept *at = next(k);
        if (!at) {
            pthread_cond_broadcast(&k->rested);
            if (k->ending)
                break;
            pthread_cond_wait(&k->woken, &k->mutex);
            continue;
        }
        struct kept mine = *at;
        at->bytes = (struct slice){ NULL, 0 };
        k->writing = true;
        pthread_mutex_unlock(&k->mutex);
        keep(k, &mine);
        free((void *)(uintptr_t)mine.bytes.p);
        pthread_mutex_lock(&k->mutex);
        k->writing = false;
    }
    pthread_mutex_unlock(&k->mutex);
    return NULL;
}

/* ---- on the owner's thread ---- */

struct keeper *keeper_new(const char *folder)
{
    struct keeper *k = mem_zero(sizeof *k);
    assert(strlen(folder) < sizeof k->folder);
    memcpy(k->folder, folder, strlen(folder) + 1);
    pthread_mutex_init(&k->mutex, NULL);
    pthread_cond_init(&k->woken, NULL);
    pthread_cond_init(&k->rested, NULL);
    int rc = pthread_create(&k->thread, NULL, run, k);
    assert(rc == 0);
    (void)rc;
    return k;
}

void keeper_free(struct keeper **keeper)
{
    struct keeper *k = *keeper;
    if (!k)
        return;
    pthread_mutex_lock(&k->mutex);
    k->ending = true;
    pthread_cond_signal(&k->woken);
    pthread_mutex_unlock(&k->mutex);
    pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->woken);
    pthread_cond_destroy(&k->rested);
    pthread_mutex_destroy(&k->mutex);
    free(k);
    *keeper = NULL;
}

static struct kept *place_of(struct keeper *k, const char *name)
{
    for (unsigned i = 0; i < KEEPER_FILES_MAX; i++)
        if (!k->at[i].name || strcmp(k->at[i].name, name) == 0)
            return &k->at[i];
    return NULL;
}

void keeper_save(struct keeper *k, const char *name, struct slice bytes)
{
    char *copy = mem_strndup(bytes.p, bytes.n);
    pthread_mutex_lock(&k->mutex);
    struct kept *at = place_of(k, name);
    assert(at);
    free((void *)(uintptr_t)at->bytes.p);
    *at = (struct kept){ name, { copy, bytes.n } };
    pthread_cond_signal(&k->woken);
    pthread_mutex_unlock(&k->mutex);
}

bool keeper_wait(struct keeper *k)
{
    pthread_mutex_lock(&k->mutex);
    while (k->writing || next(k))
        pthread_cond_wait(&k->rested, &k->mutex);
    bool kept = !k->failing;
    pthread_mutex_unlock(&k->mutex);
    return kept;
}

enum rc keeper_load(struct keeper *k, const char *name, struct buf *into, struct err *err)
{
    char path[PATH_BYTES], part[PART_BYTES];
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "%s: %s", path,
                       strerror(errno));
    ssize_t n;
    while ((n = read(fd, part, sizeof part)) > 0)
        buf_put(into, part, (size_t)n);
    int error = errno;
    close(fd);
    if (n < 0)
        return err_set(err, RC_IO, "%s: %s", path, strerror(error));
    return into->full ? err_set(err, RC_LIMIT, "%s is too large", path) : RC_OK;
}

void keeper_set_aside(struct keeper *k, const char *name)
{
    char path[PATH_BYTES], aside[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    snprintf(aside, sizeof aside, "%s/%s.damaged", k->folder, name);
    rename(path, aside);
}
