#include "gateway/mail/envelope.h"

#include "gateway/base/addr.h"
#include "gateway/base/varint.h"

/*
 * The record, version 1. All numbers are varints; a text is its length and its bytes.
 *
 *   version   1
 *   fields    set of enum field: which optional parts follow, and the yes/no facts
 *   received  ms since 1970 (6 bytes for this century)
 *   size
 *   sender
 *   optional parts in the order of enum field
 *   count of recipients, then each: set of enum rcpt_field, address, optional parts in that order
 */
enum { RECORD_VERSION = 1 };

enum { HOST_BYTES = 8 }; /* of an IPv6 address: its /64 */

enum field {
    FIELD_ENV_ID = 1 << 0,
    FIELD_MT_PRIORITY = 1 << 1,
    FIELD_LONGEST_LINE = 1 << 2, /* left out below 128: no limit anywhere is that low */
    FIELD_ADDRESS = 1 << 3,
    FIELD_NAME = 1 << 4,
    FIELD_HELO = 1 << 5,
    FIELD_USER = 1 << 6,
    FIELD_TLS = 1 << 7,
    FACT_SMTPUTF8 = 1 << 8,
    FACT_8BIT = 1 << 9,
    FACT_NUL = 1 << 10,
    FACT_BARE_EOL = 1 << 11,
    FACT_LACKS_EOL = 1 << 12,
    FACT_HEADER_8BIT = 1 << 13,
    SHIFT_BODY = 14, /* two bits each */
    SHIFT_RET = 16,
    FIELD_DELIVER_BY = 1 << 18, /* from here on since 2026-11-29 */
    FIELD_HOLD = 1 << 19,
    FIELD_HOLD_FOR = 1 << 20,
    FACT_BY_RETURN = 1 << 21,
    FACT_BY_TRACE = 1 << 22,
    FACT_BY_OURS = 1 << 23,
    FACT_BY_TOLD = 1 << 24,
    FIELDS_END = 1 << 25
};

enum { BY_FACTS = FACT_BY_RETURN | FACT_BY_TRACE | FACT_BY_OURS | FACT_BY_TOLD };

enum rcpt_field {
    RCPT_STATE = 3, /* two bits */
    RCPT_ORCPT = 1 << 2,
    RCPT_NOTIFY = 1 << 3,
    RCPT_CODE = 1 << 4,
    RCPT_STATUS = 1 << 5,
    RCPT_REPLY = 1 << 6, /* the first seven bits take one byte: the usual ones */
    RCPT_REPLY_HOST = 1 << 7,
    RCPT_DELAY_NOTIFIED = 1 << 8,
    RCPT_FIELDS_END = 1 << 9
};

enum { LINE_UNREMARKABLE = 127, RECIPIENT_BYTES_MIN = 2 };

static uint64_t bit(bool on, uint64_t flag)
{
    return on ? flag : 0;
}

static uint64_t fields_of_times(const struct envelope *e)
{
    uint64_t fields = bit(e->hold.until_ms, FIELD_HOLD) | bit(e->hold.for_s, FIELD_HOLD_FOR);
    if (e->by.mode == BY_NONE)
        return fields;
    return fields | FIELD_DELIVER_BY | bit(e->by.mode == BY_RETURN, FACT_BY_RETURN) |
           bit(e->by.trace, FACT_BY_TRACE) | bit(e->by.ours, FACT_BY_OURS) |
           bit(e->by.told, FACT_BY_TOLD);
}

static uint64_t fields_of(const struct envelope *e)
{
    const struct content_facts *c = &e->content;
    return bit(e->env_id.n, FIELD_ENV_ID) | bit(e->mt_priority_given, FIELD_MT_PRIORITY) |
           bit(c->longest_line > LINE_UNREMARKABLE, FIELD_LONGEST_LINE) |
           bit(e->origin.address.n, FIELD_ADDRESS) | bit(e->origin.name.n, FIELD_NAME) |
           bit(e->origin.helo.n, FIELD_HELO) | bit(e->origin.user.n, FIELD_USER) |
           bit(e->origin.tls.n, FIELD_TLS) | bit(e->smtputf8, FACT_SMTPUTF8) |
           bit(c->has_8bit, FACT_8BIT) | bit(c->has_nul, FACT_NUL) |
           bit(c->has_bare_eol, FACT_BARE_EOL) | bit(c->lacks_final_eol, FACT_LACKS_EOL) |
           bit(c->header_8bit, FACT_HEADER_8BIT) | (uint64_t)e->body << SHIFT_BODY |
           (uint64_t)e->ret << SHIFT_RET | fields_of_times(e);
}

static void put_if(struct buf *out, uint64_t fields, uint64_t flag, struct slice s)
{
    if (fields & flag)
        put_slice_varint(out, s);
}

