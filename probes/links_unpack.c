/*
 * probes/links_unpack.c — takes only what links_pack() would have written: there is one form of a
 *   state, and nothing in it that the core could not have come to by itself
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/cursor.h"
#include "gateway/base/mem.h"
#include "probes/links_wire.h"

static const double FIGURE_MOST = 1e12;
static const uint64_t WALL_MOST_MS = UINT64_C(1) << 50;

struct unpacker {
    struct cursor c;
    struct links *l;
    int64_t packed_ms; /* monotonic: when it was packed */
    uint16_t slots;    /* they are slot 0 and so on */
};

static int64_t get_time(struct unpacker *u, uint64_t most_ms)
{
    uint64_t age = cur_most(&u->c, cur_u64(&u->c), most_ms + 1);
    if (age == 0)
        return 0;
    int64_t at = u->packed_ms - (int64_t)(age - 1);
    return at ? at : -1; /* 0 would be never */
}

static double get_figure(struct cursor *c)
{
    uint64_t bits = cur_u64(c);
    double v = 0;
    memcpy(&v, &bits, sizeof v);
    if (!(v >= 0 && v <= FIGURE_MOST))
        c->bad = true;
    return c->bad ? 0 : v;
}

static void get_field(struct unpacker *u, char *at, const struct field *f)
{
    enum field_type type = f->type;
    if (type == FIELD_BOOL || type == FIELD_U8) {
        *at = (char)cur_most(&u->c, cur_u8(&u->c), type == FIELD_BOOL ? 1 : f->max);
    } else if (type == FIELD_U32) {
        uint32_t v = cur_u32(&u->c);
        memcpy(at, &v, sizeof v);
    } else if (type == FIELD_F64) {
        double v = get_figure(&u->c);
        memcpy(at, &v, sizeof v);
    } else {
        uint64_t v = type == FIELD_AGE    ? (uint64_t)get_time(u, (uint64_t)WIRE_AGE_MOST_MS)
                     : type == FIELD_SPAN ? cur_most(&u->c, cur_u64(&u->c), f->max)
                                          : cur_u64(&u->c);
        memcpy(at, &v, sizeof v);
    }
}

static void get_fields(struct unpacker *u, void *record, const struct fields *f)
{
    for (size_t i = 0; i < f->n; i++)
        get_field(u, (char *)record + f->at[i].offset, &f->at[i]);
}

/* To be freed. Names are C strings. */
static char *get_text(struct cursor *c)
{
    struct slice s = cur_slice16(c);
    if (s.n > WIRE_TEXT_MAX || (s.n && memchr(s.p, '\0', s.n)))
        c->bad = true;
    return c->bad ? mem_strdup("") : mem_strndup(s.p, s.n);
}

/* Slots of a list come by their numbers. NO_SLOT: its end, or it is bad. */
static int16_t get_slot(struct unpacker *u, int least)
{
    uint16_t s = cur_u16(&u->c);
    if (s != WIRE_NO_ONE && (s >= u->slots || s < least))
        u->c.bad = true;
    return s == WIRE_NO_ONE || u->c.bad ? NO_SLOT : (int16_t)s;
}

/* ---- a path ---- */

static void get_transfers(struct unpacker *u, struct estimate *e)
{
    e->transfer_n = (uint8_t)cur_most(&u->c, cur_u8(&u->c), ESTIMATE_TRANSFERS);
    e->transfer_next = (uint8_t)cur_most(&u->c, cur_u8(&u->c), ESTIMATE_TRANSFERS - 1);
    if (e->transfer_n < ESTIMATE_TRANSFERS && e->transfer_next != e->transfer_n)
        u->c.bad = true;
    for (unsigned i = 0; i < e->transfer_n; i++) {
        uint32_t bits = cur_u32(&u->c);
        memcpy(&e->transfers[i], &bits, sizeof bits);
        if (!(e->transfers[i] > 0 && (double)e->transfers[i] <= FIGURE_MOST))
            u->c.bad = true;
    }
}

