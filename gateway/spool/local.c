/*
 * spool/local — the engine on RocksDB: opening, closing, ports
 *
 *   Under conf.dir: db/ (main store and its log), bulk/ (unless the last tier has it), replay/ and
 *   damaged/ (local_wal.c), probe (local_room.c). docs/SPOOL.md tells the rest.
 */
#include "gateway/spool/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "gateway/base/cursor.h"
#include "gateway/base/folder.h"
#include "gateway/base/mem.h"
#include "gateway/io/loop.h"
#include "gateway/spool/layout.h"
#include "gateway/spool/notes.h"

enum { MEM_MAX_DEFAULT = 64 << 20, READERS_DEFAULT = 2, DRAIN_MS = 20, FAREWELL_US = 50 };

/* ---- the epoch ---- */

#define EPOCH_KEY SLICE_LIT("epoch")

static enum rc next_epoch(struct local *local, struct err *err)
{
    char *value = NULL;
    size_t len = 0;
    enum rc rc = db_get(&local->main, FAMILY_SYS, EPOCH_KEY, &value, &len, err);
    if (rc == RC_OK) {
        struct cursor c = cur_of(value, len);
        local->epoch = cur_u32(&c);
        rocksdb_free(value);
    } else if (rc != RC_NOT_FOUND) {
        return rc;
    }
    local->stored_epoch = local->epoch;
    /* One that could not write has left notes, and records in them, of a later epoch. */
    uint32_t noted = local->notes_dir ? notes_newest(local->notes_dir) : 0;
    local->epoch = (noted > local->epoch ? noted : local->epoch) + 1;
    return RC_OK;
}

enum rc epoch_write(struct local *local, struct err *err)
{
    char bytes[4];
    if (local->epoch_written)
        return RC_OK;
    for (int i = 0; i < 4; i++)
        bytes[i] = (char)(local->epoch >> 8 * i & 0xff);
    enum rc rc = db_put(&local->main, FAMILY_SYS, EPOCH_KEY, (struct slice){ bytes, 4 }, err);
    local->epoch_written = rc == RC_OK;
    return rc;
}

/* ---- open and close ---- */

static enum rc open_store(struct db *db, enum db_kind kind, const struct spool_conf *conf,
                          const struct layout *layout, enum db_mode mode, struct err *err)
{
    bool main = kind == DB_MAIN;
    char *path = path_in(conf->dir, "db");
    char *text_dir = conf->scratch_dir ? path_in(conf->scratch_dir, main ? "db" : "bulk") : NULL;
    struct db_conf store = { .kind = kind,
                             .path = main ? path : layout->bulk,
                             .text_dir = text_dir };
    if (main) {
        store.tiers = layout->sorted;
        store.tier_count = layout->n;
    }
    enum rc rc = db_open(db, &store, mode, err);
    free(path);
    free(text_dir);
    return rc;
}

static enum rc open_both(struct local *local, const struct spool_conf *conf,
                         const struct layout *layout, enum db_mode mode, struct err *err)
{
    if (mode == DB_WRITABLE)
        wal_keep(local);
    enum rc rc = open_store(&local->main, DB_MAIN, conf, layout, mode, err);
    if (rc == RC_OK && mode == DB_WRITABLE)
        wal_check(local);
    if (rc == RC_OK)
        rc = open_store(&local->bulk, DB_BULK, conf, layout, mode, err);
    if (rc != RC_OK) {
        db_close(&local->bulk);
        db_close(&local->main);
    }
    return rc;
}

static enum rc open_to_read(struct local *local, const struct spool_conf *conf,
                            const struct layout *layout, const struct err *why, struct err *err)
{
    enum rc rc = open_both(local, conf, layout, DB_READ_ONLY, err);
    if (rc == RC_OK)
        sick_enter(local, why);
    else if (rc == RC_IO) /* there is no spool yet, or nothing can be read: the disk is to blame */
        *err = *why;
    return rc;
}