static void pack_recipient(const struct recipient *r, struct buf *out)
{
    bool status = r->status.class_ != 0;
    uint64_t fields = r->state | bit(r->orcpt.n, RCPT_ORCPT) | bit(r->notify, RCPT_NOTIFY) |
                      bit(r->code, RCPT_CODE) | bit(status, RCPT_STATUS) |
                      bit(r->reply.n, RCPT_REPLY) | bit(r->reply_host.n, RCPT_REPLY_HOST) |
                      bit(r->delay_notified, RCPT_DELAY_NOTIFIED);
    struct slice reply = r->reply;
    if (reply.n > RECIPIENT_REPLY_MAX)
        reply.n = RECIPIENT_REPLY_MAX;
    put_varint(out, fields);
    put_slice_varint(out, r->address);
    put_if(out, fields, RCPT_ORCPT, r->orcpt);
    if (fields & RCPT_NOTIFY)
        put_varint(out, r->notify);
    if (fields & RCPT_CODE)
        put_varint(out, r->code);
    if (status) {
        put_varint(out, r->status.class_);
        put_varint(out, r->status.subject);
        put_varint(out, r->status.detail);
    }
    put_if(out, fields, RCPT_REPLY, reply);
    put_if(out, fields, RCPT_REPLY_HOST, r->reply_host);
}

void envelope_pack(const struct envelope *e, struct buf *out)
{
    uint64_t fields = fields_of(e);
    put_varint(out, RECORD_VERSION);
    put_varint(out, fields);
    put_varint(out, (uint64_t)e->received_ms);
    put_varint(out, e->size);
    put_slice_varint(out, e->sender);
    put_if(out, fields, FIELD_ENV_ID, e->env_id);
    if (fields & FIELD_MT_PRIORITY)
        put_varint(out, zigzag_of(e->mt_priority));
    if (fields & FIELD_LONGEST_LINE)
        put_varint(out, e->content.longest_line);
    put_if(out, fields, FIELD_ADDRESS, e->origin.address);
    put_if(out, fields, FIELD_NAME, e->origin.name);
    put_if(out, fields, FIELD_HELO, e->origin.helo);
    put_if(out, fields, FIELD_USER, e->origin.user);
    put_if(out, fields, FIELD_TLS, e->origin.tls);
    if (fields & FIELD_DELIVER_BY)
        put_varint(out, zigzag_of(e->by.at_ms));
    if (fields & FIELD_HOLD)
        put_varint(out, (uint64_t)e->hold.until_ms);
    if (fields & FIELD_HOLD_FOR)
        put_varint(out, e->hold.for_s);
    put_varint(out, e->recipients_n);
    for (size_t i = 0; i < e->recipients_n; i++)
        pack_recipient(&e->recipients[i], out);
}

/* A number no larger than `max`; a larger one makes the record bad. */
static uint64_t bounded(struct cursor *c, uint64_t max)
{
    uint64_t v = cur_varint(c);
    if (v <= max)
        return v;
    c->bad = true;
    return 0;
}

static struct slice get_if(struct cursor *c, uint64_t fields, uint64_t flag)
{
    return fields & flag ? cur_slice_varint(c) : (struct slice){ NULL, 0 };
}

static void unpack_recipient(struct cursor *c, struct recipient *r)
{
    uint64_t fields = bounded(c, RCPT_FIELDS_END - 1);
    r->state = (uint8_t)(fields & RCPT_STATE);
    if (r->state > RECIPIENT_FAILED)
        c->bad = true;
    r->delay_notified = (fields & RCPT_DELAY_NOTIFIED) != 0;
    r->address = cur_slice_varint(c);
    r->orcpt = get_if(c, fields, RCPT_ORCPT);
    if (fields & RCPT_NOTIFY)
        r->notify = (uint8_t)bounded(c, 15);
    if (fields & RCPT_CODE)
        r->code = (uint16_t)bounded(c, 999);
    if (fields & RCPT_STATUS) {
        r->status.class_ = (uint8_t)bounded(c, 9);
        r->status.subject = (uint16_t)bounded(c, 999);
        r->status.detail = (uint16_t)bounded(c, 999);
    }
    r->reply = get_if(c, fields, RCPT_REPLY);
    r->reply_host = get_if(c, fields, RCPT_REPLY_HOST);
}

static void unpack_facts(struct envelope *e, uint64_t fields)
{
    e->smtputf8 = (fields & FACT_SMTPUTF8) != 0;
    e->content.has_8bit = (fields & FACT_8BIT) != 0;
    e->content.has_nul = (fields & FACT_NUL) != 0;
    e->content.has_bare_eol = (fields & FACT_BARE_EOL) != 0;
    e->content.lacks_final_eol = (fields & FACT_LACKS_EOL) != 0;
    e->content.header_8bit = (fields & FACT_HEADER_8BIT) != 0;
    e->body = (uint8_t)(fields >> SHIFT_BODY & 3);
    e->ret = (uint8_t)(fields >> SHIFT_RET & 3);
}

