/*
 * reputation/standing_wire — everything that is known as bytes, to be kept over a restart
 *
 *   Little-endian, figures as IEEE bits. The tables name what is kept; what is missing in them is
 *   configuration or derived. Unpacking takes only what packing would have written, so that the
 *   bytes of a standing are one.
 */
#include <string.h>

#include "gateway/base/cursor.h"
#include "reputation/standing_wire.h"

#define M(type, field, max)                                                                        \
    {                                                                                              \
        offsetof(struct member, field), type, 1, max                                               \
    }
static const struct standing_field member_rows[] = {
    M(FIELD_TEXT, egress, STANDING_NAME_MAX),
    M(FIELD_TEXT, reason, STANDING_TEXT_MAX),
    M(FIELD_UNIX, warmup_ms, 0),
    M(FIELD_PAST, parked_ms, 0),
    M(FIELD_U8, state, STANDING_DISABLED),
    M(FIELD_PAST, since_ms, 0),
    M(FIELD_AHEAD, until_ms, 0),
    M(FIELD_U8, before, STANDING_QUARANTINED),
    M(FIELD_PAST, before_ms, 0),
    M(FIELD_U8, holds, HOLDS - 1),
    M(FIELD_U8, fault, EGRESS_PATHS_DOWN),
    M(FIELD_BOOL, begun, 0),
    M(FIELD_BOOL, drained, 0),
    M(FIELD_BOOL, capped, 0),
    M(FIELD_BOOL, acknowledged, 0),
    M(FIELD_U32, sessions, UINT32_MAX),
    M(FIELD_F64, e, 0),
    M(FIELD_PAST, e_ms, 0),
    M(FIELD_PAST, calm_ms, 0),
    M(FIELD_PAST, good_ms, 0),
    M(FIELD_U32, good_n, UINT32_MAX),
    M(FIELD_PAST, bad_ms, 0),
    M(FIELD_PAST, listed_ms, 0),
    M(FIELD_PAST, blocked_ms, 0),
    M(FIELD_PAST, two_ms, 0),
    M(FIELD_U32, falls, RELAPSES_MOST),
    M(FIELD_PAST, freed_ms, 0),
    M(FIELD_F64, ramp, 1),
    M(FIELD_PAST, ramp_ms, 0),
    M(FIELD_BOOL, ramp_good, 0),
    M(FIELD_U32, accepted, UINT32_MAX),
    M(FIELD_U32, refused, UINT32_MAX),
    M(FIELD_U8, fcrdns, STANDING_NAME_BROKEN),
    M(FIELD_PAST, fcrdns_ms, 0),
    M(FIELD_U8, helo, STANDING_NAME_BROKEN),
    M(FIELD_PAST, helo_ms, 0),
    M(FIELD_PAST, content_ms, 0),
    M(FIELD_PAST, content_scored_ms, 0),
    M(FIELD_U32, replies[0], UINT32_MAX),
    M(FIELD_U32, replies[1], UINT32_MAX),
    M(FIELD_U32, contents[0], UINT32_MAX),
    M(FIELD_U32, contents[1], UINT32_MAX),
    { offsetof(struct member, soft), FIELD_BOOL, 2, 0 },
    { offsetof(struct member, proving_ms), FIELD_PAST, 3, 0 },
};

#define C(type, field, max)                                                                        \
    {                                                                                              \
        offsetof(struct cell, field), type, 1, max                                                 \
    }
static const struct standing_field cell_rows[] = {
    C(FIELD_TEXT, provider, STANDING_NAME_MAX),
    C(FIELD_TEXT, reason, STANDING_TEXT_MAX),
    C(FIELD_U8, state, STANDING_BLOCKED),
    C(FIELD_PAST, since_ms, 0),
    C(FIELD_PAST, used_ms, 0),
    C(FIELD_PAST, counted_ms, 0),
    C(FIELD_AHEAD, until_ms, 0),
    C(FIELD_U32, blocks, RELAPSES_MOST),
    C(FIELD_PAST, canary_ms, 0),
    C(FIELD_PAST, throttled_ms, 0),
    C(FIELD_PAST, scored_ms, 0),
    C(FIELD_F64, scored, 0),
    C(FIELD_F64, rate, 1),
    C(FIELD_F64, cap, 0),
    C(FIELD_PAST, rate_ms, 0),
    C(FIELD_BOOL, warm, 0),
    C(FIELD_BOOL, day_bad, 0),
    C(FIELD_BOOL, day_pressed, 0),
    C(FIELD_U32, step, WARM_STEPS),
    C(FIELD_U32, day_sent, UINT32_MAX),
    C(FIELD_U32, day_temporary, UINT32_MAX),
    C(FIELD_PAST, day_ms, 0),
    C(FIELD_PAST, first_ms, 0),
    C(FIELD_U32, accepted, UINT32_MAX),
    C(FIELD_U32, refused, UINT32_MAX),
    C(FIELD_PAST, hour_ms, 0),
    C(FIELD_U32, hour_n, UINT32_MAX),
    C(FIELD_F64, former, 0),
    C(FIELD_F64, tokens, 0),
    C(FIELD_PAST, tokens_ms, 0),
};

