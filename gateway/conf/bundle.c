#include "gateway/conf/bundle.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/cursor.h"
#include "gateway/base/mem.h"

/* What is known about one path. `looked` for existence only leaves `read` false. */
struct file {
    char *path;
    bool read;   /* contents asked for: rc, text and data are about them */
    bool looked; /* existence asked for: stat_rc and stat_text */
    enum rc rc, stat_rc;
    char *text, *stat_text; /* why not; NULL when RC_OK */
    char *data;
    size_t size;
};

struct bundle {
    bool disk;
    struct file *files;
    size_t count, cap, total;
};

static const uint32_t packed_magic = 0x31425057; /* "WPB1" */

struct bundle *bundle_new(void)
{
    return mem_zero(sizeof(struct bundle));
}

struct bundle *bundle_new_disk(void)
{
    struct bundle *b = bundle_new();
    b->disk = true;
    return b;
}

static void wipe_free(char *p, size_t n)
{
    if (p)
        explicit_bzero(p, n);
    free(p);
}

void bundle_free(struct bundle **bundle)
{
    struct bundle *b = *bundle;
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++) {
        struct file *f = &b->files[i];
        free(f->path);
        free(f->text);
        free(f->stat_text);
        wipe_free(f->data, f->size);
    }
    free(b->files);
    free(b);
    *bundle = NULL;
}

static struct file *file_find(struct bundle *b, const char *path)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->files[i].path, path) == 0)
            return &b->files[i];
    return NULL;
}

static bool is_full(const struct bundle *b)
{
    return b->count >= BUNDLE_COUNT_MAX;
}

static struct file *file_add(struct bundle *b, const char *path)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 16;
        b->files = mem_grow(b->files, b->cap, sizeof b->files[0]);
    }
    struct file *f = &b->files[b->count++];
    *f = (struct file){ .path = mem_strdup(path) };
    return f;
}

static void file_fail(struct file *f, enum rc rc, const char *text)
{
    f->rc = rc;
    free(f->text);
    f->text = mem_strdup(text);
}

static enum rc rc_of_errno(int e)
{
    if (e == ENOENT || e == ENOTDIR)
        return RC_NOT_FOUND;
    return e == EACCES || e == EPERM ? RC_DENIED : RC_IO;
}

