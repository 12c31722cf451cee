/*
 * probes/links_pack.c — writes what links_unpack.c reads
 */
#include <string.h>

#include "gateway/base/cursor.h"
#include "probes/links_wire.h"

struct packer {
    struct buf *out;
    int64_t now_ms;
    uint16_t number[SLOTS]; /* of a slot among those in use, or WIRE_NO_ONE */
};

/* 0: never; else how long ago, plus one. */
static uint64_t age_of(int64_t at_ms, int64_t now_ms)
{
    if (at_ms == 0)
        return 0;
    int64_t age = at_ms < now_ms ? now_ms - at_ms : 0;
    return (uint64_t)(age < WIRE_AGE_MOST_MS ? age : WIRE_AGE_MOST_MS) + 1;
}

static void put_field(const struct packer *p, const char *at, enum field_type type)
{
    uint32_t small = 0;
    int64_t large = 0;
    if (type == FIELD_BOOL || type == FIELD_U8) {
        put_u8(p->out, (uint8_t)*at);
    } else if (type == FIELD_U32) {
        memcpy(&small, at, sizeof small);
        put_u32(p->out, small);
    } else {
        memcpy(&large, at, sizeof large);
        put_u64(p->out, type == FIELD_AGE ? age_of(large, p->now_ms) : (uint64_t)large);
    }
}

static void put_fields(const struct packer *p, const void *record, const struct fields *f)
{
    for (size_t i = 0; i < f->n; i++)
        put_field(p, (const char *)record + f->at[i].offset, f->at[i].type);
}

static void put_cell(const struct packer *p, const struct cell *c)
{
    put_fields(p, c, &links_cell_fields);
    put_u8(p->out, c->path.n);
    for (unsigned i = 0; i < c->path.n; i++)
        put_fields(p, &c->path.at[i], &links_evidence_fields);
    put_u8(p->out, c->est.transfer_n);
    put_u8(p->out, c->est.transfer_next);
    for (unsigned i = 0; i < c->est.transfer_n; i++) {
        uint32_t bits = 0;
        memcpy(&bits, &c->est.transfers[i], sizeof bits);
        put_u32(p->out, bits);
    }
}

static bool bit_of(const uint64_t *bits, int slot)
{
    return bits[slot / 64] >> (slot % 64) & 1;
}

static bool pair_counts(const struct packer *p, const struct target *t, int slot)
{
    return t->pair_ms && t->pair_ms[slot] && p->now_ms - t->pair_ms[slot] <= WIRE_PAIR_MOST_MS;
}

static void put_target(const struct packer *p, const struct target *t)
{
    put_u8(p->out, t->address.family);
    buf_put(p->out, t->address.bytes, sizeof t->address.bytes);
    put_u16(p->out, t->address.port);
    put_fields(p, t, &links_target_fields);
    for (int s = 0; s < SLOTS; s++) {
        if (p->number[s] == WIRE_NO_ONE || !(bit_of(t->own, s) || pair_counts(p, t, s)))
            continue;
        put_u16(p->out, p->number[s]);
        put_u8(p->out, bit_of(t->own, s));
        put_u64(p->out, pair_counts(p, t, s) ? age_of(t->pair_ms[s], p->now_ms) : 0);
    }
    put_u16(p->out, WIRE_NO_ONE);
}

static void put_preference(const struct packer *p, const struct preference *prefer)
{
    put_u16(p->out, prefer->slot == NO_SLOT ? WIRE_NO_ONE : p->number[prefer->slot]);
    put_u16(p->out, prefer->challenger == NO_SLOT ? WIRE_NO_ONE : p->number[prefer->challenger]);
    put_fields(p, prefer, &links_prefer_fields);
}

static void put_group(const struct packer *p, const struct group *g)
{
    uint8_t learned = 0;
    put_slice16(p->out, text_slice(g->carrier));
    put_slice16(p->out, text_slice(g->region));
    put_fields(p, g, &links_group_fields);
    for (int size = 0; size < SIZE_CLASSES; size++)
        put_preference(p, &g->prefer[size]);
    for (int s = 0; s < SLOTS; s++) {
        if (p->number[s] == WIRE_NO_ONE || !g->cell[s])
            continue;
        put_u16(p->out, p->number[s]);
        put_cell(p, g->cell[s]);
    }
    put_u16(p->out, WIRE_NO_ONE);
    for (uint32_t t = 0; t < g->target_n; t++)
        learned = (uint8_t)(learned + (g->target[t].kind == OBS_PROBE));
    put_u8(p->out, learned);
    for (uint32_t t = 0; t < g->target_n; t++)
        if (g->target[t].kind == OBS_PROBE)
            put_target(p, &g->target[t]);
}

/* What an egress reports of itself it reports anew. */
static void put_slot(const struct packer *p, const struct slot *slot)
{
    struct slot kept = *slot;
    if (kept.fault != EGRESS_PATHS_DOWN)
        kept.fault = EGRESS_FINE;
    put_slice16(p->out, text_slice(kept.name));
    put_fields(p, &kept, &links_slot_fields);
    put_u8(p->out, kept.leg != NULL);
    if (kept.leg)
        put_cell(p, kept.leg);
}

void links_pack(const struct links *l, int64_t now_ms, int64_t wall_ms, struct buf *out)
{
    struct packer p = { .out = out, .now_ms = now_ms };
    uint16_t n = 0, groups = 0;
    for (int s = 0; s < SLOTS; s++)
        p.number[s] = l->slot[s].used ? n++ : WIRE_NO_ONE;
    put_u32(out, WIRE_MAGIC);
    put_u64(out, (uint64_t)wall_ms);
    put_u16(out, n);
    for (int s = 0; s < SLOTS; s++)
        if (l->slot[s].used)
            put_slot(&p, &l->slot[s]);
    for (uint32_t g = 0; g < l->group_n; g++)
        groups += !l->group[g]->left;
    put_u16(out, groups);
    for (uint32_t g = 0; g < l->group_n; g++)
        if (!l->group[l->sorted[g]]->left)
            put_group(&p, l->group[l->sorted[g]]);
}
