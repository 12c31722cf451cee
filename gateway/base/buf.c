#include "gateway/base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){ .limit = limit };
}

void buf_free(struct buf *b)
{
    free(b->mem);
    *b = (struct buf){ .limit = b->limit };
}

void buf_clear(struct buf *b)
{
    b->start = b->end = 0;
    b->full = false;
}

void buf_shrink(struct buf *b)
{
    buf_free(b);
}

size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

struct slice buf_slice(const struct buf *b)
{
    return (struct slice){ b->mem ? b->mem + b->start : NULL, buf_len(b) };
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= buf_len(b));
    b->start += n;
    if (b->start == b->end)
        b->start = b->end = 0;
}

static void make_room(struct buf *b, size_t want)
{
    if (b->cap - b->end >= want)
        return;
    if (b->start) {
        memmove(b->mem, b->mem + b->start, buf_len(b));
        b->end -= b->start;
        b->start = 0;
    }
    if (b->cap - b->end >= want)
        return;
    size_t cap = b->cap ? b->cap : 256;
    while (cap - b->end < want)
        cap *= 2;
    b->mem = mem_grow(b->mem, cap, 1);
    b->cap = cap;
}

char *buf_reserve(struct buf *b, size_t want)
{
    if (b->full || want > b->limit - buf_len(b)) {
        b->full = true;
        return NULL;
    }
    make_room(b, want + 1); /* one more: buf_take() ends with NUL */
    return b->mem + b->end;
}

void buf_commit(struct buf *b, size_t n)
{
    assert(n <= b->cap - b->end);
    b->end += n;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    char *at = n ? buf_reserve(b, n) : NULL;
    if (!at)
        return;
    memcpy(at, p, n);
    b->end += n;
}

void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    char *at = buf_reserve(b, 1);
    if (!at)
        return;
    *at = c;
    b->end++;
}

void buf_put_slice(struct buf *b, struct slice s)
{
    buf_put(b, s.p, s.n);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_put(b, digits + i, sizeof digits - i);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    char *at = buf_reserve(b, (size_t)n);
    if (!at)
        return;
    va_start(ap, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->end += (size_t)n;
}

char *buf_take(struct buf *b, size_t *n_r)
{
    make_room(b, 1);
    if (b->start) {
        memmove(b->mem, b->mem + b->start, buf_len(b));
        b->end -= b->start;
        b->start = 0;
    }
    char *mem = b->mem;
    mem[b->end] = '\0';
    if (n_r)
        *n_r = b->end;
    *b = (struct buf){ .limit = b->limit };
    return mem;
}
