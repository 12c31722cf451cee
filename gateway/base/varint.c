#include "gateway/base/varint.h"

void put_varint(struct buf *b, uint64_t v)
{
    char bytes[10];
    size_t n = 0;
    while (v > 0x7f) {
        bytes[n++] = (char)(v | 0x80);
        v >>= 7;
    }
    bytes[n++] = (char)v;
    buf_put(b, bytes, n);
}

uint64_t cur_varint(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = cur_u8(c);
        if (c->bad)
            return 0;
        if (shift == 63 && byte > 1)
            break; /* above UINT64_MAX */
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (byte == 0 && shift > 0)
            break; /* overlong */
        return v;
    }
    c->bad = true;
    return 0;
}

void put_slice_varint(struct buf *b, struct slice s)
{
    put_varint(b, s.n);
    buf_put_slice(b, s);
}

struct slice cur_slice_varint(struct cursor *c)
{
    uint64_t n = cur_varint(c);
    return cur_bytes(c, n);
}

uint64_t zigzag_of(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

int64_t zigzag_to(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}