static bool impossible(const struct cell *c)
{
    const struct estimate *e = &c->est;
    bool run = c->path.state == PATH_SUSPECT || c->path.state == PATH_DOWN;
    return e->loss.hits > e->loss.all || e->session.hits > e->session.all ||
           e->samples.hits > e->samples.all || e->worse.hits > e->worse.all ||
           e->better.hits > e->better.all || (c->path.n && !run) || (e->rtt_n && e->rtt_ms <= 0);
}

static void get_cell(struct unpacker *u, struct cell *c)
{
    get_fields(u, c, &links_cell_fields);
    c->path.n = (uint8_t)cur_most(&u->c, cur_u8(&u->c), PATH_EVIDENCE);
    for (unsigned i = 0; i < c->path.n; i++)
        get_fields(u, &c->path.at[i], &links_evidence_fields);
    get_transfers(u, &c->est);
    if (impossible(c))
        u->c.bad = true;
}

/* ---- a group ---- */

static void get_pairs(struct unpacker *u, struct target *t)
{
    int least = 0;
    for (int16_t s = get_slot(u, least); s != NO_SLOT; s = get_slot(u, least)) {
        bool own = cur_most(&u->c, cur_u8(&u->c), 1) != 0;
        int64_t at_ms = get_time(u, WIRE_PAIR_MOST_MS);
        if (own)
            t->own[s / 64] |= UINT64_C(1) << (s % 64);
        if (at_ms && !t->pair_ms)
            t->pair_ms = mem_array(SLOTS, sizeof *t->pair_ms);
        if (at_ms)
            t->pair_ms[s] = at_ms;
        if (!own && !at_ms)
            u->c.bad = true;
        least = s + 1;
    }
}

static void get_target(struct unpacker *u, struct group *g)
{
    static const uint8_t none[sizeof g->target[0].address.bytes];
    struct target t = { .kind = OBS_PROBE, .failed_by = NO_SLOT };
    t.address.family = cur_u8(&u->c);
    struct slice bytes = cur_bytes(&u->c, sizeof t.address.bytes);
    if (bytes.n == sizeof t.address.bytes)
        memcpy(t.address.bytes, bytes.p, bytes.n);
    t.address.port = cur_u16(&u->c);
    size_t used =
        t.address.family == ADDR_V4 || t.address.family == ADDR_V6 ? addr_bits(&t.address) / 8 : 0;
    if (used == 0 || memcmp(t.address.bytes + used, none, sizeof none - used) != 0 ||
        target_find(g, &t.address))
        u->c.bad = true;
    get_fields(u, &t, &links_target_fields);
    get_pairs(u, &t);
    g->target[g->target_n++] = t;
}

static void get_preference(struct unpacker *u, struct preference *p)
{
    p->slot = get_slot(u, 0);
    p->challenger = get_slot(u, 0);
    get_fields(u, p, &links_prefer_fields);
}

static void get_rest(struct unpacker *u, struct group *g)
{
    int least = 0;
    get_fields(u, g, &links_group_fields);
    g->used_ms = g->mail_ms;
    for (int size = 0; size < SIZE_CLASSES; size++)
        get_preference(u, &g->prefer[size]);
    for (int16_t s = get_slot(u, least); s != NO_SLOT; s = get_slot(u, least)) {
        get_cell(u, links_cell(g, s));
        least = s + 1;
    }
    uint32_t learned = (uint32_t)cur_most(&u->c, cur_u8(&u->c), LINKS_TARGETS_MAX);
    while (g->target_n < learned && !u->c.bad)
        get_target(u, g);
    g->judge = g->hurry = true;
}