static const struct standing_field block_rows[] = {
    { offsetof(struct block, at_ms), FIELD_PAST, 1, 0 },
    { offsetof(struct block, domain), FIELD_U64, 1, 0 },
    { offsetof(struct block, names_us), FIELD_BOOL, 1, 0 },
};

static const struct standing_field listing_rows[] = {
    { offsetof(struct listing, source), FIELD_TEXT, 1, STANDING_NAME_MAX },
    { offsetof(struct listing, text), FIELD_TEXT, 1, STANDING_TEXT_MAX },
    { offsetof(struct listing, points), FIELD_F64, 1, POINTS_MOST },
    { offsetof(struct listing, hard), FIELD_BOOL, 1, 0 },
    { offsetof(struct listing, clear), FIELD_U8, 1, CLEAR_CHECKS - 1 },
    { offsetof(struct listing, since_ms), FIELD_PAST, 1, 0 },
    { offsetof(struct listing, clear_ms), FIELD_PAST, 1, 0 },
    { offsetof(struct listing, heard_ms), FIELD_PAST, 2, 0 },
    { offsetof(struct listing, many), FIELD_BOOL, 3, 0 },
};

static const struct standing_field trace_rows[] = {
    { offsetof(struct trace, kind), FIELD_U8, 1, STANDING_EV_KINDS - 1 },
    { offsetof(struct trace, source), FIELD_TEXT, 1, STANDING_NAME_MAX },
    { offsetof(struct trace, text), FIELD_TEXT, 1, STANDING_TEXT_MAX },
    { offsetof(struct trace, points), FIELD_F64, 1, POINTS_MOST },
    { offsetof(struct trace, at_ms), FIELD_PAST, 1, 0 },
};

#define FIELDS(rows)                                                                               \
    {                                                                                              \
        rows, sizeof(rows) / sizeof((rows)[0])                                                     \
    }
const struct standing_fields standing_member_fields = FIELDS(member_rows);
const struct standing_fields standing_cell_fields = FIELDS(cell_rows);
const struct standing_fields standing_block_fields = FIELDS(block_rows);
const struct standing_fields standing_listing_fields = FIELDS(listing_rows);
const struct standing_fields standing_trace_fields = FIELDS(trace_rows);

/* ---- out ---- */

static void put_number(struct buf *out, const char *at, size_t size)
{
    uint64_t v = 0;
    char bytes[sizeof v];
    memcpy(&v, at, size); /* little-endian, as is every machine this runs on */
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(v >> (8 * i));
    buf_put(out, bytes, size);
}

static void put_fields(struct buf *out, const void *record, const struct standing_fields *f)
{
    static const uint8_t sizes[] = { [FIELD_BOOL] = sizeof(bool),
                                     [FIELD_U8] = 1,
                                     [FIELD_U32] = 4,
                                     [FIELD_U64] = 8,
                                     [FIELD_PAST] = 8,
                                     [FIELD_AHEAD] = 8,
                                     [FIELD_UNIX] = 8,
                                     [FIELD_F64] = 8 };
    for (size_t i = 0; i < f->n; i++) {
        const char *at = (const char *)record + f->at[i].offset;
        char *text = NULL;
        if (f->at[i].type == FIELD_TEXT) {
            memcpy(&text, at, sizeof text);
            put_slice16(out, slice_of(text));
        } else {
            put_number(out, at, sizes[f->at[i].type]);
        }
    }
}

static void put_cell(struct buf *out, const struct cell *c)
{
    put_fields(out, c, &standing_cell_fields);
    put_u8(out, (uint8_t)c->block_n);
    for (uint32_t i = 0; i < c->block_n; i++)
        put_fields(out, &c->block[i], &standing_block_fields);
}

static void put_member(struct buf *out, const struct member *m)
{
    put_u8(out, m->address.family);
    buf_put(out, m->address.bytes, sizeof m->address.bytes);
    put_fields(out, m, &standing_member_fields);
    put_u8(out, (uint8_t)m->listing_n);
    for (uint32_t i = 0; i < m->listing_n; i++)
        put_fields(out, &m->listing[i], &standing_listing_fields);
    put_u8(out, (uint8_t)m->trace_n);
    for (uint32_t i = 0; i < m->trace_n; i++)
        put_fields(out, &m->trace[i], &standing_trace_fields);
    put_u16(out, (uint16_t)m->cell_n);
    for (uint32_t i = 0; i < m->cell_n; i++)
        put_cell(out, m->cell[i]);
}

void standing_pack(const struct standing *s, struct buf *out)
{
    put_u32(out, STANDING_MAGIC_OF(STANDING_LAYOUT));
    put_u64(out, (uint64_t)s->now_ms);
    put_u64(out, (uint64_t)s->wall_ms);
    put_u16(out, (uint16_t)s->n);
    put_u16(out, (uint16_t)s->conf_n);
    buf_put(out, s->pool_empty, sizeof s->pool_empty);
    for (uint32_t i = 0; i < s->n; i++)
        put_member(out, s->member[i]);
}
