/*
 * spool/fetch — reading bodies on a reader thread (local engine)
 *
 *   A span is a run of a body's bytes that lies in one stored record: a whole inline body, the head
 *   of a body in chunks, or one chunk. It owns its memory.
 */
#ifndef WAYPOST_SPOOL_FETCH_H
#define WAYPOST_SPOOL_FETCH_H

#include "gateway/spool/local.h"

struct span {
    uint64_t base;      /* offset of its first byte in the body */
    struct slice bytes; /* into value or plain */
    char *value;        /* RocksDB's memory */
    struct buf plain;   /* unsealed bytes */
};
void span_free(struct span *span);

/* What is known of a body after the first look. */
struct body_info {
    bool known, chunked;
    uint64_t size; /* head and data */
    size_t head_size;
    struct manifest manifest;
};

/* The span that holds `offset` (< size; any offset while the info is not known: then the first span
 * is given, which may end before it). Damage is set aside and reported. */
enum spool_rc fetch_span(struct local *local, struct seal *seal, struct spool_id id,
                         uint64_t offset, struct body_info *info, struct span *span_r);

enum spool_rc fetch_rc(enum rc rc); /* of a db call */

#endif
