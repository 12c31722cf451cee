#include "gateway/daemon/link_frame.h"

#include <string.h>

#include "gateway/base/cursor.h"

/* ---- writing ---- */

size_t link_frame_begin(struct buf *out, enum link_frame_type type)
{
    size_t began = buf_len(out);
    put_u32(out, 0);
    put_u8(out, (uint8_t)type);
    return began;
}

void link_frame_end(struct buf *out, size_t began)
{
    if (out->full)
        return;
    uint32_t n = (uint32_t)(buf_len(out) - began - LINK_HEAD);
    uint8_t *head = (uint8_t *)out->mem + out->start + began;
    for (int i = 0; i < 4; i++)
        head[i] = (uint8_t)(n >> (8 * i));
}

void link_put_observations(struct buf *out, uint64_t lost, const struct observation *at, unsigned n)
{
    size_t began = link_frame_begin(out, LINK_OBSERVATIONS);
    put_u64(out, lost);
    if (n)
        buf_put(out, at, n * sizeof *at);
    link_frame_end(out, began);
}

void link_put_note(struct buf *out, const struct link_note *note)
{
    size_t began = link_frame_begin(out, LINK_EVENT);
    put_u8(out, (uint8_t)note->kind);
    put_u8(out, note->source.family);
    buf_put(out, note->source.bytes, addr_bits(&note->source) / 8);
    put_slice16(out, note->egress);
    put_slice16(out, note->previous);
    put_slice16(out, note->carrier);
    put_slice16(out, note->region);
    put_slice16(out, note->provider);
    put_slice16(out, note->state);
    put_slice16(out, note->reason);
    link_frame_end(out, began);
}

void link_put_letter(struct buf *out, const struct link_letter *letter)
{
    size_t began = link_frame_begin(out, LINK_LETTER);
    put_u64(out, letter->ticket);
    put_slice16(out, letter->to);
    put_slice16(out, letter->subject);
    put_slice16(out, letter->text);
    link_frame_end(out, began);
}

void link_put_fate(struct buf *out, uint64_t ticket, enum letter_fate fate)
{
    size_t began = link_frame_begin(out, LINK_LETTER_FATE);
    put_u64(out, ticket);
    put_u8(out, (uint8_t)fate);
    link_frame_end(out, began);
}

void link_put_reports(struct buf *out, const struct reply_report *at, unsigned n)
{
    size_t began = link_frame_begin(out, LINK_REPORTS);
    for (unsigned i = 0; i < n; i++)
        report_put(out, &at[i]);
    link_frame_end(out, began);
}

/* ---- reading ---- */

void link_reader_init(struct link_reader *reader)
{
    *reader = (struct link_reader){ .used = 0 };
    buf_init(&reader->pending, 2 * LINK_FRAME_MAX);
}

void link_reader_free(struct link_reader *reader)
{
    buf_free(&reader->pending);
}

enum rc link_reader_feed(struct link_reader *reader, struct slice bytes)
{
    buf_consume(&reader->pending, reader->used);
    reader->used = 0;
    buf_put(&reader->pending, bytes.p, bytes.n);
    return reader->pending.full ? RC_LIMIT : RC_OK;
}

enum rc link_reader_next(struct link_reader *reader, struct link_frame *frame_r)
{
    buf_consume(&reader->pending, reader->used);
    reader->used = 0;
    struct slice all = buf_slice(&reader->pending);
    if (all.n < LINK_HEAD)
        return RC_AGAIN;
    struct cursor c = cur_of(all.p, all.n);
    uint32_t n = cur_u32(&c);
    uint8_t type = cur_u8(&c);
    if (n > LINK_FRAME_MAX || type < LINK_OBSERVATIONS || type > LINK_LETTER_FATE)
        return RC_PARSE;
    if (cur_left(&c) < n)
        return RC_AGAIN;
    frame_r->type = (enum link_frame_type)type;
    frame_r->content = cur_bytes(&c, n);
    reader->used = LINK_HEAD + n;
    return RC_OK;
}

