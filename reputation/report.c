#include "reputation/report.h"

#include <string.h>

#include "gateway/conf/rules.h"

void report_text(char *into, size_t size, struct slice text)
{
    size_t n = text.n < size - 1 ? text.n : size - 1;
    memset(into, 0, size);
    if (n)
        memcpy(into, text.p, n);
}

void report_put(struct buf *out, const struct reply_report *r)
{
    put_u64(out, r->egress);
    put_u8(out, r->source.family);
    buf_put(out, r->source.bytes, sizeof r->source.bytes);
    put_u64(out, r->sender);
    put_u32(out, r->count);
    put_u8(out, r->class);
    put_u8(out, r->names_us);
    put_u16(out, r->code);
    put_slice16(out, slice_of(r->provider));
    put_slice16(out, slice_of(r->rule));
    put_slice16(out, slice_of(r->text));
}

/* A NUL inside would end it early: another text than was sent. */
static void read_text(struct cursor *in, char *into, size_t size)
{
    struct slice text = cur_slice16(in);
    if (text.n >= size || (text.n && memchr(text.p, '\0', text.n)))
        in->bad = true;
    report_text(into, size, in->bad ? slice_of("") : text);
}

static void read_source(struct cursor *in, struct addr *source)
{
    source->family = cur_u8(in);
    struct slice bytes = cur_bytes(in, sizeof source->bytes);
    if (source->family != ADDR_NONE && source->family != ADDR_V4 && source->family != ADDR_V6)
        in->bad = true;
    if (!in->bad)
        memcpy(source->bytes, bytes.p, sizeof source->bytes);
}

enum rc report_read(struct cursor *in, struct reply_report *r)
{
    *r = (struct reply_report){ .egress = cur_u64(in) };
    read_source(in, &r->source);
    r->sender = cur_u64(in);
    r->count = cur_u32(in);
    r->class = cur_u8(in);
    uint8_t names_us = cur_u8(in);
    r->names_us = names_us;
    r->code = cur_u16(in);
    read_text(in, r->provider, sizeof r->provider);
    read_text(in, r->rule, sizeof r->rule);
    read_text(in, r->text, sizeof r->text);
    if (r->class >= REPLY_CLASSES || names_us > 1 || r->count == 0)
        in->bad = true;
    return in->bad ? RC_PARSE : RC_OK;
}
