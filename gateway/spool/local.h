/*
 * spool/local — the RocksDB engine: what its files share
 *
 *   Threads and what is theirs alone:
 *     committer   db main (writes), siblings, recovery   local_commit.c, local_recover.c
 *     bulk        db bulk (writes): chunks in and out    local_bulk.c
 *     readers     nothing but their seal                 local_fetch.c, local_scan.c
 *     keeper      free space, its gate                   local_keep.c
 *   Workers hand over a struct req through the thread's mailbox and get it back, finished, through
 *   the mailbox of their loop. Between threads there is nothing else but the atomics below
 *   and the two positions of a port's notes (notes.h).
 */
#ifndef WAYPOST_SPOOL_LOCAL_H
#define WAYPOST_SPOOL_LOCAL_H

#include <stdatomic.h>

#include "gateway/base/cursor.h"
#include "gateway/base/list.h"
#include "gateway/base/map.h"
#include "gateway/io/mailbox.h"
#include "gateway/io/seal.h"
#include "gateway/spool/db.h"
#include "gateway/spool/engine.h"

enum {
    READERS_MAX = 8,
    CHUNK_SIZE = 256 * 1024,
    HEAD_MAX = 64 * 1024,
    FLUSH_SAMPLES = 1024,
    WINDOW = 256 * 1024
};

/* Work for a thread of the spool. Made on a port's loop, run on the thread, finished on the
 * loop. */
struct req {
    struct mail mail;
    struct req *chain; /* more finished ones of the same port, oldest first */
    struct local_port *port;
    void (*run)(struct req *req, struct seal *seal); /* on the thread; NULL: a struct group */
    void (*finish)(struct req *req);                 /* on the loop: calls back and frees */
    enum spool_rc rc;
};

struct thread {
    pthread_t id;
    struct mailbox *box;
    struct mail stop;
    struct local *local;
    struct seal *seal; /* NULL: not sealed */
    bool running;
};

/* What one operation of a group does to the store. */
enum write_kind { WRITE_ITEM, WRITE_BODY, WRITE_DONE };
struct write {
    enum write_kind kind;
    struct spool_id id;
    uint16_t sub, count;
    uint32_t chunks;   /* DONE: of the message */
    struct body *body; /* BODY, unsealed: one reference, written as header + bytes */
    size_t at, len;    /* the record in group.bytes otherwise */
};

/* A commit or an apply group: what the committer takes. */
struct group {
    struct req req; /* must stay first */
    spool_commit_fn *cb;
    void *arg;
    bool add;       /* holds a new message: durable before cb */
    bool accept;    /* is a commit: failed, not held, when the disk refuses */
    bool stale;     /* wrong fence: nothing is done */
    uint64_t noted; /* position behind its note; 0: it has none */
    struct spool_id id;
    uint32_t chunks;       /* of the new message */
    struct stream *stream; /* local_bulk.c: chunks that must be on disk before */
    uint64_t fence;
    size_t cost; /* bytes that count against mem_max */
    struct buf bytes;
    unsigned count;
    struct write writes[];
};

/* The record of its i-th write; borrowed. */
static inline struct slice write_value(const struct group *group, unsigned i)
{
    struct slice all = buf_slice(&group->bytes);
    return (struct slice){ all.p ? all.p + group->writes[i].at : NULL, group->writes[i].len };
}

struct drop {
    struct spool_id id;
    uint32_t chunks;
};

struct sick {
    bool sick;
    struct err err;
    int64_t retry_ms;        /* monotonic */
    struct group *held_head; /* apply groups that wait for recovery, linked by req.chain */
    struct group *held_tail;
    struct map *deferrals; /* item key -> the held group that is its deferral and nothing else */
    struct drop *undo;     /* messages of failed batches: must not come back by themselves */
    size_t undo_count, undo_cap;
};

struct local {
    struct spool spool; /* must stay first */
    struct db main, bulk;
    uint32_t epoch, stored_epoch; /* stored: of the last process that could write */
    uint64_t mem_max, min_free;
    struct spool_events events;
    char *dir;
    char *notes_dir;                /* NULL: nothing is noted */
    struct map *noted;              /* local_notes.c; never changed while the threads run */
    bool noted_written;             /* the store has it, too; the committer's */
    int lock_fd;                    /* dir, locked */
    const struct spool_tier *tiers; /* of main */
    unsigned tier_count;
    bool epoch_written;
    unsigned char *key; /* NULL: not sealed */