static bool sane(const struct observation *o)
{
    const int64_t longest = INT64_C(3600) * 1000000;
    const int64_t times[] = { o->connect_us, o->longest_us, o->greeting_us,
                              o->rtt_us,     o->app_rtt_us, o->final_us };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (times[i] < -1 || times[i] > longest)
            return false;
    return o->kind < OBS_KINDS && o->result < OBS_RESULTS && o->at_us >= 0 && o->proxied <= 1 &&
           o->app_limited <= 1 &&
           (o->address.family == ADDR_NONE || o->address.family == ADDR_V4 ||
            o->address.family == ADDR_V6);
}

enum rc link_read_observations(struct slice content, uint64_t *lost_r,
                               void (*fn)(void *arg, const struct observation *o), void *arg)
{
    struct cursor c = cur_of(content.p, content.n);
    struct observation o;
    *lost_r = cur_u64(&c);
    if (c.bad || cur_left(&c) % sizeof o != 0 || cur_left(&c) / sizeof o > LINK_OBSERVATIONS_MAX)
        return RC_PARSE;
    while (cur_left(&c)) {
        memcpy(&o, cur_bytes(&c, sizeof o).p, sizeof o);
        if (!sane(&o))
            return RC_PARSE;
        fn(arg, &o);
    }
    return RC_OK;
}

enum rc link_read_reports(struct slice content,
                          void (*fn)(void *arg, const struct reply_report *report), void *arg)
{
    struct cursor c = cur_of(content.p, content.n);
    struct reply_report r;
    for (unsigned n = 0; cur_left(&c); n++) {
        if (n == LINK_REPORTS_MAX || report_read(&c, &r) != RC_OK)
            return RC_PARSE;
        fn(arg, &r);
    }
    return RC_OK;
}

enum rc link_read_note(struct slice content, struct link_note *note_r)
{
    struct cursor c = cur_of(content.p, content.n);
    uint8_t kind = cur_u8(&c), family = cur_u8(&c);
    if (kind >= NOTE_KINDS || (family != ADDR_NONE && family != ADDR_V4 && family != ADDR_V6))
        return RC_PARSE;
    *note_r = (struct link_note){ .kind = (enum link_note_kind)kind, .source.family = family };
    struct slice bytes = cur_bytes(&c, addr_bits(&note_r->source) / 8);
    if (bytes.n)
        memcpy(note_r->source.bytes, bytes.p, bytes.n);
    note_r->egress = cur_slice16(&c);
    note_r->previous = cur_slice16(&c);
    note_r->carrier = cur_slice16(&c);
    note_r->region = cur_slice16(&c);
    note_r->provider = cur_slice16(&c);
    note_r->state = cur_slice16(&c);
    note_r->reason = cur_slice16(&c);
    return c.bad || cur_left(&c) ? RC_PARSE : RC_OK;
}

enum rc link_read_letter(struct slice content, struct link_letter *letter_r)
{
    struct cursor c = cur_of(content.p, content.n);
    letter_r->ticket = cur_u64(&c);
    letter_r->to = cur_slice16(&c);
    letter_r->subject = cur_slice16(&c);
    letter_r->text = cur_slice16(&c);
    bool empty = !letter_r->to.n || !letter_r->text.n || letter_r->text.n > LINK_LETTER_MAX;
    return c.bad || cur_left(&c) || empty ? RC_PARSE : RC_OK;
}

enum rc link_read_fate(struct slice content, uint64_t *ticket_r, enum letter_fate *fate_r)
{
    struct cursor c = cur_of(content.p, content.n);
    *ticket_r = cur_u64(&c);
    uint8_t fate = cur_u8(&c);
    if (c.bad || cur_left(&c) || fate >= LETTER_FATES)
        return RC_PARSE;
    *fate_r = (enum letter_fate)fate;
    return RC_OK;
}
