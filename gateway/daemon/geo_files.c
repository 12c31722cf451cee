#include "gateway/daemon/geo_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/cursor.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/messages.h"
#include "gateway/geo/check.h"

enum { PATH_BYTES = 2048, CHUNK = 256 << 10, NUMBER_MAX = 999999999 };

struct kept {
    unsigned number; /* of the newest copy; 0: none */
    bool good;       /* it is in use */
    int64_t size;    /* of it, and of its original then */
    struct timespec time;
    uint64_t epoch;
    uint64_t taken, refused, seen; /* states of the original: in use, not usable, last looked at */
    bool missed;                   /* it was said that it is not there */
};

struct geo_files_set {
    char *folder;
    struct kept kept[GEO_KINDS];
};

/* ---- states ---- */

/* A number for a state of the file; 0: it is not there or not for us, errno says why. */
static uint64_t state_of(const char *path, struct stat *st_r)
{
    if (stat(path, st_r) != 0 || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
        return 0;
    int64_t facts[5] = { (int64_t)slice_hash(slice_of(path)), (int64_t)st_r->st_ino,
                         (int64_t)st_r->st_size, (int64_t)st_r->st_mtim.tv_sec,
                         (int64_t)st_r->st_mtim.tv_nsec };
    return slice_hash((struct slice){ (const char *)facts, sizeof facts }) | 1;
}

static void path_of(const struct geo_files_set *set, int kind, unsigned number,
                    char path_r[PATH_BYTES])
{
    if (number)
        snprintf(path_r, PATH_BYTES, "%s/%s-%u.mmdb", set->folder, geo_kind_names[kind], number);
    else
        snprintf(path_r, PATH_BYTES, "%s/%s.new", set->folder, geo_kind_names[kind]);
}

/* ---- the folder ---- */

/* The number in "asn-12.mmdb"; 0: another file. */
static unsigned number_of(const char *name, int kind)
{
    struct slice s = slice_of(name), number, rest;
    uint64_t value = 0;
    size_t n = strlen(geo_kind_names[kind]);
    if (s.n <= n + 1 || memcmp(name, geo_kind_names[kind], n) != 0 || name[n] != '-')
        return 0;
    if (!slice_cut(slice_skip(s, n + 1), '.', &number, &rest) || !slice_eq_str(rest, "mmdb"))
        return 0;
    return slice_to_u64(number, NUMBER_MAX, &value) ? (unsigned)value : 0;
}

/* The newest copy of a run before. */
static void find_copy(struct geo_files_set *set, int kind)
{
    struct kept *k = &set->kept[kind];
    struct stat st;
    char path[PATH_BYTES];
    DIR *d = opendir(set->folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        unsigned number = number_of(e->d_name, kind);
        if (number > k->number)
            k->number = number;
    }
    if (d)
        closedir(d);
    path_of(set, kind, k->number, path);
    struct database *copy = NULL;
    if (!k->number || stat(path, &st) != 0 || database_open(path, &copy, NULL) != RC_OK)
        return;
    k->good = true;
    k->size = (int64_t)st.st_size;
    k->time = st.st_mtim;
    k->epoch = database_epoch(copy);
    database_close(&copy);
}

/* The one before stays for a child that was told of it just now. */
static void drop_older(const struct geo_files_set *set, int kind)
{
    DIR *d = opendir(set->folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        unsigned number = number_of(e->d_name, kind);
        if (number && number + 1 < set->kept[kind].number)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

/* ---- copying ---- */

static enum rc copy_bytes(int from, int to, struct err *err)
{
    char *chunk = mem_zero(CHUNK);
    enum rc rc = RC_OK;
    for (;;) {
        ssize_t n = read(from, chunk, CHUNK);
        if (n < 0)
            rc = err_set(err, RC_IO, "cannot be read: %s", strerror(errno));
        if (n <= 0)
            break;
        if (write(to, chunk, (size_t)n) != n) {
            rc = err_set(err, RC_IO, "cannot be copied: %s", strerror(errno));
            break;
        }
    }
    free(chunk);
    return rc;
}

/* With the time of the original: so the next start sees that it is the same. */
static enum rc copy_file(const char *path, const char *copy, const struct stat *st, struct err *err)
{
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from < 0)
        return err_set(err, RC_IO, "cannot be opened: %s", strerror(errno));
    unlink(copy);
    int to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (to < 0) {
        close(from);
        return err_set(err, RC_IO, "cannot be copied to %s: %s", copy, strerror(errno));
    }
    struct timespec times[2] = { st->st_mtim, st->st_mtim };
    enum rc rc = S_ISREG(st->st_mode) ? copy_bytes(from, to, err)
                                      : err_set(err, RC_IO, "it is no plain file");
    if (rc == RC_OK && (futimens(to, times) != 0 || fsync(to) != 0))
        rc = err_set(err, RC_IO, "cannot be copied: %s", strerror(errno));
    close(to);
    close(from);
    return rc;
}

static enum rc check_copy(const struct kept *k, int kind, const char *copy, bool forced,
                          struct database_info *info_r, struct err *err)
{
    enum rc rc = geo_check_file(copy, (enum geo_kind)kind, info_r, err);
    if (rc == RC_OK && !forced && info_r->build_epoch < k->epoch)
        rc = err_set(err, RC_DENIED, "it is older than the one in use; `waypost reload` takes it");
    return rc;
}

/* Copies, checks, gives the copy its number. */
static enum rc take(struct geo_files_set *set, int kind, const char *path, const struct stat *st,
                    bool forced, struct err *err)
{
    struct kept *k = &set->kept[kind];
    struct database_info info;
    char fresh[PATH_BYTES], named[PATH_BYTES];
    path_of(set, kind, 0, fresh);
    path_of(set, kind, k->number + 1, named);
    enum rc rc = copy_file(path, fresh, st, err);
    if (rc == RC_OK)
        rc = check_copy(k, kind, fresh, forced, &info, err);
    if (rc == RC_OK && rename(fresh, named) != 0)
        rc = err_set(err, RC_IO, "cannot be named %s: %s", named, strerror(errno));
    if (rc != RC_OK) {
        unlink(fresh);
        return rc;
    }
    k->number++;
    k->good = true;
    k->size = (int64_t)st->st_size;
    k->time = st->st_mtim;
    k->epoch = info.build_epoch;
    drop_older(set, kind);
    log_info(NULL, "geo_database", "path", path, "type", info.type, "built",
             LOG_INT(info.build_epoch), NULL);
    return RC_OK;
}

/* ---- what is called ---- */

static bool same_file(const struct kept *k, const struct stat *st)
{
    return k->good && k->size == (int64_t)st->st_size && k->time.tv_sec == st->st_mtim.tv_sec &&
           k->time.tv_nsec == st->st_mtim.tv_nsec;
}

static void put_taken(const struct kept *k, const struct conf_file *file, int kind, struct buf *out)
{
    buf_printf(out, "geo.%s_database: %s as it is now, built ", geo_kind_names[kind], file->path.p);
    clock_put_rfc3339(out, 1000 * (int64_t)k->epoch);
    buf_puts(out, "\n");
}

static void complain(const struct geo_files_set *set, const struct conf_file *file, int kind,
                     const struct err *why, struct conf_errors *errors)
{
    const struct kept *k = &set->kept[kind];
    struct err err = *why;
    if (k->good)
        err_set(&err, why->code, "%s; a copy of an earlier one goes on: %s-%u.mmdb in %s",
                why->text, geo_kind_names[kind], k->number, set->folder);
    geo_complain(file, &err, errors);
}

static bool update_one(struct geo_files_set *set, const struct conf_file *file, int kind,
                       bool forced, struct buf *taken, struct conf_errors *errors)
{
    struct kept *k = &set->kept[kind];
    struct stat st;
    struct err err;
    if (!file->path.n) { /* not configured (any more) */
        bool had = k->good;
        *k = (struct kept){ 0 };
        return had;
    }
    uint64_t state = state_of(file->path.p, &st);
    int why = errno;
    k->missed = !state;
    if (state && state == k->taken)
        return false;
    if (!k->number)
        find_copy(set, kind);
    bool same = state && same_file(k, &st) && !k->taken;
    if (!state)
        err_set(&err, RC_NOT_FOUND, "%s", strerror(why));
    if (same || (state && take(set, kind, file->path.p, &st, forced, &err) == RC_OK)) {
        k->taken = k->seen = state;
        if (taken)
            put_taken(k, file, kind, taken);
        return true;
    }
    k->refused = state;
    complain(set, file, kind, &err, errors);
    return k->good && !k->taken;
}

bool geo_files_update(struct geo_files_set *set, const struct conf_geo *conf, bool forced,
                      struct buf *taken, struct conf_errors *errors)
{
    bool changed = false;
    for (int kind = 0; kind < GEO_KINDS; kind++)
        if (update_one(set, geo_database_of(conf, (enum geo_kind)kind), kind, forced, taken,
                       errors))
            changed = true;
    return changed;
}

void geo_files_log(struct conf_errors *errors)
{
    struct buf text;
    buf_init(&text, 16384);
    conf_errors_put_text(errors, &text);
    if (buf_len(&text)) {
        buf_putc(&text, '\0');
        log_error(NULL, "geo_database_refused", "error", buf_slice(&text).p, NULL);
    }
    buf_free(&text);
}

/* Has it changed or gone, and does it rest since the last look? */
static bool is_due(struct kept *k, const struct conf_file *file)
{
    struct stat st;
    uint64_t state = file->path.n ? state_of(file->path.p, &st) : 0;
    bool rests = state == k->seen;
    bool is_new = state ? state != k->taken && state != k->refused : file->path.n && !k->missed;
    k->seen = state;
    k->missed = k->missed && !state;
    return rests && is_new;
}

bool geo_files_look(struct geo_files_set *set, const struct conf_geo *conf)
{
    bool changed = false;
    for (int kind = 0; kind < GEO_KINDS; kind++) {
        const struct conf_file *file = geo_database_of(conf, (enum geo_kind)kind);
        if (!is_due(&set->kept[kind], file))
            continue;
        struct conf_errors *errors = conf_errors_new();
        changed = update_one(set, file, kind, false, NULL, errors) || changed;
        geo_files_log(errors);
        conf_errors_free(&errors);
    }
    return changed;
}

void geo_files_send(const struct geo_files_set *set, struct ipc *ipc)
{
    struct buf b;
    char path[PATH_BYTES];
    buf_init(&b, GEO_KINDS * (PATH_BYTES + 2));
    for (int kind = 0; kind < GEO_KINDS; kind++) {
        path_of(set, kind, set->kept[kind].number, path);
        put_slice16(&b, slice_of(set->kept[kind].good ? path : ""));
    }
    ipc_send(ipc, MSG_GEO, buf_slice(&b), NULL, 0);
    buf_free(&b);
}

struct geo_files_set *geo_files_new(const char *folder)
{
    struct geo_files_set *set = mem_zero(sizeof *set);
    set->folder = mem_strdup(folder);
    return set;
}

void geo_files_free(struct geo_files_set **set)
{
    if (!*set)
        return;
    free((*set)->folder);
    free(*set);
    *set = NULL;
}