/* Groups come by their names, each once. */
static void get_group(struct unpacker *u)
{
    struct links *l = u->l;
    char *carrier = get_text(&u->c), *region = get_text(&u->c);
    const struct group *last = l->group_n ? l->group[l->group_n - 1] : NULL;
    if (last && advice_group_cmp(text_slice(last->carrier), text_slice(last->region),
                                 text_slice(carrier), text_slice(region)) >= 0)
        u->c.bad = true;
    int id = u->c.bad ? -1 : links_group(l, text_slice(carrier), text_slice(region));
    struct group *g = id >= 0 ? l->group[links_group_index(l, id)] : NULL;
    if (g && strcmp(g->carrier, carrier) == 0 && strcmp(g->region, region) == 0)
        get_rest(u, g);
    else
        u->c.bad = true; /* one too many */
    free(carrier);
    free(region);
}

/* ---- all ---- */

static void get_slots(struct unpacker *u)
{
    u->slots = (uint16_t)cur_most(&u->c, cur_u16(&u->c), SLOTS);
    for (int s = 0; s < u->slots && !u->c.bad; s++) {
        char *name = get_text(&u->c);
        if (links_slot_named(u->l, text_slice(name)) != NO_SLOT)
            u->c.bad = true;
        struct slot *slot = &u->l->slot[links_slot_take(u->l, text_slice(name))];
        free(name);
        get_fields(u, slot, &links_slot_fields);
        if (slot->fault != EGRESS_FINE && slot->fault != EGRESS_PATHS_DOWN)
            u->c.bad = true;
        slot->relay = cur_most(&u->c, cur_u8(&u->c), 1) != 0;
        slot->judge = true;
        if (!slot->relay)
            continue;
        slot->leg = mem_zero(sizeof *slot->leg);
        get_cell(u, slot->leg);
    }
}

static void get_all(struct unpacker *u, int64_t now_ms, int64_t wall_ms)
{
    int64_t then_ms = (int64_t)cur_most(&u->c, cur_u64(&u->c), WALL_MOST_MS);
    int64_t since_ms = wall_ms > then_ms ? wall_ms - then_ms : 0; /* or the clock was set back */
    u->packed_ms = now_ms - (since_ms < WIRE_AGE_MOST_MS ? since_ms : WIRE_AGE_MOST_MS);
    get_slots(u);
    uint32_t groups = (uint32_t)cur_most(&u->c, cur_u16(&u->c), LINKS_GROUPS_MAX);
    for (uint32_t g = 0; g < groups && !u->c.bad; g++)
        get_group(u);
    if (u->l->group_n != groups)
        u->c.bad = true;
}

enum rc links_unpack(struct slice bytes, const struct links_hooks *hooks, int64_t now_ms,
                     int64_t wall_ms, struct links **links_r, struct err *err)
{
    struct unpacker u = { .c = cur_of(bytes.p, bytes.n) };
    *links_r = NULL;
    if (bytes.n > LINKS_PACK_MAX)
        return err_set(err, RC_LIMIT, "a state of %zu bytes, expected at most %d", bytes.n,
                       LINKS_PACK_MAX);
    if (cur_u32(&u.c) != WIRE_MAGIC)
        return err_set(err, RC_PARSE, "not a state of links of this version");
    u.l = links_new(hooks);
    get_all(&u, now_ms, wall_ms);
    if (u.c.bad || cur_left(&u.c)) {
        size_t left = cur_left(&u.c);
        links_free(&u.l);
        return err_set(err, RC_PARSE, "the state of links is damaged, %zu bytes before its end",
                       left);
    }
    *links_r = u.l;
    return RC_OK;
}

void links_resume(struct links *l, int64_t now_ms)
{
    l->resumed_ms = now_ms;
    for (uint32_t g = 0; g < l->group_n; g++)
        for (uint32_t t = 0; t < l->group[g]->target_n; t++)
            l->group[g]->target[t].probed_ms = now_ms;
    for (int s = 0; s < SLOTS; s++)
        limiter_fill(&l->slot[s].limiter, now_ms);
    limiter_fill(&l->total, now_ms);
}
