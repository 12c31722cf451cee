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

#include "gateway/base/cursor.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/spool/checksum.h"

enum { FOLDER_BYTES = 1024, PATH_BYTES = FOLDER_BYTES + 64, PART_BYTES = 4096 };

/* A file is "WPk1", the CRC32C of what follows, its length, and the bytes. */
static const uint32_t MAGIC = 0x316b5057;
enum { HEAD_BYTES = 16 };

struct kept {
    const char *name;   /* NULL: free */
    struct slice bytes; /* to be written; p NULL: nothing */
    bool failed;        /* the last time */
};

struct keeper {
    char folder[FOLDER_BYTES];
    pthread_t thread;
    pthread_mutex_t mutex; /* of the rest */
    pthread_cond_t woken, rested;
    struct kept at[KEEPER_FILES_MAX];
    bool ending, writing;
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

static bool write_framed(int fd, struct slice bytes)
{
    struct buf head;
    buf_init(&head, HEAD_BYTES);
    put_u32(&head, MAGIC);
    put_u32(&head, checksum_extend(0, bytes.p, bytes.n));
    put_u64(&head, bytes.n);
    bool ok = write_all(fd, buf_slice(&head)) && write_all(fd, bytes);
    buf_free(&head);
    return ok;
}

/* What was there becomes the copy of before. A crash between the two renames leaves that one. */
static bool put_in_place(const char *fresh, const char *path)
{
    char before[PATH_BYTES];
    snprintf(before, sizeof before, "%s%s", path, KEEPER_BEFORE);
    return (rename(path, before) == 0 || errno == ENOENT) && rename(fresh, path) == 0;
}

static bool write_file(const struct keeper *k, const char *name, struct slice bytes)
{
    char path[PATH_BYTES - sizeof KEEPER_BEFORE], fresh[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    snprintf(fresh, sizeof fresh, "%s/%s.new", k->folder, name);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = write_framed(fd, bytes) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    errno = error;
    if (!ok || !put_in_place(fresh, path)) {
        error = errno;
        unlink(fresh);
        errno = error;
        return false;
    }
    sync_folder(k->folder);
    return true;
}

/* False: it failed. */
static bool keep(const struct keeper *k, const struct kept *what)
{
    if (write_file(k, what->name, what->bytes)) {
        if (what->failed)
            log_info(NULL, "state_kept_again", "file", what->name, NULL);
        return true;
    }
    if (!what->failed)
        log_error(NULL, "state_not_kept", "folder", k->folder, "file", what->name, "error",
                  strerror(errno), NULL);
    return false;
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
        bool kept = keep(k, &mine);
        free((void *)(uintptr_t)mine.bytes.p);
        pthread_mutex_lock(&k->mutex);
        at->failed = !kept;
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
    at->name = name;
    at->bytes = (struct slice){ copy, bytes.n };
    pthread_cond_signal(&k->woken);
    pthread_mutex_unlock(&k->mutex);
}

static bool fails(const struct keeper *k)
{
    for (unsigned i = 0; i < KEEPER_FILES_MAX; i++)
        if (k->at[i].failed)
            return true;
    return false;
}

bool keeper_wait(struct keeper *k)
{
    pthread_mutex_lock(&k->mutex);
    while (k->writing || next(k))
        pthread_cond_wait(&k->rested, &k->mutex);
    bool kept = !fails(k);
    pthread_mutex_unlock(&k->mutex);
    return kept;
}

bool keeper_fails(struct keeper *k)
{
    pthread_mutex_lock(&k->mutex);
    bool any = fails(k);
    pthread_mutex_unlock(&k->mutex);
    return any;
}

/* ---- at the start ---- */

static enum rc read_file(const char *path, struct buf *into, struct err *err)
{
    char part[PART_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "%s", strerror(errno));
    ssize_t n;
    while ((n = read(fd, part, sizeof part)) > 0)
        buf_put(into, part, (size_t)n);
    int error = errno;
    close(fd);
    if (n < 0)
        return err_set(err, RC_IO, "%s", strerror(error));
    return into->full ? err_set(err, RC_LIMIT, "too large") : RC_OK;
}

/* Takes the frame off. Files of versions that wrote none are what they are: whoever takes them
 * checks them as it did then. */
static enum rc content_of(struct slice file, struct slice *content_r, struct err *err)
{
    struct cursor c = cur_of(file.p, file.n);
    *content_r = file;
    if (cur_u32(&c) != MAGIC)
        return RC_OK;
    uint32_t sum = cur_u32(&c);
    uint64_t n = cur_u64(&c);
    if (c.bad || n != cur_left(&c))
        return err_set(err, RC_PARSE, "%zu bytes are left of it", file.n);
    *content_r = cur_bytes(&c, (size_t)n);
    if (checksum_extend(0, content_r->p, content_r->n) != sum)
        return err_set(err, RC_PARSE, "its checksum is wrong");
    return RC_OK;
}

static void set_aside(const char *path, const char *why)
{
    char aside[PATH_BYTES + sizeof ".damaged"];
    snprintf(aside, sizeof aside, "%s.damaged", path);
    rename(path, aside);
    log_error(NULL, "state_damaged", "file", path, "error", why, "set_aside_as", aside, NULL);
}

static enum rc load_copy(const char *path, size_t max, keeper_take_fn *take, void *arg)
{
    struct buf file;
    struct slice content = { NULL, 0 };
    struct err err;
    buf_init(&file, max + HEAD_BYTES);
    enum rc rc = read_file(path, &file, &err);
    if (rc == RC_OK)
        rc = content_of(buf_slice(&file), &content, &err);
    if (rc == RC_OK && !take(arg, content, &err))
        rc = RC_PARSE;
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        set_aside(path, err.text);
    buf_free(&file);
    return rc;
}

enum rc keeper_load(struct keeper *k, const char *name, size_t max, keeper_take_fn *take, void *arg)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    enum rc newest = load_copy(path, max, take, arg);
    if (newest == RC_OK)
        return RC_OK;
    snprintf(path, sizeof path, "%s/%s%s", k->folder, name, KEEPER_BEFORE);
    enum rc before = load_copy(path, max, take, arg);
    if (before == RC_OK)
        log_warning(NULL, "state_of_before", "file", path, NULL);
    if (before == RC_OK || (before == RC_NOT_FOUND && newest == RC_NOT_FOUND))
        return before;
    return RC_PARSE;
}