/* Reads to the end; never more than the limit, so that /dev/zero is an error and not a hang. */
static void file_read_fd(struct bundle *b, struct file *f, int fd)
{
    size_t cap = 0, n = 0;
    char *data = NULL;
    ssize_t got = 1;
    while (got > 0 && n <= BUNDLE_FILE_MAX) {
        if (n == cap) {
            size_t more = cap ? 2 * cap : 4096;
            char *bigger = mem_zero(more);
            if (n > 0)
                memcpy(bigger, data, n);
            wipe_free(data, cap);
            data = bigger;
            cap = more;
        }
        got = read(fd, data + n, cap - n);
        if (got > 0)
            n += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    if (got < 0) {
        file_fail(f, RC_IO, strerror(errno));
    } else if (n > BUNDLE_FILE_MAX) {
        file_fail(f, RC_LIMIT, "larger than 4 MiB");
    } else if (b->total + n > BUNDLE_TOTAL_MAX) {
        file_fail(f, RC_LIMIT, "all files together are larger than 64 MiB");
    } else {
        f->data = data;
        f->size = n;
        b->total += n;
        return;
    }
    wipe_free(data, cap);
}

static void file_read(struct bundle *b, struct file *f)
{
    f->read = true;
    if (!b->disk) {
        file_fail(f, RC_NOT_FOUND, "not in the bundle");
        return;
    }
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    if (fd < 0) {
        file_fail(f, rc_of_errno(errno), strerror(errno));
        return;
    }
    file_read_fd(b, f, fd);
    close(fd);
}

enum rc bundle_get(struct bundle *b, const char *path, struct slice *data_r, struct err *err)
{
    struct file *f = file_find(b, path);
    if (!f && is_full(b))
        return err_set(err, RC_LIMIT, "more than 1000 files");
    if (!f)
        f = file_add(b, path);
    if (!f->read)
        file_read(b, f);
    if (f->rc != RC_OK)
        return err_set(err, f->rc, "%s", f->text);
    *data_r = (struct slice){ f->data, f->size };
    return RC_OK;
}

enum rc bundle_stat(struct bundle *b, const char *path, struct err *err)
{
    struct file *f = file_find(b, path);
    if (f && f->read && f->rc == RC_OK)
        return RC_OK;
    if (!f && is_full(b))
        return err_set(err, RC_LIMIT, "more than 1000 files");
    if (!f)
        f = file_add(b, path);
    if (!f->looked) {
        struct stat st;
        f->looked = true;
        if (!b->disk) {
            f->stat_rc = RC_NOT_FOUND;
            f->stat_text = mem_strdup("not in the bundle");
        } else if (stat(path, &st) != 0) {
            f->stat_rc = rc_of_errno(errno);
            f->stat_text = mem_strdup(strerror(errno));
        }
    }
    return f->stat_rc == RC_OK ? RC_OK : err_set(err, f->stat_rc, "%s", f->stat_text);
}

void bundle_put(struct bundle *b, const char *path, struct slice data)
{
    struct file *f = file_find(b, path);
    if (!f)
        f = file_add(b, path);
    wipe_free(f->data, f->size);
    free(f->text);
    b->total = b->total - f->size + data.n;
    f->read = true;
    f->rc = RC_OK;
    f->text = NULL;
    f->data = mem_copy(data.n ? data.p : "", data.n ? data.n : 1);
    f->size = data.n;
}

enum rc bundle_pack(const struct bundle *b, struct buf *out)
{
    put_u32(out, packed_magic);
    put_u32(out, (uint32_t)b->count);
    for (size_t i = 0; i < b->count; i++) {
        const struct file *f = &b->files[i];
        put_slice32(out, slice_of(f->path));
        put_u8(out, (uint8_t)((f->read ? 1 : 0) | (f->looked ? 2 : 0)));
        put_u8(out, (uint8_t)-f->rc);
        put_u8(out, (uint8_t)-f->stat_rc);
        put_slice32(out, slice_of(f->text));
        put_slice32(out, slice_of(f->stat_text));
        put_slice32(out, (struct slice){ f->data, f->size });
    }
    return out->full ? RC_LIMIT : RC_OK;
}

static bool unpack_file(struct cursor *c, struct bundle *b)
{
    struct slice path = cur_slice32(c);
    uint8_t flags = cur_u8(c), rc = cur_u8(c), stat_rc = cur_u8(c);
    struct slice text = cur_slice32(c), stat_text = cur_slice32(c), data = cur_slice32(c);
    if (c->bad || path.n == 0 || memchr(path.p, 0, path.n) || flags > 3 || rc > -RC_TIMEOUT ||
        stat_rc > -RC_TIMEOUT || data.n > BUNDLE_FILE_MAX)
        return false;
    char *name = mem_strndup(path.p, path.n);
    struct file *f = file_find(b, name) ? NULL : file_add(b, name);
    free(name);
    if (!f)
        return false;
    f->read = flags & 1;
    f->looked = flags & 2;
    f->rc = (enum rc) - rc;
    f->stat_rc = (enum rc) - stat_rc;
    if (f->rc != RC_OK)
        f->text = mem_strndup(text.p, text.n);
    if (f->stat_rc != RC_OK)
        f->stat_text = mem_strndup(stat_text.p, stat_text.n);
    if (f->read && f->rc == RC_OK)
        f->data = mem_copy(data.n ? data.p : "", data.n ? data.n : 1);
    f->size = f->data ? data.n : 0;
    b->total += f->size;
    return true;
}

enum rc bundle_unpack(struct slice packed, struct bundle **bundle_r, struct err *err)
{
    struct cursor c = cur_of(packed.p, packed.n);
    uint32_t magic = cur_u32(&c), count = cur_u32(&c);
    struct bundle *b = bundle_new();
    bool good = !c.bad && magic == packed_magic && count <= BUNDLE_COUNT_MAX;
    for (uint32_t i = 0; good && i < count; i++)
        good = unpack_file(&c, b);
    if (!good || cur_left(&c) != 0) {
        bundle_free(&b);
        return err_set(err, RC_CORRUPT, "not a packed configuration bundle");
    }
    *bundle_r = b;
    return RC_OK;
}

size_t bundle_count(const struct bundle *b)
{
    return b->count;
}

const char *bundle_path(const struct bundle *b, size_t i)
{
    assert(i < b->count);
    return b->files[i].path;
}

static bool file_equal(const struct file *a, const struct file *b)
{
    return strcmp(a->path, b->path) == 0 && a->read == b->read && a->looked == b->looked &&
           a->rc == b->rc && a->stat_rc == b->stat_rc &&
           slice_eq((struct slice){ a->data, a->size }, (struct slice){ b->data, b->size });
}

bool bundle_equal(const struct bundle *a, const struct bundle *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!file_equal(&a->files[i], &b->files[i]))
            return false;
    return true;
}

char *bundle_resolve(const char *base, struct slice name)
{
    const char *slash = strrchr(base, '/');
    size_t folder = slash ? (size_t)(slash - base) + 1 : 0;
    if (name.n > 0 && name.p[0] == '/')
        folder = 0;
    char *path = mem_zero(folder + name.n + 1);
    memcpy(path, base, folder);
    if (name.n > 0)
        memcpy(path + folder, name.p, name.n);
    return path;
}