    struct thread committer, bulk_writer, keeper, readers[READERS_MAX];
    unsigned reader_count;

    /* the committer's */
    struct map *siblings;
    struct sick sick;
    struct drop *drops; /* of done messages; handed on once their end is on disk */
    size_t drop_count, drop_cap;
    rocksdb_writebatch_t *batch;
    int64_t unsynced_since_ms; /* 0: all is on disk */

    struct bulk *bulk_state; /* the bulk thread's */

    /* everybody's */
    _Atomic bool closing, is_sick, is_full, disk_low; /* is_full: why it is sick */
    _Atomic uint64_t waiting, waiting_bytes, free_bytes, corrupt;
    _Atomic uint64_t commits, groups, writes, syncs, bytes;
    _Atomic uint32_t ports; /* that were made */
    _Atomic uint32_t flush_us[FLUSH_SAMPLES];
};

struct notes;
struct local_port {
    struct spool_port port; /* must stay first */
    struct seal *seal;
    unsigned pending; /* requests that are out */
    unsigned next_reader;
    struct req *done_head, *done_tail; /* the committer's: finished in the running batch */
    struct notes *notes;               /* NULL: none. Put by the worker, struck by the committer */
    struct buf note;
};

static inline struct local *local_of(const struct spool_port *port)
{
    return (struct local *)port->spool;
}

static inline struct local_port *port_of(struct spool_port *port)
{
    return (struct local_port *)port;
}

/* local_req.c */
void req_post(struct local_port *port, struct thread *thread, struct req *req);
void req_done(struct req *req, enum spool_rc rc); /* any thread; finish runs on the port's loop */
void req_deliver(struct mail *mail);              /* mail.fn of a finished chain */
void thread_start(struct thread *thread, struct local *local, void *(*main)(void *thread));
void *thread_requests(void *thread);     /* a main that runs req.run() of what comes */
void thread_stop(struct thread *thread); /* after everything posted before has run */
bool thread_is_stop(const struct thread *thread, const struct mail *mail);
struct thread *local_reader(struct local_port *port); /* one of the readers, in turn */
static inline struct req *req_of(struct mail *mail)
{
    return CONTAINER_OF(mail, struct req, mail);
}

/* local_group.c */
void local_commit(struct spool_port *port, struct spool_id id, struct body *body,
                  const struct spool_item *items, unsigned n, spool_commit_fn *cb, void *arg);
void local_apply(struct spool_port *port, const struct spool_op *ops, unsigned n,
                 spool_commit_fn *cb, void *arg);
/* A commit whose body is a manifest: goes through the bulk thread to the committer. */
void group_commit_chunked(struct local_port *port, struct spool_id id, struct stream *stream,
                          const struct manifest *manifest, struct slice head,
                          const struct spool_item *items, unsigned n, spool_commit_fn *cb,
                          void *arg);

/* local_commit.c, local_batch.c */
void *committer_main(void *thread);
void batch_add(struct local *local, struct group *group);
void batch_add_write(struct local *local, const struct write *w, struct slice value);

/* local_notes.c: groups that are not in the log yet, for the case of kill -9 */
void notes_begin(struct local_port *port);
void notes_end(struct local_port *port);
void note_group(struct local_port *port, struct group *group); /* on the worker, before it posts */
void note_written(const struct group *group); /* on the committer, in the order of posting */
/* The form of one write of a group in its note. */
void note_put_write(struct buf *out, const struct write *w, struct slice record);
struct write note_take_write(struct cursor *c, struct slice *record_r);
/* What earlier processes left: read when the stores are opened, written to them, once, as soon as
 * they can be written and before the new epoch is. Until then a scan shows items as they are by
 * their notes; false: it has ended. */
void noted_read(struct local *local);
enum rc noted_write(struct local *local, struct err *err);
bool noted_item(const struct local *local, struct slice key, struct slice *stored);
void noted_forget(struct local *local);

