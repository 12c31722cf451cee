/*
 * spool/record — see record.h
 */
#include "gateway/spool/record.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/cursor.h"

enum { VERSION = 1, FLAG_SEALED = 1, SHORT_HEADER = 2, AAD_MAX = 1 + RECORD_KEY_MAX + BODY_HEADER };
enum { LAYOUT_INLINE = 0, LAYOUT_CHUNKED = 1 };

const char *const family_names[FAMILY_COUNT] = {
    [FAMILY_SYS] = "default", [FAMILY_ITEM] = "item",       [FAMILY_BODY] = "body",
    [FAMILY_CHUNK] = "chunk", [FAMILY_CORRUPT] = "corrupt",
};

/* ---- keys ---- */

static struct record_key key_of(struct spool_id id, uint32_t tail, uint8_t tail_len)
{
    struct record_key key = { .len = (uint8_t)(SPOOL_ID_BYTES + tail_len) };
    unsigned char bytes[SPOOL_ID_BYTES];
    spool_id_pack(id, bytes);
    memcpy(key.bytes, bytes, sizeof(bytes));
    for (uint8_t i = tail_len; i > 0; i--, tail >>= 8)
        key.bytes[SPOOL_ID_BYTES + i - 1] = (char)(tail & 0xff);
    return key;
}

struct record_key record_item_key(struct spool_id id, uint16_t sub)
{
    return key_of(id, sub, 2);
}

struct record_key record_body_key(struct spool_id id)
{
    return key_of(id, 0, 0);
}

struct record_key record_chunk_key(struct spool_id id, uint32_t number)
{
    return key_of(id, number, 4);
}

struct slice record_key_slice(const struct record_key *key)
{
    return (struct slice){ key->bytes, key->len };
}

/* ---- sealing ---- */

/* Family, key, header: a sealed record fits nowhere else. */
static struct slice make_aad(char aad[AAD_MAX], enum family family, struct slice key,
                             struct slice header)
{
    assert(1 + key.n + header.n <= AAD_MAX);
    aad[0] = (char)family;
    memcpy(aad + 1, key.p, key.n);
    memcpy(aad + 1 + key.n, header.p, header.n);
    return (struct slice){ aad, 1 + key.n + header.n };
}

/* Appends header and payload, sealed when there is a seal. */
static void put_record(struct buf *out, struct seal *seal, enum family family, struct slice key,
                       struct slice header, struct slice payload)
{
    buf_put_slice(out, header);
    if (!seal) {
        buf_put_slice(out, payload);
        return;
    }
    char aad[AAD_MAX];
    char *room = buf_reserve(out, payload.n + SEAL_OVERHEAD);
    assert(room); /* the caller's limit is above what a record can be */
    seal_close(seal, make_aad(aad, family, key, header), payload, room);
    buf_commit(out, payload.n + SEAL_OVERHEAD);
}

/* Splits off the header, checks it, unseals the rest into `scratch` when needed. */
static enum rc get_record(enum family family, struct slice key, struct slice stored,
                          size_t header_size, struct seal *seal, struct buf *scratch,
                          struct slice *payload_r)
{
    if (stored.n < header_size || stored.p[0] != VERSION)
        return RC_CORRUPT;
    struct slice header = { stored.p, header_size };
    struct slice rest = { stored.p + header_size, stored.n - header_size };
    if (!(stored.p[1] & FLAG_SEALED)) {
        *payload_r = rest;
        return seal ? RC_CORRUPT : RC_OK;
    }
    if (!seal || rest.n < SEAL_OVERHEAD)
        return RC_CORRUPT;
    char aad[AAD_MAX];
    buf_clear(scratch);
    char *room = buf_reserve(scratch, rest.n - SEAL_OVERHEAD + 1); /* never an empty one */
    if (!room || seal_open(seal, make_aad(aad, family, key, header), rest, room) != RC_OK)
        return RC_CORRUPT;
    buf_commit(scratch, rest.n - SEAL_OVERHEAD);
    *payload_r = buf_slice(scratch);
    return RC_OK;
}

/* ---- items ---- */

static void put_item_fields(struct buf *out, const struct spool_item *item,
                            struct record_owner owner)
{
    put_u32(out, owner.epoch);
    put_u32(out, owner.chunks);
    put_u16(out, item->count);
    put_u16(out, item->attempts);
    put_u8(out, item->lane);
    put_u64(out, (uint64_t)item->accepted_ms);
    put_u64(out, (uint64_t)item->due_ms);
    put_u64(out, (uint64_t)item->expire_ms);
    put_u64(out, item->body_size);
    put_slice16(out, item->dest);
    put_slice32(out, item->env);
}

void record_put_item(struct buf *out, struct seal *seal, const struct spool_item *item,
                     struct record_owner owner)
{
    char header[SHORT_HEADER] = { VERSION, seal ? FLAG_SEALED : 0 };
    struct slice head = { header, sizeof(header) };
    if (!seal) { /* the usual case needs no copy in between */
        buf_put_slice(out, head);
        put_item_fields(out, item, owner);
        return;
    }
    struct record_key key = record_item_key(item->id, item->sub);
    struct buf plain;
    buf_init(&plain, SPOOL_ENV_MAX + SPOOL_DEST_MAX + 256);
    put_item_fields(&plain, item, owner);
    put_record(out, seal, FAMILY_ITEM, record_key_slice(&key), head, buf_slice(&plain));
    buf_free(&plain);
}

