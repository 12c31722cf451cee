/*
 * spool/record — the stored form of items and bodies (docs/SPOOL.md has the layout)
 *
 *   Pure: bytes in, values out. Each record starts with a version and flags, so that a later
 *   version can read what an earlier one wrote. With a seal, what follows the header is sealed; the
 *   key under which the record is stored and its header are the additional data. Reading anything
 *   that was not written here gives RC_CORRUPT and no more.
 */
#ifndef WAYPOST_SPOOL_RECORD_H
#define WAYPOST_SPOOL_RECORD_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"
#include "gateway/io/seal.h"
#include "gateway/spool/spool.h"

/* Families of records, each with its own keys (engine: column families). */
enum family { FAMILY_SYS, FAMILY_ITEM, FAMILY_BODY, FAMILY_CHUNK, FAMILY_CORRUPT, FAMILY_COUNT };
extern const char *const family_names[FAMILY_COUNT];

enum {
    RECORD_KEY_MAX = 24,
    ITEM_KEY = SPOOL_ID_BYTES + 2,
    BODY_KEY = SPOOL_ID_BYTES,
    CHUNK_KEY = SPOOL_ID_BYTES + 4,
    BODY_HEADER = 8,
    RECORD_LIMIT = 1 << 30
};

struct record_key {
    char bytes[RECORD_KEY_MAX];
    uint8_t len;
};
struct record_key record_item_key(struct spool_id id, uint16_t sub);
struct record_key record_body_key(struct spool_id id);
struct record_key record_chunk_key(struct spool_id id, uint32_t number); /* from 1 */
struct slice record_key_slice(const struct record_key *key);             /* points into *key */

/* A message as stored beside its items' own fields: who wrote it, how many chunks it has. */
struct record_owner {
    uint32_t epoch;  /* of the process that wrote this record */
    uint32_t chunks; /* 0: the body is inline */
};

/* Appends one item record. id and sub are in the key only. */
void record_put_item(struct buf *out, struct seal *seal, const struct spool_item *item,
                     struct record_owner owner);
/* item_r's dest and env point into `stored`, or into `scratch` (cleared first) when it is sealed.
 * fence is left 0. */
enum rc record_get_item(struct slice key, struct slice stored, struct seal *seal,
                        struct buf *scratch, struct spool_item *item_r,
                        struct record_owner *owner_r);

/* An inline body is its header and then the bytes (head and data), or the sealed bytes. */
void record_body_header(char header_r[BODY_HEADER], bool sealed, size_t head_size);
/* Appends the whole sealed record of a body. */
void record_put_sealed_body(struct buf *out, struct seal *seal, struct spool_id id,
                            struct slice body, size_t head_size);

/* A body in chunks has a manifest in the place of the body, which also holds the head. */
struct manifest {
    uint64_t data_size;  /* of all chunks together, without the head */
    uint32_t chunk_size; /* of each but the last */
    uint32_t chunks;
};
void record_put_manifest(struct buf *out, struct seal *seal, struct spool_id id,
                         const struct manifest *manifest, struct slice head);

struct body_record {
    bool chunked;
    size_t head_size;
    struct manifest manifest; /* when chunked */
    struct slice bytes;       /* inline: head and data; chunked: the head */
};
/* As record_get_item: bytes point into `stored` or `scratch`. */
enum rc record_get_body(struct slice key, struct slice stored, struct seal *seal,
                        struct buf *scratch, struct body_record *body_r);

void record_put_chunk(struct buf *out, struct seal *seal, const struct record_key *key,
                      struct slice data);
enum rc record_get_chunk(struct slice key, struct slice stored, struct seal *seal,
                         struct buf *scratch, struct slice *data_r);

#endif
