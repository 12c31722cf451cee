/*
 * spool/local_bulk — the bulk thread: chunks of large bodies, into the bulk store and out of it
 *
 *   Chunks are written without a log and flushed to blob files every FLUSH_BYTES, and once more
 *   before their message goes to the committer: each byte is written once. What a crash leaves of a
 *   body that was never committed has no manifest, and is dropped at the next start.
 *
 *   Chunks are dropped only when the end of their message is on the disk in the main store (a crash
 *   in between would otherwise bring back a message without its body).
 *
 *   After a failed write the store is opened again, without what was in its memory: all streams
 *   that were open then have failed, which their generation shows.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/spool/local.h"

enum { FLUSH_BYTES = 8 << 20, REOPEN_MS = 500 };

struct bulk {
    rocksdb_writebatch_t *batch;
    struct buf record;
    size_t unflushed;
    uint32_t generation;
    bool broken;
    int64_t reopen_ms;
};

struct drop_req {
    struct req req; /* must stay first */
    struct local *local;
    size_t count;
    struct drop drops[];
};

static struct bulk *bulk_of(struct local *local)
{
    return local->bulk_state;
}

static void bulk_broken(struct local *local)
{
    bulk_of(local)->broken = true;
    bulk_of(local)->reopen_ms = clock_mono_ms() + REOPEN_MS;
}

/* Opens the store again when it broke and it is time; false: not now. The main store goes first. */
static bool bulk_usable(struct local *local)
{
    struct bulk *bulk = bulk_of(local);
    struct err err;
    if (!bulk->broken)
        return true;
    if (clock_mono_ms() < bulk->reopen_ms || atomic_load(&local->is_sick))
        return false;
    bulk->reopen_ms = clock_mono_ms() + REOPEN_MS;
    if (!room_ready(local, &err) || db_reopen(&local->bulk, DB_WRITABLE, &err) != RC_OK)
        return false;
    bulk->broken = false;
    bulk->generation++;
    bulk->unflushed = 0;
    return true;
}

static bool bulk_flush(struct local *local)
{
    struct err err;
    if (db_flush(&local->bulk, FAMILY_CHUNK, &err) != RC_OK) {
        bulk_broken(local);
        return false;
    }
    bulk_of(local)->unflushed = 0;
    return true;
}

static bool bulk_write(struct local *local)
{
    struct err err;
    struct bulk *bulk = bulk_of(local);
    enum rc rc = db_write(&local->bulk, bulk->batch, DB_NO_SYNC, &err);
    rocksdb_writebatch_clear(bulk->batch);
    if (rc != RC_OK)
        bulk_broken(local);
    return rc == RC_OK;
}

static bool write_chunk(struct local *local, const struct chunk *chunk, struct seal *seal)
{
    struct bulk *bulk = bulk_of(local);
    struct stream *stream = chunk->stream;
    if (stream->failed || !bulk_usable(local))
        return false;
    if (!stream->generation)
        stream->generation = bulk->generation;
    if (stream->generation != bulk->generation)
        return false;
    struct record_key key = record_chunk_key(stream->id, chunk->number);
    buf_clear(&bulk->record);
    record_put_chunk(&bulk->record, seal, &key, (struct slice){ chunk->data, chunk->len });
    struct slice record = buf_slice(&bulk->record);
    rocksdb_writebatch_put_cf(bulk->batch, local->bulk.cf[FAMILY_CHUNK], key.bytes, key.len,
                              record.p, record.n);
    stream->chunks = chunk->number;
    if (!bulk_write(local))
        return false;
    bulk->unflushed += record.n;
    return bulk->unflushed < FLUSH_BYTES || bulk_flush(local);
}

void chunk_run(struct req *req, struct seal *seal)
{
    struct chunk *chunk = (struct chunk *)req;
    struct local *local = local_of(&req->port->port);
    if (!write_chunk(local, chunk, seal))
        chunk->stream->failed = true;
    free(chunk->data);
    chunk->data = NULL;
    req_done(req, SPOOL_OK);
}

/* Deletes the chunks of one message. Not logged: what a crash brings back is an orphan. */
static void drop_chunks(struct local *local, struct drop message)
{
    struct bulk *bulk = bulk_of(local);
    if (message.chunks == 0 || !bulk_usable(local))
        return;
    for (uint32_t i = 1; i <= message.chunks; i++) {
        struct record_key key = record_chunk_key(message.id, i);
        rocksdb_writebatch_singledelete_cf(bulk->batch, local->bulk.cf[FAMILY_CHUNK], key.bytes,
                                           key.len);
    }
    if (bulk_write(local))
        keeper_dropped(local, message);
}

