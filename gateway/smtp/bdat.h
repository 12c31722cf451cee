/*
 * smtp/bdat — chunks of RFC 3030
 *
 *   A counter for the server: how much of the bytes at hand belongs to the chunk. And the client's
 *   command line.
 */
#ifndef WAYPOST_SMTP_BDAT_H
#define WAYPOST_SMTP_BDAT_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

struct bdat {
    uint64_t left;  /* bytes of this chunk still to come */
    uint64_t total; /* of all chunks of the message so far, this one included */
    bool last;
};

/* Starts the next chunk (zero the struct for the first). RC_LIMIT: the sum is over `max` (0: none):
 * the chunk must still be read and dropped. */
enum rc bdat_begin(struct bdat *bdat, uint64_t size, bool last, uint64_t max);
/* The bytes of `in` that belong to the chunk; RC_OK when they complete it, else RC_AGAIN. */
enum rc bdat_take(struct bdat *bdat, struct slice in, struct slice *span_r);

void bdat_put_command(struct buf *out, uint64_t size, bool last);

#endif
