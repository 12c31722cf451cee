/*
 * reputation/standing_unpack — reads what standing_pack() wrote, and nothing else
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/cursor.h"
#include "gateway/base/mem.h"
#include "reputation/standing_wire.h"

static const double FIGURE_MOST = 1e12;
enum { AHEAD_MS = WEEK_MS + DAY_MS }; /* the longest anything lies ahead */

/* What all records of one standing have in common. */
struct origin {
    int64_t now_ms;
    uint32_t version;
};

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

static void get_field(struct cursor *c, char *at, const struct standing_field *f,
                      const struct origin *o)
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
        double v = cur_f64(c, f->max ? f->max : FIGURE_MOST);
        memcpy(at, &v, sizeof v);
    } else if (type == FIELD_TEXT) {
        char *text = cur_text(c, f->max), *old = NULL;
        memcpy(&old, at, sizeof old);
        free(old);
        memcpy(at, &text, sizeof text);
    } else {
        get_time(c, at,
                 type == FIELD_PAST    ? o->now_ms
                 : type == FIELD_AHEAD ? o->now_ms + AHEAD_MS
                                       : INT64_MAX);
    }
}

static void get_fields(struct cursor *c, void *record, const struct standing_fields *f,
                       const struct origin *o)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->at[i].since <= o->version)
            get_field(c, (char *)record + f->at[i].offset, &f->at[i], o);
}

static void get_cell(struct cursor *c, struct member *m, const struct origin *o)
{
    struct cell *cell = cell_new(m, slice_of(""), o->now_ms);
    get_fields(c, cell, &standing_cell_fields, o);
    cell->block_n = (uint32_t)cur_most(c, cur_u8(c), RECENT_BLOCKS);
    for (uint32_t i = 0; i < cell->block_n; i++)
        get_fields(c, &cell->block[i], &standing_block_fields, o);
    bool overlay = cell->state == STANDING_THROTTLED || cell->state == STANDING_BLOCKED;
    if (!cell->provider[0] || (!overlay && cell->state != cell_base(cell)) ||
        (m->cell_n && strcmp(m->cell[m->cell_n - 1]->provider, cell->provider) >= 0))
        c->bad = true;
    m->cell[m->cell_n++] = cell;
}

static void get_listings(struct cursor *c, struct member *m, const struct origin *o)
{
    uint32_t listings = (uint32_t)cur_most(c, cur_u8(c), STANDING_LISTINGS_MAX);
    while (m->listing_n < listings) /* counted first: freed with the member even when bad */
        get_fields(c, &m->listing[m->listing_n++], &standing_listing_fields, o);
    uint32_t traces = (uint32_t)cur_most(c, cur_u8(c), STANDING_EVIDENCE_MAX);
    while (m->trace_n < traces)
        get_fields(c, &m->trace[m->trace_n++], &standing_trace_fields, o);
}

/* States that no sequence of inputs leads to. */
static bool impossible(const struct member *m)
{
    static const bool never[STANDING_STATES] = {
        [STANDING_THROTTLED] = true, [STANDING_BLOCKED] = true
    };
    return never[m->state] || never[m->before] ||
           (m->state == STANDING_DISABLED) != (m->holds != 0) ||
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

static struct member *get_member(struct cursor *c, const struct origin *o)
{
    struct member *m = member_new(slice_of(""), &(struct addr){ .family = ADDR_NONE });
    get_address(c, &m->address);
    get_fields(c, m, &standing_member_fields, o);
    get_listings(c, m, o);
    if (!c->bad && impossible(m))
        c->bad = true;
    m->cell_cap = (uint32_t)cur_most(c, cur_u16(c), STANDING_PROVIDERS_MAX);
    m->cell = m->cell_cap ? mem_array(m->cell_cap, sizeof(void *)) : NULL;
    while (m->cell_n < m->cell_cap && !c->bad)
        get_cell(c, m, o);
    return m;
}

static void get_all(struct cursor *c, uint32_t version, struct standing *s)
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
    const struct origin o = { s->now_ms, version };
    s->member = mem_array((size_t)n + 1, sizeof(void *));
    while (s->n < n && !c->bad) {
        s->member[s->n] = get_member(c, &o);
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
    uint32_t magic = cur_u32(&c), version = STANDING_LAYOUT;
    while (version && magic != STANDING_MAGIC_OF(version))
        version--;
    if (!version)
        return err_set(err, RC_PARSE, "not a standing of this version");
    struct standing *s = standing_new(hooks, 1);
    get_all(&c, version, s);
    if (c.bad || cur_left(&c)) {
        size_t left = cur_left(&c);
        standing_free(&s);
        return err_set(err, RC_PARSE, "the standing is damaged, %zu bytes before its end", left);
    }
    *standing_r = s;
    return RC_OK;
}