enum rc record_get_item(struct slice key, struct slice stored, struct seal *seal,
                        struct buf *scratch, struct spool_item *item_r,
                        struct record_owner *owner_r)
{
    struct slice payload = { 0 };
    if (key.n != ITEM_KEY ||
        get_record(FAMILY_ITEM, key, stored, SHORT_HEADER, seal, scratch, &payload) != RC_OK)
        return RC_CORRUPT;
    struct cursor tail = cur_of(key.p + SPOOL_ID_BYTES, 2);
    struct cursor c = cur_of(payload.p, payload.n);
    *item_r = (struct spool_item){ 0 };
    item_r->id = spool_id_unpack((const unsigned char *)key.p);
    item_r->sub = cur_u16be(&tail);
    owner_r->epoch = cur_u32(&c);
    owner_r->chunks = cur_u32(&c);
    item_r->count = cur_u16(&c);
    item_r->attempts = cur_u16(&c);
    item_r->lane = cur_u8(&c);
    item_r->accepted_ms = (int64_t)cur_u64(&c);
    item_r->due_ms = (int64_t)cur_u64(&c);
    item_r->expire_ms = (int64_t)cur_u64(&c);
    item_r->body_size = cur_u64(&c);
    item_r->dest = cur_slice16(&c);
    item_r->env = cur_slice32(&c);
    bool sane = !c.bad && cur_left(&c) == 0 && item_r->sub < item_r->count;
    return sane ? RC_OK : RC_CORRUPT;
}

/* ---- bodies ---- */

static void body_header(char header_r[BODY_HEADER], bool sealed, int layout, size_t head_size)
{
    assert(head_size <= UINT32_MAX);
    memset(header_r, 0, BODY_HEADER);
    header_r[0] = VERSION;
    header_r[1] = sealed ? FLAG_SEALED : 0;
    header_r[2] = (char)layout;
    for (int i = 0; i < 4; i++)
        header_r[4 + i] = (char)(head_size >> 8 * i & 0xff);
}

void record_body_header(char header_r[BODY_HEADER], bool sealed, size_t head_size)
{
    body_header(header_r, sealed, LAYOUT_INLINE, head_size);
}

void record_put_sealed_body(struct buf *out, struct seal *seal, struct spool_id id,
                            struct slice body, size_t head_size)
{
    char header[BODY_HEADER];
    struct record_key key = record_body_key(id);
    body_header(header, true, LAYOUT_INLINE, head_size);
    put_record(out, seal, FAMILY_BODY, record_key_slice(&key),
               (struct slice){ header, sizeof(header) }, body);
}

void record_put_manifest(struct buf *out, struct seal *seal, struct spool_id id,
                         const struct manifest *manifest, struct slice head)
{
    char header[BODY_HEADER];
    struct record_key key = record_body_key(id);
    struct buf payload;
    buf_init(&payload, head.n + 64);
    put_u64(&payload, manifest->data_size);
    put_u32(&payload, manifest->chunk_size);
    put_u32(&payload, manifest->chunks);
    buf_put_slice(&payload, head);
    body_header(header, seal, LAYOUT_CHUNKED, head.n);
    put_record(out, seal, FAMILY_BODY, record_key_slice(&key),
               (struct slice){ header, sizeof(header) }, buf_slice(&payload));
    buf_free(&payload);
}

static bool manifest_sane(const struct manifest *m)
{
    if (m->chunk_size == 0 || m->chunks == 0 || m->data_size == 0)
        return false;
    return (m->data_size - 1) / m->chunk_size + 1 == m->chunks;
}

enum rc record_get_body(struct slice key, struct slice stored, struct seal *seal,
                        struct buf *scratch, struct body_record *body_r)
{
    struct slice payload = { 0 };
    *body_r = (struct body_record){ 0 };
    if (key.n != BODY_KEY ||
        get_record(FAMILY_BODY, key, stored, BODY_HEADER, seal, scratch, &payload) != RC_OK)
        return RC_CORRUPT;
    struct cursor header = cur_of(stored.p + 2, BODY_HEADER - 2);
    uint8_t layout = cur_u8(&header);
    (void)cur_u8(&header);
    body_r->head_size = cur_u32(&header);
    body_r->chunked = layout == LAYOUT_CHUNKED;
    if (layout == LAYOUT_INLINE) {
        body_r->bytes = payload;
        return body_r->head_size <= payload.n ? RC_OK : RC_CORRUPT;
    }
    struct cursor c = cur_of(payload.p, payload.n);
    body_r->manifest.data_size = cur_u64(&c);
    body_r->manifest.chunk_size = cur_u32(&c);
    body_r->manifest.chunks = cur_u32(&c);
    body_r->bytes = cur_bytes(&c, body_r->head_size);
    bool sane =
        layout == LAYOUT_CHUNKED && !c.bad && cur_left(&c) == 0 && manifest_sane(&body_r->manifest);
    return sane ? RC_OK : RC_CORRUPT;
}

void record_put_chunk(struct buf *out, struct seal *seal, const struct record_key *key,
                      struct slice data)
{
    char header[SHORT_HEADER] = { VERSION, seal ? FLAG_SEALED : 0 };
    put_record(out, seal, FAMILY_CHUNK, record_key_slice(key),
               (struct slice){ header, sizeof(header) }, data);
}

enum rc record_get_chunk(struct slice key, struct slice stored, struct seal *seal,
                         struct buf *scratch, struct slice *data_r)
{
    return get_record(FAMILY_CHUNK, key, stored, SHORT_HEADER, seal, scratch, data_r);
}
