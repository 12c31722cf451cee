/*
 * reputation/standing_wire — everything that is known as bytes, to be kept over a restart
 *
 *   Little-endian, figures as IEEE bits. The tables name what is kept; what is missing in them is
 *   configuration or derived. Unpacking takes only what packing would have written, so that the
 *   bytes of a standing are one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/cursor.h"
#include "gateway/base/mem.h"
#include "reputation/standing_internal.h"

static const uint32_t MAGIC = 0x31735057; /* "WPs1": 1 is the version of the layout */
static const double FIGURE_MOST = 1e12;
enum { AHEAD_MS = WEEK_MS + DAY_MS }; /* the longest anything lies ahead */

enum field_type {
    FIELD_BOOL,
    FIELD_U8,
    FIELD_U32,
    FIELD_U64,
    FIELD_PAST,
    FIELD_AHEAD,
    FIELD_UNIX,
    FIELD_F64,
    FIELD_TEXT
};

struct field {
    uint16_t offset;
    uint8_t type;
    uint32_t max; /* of U8, U32, F64 (0: FIGURE_MOST), bytes of TEXT; all inclusive */
};

struct fields {
    const struct field *at;
    size_t n;
};

#define M(type, field, max)                                                                        \
    {                                                                                              \
        offsetof(struct member, field), type, max                                                  \
    }
static const struct field member_rows[] = {
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
    M(FIELD_U8, fault, EGRESS_PROXY_DOWN),
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
};

#define C(type, field, max)                                                                        \
    {                                                                                              \
        offsetof(struct cell, field), type, max                                                    \
    }
