/*
 * spool/local_batch — one group's writes, put into the committer's batch
 *
 *   Items are deleted with an ordinary delete, since a deferral writes them again under the same
 *   key. Bodies are written once in their life and deleted once: a single delete, which cancels out
 *   with the write when both are still in the memtable, so that a body delivered at once never
 *   reaches a sorted file.
 */
#include "gateway/base/mem.h"
#include "gateway/mail/body.h"
#include "gateway/spool/local.h"

static void put_slice(struct local *local, enum family family, const struct record_key *key,
                      struct slice value)
{
    rocksdb_writebatch_put_cf(local->batch, local->main.cf[family], key->bytes, key->len, value.p,
                              value.n);
}

/* Header and body as two parts of one value: the body's bytes are not copied together first. */
static void put_inline(struct local *local, const struct record_key *key, const struct body *body)
{
    char header[BODY_HEADER];
    struct slice bytes = body_slice(body);
    record_body_header(header, false, body_head_size(body));
    const char *const keys[] = { key->bytes }, *const values[] = { header, bytes.p };
    const size_t key_sizes[] = { key->len }, value_sizes[] = { sizeof(header), bytes.n };
    rocksdb_writebatch_putv_cf(local->batch, local->main.cf[FAMILY_BODY], 1, keys, key_sizes, 2,
                               values, value_sizes);
}

static void remember_drop(struct local *local, struct spool_id id, uint32_t chunks)
{
    if (local->drop_count == local->drop_cap) {
        local->drop_cap = local->drop_cap ? local->drop_cap * 2 : 16;
        local->drops = mem_grow(local->drops, local->drop_cap, sizeof(*local->drops));
    }
    local->drops[local->drop_count++] = (struct drop){ id, chunks };
}

static void add_done(struct local *local, const struct write *w)
{
    struct record_key key = record_item_key(w->id, w->sub);
    rocksdb_writebatch_delete_cf(local->batch, local->main.cf[FAMILY_ITEM], key.bytes, key.len);
    if (w->count > 1 && !siblings_done(local, w->id, w->sub))
        return;
    key = record_body_key(w->id);
    rocksdb_writebatch_singledelete_cf(local->batch, local->main.cf[FAMILY_BODY], key.bytes,
                                       key.len);
    if (w->chunks)
        remember_drop(local, w->id, w->chunks);
}

void batch_add_write(struct local *local, const struct write *w, struct slice value)
{
    struct record_key key;
    switch (w->kind) {
    case WRITE_ITEM:
        key = record_item_key(w->id, w->sub);
        put_slice(local, FAMILY_ITEM, &key, value);
        break;
    case WRITE_BODY:
        key = record_body_key(w->id);
        if (w->body)
            put_inline(local, &key, w->body);
        else
            put_slice(local, FAMILY_BODY, &key, value);
        break;
    case WRITE_DONE:
        add_done(local, w);
        break;
    }
}

void batch_add(struct local *local, struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        batch_add_write(local, &group->writes[i], write_value(group, i));
}
