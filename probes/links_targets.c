/*
 * probes/links_targets — whom a group can be probed at
 *
 *   MX addresses are learned from mail, the ones that mail went to last; beacons and resolvers are
 *   named by the configuration. How often an address was probed is remembered with it, so an
 *   address is not forgotten while its limits run. Ordinary probes leave some addresses that may be
 *   asked at once when a path has to be verified; a beacon may always be asked.
 *
 *   A host that answers a probe with 4yz or 5yz does not want it, or not from there: the intervals
 *   double with each time in a row, those of the address with refusals by whatever egress. That is
 *   forgotten with the address, once its limits, not doubled, have run out, and at a restart.
 */
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "probes/links_internal.h"

static const int64_t SLACK_MS = 500; /* probes that leave far apart may arrive closer together */
enum { DOUBLINGS_MOST = 6 };         /* 64 minutes between two, for an address 640 s */

static struct target *find(struct group *g, const struct addr *address, uint8_t kind)
{
    for (uint32_t i = 0; i < g->target_n; i++)
        if (g->target[i].kind == kind && addr_eq(&g->target[i].address, address))
            return &g->target[i];
    return NULL;
}

struct target *target_find(struct group *g, const struct addr *address)
{
    for (uint32_t i = 0; i < g->target_n; i++)
        if (addr_eq(&g->target[i].address, address))
            return &g->target[i];
    return NULL;
}

/* The learned one without mail for the longest time whose limits, not doubled, have run out. */
static struct target *oldest(struct group *g, int64_t now_ms)
{
    struct target *old = NULL;
    for (uint32_t i = 0; i < g->target_n; i++) {
        struct target *t = &g->target[i];
        if (t->kind == OBS_PROBE && now_ms - t->probed_ms > LINKS_PAIR_MS + SLACK_MS &&
            (!old || t->mail_ms < old->mail_ms))
            old = t;
    }
    return old;
}

static struct target *place(struct group *g, int64_t now_ms)
{
    if (g->target_n < LINKS_TARGETS_MAX)
        return &g->target[g->target_n++];
    struct target *t = oldest(g, now_ms);
    if (t)
        target_clear(t);
    return t;
}

static void add_own(struct target *t, int16_t slot)
{
    t->own[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static bool is_own(const struct target *t, int16_t slot)
{
    return t->own[slot / 64] >> (slot % 64) & 1;
}

/* While there was no room for its group it was of none in particular. */
static void take_from_other(const struct links *l, struct group *g, const struct addr *address,
                            int64_t now_ms)
{
    struct group *other = links_group_find(l, SLICE_LIT("other"), SLICE_LIT("other"));
    struct target *t = other && other != g ? find(other, address, OBS_PROBE) : NULL;
    if (t && target_move(t, g, now_ms))
        *t = other->target[--other->target_n];
}

struct target *target_learn(const struct links *l, struct group *g, int16_t slot,
                            const struct addr *address, int64_t now_ms)
{
    struct target *t = find(g, address, OBS_PROBE);
    if (!t) {
        take_from_other(l, g, address, now_ms);
        t = find(g, address, OBS_PROBE);
    }
    if (!t && (t = place(g, now_ms)) != NULL)
        *t = (struct target){ .address = *address,
                              .kind = OBS_PROBE,
                              .probed_ms = l->resumed_ms }; /* perhaps, just before that */
    if (!t)
        return NULL;
    t->mail_ms = now_ms;
    if (l->slot[slot].own_view)
        add_own(t, slot);
    else
        t->general = true;
    return t;
}

void links_target(struct links *l, int group, uint8_t kind, const struct addr *address, int egress)
{
    struct group *g = l->group[links_group_index(l, group)];
    struct target *t = find(g, address, kind);
    if (!t && (t = place(g, INT64_MAX / 2)) != NULL)
        *t = (struct target){ .address = *address, .kind = kind };
    if (t && egress >= 0 && (uint32_t)egress < l->egress_n)
        add_own(t, l->order[egress]);
}

void links_targets_clear(struct links *l)
{
    for (uint32_t i = 0; i < l->group_n; i++) {
        struct group *g = l->group[i];
        for (uint32_t t = g->target_n; t-- > 0;) {
            if (g->target[t].kind == OBS_PROBE)
                continue;
            target_clear(&g->target[t]);
            g->target[t] = g->target[--g->target_n];
        }
    }
}

/* Both have been probed: the later time of each counts. */
static void merge(struct target *into, struct target *t)
{
    into->probed_ms = later(into->probed_ms, t->probed_ms);
    into->mail_ms = later(into->mail_ms, t->mail_ms);
    into->refusals = into->refusals > t->refusals ? into->refusals : t->refusals;
    into->general = into->general || t->general;
    for (size_t i = 0; i < sizeof t->own / sizeof t->own[0]; i++)
        into->own[i] |= t->own[i];
    for (int s = 0; t->pair_ms && s < SLOTS; s++) {
        if (!into->pair_ms)
            into->pair_ms = mem_array(SLOTS, sizeof *into->pair_ms);
        into->pair_ms[s] = later(into->pair_ms[s], t->pair_ms[s]);
    }
    for (int s = 0; t->refused && s < SLOTS; s++) {
        if (!into->refused)
            into->refused = mem_array(SLOTS, sizeof *into->refused);
        if (t->refused[s] > into->refused[s])
            into->refused[s] = t->refused[s];
    }
    target_clear(t);
}

bool target_move(struct target *t, struct group *to, int64_t now_ms)
{
    struct target *there = find(to, &t->address, OBS_PROBE);
    if (there)
        merge(there, t);
    else if ((there = place(to, now_ms)) != NULL)
        *there = *t;
    return there != NULL;
}

/* ---- limits ---- */

static bool reachable(const struct links *l, int16_t slot, const struct target *t)
{
    const struct slot *s = &l->slot[slot];
    bool family = t->address.family == ADDR_V6 ? s->v6 : s->v4;
    bool seen = t->kind == OBS_BEACON || t->general || is_own(t, slot);
    return family && seen && !s->relay;
}

static unsigned refused_by(const struct target *t, int16_t slot)
{
    return t->refused ? t->refused[slot] : 0;
}

static int64_t spacing(int64_t every_ms, unsigned refusals)
{
    return (every_ms << (refusals < DOUBLINGS_MOST ? refusals : DOUBLINGS_MOST)) + SLACK_MS;
}

static bool allowed(const struct target *t, int16_t slot, int64_t now_ms)
{
    if (t->kind != OBS_PROBE || t->probed_ms == 0)
        return true;
    int64_t pair = t->pair_ms ? t->pair_ms[slot] : 0;
    return now_ms - t->probed_ms >= spacing(LINKS_ADDRESS_MS, t->refusals) &&
           (pair == 0 || now_ms - pair >= spacing(LINKS_PAIR_MS, refused_by(t, slot)));
}

uint32_t target_count(const struct links *l, const struct group *g, int16_t slot)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->target_n; i++)
        n += reachable(l, slot, &g->target[i]);
    return n;
}

