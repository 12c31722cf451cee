#include "tests/support/dnswire.h"

#include <string.h>

#include "gateway/dns/answer.h"

enum { PACKET_MAX = 65535, NAME_BYTES = 300 };

void dnswire_put_u16(struct buf *b, unsigned v)
{
    buf_putc(b, (char)(v >> 8 & 0xff));
    buf_putc(b, (char)(v & 0xff));
}

void dnswire_put_u32(struct buf *b, uint32_t v)
{
    dnswire_put_u16(b, v >> 16);
    dnswire_put_u16(b, v & 0xffff);
}

/* The next byte of a name in text form. */
static char next_byte(const char **p)
{
    const char *s = *p;
    if (s[0] != '\\') {
        *p = s + 1;
        return s[0];
    }
    *p = s + 4;
    return (char)((s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0'));
}

void dnswire_put_name(struct buf *b, const char *name)
{
    while (*name) {
        char label[NAME_BYTES];
        size_t n = 0;
        while (*name && *name != '.' && n < sizeof label)
            label[n++] = next_byte(&name);
        if (*name == '.')
            name++;
        buf_putc(b, (char)n);
        buf_put(b, label, n);
    }
    buf_putc(b, '\0');
}

void dnswire_begin(struct dnswire *w, uint16_t id, uint16_t flags, const char *name, uint16_t type)
{
    *w = (struct dnswire){ 0 };
    buf_init(&w->buf, PACKET_MAX);
    dnswire_put_u16(&w->buf, id);
    dnswire_put_u16(&w->buf, flags);
    for (int i = 0; i < 4; i++)
        dnswire_put_u16(&w->buf, 0);
    if (!name)
        return;
    w->counts[0] = 1;
    dnswire_put_name(&w->buf, name);
    dnswire_put_u16(&w->buf, type);
    dnswire_put_u16(&w->buf, 1);
}

void dnswire_record(struct dnswire *w, enum dnswire_section section, const char *owner,
                    uint16_t type, uint32_t ttl, struct slice data)
{
    w->counts[section]++;
    dnswire_put_name(&w->buf, owner);
    dnswire_put_u16(&w->buf, type);
    dnswire_put_u16(&w->buf, 1);
    dnswire_put_u32(&w->buf, ttl);
    dnswire_put_u16(&w->buf, (unsigned)data.n);
    buf_put_slice(&w->buf, data);
}

void dnswire_addr(struct dnswire *w, const char *owner, uint32_t ttl, const char *text)
{
    struct addr a;
    addr_parse(slice_of(text), &a);
    bool v4 = a.family == ADDR_V4;
    struct slice data = { (const char *)a.bytes, v4 ? 4 : 16 };
    dnswire_record(w, DNSWIRE_ANSWER, owner, v4 ? DNS_A : DNS_AAAA, ttl, data);
}

void dnswire_mx(struct dnswire *w, const char *owner, uint32_t ttl, unsigned pref, const char *host)
{
    struct buf data;
    buf_init(&data, NAME_BYTES * 4);
    dnswire_put_u16(&data, pref);
    dnswire_put_name(&data, host);
    dnswire_record(w, DNSWIRE_ANSWER, owner, DNS_MX, ttl, buf_slice(&data));
    buf_free(&data);
}

void dnswire_cname(struct dnswire *w, const char *owner, uint32_t ttl, const char *target)
{
    struct buf data;
    buf_init(&data, NAME_BYTES * 4);
    dnswire_put_name(&data, target);
    dnswire_record(w, DNSWIRE_ANSWER, owner, DNS_CNAME, ttl, buf_slice(&data));
    buf_free(&data);
}

void dnswire_soa(struct dnswire *w, uint32_t ttl, uint32_t minimum)
{
    struct buf data;
    buf_init(&data, NAME_BYTES);
    dnswire_put_name(&data, "ns.example");
    dnswire_put_name(&data, "hostmaster.example");
    for (uint32_t i = 1; i <= 4; i++)
        dnswire_put_u32(&data, i);
    dnswire_put_u32(&data, minimum);
    dnswire_record(w, DNSWIRE_AUTHORITY, "example", DNS_SOA, ttl, buf_slice(&data));
    buf_free(&data);
}

struct slice dnswire_end(struct dnswire *w)
{
    char *header = w->buf.mem + w->buf.start;
    for (int i = 0; i < 4; i++) {
        header[4 + 2 * i] = (char)(w->counts[i] >> 8);
        header[5 + 2 * i] = (char)(w->counts[i] & 0xff);
    }
    return buf_slice(&w->buf);
}

void dnswire_free(struct dnswire *w)
{
    buf_free(&w->buf);
}
