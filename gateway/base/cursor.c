#include "gateway/base/cursor.h"

#include <math.h>
#include <string.h>

struct cursor cur_of(const void *p, size_t n)
{
    const uint8_t *bytes = p;
    return (struct cursor){ bytes, bytes ? bytes + n : bytes, false };
}

size_t cur_left(const struct cursor *c)
{
    return c->bad ? 0 : (size_t)(c->end - c->p);
}

static const uint8_t *take(struct cursor *c, size_t n)
{
    if (c->bad || (size_t)(c->end - c->p) < n) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += n;
    return at;
}

static uint64_t little(struct cursor *c, size_t n)
{
    const uint8_t *at = take(c, n);
    uint64_t v = 0;
    for (size_t i = 0; at && i < n; i++)
        v |= (uint64_t)at[i] << (8 * i);
    return v;
}

static uint64_t big(struct cursor *c, size_t n)
{
    const uint8_t *at = take(c, n);
    uint64_t v = 0;
    for (size_t i = 0; at && i < n; i++)
        v = v << 8 | at[i];
    return v;
}

uint8_t cur_u8(struct cursor *c)
{
    return (uint8_t)little(c, 1);
}

uint16_t cur_u16(struct cursor *c)
{
    return (uint16_t)little(c, 2);
}

uint32_t cur_u32(struct cursor *c)
{
    return (uint32_t)little(c, 4);
}

uint64_t cur_u64(struct cursor *c)
{
    return little(c, 8);
}

uint16_t cur_u16be(struct cursor *c)
{
    return (uint16_t)big(c, 2);
}

uint32_t cur_u32be(struct cursor *c)
{
    return (uint32_t)big(c, 4);
}

double cur_f64(struct cursor *c, double most)
{
    uint64_t bits = cur_u64(c);
    double v = 0;
    memcpy(&v, &bits, sizeof v);
    if (!(v >= 0 && v <= most) || signbit(v))
        c->bad = true;
    return c->bad ? 0 : v;
}

uint64_t cur_most(struct cursor *c, uint64_t v, uint64_t most)
{
    if (v > most)
        c->bad = true;
    return c->bad ? 0 : v;
}

struct slice cur_bytes(struct cursor *c, size_t n)
{
    const uint8_t *at = take(c, n);
    return at ? (struct slice){ (const char *)at, n } : (struct slice){ NULL, 0 };
}

struct slice cur_slice16(struct cursor *c)
{
    size_t n = cur_u16(c);
    return cur_bytes(c, n);
}

struct slice cur_slice32(struct cursor *c)
{
    size_t n = cur_u32(c);
    return cur_bytes(c, n);
}

static void put_little(struct buf *b, uint64_t v, size_t n)
{
    char bytes[8];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(v >> (8 * i) & 0xff);
    buf_put(b, bytes, n);
}

void put_u8(struct buf *b, uint8_t v)
{
    put_little(b, v, 1);
}

void put_u16(struct buf *b, uint16_t v)
{
    put_little(b, v, 2);
}

void put_u32(struct buf *b, uint32_t v)
{
    put_little(b, v, 4);
}

void put_u64(struct buf *b, uint64_t v)
{
    put_little(b, v, 8);
}

void put_slice16(struct buf *b, struct slice s)
{
    if (s.n > UINT16_MAX) {
        b->full = true;
        return;
    }
    put_u16(b, (uint16_t)s.n);
    buf_put_slice(b, s);
}

void put_slice32(struct buf *b, struct slice s)
{
    if (s.n > UINT32_MAX) {
        b->full = true;
        return;
    }
    put_u32(b, (uint32_t)s.n);
    buf_put_slice(b, s);
}
