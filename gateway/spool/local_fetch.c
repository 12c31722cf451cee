/*
 * spool/local_fetch — see fetch.h; also whole bodies
 */
#include "gateway/spool/fetch.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/mail/body.h"

enum spool_rc fetch_rc(enum rc rc)
{
    if (rc == RC_OK)
        return SPOOL_OK;
    if (rc == RC_NOT_FOUND)
        return SPOOL_NOT_FOUND;
    return rc == RC_CORRUPT ? SPOOL_CORRUPT : SPOOL_FAILED;
}

void span_free(struct span *span)
{
    rocksdb_free(span->value);
    buf_free(&span->plain);
    *span = (struct span){ 0 };
}

static enum rc get_locked(struct db *db, enum family family, struct slice key, char **value_r,
                          struct slice *stored_r, struct err *err)
{
    size_t len = 0;
    db_lock(db);
    enum rc rc = db_get(db, family, key, value_r, &len, err);
    db_unlock(db);
    *stored_r = (struct slice){ *value_r, len };
    return rc;
}

/* The record under the message's own key: the whole body, or the manifest and the head. */
static enum spool_rc fetch_first(struct local *local, struct seal *seal, struct spool_id id,
                                 struct body_info *info, struct span *span)
{
    struct err err = { .code = RC_OK };
    struct slice stored;
    struct body_record record;
    struct record_key key = record_body_key(id);
    struct slice key_slice = record_key_slice(&key);
    enum rc rc = get_locked(&local->main, FAMILY_BODY, key_slice, &span->value, &stored, &err);
    buf_init(&span->plain, RECORD_LIMIT);
    if (rc == RC_OK && record_get_body(key_slice, stored, seal, &span->plain, &record) != RC_OK)
        rc = err_set(&err, RC_CORRUPT, "the body's record fails its check");
    if (rc == RC_CORRUPT)
        aside_move(local, FAMILY_BODY, key_slice, err.text);
    if (rc != RC_OK)
        return fetch_rc(rc);
    span->bytes = record.bytes;
    info->known = true;
    info->chunked = record.chunked;
    info->head_size = record.head_size;
    info->manifest = record.manifest;
    info->size = record.chunked ? record.head_size + record.manifest.data_size : record.bytes.n;
    return SPOOL_OK;
}

static size_t chunk_len(const struct manifest *m, uint32_t number)
{
    if (number < m->chunks)
        return m->chunk_size;
    return (size_t)(m->data_size - (uint64_t)(m->chunks - 1) * m->chunk_size);
}

/* Chunks go after the message's own record: one that was just ended is no damage. */
static bool message_is_there(struct local *local, struct spool_id id)
{
    struct err err;
    struct slice stored;
    char *value = NULL;
    struct record_key key = record_body_key(id);
    enum rc rc =
        get_locked(&local->main, FAMILY_BODY, record_key_slice(&key), &value, &stored, &err);
    rocksdb_free(value);
    return rc != RC_NOT_FOUND;
}

static enum spool_rc fetch_chunk(struct local *local, struct seal *seal, struct spool_id id,
                                 uint64_t offset, const struct body_info *info, struct span *span)
{
    struct err err = { .code = RC_OK };
    struct slice stored;
    const struct manifest *m = &info->manifest;
    uint32_t index = (uint32_t)((offset - info->head_size) / m->chunk_size);
    struct record_key key = record_chunk_key(id, index + 1);
    struct slice key_slice = record_key_slice(&key);
    enum rc rc = get_locked(&local->bulk, FAMILY_CHUNK, key_slice, &span->value, &stored, &err);
    buf_init(&span->plain, RECORD_LIMIT);
    if (rc == RC_OK)
        rc = record_get_chunk(key_slice, stored, seal, &span->plain, &span->bytes);
    if (rc == RC_OK && span->bytes.n != chunk_len(m, index + 1))
        rc = RC_CORRUPT;
    if (rc == RC_NOT_FOUND && message_is_there(local, id))
        rc = err_set(&err, RC_CORRUPT, "chunk %u of the body is missing", index + 1);
    if (rc == RC_CORRUPT)
        aside_report(local, FAMILY_CHUNK, id,
                     err.code == RC_OK ? "a chunk of the body fails its check" : err.text);
    span->base = info->head_size + (uint64_t)index * m->chunk_size;
    return fetch_rc(rc);
}

enum spool_rc fetch_span(struct local *local, struct seal *seal, struct spool_id id,
                         uint64_t offset, struct body_info *info, struct span *span_r)
{
    bool chunk = info->known && info->chunked && offset >= info->head_size;
    *span_r = (struct span){ 0 };
    enum spool_rc rc = chunk ? fetch_chunk(local, seal, id, offset, info, span_r)
                             : fetch_first(local, seal, id, info, span_r);
    if (rc != SPOOL_OK)
        span_free(span_r);
    return rc;
}

/* ---- a whole body ---- */

struct load {
    struct req req; /* must stay first */
    struct spool_id id;
    uint64_t max_size;
    struct body *body;
    spool_body_fn *cb;
    void *arg;
};

static void load_finish(struct req *req)
{
    struct load *load = (struct load *)req;
    if (req->rc != SPOOL_OK)
        body_unref(&load->body);
    load->cb(load->arg, req->rc, load->body);
    free(load);
}

static enum spool_rc load_body(struct load *load, struct local *local, struct seal *seal)
{
    struct body_info info = { 0 };
    struct span span, head;
    enum spool_rc rc = fetch_span(local, seal, load->id, 0, &info, &head);
    if (rc == SPOOL_OK && info.size > load->max_size) {
        span_free(&head);
        rc = SPOOL_TOO_BIG;
    }
    if (rc != SPOOL_OK)
        return rc;
    load->body = body_new((size_t)info.size);
    body_append(load->body,
                (struct slice){ head.bytes.p + info.head_size, head.bytes.n - info.head_size });
    for (uint64_t at = head.bytes.n; at < info.size;) {
        rc = fetch_span(local, seal, load->id, at, &info, &span);
        if (rc != SPOOL_OK)
            break;
        body_append(load->body, span.bytes);
        at += span.bytes.n;
        span_free(&span);
    }
    if (rc == SPOOL_OK && info.head_size > 0)
        body_prepend(load->body, (struct slice){ head.bytes.p, info.head_size });
    span_free(&head);
    return rc;
}

static void load_run(struct req *req, struct seal *seal)
{
    req_done(req, load_body((struct load *)req, local_of(&req->port->port), seal));
}

void local_load(struct spool_port *port, struct spool_id id, uint64_t max_size, spool_body_fn *cb,
                void *arg)
{
    struct load *load = mem_zero(sizeof(*load));
    load->req.run = load_run;
    load->req.finish = load_finish;
    load->id = id;
    load->max_size = max_size;
    load->cb = cb;
    load->arg = arg;
    req_post(port_of(port), local_reader(port_of(port)), &load->req);
}
