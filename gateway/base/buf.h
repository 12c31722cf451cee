/*
 * base/buf — a growing byte buffer that knows its limit
 *
 *   buf_init() demands the limit: everything that can grow has one. Appending beyond it sets `full`
 *   and drops the data; check once at the end. Consumed bytes at the front cost nothing until space
 *   is needed. Release with buf_free(); a zeroed struct buf is a valid empty one with limit 0.
 */
#ifndef WAYPOST_BASE_BUF_H
#define WAYPOST_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"

struct buf {
    char *mem;
    size_t start, end, cap, limit; /* content is mem[start..end) */
    bool full;                     /* sticky: an append did not fit */
};

void buf_init(struct buf *b, size_t limit);
void buf_free(struct buf *b);
void buf_clear(struct buf *b);  /* empties, keeps the memory, clears `full` */
void buf_shrink(struct buf *b); /* empties and gives the memory back */
size_t buf_len(const struct buf *b);
struct slice buf_slice(const struct buf *b); /* valid until the next call that changes the buffer */
void buf_consume(struct buf *b, size_t n);   /* drops n bytes at the front */

void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_put_slice(struct buf *b, struct slice s);
void buf_put_u64(struct buf *b, uint64_t v); /* decimal digits */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Room for writing `want` bytes in place (NULL when over the limit), then buf_commit(what was
 * used). */
char *buf_reserve(struct buf *b, size_t want);
void buf_commit(struct buf *b, size_t n);

/* Takes the memory away as one malloc'd block (NUL-terminated, length in *n_r); the buffer is empty
 * then. */
char *buf_take(struct buf *b, size_t *n_r);

#endif
