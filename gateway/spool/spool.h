/*
 * spool/spool — the durable store of accepted messages, one interface over engines
 *
 *   A message is one immutable body and 1..n items. An item is the message towards one destination:
 *   what the queue schedules. The body goes when the last item is done. The spool knows nothing of
 *   SMTP: `env` and `dest` are opaque to it.
 *
 * Promises
 *   - SPOOL_OK of a commit is given after the data is on stable storage, and never otherwise; 250
 * only on SPOOL_OK. A group (spool_apply) happens as a whole or not at all.
 *   - A done or a deferral may be lost when the machine stops (it is flushed within about a
 *     second): the message is then tried again. Never the other way round. With conf.scratch_dir,
 *     kill -9 of the process loses none for which spool_apply() has returned, but in a group with a
 *     SPOOL_ADD, or when thousands of them wait.
 *   - A record that cannot be read is set aside and reported (events.corrupt), and stops nothing
 * else.
 *
 * Threads and callbacks
 *   Every worker has a port, and makes every call on it from its own loop. Callbacks run on that
 * loop, exactly once, never from inside the call that asks. No call blocks. What is passed in
 * (items, slices, conf) is copied unless the comment says otherwise. spool_open and spool_close
 * belong to the start and the end of the process: they block.
 *
 *   Engines: "local" (RocksDB, docs/SPOOL.md); a later one may share the store between gateways, so
 *   ownership is a lease of the node and every done or defer carries the fence it was given.
 */
#ifndef WAYPOST_SPOOL_SPOOL_H
#define WAYPOST_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/rc.h"
#include "gateway/base/slice.h"
#include "gateway/spool/id.h"

struct body; /* gateway/mail/body.h */
struct loop; /* gateway/io/loop.h */
struct spool;
struct spool_port;
struct spool_writer;
struct spool_reader;

enum spool_rc {
    SPOOL_OK = 0,
    SPOOL_LATER,      /* not taken (full, sick, closing): nothing is stored -> 451/452 */
    SPOOL_UNKNOWN,    /* the engine lost the outcome -> 451, may come back after a restart */
    SPOOL_LOST_LEASE, /* wrong fence: the item is no longer ours; nothing was changed */
    SPOOL_NOT_FOUND,
    SPOOL_CORRUPT, /* set aside and reported */
    SPOOL_TOO_BIG, /* larger than the caller's limit */
    SPOOL_FAILED   /* the store cannot be read now (I/O error); worth another try later */
};

/* Why new mail is not wanted; SPOOL_GATE_OPEN when it is. */
enum spool_gate {
    SPOOL_GATE_OPEN = 0,
    SPOOL_GATE_SICK,     /* the disk refused a write; recovers by itself */
    SPOOL_GATE_DISK_LOW, /* less than min_free, or full */
    SPOOL_GATE_BUSY,     /* too many bytes wait to be written */
    SPOOL_GATE_CLOSING
};

struct spool_item {
    struct spool_id id;
    uint16_t sub;   /* item number inside the message, 0..count-1 */
    uint16_t count; /* items the message was born with */
    uint8_t lane;   /* opaque to the spool, as attempts and the times are */
    uint16_t attempts;
    uint64_t fence; /* opaque; from the commit callback or the scan, passed back */
    int64_t accepted_ms, due_ms, expire_ms;
    uint64_t body_size; /* head and data; set by the spool */
    struct slice dest;  /* destination key, <= SPOOL_DEST_MAX */
    struct slice env;   /* envelope record, <= SPOOL_ENV_MAX */
};

enum { SPOOL_DEST_MAX = 1024, SPOOL_ENV_MAX = 4 * 1024 * 1024, SPOOL_ITEMS_MAX = 10000 };
enum { SPOOL_TIERS_MAX = 16, SPOOL_RECORDED_MAX = 2 * SPOOL_TIERS_MAX };

struct spool_tier {
    const char *path;
    uint64_t size; /* 0: no limit; only the last one may have none */
};

/* Called on a thread of the spool: must be thread-safe and quick (post it on, log it). */
struct spool_events {
    void (*corrupt)(void *arg, const char *family, struct spool_id id, const char *why);
    void (*health)(void *arg, enum spool_gate gate, const char *why); /* on every change */
    void *arg;
};