uint64_t target_hash(const struct addr *a)
{
    return slice_hash_stable((struct slice){ (const char *)a->bytes, sizeof a->bytes }) ^ a->port;
}

bool target_gone(const struct group *g, const struct target *t)
{
    return t->failing && t->again && g->through_ms > t->failing_ms;
}

void targets_absolve(struct group *g, int16_t slot, int64_t since_ms)
{
    for (uint32_t i = 0; i < g->target_n; i++) {
        struct target *t = &g->target[i];
        if (!t->failing || t->absolved || t->failing_ms < since_ms ||
            (slot != NO_SLOT && t->failed_by != slot))
            continue;
        t->failing = t->again = false;
        t->absolved = true;
    }
}

uint32_t target_alive(const struct links *l, const struct group *g, int16_t slot)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->target_n; i++)
        n += reachable(l, slot, &g->target[i]) && !target_gone(g, &g->target[i]);
    return n;
}

bool target_beacon(const struct links *l, const struct group *g, int16_t slot)
{
    for (uint32_t i = 0; i < g->target_n; i++)
        if (g->target[i].kind == OBS_BEACON && reachable(l, slot, &g->target[i]))
            return true;
    return false;
}

uint32_t target_spare(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->target_n; i++)
        n += reachable(l, slot, &g->target[i]) && allowed(&g->target[i], slot, now_ms);
    return n;
}

struct target *target_pick(struct links *l, struct group *g, int16_t slot, bool urgent,
                           int64_t now_ms)
{
    uint32_t spare = 0, willing = 0;
    struct target *best = NULL, *beacon = NULL;
    int64_t best_ms = 0;
    for (uint32_t i = 0; i < g->target_n; i++) {
        struct target *t = &g->target[i];
        if (!reachable(l, slot, t))
            continue;
        willing += t->refusals == 0 && refused_by(t, slot) == 0;
        if (!allowed(t, slot, now_ms))
            continue;
        spare++;
        beacon = t->kind == OBS_BEACON ? t : beacon;
        int64_t last = t->pair_ms ? t->pair_ms[slot] : 0;
        if (!best || last < best_ms) {
            best = t;
            best_ms = last;
        }
    }
    uint32_t reserve = willing > TARGET_RESERVE ? TARGET_RESERVE : willing ? willing - 1 : 0;
    return urgent || spare > reserve ? best : beacon;
}

void target_forget(struct target *t, int16_t slot)
{
    t->own[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    if (t->pair_ms)
        t->pair_ms[slot] = 0;
    if (t->refused)
        t->refused[slot] = 0;
}

void target_probed(struct target *t, int16_t slot, int64_t now_ms)
{
    if (!t->pair_ms)
        t->pair_ms = mem_array(SLOTS, sizeof *t->pair_ms);
    t->pair_ms[slot] = now_ms;
    t->probed_ms = now_ms;
}

static void count_refusal(uint8_t *n, bool refused)
{
    *n = refused ? (uint8_t)(*n + (*n < DOUBLINGS_MOST)) : 0;
}

void target_answered(struct target *t, int16_t slot, bool refused)
{
    count_refusal(&t->refusals, refused);
    if (refused && !t->refused)
        t->refused = mem_array(SLOTS, sizeof *t->refused);
    if (t->refused)
        count_refusal(&t->refused[slot], refused);
}

void target_clear(struct target *t)
{
    free(t->pair_ms);
    free(t->refused);
    t->pair_ms = NULL;
    t->refused = NULL;
}