static void unpack_times(struct cursor *c, uint64_t fields, struct envelope *e)
{
    if (fields & FIELD_DELIVER_BY)
        e->by = (struct deliver_by){ .mode = fields & FACT_BY_RETURN ? BY_RETURN : BY_NOTIFY,
                                     .trace = (fields & FACT_BY_TRACE) != 0,
                                     .ours = (fields & FACT_BY_OURS) != 0,
                                     .told = (fields & FACT_BY_TOLD) != 0,
                                     .at_ms = zigzag_to(cur_varint(c)) };
    else if (fields & BY_FACTS)
        c->bad = true;
    if (fields & FIELD_HOLD)
        e->hold.until_ms = (int64_t)bounded(c, INT64_MAX);
    if (fields & FIELD_HOLD_FOR)
        e->hold.for_s = (uint32_t)bounded(c, UINT32_MAX);
}

static void unpack_optional(struct cursor *c, uint64_t fields, struct envelope *e)
{
    e->env_id = get_if(c, fields, FIELD_ENV_ID);
    e->mt_priority_given = (fields & FIELD_MT_PRIORITY) != 0;
    if (e->mt_priority_given)
        e->mt_priority = (int8_t)zigzag_to(bounded(c, 18)); /* -9..9 */
    if (fields & FIELD_LONGEST_LINE)
        e->content.longest_line = (uint32_t)bounded(c, UINT32_MAX);
    e->origin.address = get_if(c, fields, FIELD_ADDRESS);
    e->origin.name = get_if(c, fields, FIELD_NAME);
    e->origin.helo = get_if(c, fields, FIELD_HELO);
    e->origin.user = get_if(c, fields, FIELD_USER);
    e->origin.tls = get_if(c, fields, FIELD_TLS);
    unpack_times(c, fields, e);
}

/* Everything up to the recipients but the facts. */
static struct envelope peek_head(struct cursor *c)
{
    struct envelope e = { .recipients_n = 0 };
    cur_varint(c); /* version */
    uint64_t fields = cur_varint(c);
    cur_varint(c); /* received */
    cur_varint(c); /* size */
    e.sender = cur_slice_varint(c);
    unpack_optional(c, fields, &e);
    return e;
}

uint64_t envelope_client(struct slice record)
{
    struct cursor c = cur_of(record.p, record.n);
    struct origin from = peek_head(&c).origin;
    if (c.bad)
        from = (struct origin){ 0 };
    return origin_client(&from);
}

uint64_t origin_client(const struct origin *from)
{
    struct addr address;
    if (from->user.n || from->name.n)
        return slice_hash(from->user.n ? from->user : from->name);
    if (addr_parse(from->address, &address) != RC_OK || address.family != ADDR_V6)
        return slice_hash(from->address);
    return slice_hash((struct slice){ (const char *)address.bytes, HOST_BYTES });
}

void envelope_peek_times(struct slice record, struct deliver_by *by_r, struct mail_hold *hold_r)
{
    struct cursor c = cur_of(record.p, record.n);
    struct envelope e = peek_head(&c);
    *by_r = c.bad ? (struct deliver_by){ .mode = BY_NONE } : e.by;
    *hold_r = c.bad ? (struct mail_hold){ .until_ms = 0 } : e.hold;
}

void envelope_peek(struct slice record, struct slice *sender_r, struct slice *recipient_r)
{
    struct cursor c = cur_of(record.p, record.n);
    *sender_r = peek_head(&c).sender;
    cur_varint(&c); /* how many */
    cur_varint(&c); /* fields of the first */
    *recipient_r = cur_slice_varint(&c);
    if (c.bad)
        *sender_r = *recipient_r = (struct slice){ NULL, 0 };
}

enum rc envelope_unpack(struct slice record, struct arena *arena, struct envelope *e)
{
    struct cursor c = cur_of(record.p, record.n);
    *e = (struct envelope){ .recipients_n = 0 };
    uint64_t version = cur_varint(&c);
    uint64_t fields = bounded(&c, FIELDS_END - 1);
    if (c.bad || version != RECORD_VERSION)
        return RC_CORRUPT;
    unpack_facts(e, fields);
    e->received_ms = (int64_t)bounded(&c, INT64_MAX);
    e->size = cur_varint(&c);
    e->sender = cur_slice_varint(&c);
    unpack_optional(&c, fields, e);
    uint64_t n = bounded(&c, ENVELOPE_RECIPIENTS_MAX);
    if (c.bad || n > cur_left(&c) / RECIPIENT_BYTES_MIN || e->body > BODY_BINARYMIME ||
        e->ret > DSN_RET_HDRS)
        return RC_CORRUPT;
    e->recipients = arena_alloc(arena, n * sizeof *e->recipients);
    e->recipients_n = n;
    for (size_t i = 0; i < n && !c.bad; i++)
        unpack_recipient(&c, &e->recipients[i]);
    return c.bad || cur_left(&c) ? RC_CORRUPT : RC_OK;
}

const char *body_kind_name(enum body_kind kind)
{
    static const char *const names[] = { "7BIT", "8BITMIME", "BINARYMIME" };
    return names[kind];
}