struct spool_conf {
    const char *engine; /* NULL: "local" */
    const char *dir;    /* made when it is missing (its parent must exist), mode 0700 */
    /* Folders that exist. 0: all under dir. Other ones than at the last opening, or in another
     * order, are taken into use while it opens, which moves files and so takes its time. */
    const struct spool_tier *tiers;
    unsigned tier_count;
    /* A folder of this spool's own on a file system in memory: for what must be writable when the
     * disk is not, and for what kill -9 must not take. NULL: done without. */
    const char *scratch_dir;
    uint64_t min_free;        /* bytes every tier's file system must keep free */
    const unsigned char *key; /* 32 bytes: bodies and items are sealed; NULL: not */
    uint64_t mem_max;         /* 0: 64 MiB; bytes waiting to be written, then SPOOL_GATE_BUSY */
    uint16_t node;
    unsigned readers; /* 0: 2 threads */
    struct spool_events events;
};

/* RC_DENIED: permission, the key does not fit, or a tier is another spool's (err says which).
 * RC_IO: disk, or locked by another process. RC_NOT_FOUND: a tier is not there (its disk is not
 * mounted). RC_CORRUPT: the store as a whole cannot be opened. Everything that was
 * acknowledged before is there when it returns; accepting may begin at once. On a disk that is
 * full or refuses writes, a spool that exists is opened all the same: the gate is shut, what waits
 * can be read and ended, and the gate opens by itself when the disk takes writes again. */
enum rc spool_open(const struct spool_conf *conf, struct spool **spool_r, struct err *err);
/* The tiers a spool was opened with last, which the next opening may have to read beside those of
 * its conf: for who bars the way to other folders before. The texts are the caller's to free. */
size_t spool_tiers_recorded(const char *dir, char *paths_r[SPOOL_RECORDED_MAX]);
/* Ports must be freed before. Writes what waits, flushes. */
void spool_close(struct spool **spool);

/* Would it open with this key (NULL: none)? RC_OK: the key is the one in use, or nothing waits.
 * RC_DENIED: it would not, and why. Reads from the disk: not for a loop that moves mail. */
enum rc spool_key_check(struct spool *spool, const unsigned char *key, struct err *err);

/* `shard` < 65536, different for each port of the spool. */
struct spool_port *spool_port_new(struct spool *spool, struct loop *loop, uint16_t shard);
/* Waits for what the port still has under way; runs the callbacks that are due, on this thread. */
void spool_port_free(struct spool_port **port);

/* How full it is. A look at some atomics, as spool_gate(). */
struct spool_fill {
    uint64_t waiting_bytes, waiting_most; /* to be written; beyond, SPOOL_GATE_BUSY */
    uint64_t free_bytes, min_free;        /* of the fullest disk; below, SPOOL_GATE_DISK_LOW */
};
void spool_get_fill(const struct spool *spool, struct spool_fill *fill_r);

/* ---- accepting ---- */

/* A look at some atomics: no I/O, no lock. Ask before MAIL and before DATA. */
enum spool_gate spool_gate(const struct spool *spool);
const char *spool_gate_name(enum spool_gate gate); /* "open" "sick" "disk_low" "busy" "closing" */
const char *spool_rc_name(enum spool_rc rc);

struct spool_id spool_new_id(struct spool_port *port);

/* `fence` is for all items of the message. */
typedef void spool_commit_fn(void *arg, enum spool_rc rc, uint64_t fence);

/* A message whose body is in memory. The body is referenced, not copied: the spool holds its own
 * reference and drops it before cb. item.id, .count, .fence and .body_size are set by the spool
 * (sub must be 0..n-1 in order). SPOOL_LATER at once (still by callback) when the gate is not open.
 */
void spool_commit(struct spool_port *port, struct spool_id id, struct body *body,
                  const struct spool_item *items, unsigned n, spool_commit_fn *cb, void *arg);

/* A message whose body comes in pieces. append() copies; false means: taken, but send no more until
 * drain(arg). A disk that fails in the middle does not stop the stream: what follows is thrown away
 * and the commit says SPOOL_LATER. */