static enum rc open_stores(struct local *local, const struct spool_conf *conf,
                           const struct layout *layout, struct err *err)
{
    struct err why;
    local->tiers = layout->sorted;
    local->tier_count = layout->n;
    bool room = room_ready(local, &why);
    enum rc rc = room ? open_both(local, conf, layout, DB_WRITABLE, err)
                      : open_to_read(local, conf, layout, &why, err);
    if (room && rc == RC_IO && room_is_full(err)) {
        why = *err; /* there was less space than it took */
        rc = open_to_read(local, conf, layout, &why, err);
    }
    local->tiers = local->main.tiers;
    return rc;
}

/* No second process moves files about while this one has the spool. */
static enum rc lock_dir(struct local *local, struct err *err)
{
    if (folder_make(local->dir, 0700) < 0 && errno != EEXIST)
        return err_set(err, errno == EACCES ? RC_DENIED : RC_IO, "cannot make %s: %s", local->dir,
                       strerror(errno));
    local->lock_fd = open(local->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (local->lock_fd < 0 || flock(local->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, errno == EACCES ? RC_DENIED : RC_IO, "cannot lock %s: %s", local->dir,
                       errno == EWOULDBLOCK ? "another process uses it" : strerror(errno));
    return RC_OK;
}

static enum rc open_files(struct local *local, const struct spool_conf *conf, struct err *err)
{
    struct layout layout = { 0 };
    enum rc rc = lock_dir(local, err);
    if (rc == RC_OK)
        rc = layout_settle(conf, &layout, err);
    if (rc == RC_OK)
        rc = open_stores(local, conf, &layout, err);
    layout_free(&layout);
    return rc;
}

static void thread_prepare(struct thread *thread, const unsigned char *key)
{
    thread->box = mailbox_new();
    thread->seal = key ? seal_new(key) : NULL;
}

static void prepare_threads(struct local *local, const struct spool_conf *conf)
{
    unsigned readers = conf->readers ? conf->readers : READERS_DEFAULT;
    local->reader_count = readers < READERS_MAX ? readers : READERS_MAX;
    thread_prepare(&local->committer, NULL);
    thread_prepare(&local->bulk_writer, conf->key);
    thread_prepare(&local->keeper, NULL);
    for (unsigned i = 0; i < local->reader_count; i++)
        thread_prepare(&local->readers[i], conf->key);
}

static void start_threads(struct local *local)
{
    thread_start(&local->committer, local, committer_main);
    thread_start(&local->bulk_writer, local, thread_requests);
    thread_start(&local->keeper, local, keeper_main);
    for (unsigned i = 0; i < local->reader_count; i++)
        thread_start(&local->readers[i], local, thread_requests);
}

static void local_close(struct spool *spool)
{
    struct local *local = (struct local *)spool;
    atomic_store(&local->closing, true);
    for (unsigned i = 0; i < local->reader_count; i++)
        thread_stop(&local->readers[i]);
    thread_stop(&local->committer); /* its last drops are for the bulk thread, and so on */
    thread_stop(&local->bulk_writer);
    thread_stop(&local->keeper);
    bulk_close(local);
    db_close(&local->bulk);
    db_close(&local->main);
    siblings_forget(local);
    if (local->key) {
        explicit_bzero(local->key, SEAL_KEY);
        free(local->key);
    }
    free(local->sick.undo);
    free(local->drops);
    rocksdb_writebatch_destroy(local->batch);
    if (local->lock_fd >= 0)
        close(local->lock_fd);
    free(local->dir);
    noted_forget(local);
    free(local->notes_dir);
    free(local);
}

static enum rc local_open(const struct spool_conf *conf, struct spool **spool_r, struct err *err)
{
    struct local *local = mem_zero(sizeof(*local));
    struct seal *seal = conf->key ? seal_new(conf->key) : NULL;
    local->dir = mem_strdup(conf->dir);
    local->notes_dir = conf->scratch_dir ? mem_strdup(conf->scratch_dir) : NULL;
    local->batch = rocksdb_writebatch_create();
    local->lock_fd = -1;
    local->mem_max = conf->mem_max ? conf->mem_max : MEM_MAX_DEFAULT;
    local->min_free = conf->min_free;
    local->events = conf->events;
    local->key = conf->key ? mem_copy(conf->key, SEAL_KEY) : NULL;
    enum rc rc = open_files(local, conf, err);
    if (rc == RC_OK)
        rc = key_open(local, seal, err);
    if (rc == RC_OK)
        rc = next_epoch(local, err);
    if (rc == RC_OK)
        noted_read(local);
    if (rc == RC_OK && local->main.mode == DB_WRITABLE)
        rc = noted_write(local, err);
    if (rc == RC_OK && local->main.mode == DB_WRITABLE)
        rc = epoch_write(local, err);
    if (local->main.mode == DB_WRITABLE)
        noted_forget(local);
    if (rc == RC_OK) {
        prepare_threads(local, conf);
        bulk_open(local);
        keeper_look(local);
        start_threads(local);
        *spool_r = &local->spool;
    } else {
        local_close(&local->spool);
    }
    seal_free(&seal);
    return rc;
}

/* ---- ports ---- */

static struct spool_port *local_port_new(struct spool *spool, struct loop *loop)
{
    struct local *local = (struct local *)spool;
    struct local_port *port = mem_zero(sizeof(*port));
    (void)loop;
    port->seal = local->key ? seal_new(local->key) : NULL;
    port->port.spool = spool;
    notes_begin(port);
    return &port->port;
}

static void give_up_run(struct req *req, struct seal *seal)
{
    (void)seal;
    sick_give_up(local_of(&req->port->port), req->port);
    req_done(req, SPOOL_OK);
}

static void give_up_finish(struct req *req)
{
    free(req);
}

/* A thread that has run this is done with every answer it gave before: with the port and its
 * loop. */
struct farewell {
    struct req req; /* must stay first; no answer */
    _Atomic bool over;
};

static void farewell_run(struct req *req, struct seal *seal)
{
    (void)seal;
    atomic_store(&((struct farewell *)req)->over, true);
}

static void say_farewell(struct thread *thread)
{
    struct farewell farewell = { .req = { .run = farewell_run } };
    mailbox_post(thread->box, &farewell.req.mail);
    while (!atomic_load(&farewell.over))
        usleep(FAREWELL_US);
}

static void local_port_free(struct spool_port *p)
{
    struct local_port *port = port_of(p);
    struct local *local = local_of(p);
    struct mailbox *box = loop_mailbox(p->loop);
    struct req *req = mem_zero(sizeof(*req));
    req->run = give_up_run;
    req->finish = give_up_finish;
    req_post(port, &local->committer, req);
    while (port->pending > 0)
        if (!mailbox_drain(box))
            mailbox_wait(box, DRAIN_MS);
    say_farewell(&local->committer);
    say_farewell(&local->bulk_writer);
    for (unsigned i = 0; i < local->reader_count; i++)
        say_farewell(&local->readers[i]);
    notes_end(port);
    seal_free(&port->seal);
    free(port);
}

struct thread *local_reader(struct local_port *port)
{
    struct local *local = local_of(&port->port);
    return &local->readers[port->next_reader++ % local->reader_count];
}

/* ---- small calls ---- */

static bool local_may_send(const struct spool_port *port, const struct spool_item *item, int64_t ms)
{
    (void)ms;
    return (uint32_t)(item->fence >> 32) == local_of(port)->epoch;
}

const struct spool_engine spool_local = {
    .name = "local",
    .open = local_open,
    .close = local_close,
    .port_new = local_port_new,
    .port_free = local_port_free,
    .gate = local_gate,
    .get_fill = local_get_fill,
    .get_stats = local_get_stats,
    .key_check = local_key_check,
    .commit = local_commit,
    .writer_begin = local_writer_begin,
    .writer_append = local_writer_append,
    .writer_prepend = local_writer_prepend,
    .writer_size = local_writer_size,
    .writer_commit = local_writer_commit,
    .writer_abort = local_writer_abort,
    .apply = local_apply,
    .may_send = local_may_send,
    .load = local_load,
    .reader_open = local_reader_open,
    .reader_next = local_reader_next,
    .reader_close = local_reader_close,
    .scan = local_scan,
};