static const struct field cell_rows[] = {
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

static const struct field block_rows[] = {
    { offsetof(struct block, at_ms), FIELD_PAST, 0 },
    { offsetof(struct block, domain), FIELD_U64, 0 },
    { offsetof(struct block, names_us), FIELD_BOOL, 0 },
};

static const struct field listing_rows[] = {
    { offsetof(struct listing, source), FIELD_TEXT, STANDING_NAME_MAX },
    { offsetof(struct listing, text), FIELD_TEXT, STANDING_TEXT_MAX },
    { offsetof(struct listing, points), FIELD_F64, POINTS_MOST },
    { offsetof(struct listing, hard), FIELD_BOOL, 0 },
    { offsetof(struct listing, clear), FIELD_U8, CLEAR_CHECKS - 1 },
    { offsetof(struct listing, since_ms), FIELD_PAST, 0 },
    { offsetof(struct listing, clear_ms), FIELD_PAST, 0 },
};

static const struct field trace_rows[] = {
    { offsetof(struct trace, kind), FIELD_U8, STANDING_EV_KINDS - 1 },
    { offsetof(struct trace, source), FIELD_TEXT, STANDING_NAME_MAX },
    { offsetof(struct trace, text), FIELD_TEXT, STANDING_TEXT_MAX },
    { offsetof(struct trace, points), FIELD_F64, POINTS_MOST },
    { offsetof(struct trace, at_ms), FIELD_PAST, 0 },
};

#define FIELDS(rows) ((struct fields){ rows, sizeof(rows) / sizeof((rows)[0]) })

/* ---- out ---- */

static void put_number(struct buf *out, const char *at, size_t size)
{
    uint64_t v = 0;
    memcpy(&v, at, size); /* little-endian, as is every machine this runs on */
    for (size_t i = 0; i < size; i++)
        put_u8(out, (uint8_t)(v >> (8 * i)));
}

static void put_fields(struct buf *out, const void *record, struct fields f)
{
    static const uint8_t sizes[] = { [FIELD_BOOL] = sizeof(bool),
                                     [FIELD_U8] = 1,
                                     [FIELD_U32] = 4,
                                     [FIELD_U64] = 8,
                                     [FIELD_PAST] = 8,
                                     [FIELD_AHEAD] = 8,
                                     [FIELD_UNIX] = 8,
                                     [FIELD_F64] = 8 };
    for (size_t i = 0; i < f.n; i++) {
        const char *at = (const char *)record + f.at[i].offset;
        char *text = NULL;
        if (f.at[i].type == FIELD_TEXT) {
            memcpy(&text, at, sizeof text);
            put_slice16(out, slice_of(text));
        } else {
            put_number(out, at, sizes[f.at[i].type]);
        }
    }
}

static void put_cell(struct buf *out, const struct cell *c)
{
    put_fields(out, c, FIELDS(cell_rows));
    put_u8(out, (uint8_t)c->block_n);
    for (uint32_t i = 0; i < c->block_n; i++)
        put_fields(out, &c->block[i], FIELDS(block_rows));
}

static void put_member(struct buf *out, const struct member *m)
{
    put_u8(out, m->address.family);
    buf_put(out, m->address.bytes, sizeof m->address.bytes);
    put_fields(out, m, FIELDS(member_rows));
    put_u8(out, (uint8_t)m->listing_n);
    for (uint32_t i = 0; i < m->listing_n; i++)
        put_fields(out, &m->listing[i], FIELDS(listing_rows));
    put_u8(out, (uint8_t)m->trace_n);
    for (uint32_t i = 0; i < m->trace_n; i++)
        put_fields(out, &m->trace[i], FIELDS(trace_rows));
    put_u16(out, (uint16_t)m->cell_n);
    for (uint32_t i = 0; i < m->cell_n; i++)
        put_cell(out, m->cell[i]);
}

void standing_pack(const struct standing *s, struct buf *out)
{
    put_u32(out, MAGIC);
    put_u64(out, (uint64_t)s->now_ms);
    put_u64(out, (uint64_t)s->wall_ms);
    put_u16(out, (uint16_t)s->n);
    put_u16(out, (uint16_t)s->conf_n);
    buf_put(out, s->pool_empty, sizeof s->pool_empty);
    for (uint32_t i = 0; i < s->n; i++)
        put_member(out, s->member[i]);
}

/* ---- in ---- */

static uint64_t cur_most(struct cursor *c, uint64_t v, uint64_t most)
{
    if (v > most)
        c->bad = true;
    return c->bad ? 0 : v;
}

static double cur_figure(struct cursor *c, double most)
{
    uint64_t bits = cur_u64(c);
    double v = 0;
    memcpy(&v, &bits, sizeof v);
    if (!(v >= 0 && v <= most) || signbit(v))
        c->bad = true;
    return c->bad ? 0 : v;
}

static char *cur_text(struct cursor *c, size_t max)
{
    struct slice s = cur_slice16(c);
    if (s.n > max)
        c->bad = true;
    for (size_t i = 0; i < s.n && !c->bad; i++)
        c->bad = (uint8_t)s.p[i] < 0x20 || s.p[i] == 0x7f;
    return c->bad ? mem_strdup("") : mem_strndup(s.p, s.n);
}

static void get_time(struct cursor *c, char *at, int64_t most)
{
    int64_t ms = (int64_t)cur_most(c, cur_u64(c), (uint64_t)most);
    memcpy(at, &ms, sizeof ms);
}

static void get_field(struct cursor *c, char *at, const struct field *f, int64_t now_ms)
{
    enum field_type type = f->type;
    if (type == FIELD_BOOL || type == FIELD_U8) {
        uint8_t v = (uint8_t)cur_most(c, cur_u8(c), type == FIELD_BOOL ? 1 : f->max);
        memcpy(at, &v, 1);
    } else if (type == FIELD_U32) {
        uint32_t v = (uint32_t)cur_most(c, cur_u32(c), f->max);
        memcpy(at, &v, sizeof v);
    } else if (type == FIELD_U64) {
        uint64_t v = cur_u64(c);
        memcpy(at, &v, sizeof v);
    } else if (type == FIELD_F64) {
        double v = cur_figure(c, f->max ? f->max : FIGURE_MOST);
        memcpy(at, &v, sizeof v);
    } else if (type == FIELD_TEXT) {
        char *text = cur_text(c, f->max), *old = NULL;
        memcpy(&old, at, sizeof old);
        free(old);
        memcpy(at, &text, sizeof text);
    } else {
        get_time(c, at,
                 type == FIELD_PAST    ? now_ms
                 : type == FIELD_AHEAD ? now_ms + AHEAD_MS
                                       : INT64_MAX);
    }
}

static void get_fields(struct cursor *c, void *record, struct fields f, int64_t now_ms)
{
    for (size_t i = 0; i < f.n; i++)
        get_field(c, (char *)record + f.at[i].offset, &f.at[i], now_ms);
}

static void get_cell(struct cursor *c, struct member *m, int64_t now_ms)
{
    struct cell *cell = cell_new(m, slice_of(""), now_ms);
    get_fields(c, cell, FIELDS(cell_rows), now_ms);
    cell->block_n = (uint32_t)cur_most(c, cur_u8(c), RECENT_BLOCKS);
    for (uint32_t i = 0; i < cell->block_n; i++)
        get_fields(c, &cell->block[i], FIELDS(block_rows), now_ms);
    bool overlay = cell->state == STANDING_THROTTLED || cell->state == STANDING_BLOCKED;
    if (!cell->provider[0] || (!overlay && cell->state != cell_base(cell)) ||
        (m->cell_n && strcmp(m->cell[m->cell_n - 1]->provider, cell->provider) >= 0))
        c->bad = true;
    m->cell[m->cell_n++] = cell;
}

static void get_listings(struct cursor *c, struct member *m, int64_t now_ms)
{
    uint32_t listings = (uint32_t)cur_most(c, cur_u8(c), STANDING_LISTINGS_MAX);
    while (m->listing_n < listings) /* counted first: freed with the member even when bad */
        get_fields(c, &m->listing[m->listing_n++], FIELDS(listing_rows), now_ms);
    uint32_t traces = (uint32_t)cur_most(c, cur_u8(c), STANDING_EVIDENCE_MAX);
    while (m->trace_n < traces)
        get_fields(c, &m->trace[m->trace_n++], FIELDS(trace_rows), now_ms);
}

/* States that no sequence of inputs leads to. */
static bool impossible(const struct member *m)
{
    static const bool never[STANDING_STATES] = {
        [STANDING_THROTTLED] = true, [STANDING_BLOCKED] = true
    };
    return never[m->state] || never[m->before] ||
           (m->state == STANDING_DISABLED) != (m->holds != 0) ||
           ((m->holds & HOLD_FAULT) != 0) != (m->fault != EGRESS_FINE) ||
           (m->drained && m->state != STANDING_DRAINING) || (!m->warmup_ms && !m->begun);
}

static void get_address(struct cursor *c, struct addr *address)
{
    static const uint8_t none[sizeof address->bytes];
    address->family = cur_u8(c);
    struct slice bytes = cur_bytes(c, sizeof address->bytes);
    if (bytes.n == sizeof address->bytes)
        memcpy(address->bytes, bytes.p, bytes.n);
    size_t used = addr_bits(address) / 8;
    if ((address->family != ADDR_NONE && used == 0) ||
        memcmp(address->bytes + used, none, sizeof none - used) != 0)
        c->bad = true;
}

static struct member *get_member(struct cursor *c, int64_t now_ms)
{
    struct member *m = member_new(slice_of(""), &(struct addr){ .family = ADDR_NONE });
    get_address(c, &m->address);
    get_fields(c, m, FIELDS(member_rows), now_ms);
    get_listings(c, m, now_ms);
    if (!c->bad && impossible(m))
        c->bad = true;
    m->cell_cap = (uint32_t)cur_most(c, cur_u16(c), STANDING_PROVIDERS_MAX);
    m->cell = m->cell_cap ? mem_array(m->cell_cap, sizeof *m->cell) : NULL;
    while (m->cell_n < m->cell_cap && !c->bad)
        get_cell(c, m, now_ms);
    return m;
}

static void get_all(struct cursor *c, struct standing *s)
{
    s->now_ms = (int64_t)cur_most(c, cur_u64(c), (uint64_t)STANDING_TIME_MOST * 2);
    s->wall_ms = (int64_t)cur_most(c, cur_u64(c), (uint64_t)STANDING_TIME_MOST);
    uint32_t n = cur_u16(c);
    s->conf_n =
        (uint32_t)cur_most(c, cur_u16(c), n < STANDING_MEMBERS_MAX ? n : STANDING_MEMBERS_MAX);
    struct slice empty = cur_bytes(c, sizeof s->pool_empty);
    for (size_t i = 0; i < empty.n; i++)
        s->pool_empty[i] = (uint8_t)cur_most(c, (uint8_t)empty.p[i], 1);
    if (s->now_ms < 1 || n > 2 * STANDING_MEMBERS_MAX)
        c->bad = true;
    s->member = mem_array((size_t)n + 1, sizeof *s->member);
    while (s->n < n && !c->bad) {
        s->member[s->n] = get_member(c, s->now_ms);
        s->member[s->n]->index = s->n;
        s->n++;
    }
}

enum rc standing_unpack(struct slice bytes, const struct standing_hooks *hooks,
                        struct standing **standing_r, struct err *err)
{
    struct cursor c = cur_of(bytes.p, bytes.n);
    *standing_r = NULL;
    if (bytes.n > STANDING_PACK_MAX)
        return err_set(err, RC_LIMIT, "a standing of %zu bytes, expected at most %d", bytes.n,
                       STANDING_PACK_MAX);
    if (cur_u32(&c) != MAGIC)
        return err_set(err, RC_PARSE, "not a standing of this version");
    struct standing *s = standing_new(hooks, 1);
    get_all(&c, s);
    if (c.bad || cur_left(&c)) {
        size_t left = cur_left(&c);
        standing_free(&s);
        return err_set(err, RC_PARSE, "the standing is damaged, %zu bytes before its end", left);
    }
    *standing_r = s;
    return RC_OK;
}