typedef void spool_drain_fn(void *arg);
struct spool_writer *spool_writer_begin(struct spool_port *port, struct spool_id id,
                                        spool_drain_fn *drain, void *arg);
bool spool_writer_append(struct spool_writer *w, const void *data, size_t n);
/* Headers made after DATA: go in front of the body; a later call goes in front of an earlier one.
 * Together at most 64 KiB. */
void spool_writer_prepend(struct spool_writer *w, const void *data, size_t n);
uint64_t spool_writer_size(const struct spool_writer *w); /* head and data so far */
/* Ends the writer either way; drain is not called any more, cb is. */
void spool_writer_commit(struct spool_writer **w, const struct spool_item *items, unsigned n,
                         spool_commit_fn *cb, void *arg);
void spool_writer_abort(struct spool_writer **w); /* leaves nothing */

/* ---- the life of items ---- */

enum spool_op_kind {
    SPOOL_DONE,  /* item.id, .sub, .count, .fence: the item goes; with the last one the body */
    SPOOL_DEFER, /* the whole item is written anew: due, attempts, env, lane, dest */
    SPOOL_ADD    /* a new message: add_body and add_items under item.id, as in spool_commit */
};

struct spool_op {
    enum spool_op_kind kind;
    struct spool_item item;
    struct body *add_body;
    const struct spool_item *add_items;
    unsigned add_count;
};

/* One atomic group; durable before cb only when it holds a SPOOL_ADD. cb may be NULL for done and
 * defer. While the spool is sick a group waits and is done after recovery; it is never refused for
 * want of space. `fence` in cb is for the added message. */
void spool_apply(struct spool_port *port, const struct spool_op *ops, unsigned n,
                 spool_commit_fn *cb, void *arg);

/* Asked right before the final dot: is the item surely ours for `ms` more? Always true locally. */
bool spool_may_send(const struct spool_port *port, const struct spool_item *item, int64_t ms);

/* ---- reading ---- */

/* The whole body into memory. The callback gets a reference of its own (NULL unless SPOOL_OK). */
typedef void spool_body_fn(void *arg, enum spool_rc rc, struct body *body);
void spool_load(struct spool_port *port, struct spool_id id, uint64_t max_size, spool_body_fn *cb,
                void *arg);

/* A body as a stream of windows. One next() at a time. `data` is valid until the next call on the
 * reader; n == 0 is the end of the body. A window is at most 256 KiB; the one behind it is fetched
 * while the caller works. close() at any time: no callback after it. */
typedef void spool_read_fn(void *arg, enum spool_rc rc, const char *data, size_t n);
struct spool_reader *spool_reader_open(struct spool_port *port, struct spool_id id);
void spool_reader_next(struct spool_reader *r, spool_read_fn *cb, void *arg);
void spool_reader_close(struct spool_reader **r);

/* Every item that was in the spool when it was opened, in order of id, metadata only. One page is
 * in memory at a time: the next is read when the callback has returned. Items and their slices are
 * valid inside the callback. Ends with one call with n == 0: SPOOL_OK, or SPOOL_FAILED when reading
 * stopped in the middle. Once in the life of a spool; commits go on meanwhile and are not shown. */
typedef void spool_page_fn(void *arg, enum spool_rc rc, const struct spool_item *items, unsigned n);
void spool_scan(struct spool_port *port, unsigned page_items, spool_page_fn *cb, void *arg);

/* ---- figures ---- */

struct spool_stats {
    uint64_t commits, groups;            /* messages committed; apply groups */
    uint64_t writes, syncs;              /* batches; of which flushed to the disk */
    uint64_t bytes;                      /* of bodies and items written */
    uint64_t waiting;                    /* requests not yet written */
    uint64_t waiting_bytes;              /* their bodies and items, chunks of large bodies too */
    double batch_mean;                   /* requests in a batch, recent */
    uint64_t flush_us_p50, flush_us_p99; /* of recent synced batches */
    uint64_t corrupt;                    /* records set aside since start */
    uint64_t free_bytes;                 /* least of the tiers */
};
void spool_get_stats(const struct spool *spool, struct spool_stats *stats_r); /* any thread */

#endif