void bulk_commit_run(struct req *req, struct seal *seal)
{
    (void)seal;
    struct group *group = (struct group *)req;
    struct local *local = local_of(&req->port->port);
    struct stream *stream = group->stream;
    enum spool_gate gate = local_gate(&local->spool);
    bool taken = gate == SPOOL_GATE_OPEN || gate == SPOOL_GATE_BUSY;
    bool ok = taken && !stream->failed && stream->generation == bulk_of(local)->generation &&
              bulk_flush(local);
    if (ok) {
        req->run = NULL; /* a plain group from here on */
        mailbox_post(local->committer.box, &req->mail);
    } else {
        drop_chunks(local, (struct drop){ stream->id, stream->chunks });
        atomic_fetch_sub_explicit(&local->waiting, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&local->waiting_bytes, group->cost, memory_order_relaxed);
        req_done(req, SPOOL_LATER);
    }
    free(stream);
}

/* ---- abort and drop ---- */

struct abort_req {
    struct req req; /* must stay first */
    struct stream *stream;
};

static void abort_run(struct req *req, struct seal *seal)
{
    (void)seal;
    struct stream *stream = ((struct abort_req *)req)->stream;
    drop_chunks(local_of(&req->port->port), (struct drop){ stream->id, stream->chunks });
    free(stream);
    req_done(req, SPOOL_OK);
}

static void abort_finish(struct req *req)
{
    free(req);
}

void stream_abort(struct local_port *port, struct stream *stream)
{
    struct abort_req *abort_req = mem_zero(sizeof(*abort_req));
    abort_req->req.run = abort_run;
    abort_req->req.finish = abort_finish;
    abort_req->stream = stream;
    req_post(port, &local_of(&port->port)->bulk_writer, &abort_req->req);
}

static void drop_run(struct req *req, struct seal *seal)
{
    (void)seal;
    struct drop_req *drop = (struct drop_req *)req;
    for (size_t i = 0; i < drop->count; i++)
        drop_chunks(drop->local, drop->drops[i]);
    free(drop);
}

void bulk_drop(struct local *local, const struct drop *drops, size_t n)
{
    struct drop_req *drop = mem_zero(sizeof(*drop) + n * sizeof(drop->drops[0]));
    drop->req.run = drop_run;
    drop->local = local;
    drop->count = n;
    memcpy(drop->drops, drops, n * sizeof(drop->drops[0]));
    mailbox_post(local->bulk_writer.box, &drop->req.mail);
}

/* ---- start and end ---- */

static bool has_manifest(struct local *local, struct spool_id id)
{
    struct record_key key = record_body_key(id);
    char *value = NULL;
    size_t len = 0;
    struct err err;
    enum rc rc = db_get(&local->main, FAMILY_BODY, record_key_slice(&key), &value, &len, &err);
    rocksdb_free(value);
    return rc != RC_NOT_FOUND; /* unreadable is not the same as absent */
}

/* From message to message by seeking: the chunks themselves are not read, but for an orphan's. */
static void drop_orphans(struct local *local)
{
    rocksdb_iterator_t *it = db_iter(&local->bulk, FAMILY_CHUNK);
    rocksdb_iter_seek_to_first(it);
    while (rocksdb_iter_valid(it)) {
        size_t len = 0;
        const char *found = rocksdb_iter_key(it, &len);
        if (len != CHUNK_KEY)
            break;
        struct spool_id id = spool_id_unpack((const unsigned char *)found);
        struct record_key last = record_chunk_key(id, UINT32_MAX);
        if (has_manifest(local, id)) {
            rocksdb_iter_seek(it, last.bytes, last.len);
            continue;
        }
        rocksdb_iter_seek_for_prev(it, last.bytes, last.len);
        const unsigned char *tail =
            (const unsigned char *)rocksdb_iter_key(it, &len) + SPOOL_ID_BYTES;
        uint32_t chunks =
            (uint32_t)tail[0] << 24 | (uint32_t)tail[1] << 16 | (uint32_t)tail[2] << 8 | tail[3];
        drop_chunks(local, (struct drop){ id, chunks });
        rocksdb_iter_next(it);
    }
    rocksdb_iter_destroy(it);
}

void bulk_open(struct local *local)
{
    struct bulk *bulk = mem_zero(sizeof(*bulk));
    bulk->batch = rocksdb_writebatch_create();
    bulk->generation = 1;
    buf_init(&bulk->record, 2 * CHUNK_SIZE);
    local->bulk_state = bulk;
    if (local->bulk.mode == DB_READ_ONLY)
        bulk->broken = true; /* orphans wait for the next start */
    else
        drop_orphans(local);
}

void bulk_close(struct local *local)
{
    struct bulk *bulk = bulk_of(local);
    if (!bulk)
        return;
    rocksdb_writebatch_destroy(bulk->batch);
    buf_free(&bulk->record);
    free(bulk);
    local->bulk_state = NULL;
}
