#include "gateway/smtp/proxy.h"

#include <string.h>

#include "gateway/base/cursor.h"

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    V2_FIXED = 16, /* signature, version and command, family, length */
    V2_VERSION_LOCAL = 0x20,
    V2_VERSION_PROXY = 0x21,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    TLV_CRC32C = 0x03
};

/* Does `in` begin with `prefix`, as far as there are bytes to tell? */
static bool may_begin(struct slice in, const char *prefix, size_t n)
{
    return memcmp(in.p, prefix, in.n < n ? in.n : n) == 0;
}

/* Version 1 */

static bool v1_address(struct slice text, bool v6, struct addr *addr_r)
{
    bool colon = text.n && memchr(text.p, ':', text.n);
    if (text.n == 0 || text.p[0] == '[' || colon != v6)
        return false;
    return addr_parse(text, addr_r) == RC_OK && addr_r->port == 0;
}

static bool v1_port(struct slice text, struct addr *addr)
{
    uint64_t port;
    if (!slice_to_u64(text, UINT16_MAX, &port) || (text.n > 1 && text.p[0] == '0'))
        return false;
    addr->port = (uint16_t)port;
    return true;
}

static enum rc v1_line(struct slice line, struct proxy_header *h)
{
    struct slice word[5], rest = slice_skip(line, 6);
    if (slice_starts_with(rest, "UNKNOWN"))
        return rest.n == 7 || rest.p[7] == ' ' ? RC_OK : RC_PARSE;
    for (int i = 0; i < 5; i++)
        if (slice_cut(rest, ' ', &word[i], &rest) != (i < 4))
            return RC_PARSE;
    bool v6 = slice_eq_str(word[0], "TCP6");
    if (!v6 && !slice_eq_str(word[0], "TCP4"))
        return RC_PARSE;
    h->has_addresses = v1_address(word[1], v6, &h->source) &&
                       v1_address(word[2], v6, &h->destination) && v1_port(word[3], &h->source) &&
                       v1_port(word[4], &h->destination);
    return h->has_addresses ? RC_OK : RC_PARSE;
}

static enum rc v1_parse(struct slice in, struct proxy_header *h, size_t *used_r)
{
    const char *lf = memchr(in.p, '\n', in.n < PROXY_V1_MAX ? in.n : PROXY_V1_MAX);
    if (!lf)
        return in.n < PROXY_V1_MAX ? RC_AGAIN : RC_LIMIT;
    struct slice line = { in.p, (size_t)(lf - in.p) };
    if (line.n < 7 || line.p[line.n - 1] != '\r')
        return RC_PARSE;
    line.n--;
    *used_r = line.n + 2;
    return v1_line(line, h);
}

/* Version 2 */

/* CRC32c (Castagnoli) with the four bytes at `hole` taken as zero. */
static uint32_t crc32c(struct slice s, size_t hole)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < s.n; i++) {
        crc ^= i >= hole && i < hole + 4 ? 0 : (unsigned char)s.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static bool v2_tlvs_are_valid(struct slice header, struct cursor c)
{
    while (cur_left(&c)) {
        uint8_t type = cur_u8(&c);
        size_t n = cur_u16be(&c);
        struct slice value = cur_bytes(&c, n);
        if (c.bad)
            return false;
        if (type != TLV_CRC32C)
            continue;
        struct cursor sum = cur_of(value.p, value.n);
        uint32_t want = cur_u32be(&sum);
        if (value.n != 4 || crc32c(header, (size_t)(value.p - header.p)) != want)
            return false;
    }
    return true;
}

/* An IPv4-mapped address counts as IPv4, as everywhere (base/addr.h). */
static struct addr v2_address(struct cursor *c, bool v6)
{
    static const char mapped[] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
    struct addr a = { .family = v6 ? ADDR_V6 : ADDR_V4 };
    struct slice bytes = cur_bytes(c, v6 ? 16 : 4);
    if (!bytes.p)
        return a;
    if (v6 && memcmp(bytes.p, mapped, 12) == 0) {
        a.family = ADDR_V4;
        bytes = (struct slice){ bytes.p + 12, 4 };
    }
    memcpy(a.bytes, bytes.p, bytes.n);
    return a;
}

static enum rc v2_body(struct slice header, struct proxy_header *h)
{
    struct cursor c = cur_of(header.p + 12, header.n - 12);
    uint8_t command = cur_u8(&c), family = cur_u8(&c);
    (void)cur_u16be(&c);
    if (command != V2_VERSION_LOCAL && command != V2_VERSION_PROXY)
        return RC_PARSE;
    if (family != V2_TCP4 && family != V2_TCP6)
        return RC_OK; /* the size of the address block is not known: TLVs cannot be found */
    struct addr source = v2_address(&c, family == V2_TCP6);
    struct addr destination = v2_address(&c, family == V2_TCP6);
    source.port = cur_u16be(&c);
    destination.port = cur_u16be(&c);
    if (c.bad || !v2_tlvs_are_valid(header, c))
        return RC_PARSE;
    if (command == V2_VERSION_PROXY)
        *h = (struct proxy_header){ true, source, destination };
    return RC_OK;
}

static enum rc v2_parse(struct slice in, struct proxy_header *h, size_t *used_r)
{
    if (in.n < V2_FIXED)
        return RC_AGAIN;
    struct cursor c = cur_of(in.p + 14, 2);
    size_t n = V2_FIXED + (size_t)cur_u16be(&c);
    if (n > PROXY_V2_MAX)
        return RC_LIMIT;
    if (in.n < n)
        return RC_AGAIN;
    *used_r = n;
    return v2_body((struct slice){ in.p, n }, h);
}

enum rc proxy_parse(struct slice in, struct proxy_header *header_r, size_t *used_r)
{
    enum rc rc = RC_PARSE;
    size_t used = 0;
    *header_r = (struct proxy_header){ .has_addresses = false };
    *used_r = 0;
    if (in.n == 0)
        return RC_AGAIN;
    if (may_begin(in, "PROXY ", 6))
        rc = v1_parse(in, header_r, &used);
    else if (may_begin(in, v2_signature, 12))
        rc = v2_parse(in, header_r, &used);
    if (rc == RC_OK)
        *used_r = used;
    return rc;
}

static void put_u16be(struct buf *out, uint16_t v)
{
    put_u8(out, (uint8_t)(v >> 8));
    put_u8(out, (uint8_t)(v & 0xff));
}

void proxy_put_v2(struct buf *out, const struct addr *source, const struct addr *destination)
{
    bool known = source->family != ADDR_NONE && source->family == destination->family;
    bool v6 = source->family == ADDR_V6;
    size_t n = v6 ? 16 : 4;
    buf_put(out, v2_signature, 12);
    if (!known) {
        put_u8(out, V2_VERSION_LOCAL);
        put_u8(out, 0);
        put_u16be(out, 0);
        return;
    }
    put_u8(out, V2_VERSION_PROXY);
    put_u8(out, v6 ? V2_TCP6 : V2_TCP4);
    put_u16be(out, (uint16_t)(2 * n + 4));
    buf_put(out, source->bytes, n);
    buf_put(out, destination->bytes, n);
    put_u16be(out, source->port);
    put_u16be(out, destination->port);
}
