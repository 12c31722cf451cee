#include "gateway/daemon/watch.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/slice.h"
#include "gateway/daemon/folders.h"
#include "gateway/daemon/geo_files.h"
#include "gateway/daemon/messages.h"
#include "gateway/daemon/reload.h"

enum { WATCH_MS = 2000, WATCHED_MAX = 3 };

static size_t watched(const struct conf *conf, const char *paths_r[WATCHED_MAX])
{
    size_t n = 0;
    if (conf->tls.certificate.path.n)
        paths_r[n++] = conf->tls.certificate.path.p;
    if (conf->tls.key.path.n)
        paths_r[n++] = conf->tls.key.path.p;
    if (conf->users_path.n)
        paths_r[n++] = conf->users_path.p;
    return n;
}

/* A number that changes when one of the files does. */
static int64_t mark_of(const struct conf *conf)
{
    const char *paths[WATCHED_MAX];
    size_t n = watched(conf, paths);
    int64_t facts[WATCHED_MAX][4];
    memset(facts, 0, sizeof facts);
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0)
            continue;
        facts[i][0] = (int64_t)st.st_ino;
        facts[i][1] = (int64_t)st.st_size;
        facts[i][2] = (int64_t)st.st_mtim.tv_sec;
        facts[i][3] = (int64_t)st.st_mtim.tv_nsec;
    }
    uint64_t hash = slice_hash((struct slice){ (const char *)facts, sizeof facts });
    return (int64_t)(hash >> 1);
}

/* The configuration in force with these files as they are on disk now. NULL: one cannot be read. */
static struct bundle *with_new_files(const struct supervisor *s)
{
    struct buf packed;
    struct err err;
    struct bundle *bundle = NULL, *disk = bundle_new_disk();
    buf_init(&packed, BUNDLE_PACKED_MAX);
    const char *paths[WATCHED_MAX];
    size_t n = watched(supervisor_conf(s), paths);
    enum rc rc = bundle_pack(s->now.bundle, &packed);
    if (rc == RC_OK)
        rc = bundle_unpack(buf_slice(&packed), &bundle, &err);
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        struct slice data;
        rc = bundle_get(disk, paths[i], &data, &err);
        if (rc == RC_OK)
            bundle_put(bundle, paths[i], data);
    }
    if (rc != RC_OK)
        bundle_free(&bundle);
    bundle_free(&disk);
    if (packed.mem)
        explicit_bzero(packed.mem, packed.cap);
    buf_free(&packed);
    return bundle;
}

static void look_at_files(struct supervisor *s)
{
    int64_t mark = mark_of(supervisor_conf(s));
    if (mark == s->files_mark || s->next.policies)
        return;
    struct bundle *bundle = with_new_files(s);
    if (!bundle)
        return; /* in the middle of being replaced: the next look sees it whole */
    if (bundle_equal(bundle, s->now.bundle)) {
        s->files_mark = mark;
        bundle_free(&bundle);
        return;
    }
    if (mark == s->files_refused) {
        bundle_free(&bundle);
        return;
    }
    log_info(NULL, "files_changed", NULL);
    if (reload_bundle(s, bundle))
        s->files_mark = mark;
    else
        s->files_refused = mark;
}

static void look_at_log(struct supervisor *s)
{
    struct slice path = supervisor_conf(s)->log.deliveries;
    if (!folders_log_moved(path, s->now.log_fd))
        return;
    struct err err;
    int fd;
    if (supervisor_open_log(s, path, &fd, &err) != RC_OK) {
        if (!s->log_complained)
            log_warning(NULL, "delivery_log_failed", "error", err.text, NULL);
        s->log_complained = true;
        return;
    }
    s->log_complained = false;
    close(s->now.log_fd);
    s->now.log_fd = fd;
    if (s->relay.ipc)
        ipc_send(s->relay.ipc, MSG_LOG, (struct slice){ NULL, 0 }, &fd, 1);
    log_info(NULL, "delivery_log_reopened", "path", path.p, NULL);
}

static void look_at_databases(struct supervisor *s)
{
    if (!s->next.policies && geo_files_look(s->geo, &supervisor_conf(s)->geo))
        geo_tell(s);
}

static void on_look(struct timer *timer)
{
    struct supervisor *s = CONTAINER_OF(timer, struct supervisor, watch);
    look_at_files(s);
    look_at_databases(s);
    look_at_log(s);
    timer_set(s->loop, &s->watch, WATCH_MS);
}

void watch_start(struct supervisor *s)
{
    s->files_mark = mark_of(supervisor_conf(s));
    timer_init(&s->watch, on_look);
    timer_set(s->loop, &s->watch, WATCH_MS);
}

void watch_stop(struct supervisor *s)
{
    if (s->watch.fn)
        timer_stop(s->loop, &s->watch);
}