/* local_siblings.c: remaining items of messages with several; true when `sub` was the last. */
bool siblings_done(struct local *local, struct spool_id id, uint16_t sub);
void siblings_forget(struct local *local); /* after a failed batch: the store knows better */

/* local.c */
enum rc epoch_write(struct local *local, struct err *err); /* once, before the first record */

/* local_key.c */
enum rc key_open(struct local *local, struct seal *seal, struct err *err); /* seal NULL: no key */
enum rc local_key_check(struct spool *spool, const unsigned char *key, struct err *err);

/* local_room.c: whether the stores may be opened for writing */
bool room_ready(const struct local *local, struct err *err);
bool room_is_full(const struct err *err);      /* is it for want of space? */
uint64_t room_free(const struct local *local); /* least of all file systems */

/* local_recover.c: the committer when the disk refuses */
void sick_enter(struct local *local, const struct err *err);
void sick_hold(struct local *local, struct group *group);
void sick_undo(struct local *local, struct drop message);
void sick_retry(struct local *local); /* when it is time; clears sick.sick on success */
struct group *sick_take_held(struct local *local); /* oldest first, linked by req.chain */
void sick_give_up(struct local *local, const struct local_port *port); /* fails what it holds */

/* local_write.c, local_bulk.c */
struct spool_writer *local_writer_begin(struct spool_port *port, struct spool_id id,
                                        spool_drain_fn *drain, void *arg);
bool local_writer_append(struct spool_writer *w, const void *data, size_t n);
void local_writer_prepend(struct spool_writer *w, const void *data, size_t n);
uint64_t local_writer_size(const struct spool_writer *w);
void local_writer_commit(struct spool_writer *w, const struct spool_item *items, unsigned n,
                         spool_commit_fn *cb, void *arg);
void local_writer_abort(struct spool_writer *w);

/* One body on its way into the bulk store; the bulk thread's, but for its life: made by the writer,
 * freed by the thread with the last request (group_commit_chunked, stream_abort). */
struct stream {
    struct spool_id id;
    uint32_t generation; /* of the store when the first chunk came; 0: none came */
    uint32_t chunks;     /* written */
    bool failed;
};
struct chunk {
    struct req req; /* must stay first */
    struct stream *stream;
    uint32_t number;
    char *data; /* freed by the thread */
    size_t len;
};
void chunk_run(struct req *req, struct seal *seal);
void stream_abort(struct local_port *port, struct stream *stream);
void bulk_commit_run(struct req *req, struct seal *seal); /* of a struct group with a stream */
void bulk_open(struct local *local);                      /* drops orphans; before the threads */
void bulk_close(struct local *local);
/* Chunks of messages whose end is on the disk. From the committer. */
void bulk_drop(struct local *local, const struct drop *drops, size_t n);

/* local_read.c, local_fetch.c, local_scan.c */
void local_load(struct spool_port *port, struct spool_id id, uint64_t max_size, spool_body_fn *cb,
                void *arg);
struct spool_reader *local_reader_open(struct spool_port *port, struct spool_id id);
void local_reader_next(struct spool_reader *r, spool_read_fn *cb, void *arg);
void local_reader_close(struct spool_reader *r);
void local_scan(struct spool_port *port, unsigned page_items, spool_page_fn *cb, void *arg);

/* local_aside.c: records that cannot be read */
void aside_report(struct local *local, enum family family, struct spool_id id, const char *why);
/* Moves it into the corrupt family (through the committer) and reports it. Any thread. */
void aside_move(struct local *local, enum family family, struct slice key, const char *why);

/* local_wal.c: damage in the log, found when the store is opened */
void wal_keep(struct local *local);  /* before: remember the logs as they are */
void wal_check(struct local *local); /* after: report, keep damaged logs, forget the others */

/* local_keep.c */
void *keeper_main(void *thread);
void keeper_dropped(struct local *local, struct drop message); /* its space can be had back */
void keeper_look(struct local *local);                         /* free space now */
void local_health(struct local *local, const char *why); /* tells events.health about the gate */
enum spool_gate local_gate(const struct spool *spool);

/* local_stats.c */
void local_get_fill(const struct spool *spool, struct spool_fill *fill_r);
void local_get_stats(const struct spool *spool, struct spool_stats *stats_r);

#endif
