#include "probes/links.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "probes/links_internal.h"

const char *const links_event_names[LINKS_EVENT_KINDS] = {
    "switch",      "path_down",           "path_up",          "egress_fault",
    "egress_fine", "destination_suspect", "destination_fine",
};

enum { TURNS = INT_MAX / LINKS_GROUPS_MAX };
static const int64_t PARENTS_EVERY_MS = 5000, FAULTS_EVERY_MS = 1000, EVALUATE_EVERY_MS = 5000;

struct slice text_slice(const char *text)
{
    return slice_of(text ? text : "");
}

void links_emit(struct links *l, const struct links_event *event)
{
    l->changed = true;
    if (l->hooks.event)
        l->hooks.event(l->hooks.arg, event);
}

void links_emit_group(struct links *l, struct links_event event, const struct group *g)
{
    event.carrier = text_slice(g->carrier);
    event.region = text_slice(g->region);
    links_emit(l, &event);
}

struct links *links_new(const struct links_hooks *hooks)
{
    struct links *l = mem_zero(sizeof *l);
    l->hooks = *hooks;
    return l;
}

static void cell_free(struct cell **cell)
{
    if (*cell)
        free((*cell)->minute.connect);
    free(*cell);
    *cell = NULL;
}

static void slot_free(struct slot *s)
{
    cell_free(&s->leg);
    free(s->name);
}

static struct group *group_new(struct slice carrier, struct slice region)
{
    struct group *g = mem_zero(sizeof *g);
    g->carrier = mem_strndup(carrier.p, carrier.n);
    g->region = mem_strndup(region.p, region.n);
    for (int size = 0; size < SIZE_CLASSES; size++)
        g->prefer[size].slot = g->prefer[size].challenger = NO_SLOT;
    return g;
}

static void group_free(struct group *g)
{
    for (int s = 0; s < SLOTS; s++)
        cell_free(&g->cell[s]);
    for (uint32_t t = 0; t < g->target_n; t++)
        target_clear(&g->target[t]);
    free(g->carrier);
    free(g->region);
    free(g);
}

void links_free(struct links **links)
{
    struct links *l = *links;
    if (!l)
        return;
    for (uint32_t g = 0; g < l->group_n; g++)
        group_free(l->group[g]);
    for (int s = 0; s < SLOTS; s++)
        slot_free(&l->slot[s]);
    free(l);
    *links = NULL;
}

/* ---- egresses ---- */

int16_t links_slot_named(const struct links *l, struct slice name)
{
    for (int s = 0; s < SLOTS; s++)
        if (l->slot[s].used && slice_eq_str(name, l->slot[s].name))
            return (int16_t)s;
    return NO_SLOT;
}

int16_t links_slot_take(struct links *l, struct slice name)
{
    int16_t s = 0;
    while (l->slot[s].used)
        s++;
    l->slot[s].used = true;
    l->slot[s].name = mem_strndup(name.p, name.n);
    l->slot[s].hash = slice_hash_stable(name);
    return s;
}

static void forget_slot(struct group *g, int16_t s)
{
    cell_free(&g->cell[s]);
    g->due_ms[s] = 0;
    g->carrier_rtt[s] = 0;
    for (uint32_t t = 0; t < g->target_n; t++)
        target_forget(&g->target[t], s);
    for (int size = 0; size < SIZE_CLASSES; size++) {
        if (g->prefer[size].slot == s)
            g->prefer[size].slot = NO_SLOT;
        if (g->prefer[size].challenger == s)
            g->prefer[size].challenger = NO_SLOT;
    }
    g->hurry = true;
}

static void slot_drop(struct links *l, int16_t s)
{
    for (uint32_t g = 0; g < l->group_n; g++)
        forget_slot(l->group[g], s);
    for (uint32_t i = l->pending_n; i-- > 0;)
        if (l->pending[i].slot == s)
            l->pending[i] = l->pending[--l->pending_n];
    for (uint32_t i = l->wish_n; i-- > 0;)
        if (l->wish[i].slot == s || l->wish[i].suspect == s)
            l->wish[i] = l->wish[--l->wish_n];
    slot_free(&l->slot[s]);
    memset(&l->slot[s], 0, sizeof l->slot[s]);
}

static bool still_there(const struct links_config *config, const struct slot *slot)
{
    for (uint32_t i = 0; i < config->egress_n; i++)
        if (slice_eq_str(config->egress[i].name, slot->name))
            return true;
    return false;
}

/* What was measured as the one says nothing of the other. */
static void set_relay(struct links *l, int16_t s, bool relay)
{
    if (l->slot[s].relay == relay)
        return;
    for (uint32_t g = 0; g < l->group_n; g++)
        forget_slot(l->group[g], s);
    cell_free(&l->slot[s].leg);
    l->slot[s].relay = relay;
}

void links_configure(struct links *l, const struct links_config *config)
{
    for (int s = 0; s < SLOTS; s++)
        if (l->slot[s].used && !still_there(config, &l->slot[s]))
            slot_drop(l, (int16_t)s);
    l->egress_n = config->egress_n < SLOTS ? config->egress_n : SLOTS;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        const struct links_egress *e = &config->egress[i];
        int16_t s = links_slot_named(l, e->name);
        s = s == NO_SLOT ? links_slot_take(l, e->name) : s;
        struct slot *slot = &l->slot[s];
        l->order[i] = s;
        slot->conf_index = (int16_t)i;
        slot->weight = e->weight;
        slot->cost_ms = e->cost_ms;
        slot->v4 = e->v4;
        slot->v6 = e->v6;
        slot->proxied = e->proxied;
        slot->blind = e->blind;
        set_relay(l, s, e->relay);
        slot->own_view = e->own_view;
        slot->deaf_ms = slot->denials = 0;
        limiter_set(&slot->limiter, config->per_egress);
    }
    limiter_set(&l->total, config->total);
    l->pending_n = 0; /* the probes under way have ended with the old configuration */
    l->interval_ms = config->interval_ms;
    links_ask_again(l); /* it may be another egress under the same name */
    l->changed = true;
}

/* ---- groups ---- */

struct cell *links_cell(struct group *g, int16_t slot)
{
    if (!g->cell[slot])
        g->cell[slot] = mem_zero(sizeof *g->cell[slot]);
    return g->cell[slot];
}

const struct cell *links_seen(const struct links *l, const struct group *g, int16_t slot)
{
    return l->slot[slot].relay ? l->slot[slot].leg : g->cell[slot];
}

/* Its place among the sorted ones, or where it belongs. */
static uint32_t place_of(const struct links *l, struct slice carrier, struct slice region,
                         bool *there_r)
{
    uint32_t low = 0, high = l->group_n;
    *there_r = false;
    while (low < high && !*there_r) {
        uint32_t mid = low + (high - low) / 2;
        const struct group *g = l->group[l->sorted[mid]];
        int order =
            advice_group_cmp(carrier, region, text_slice(g->carrier), text_slice(g->region));
        *there_r = order == 0;
        if (order < 0)
            high = mid;
        else
            low = *there_r ? mid : mid + 1;
    }
    return low;
}

static uint32_t first_of_carrier(const struct links *l, struct slice carrier)
{
    uint32_t g = 0;
    while (g < l->group_n && !slice_eq_str(carrier, l->group[g]->carrier))
        g++;
    return g;
}

struct group *links_group_find(const struct links *l, struct slice carrier, struct slice region)
{
    bool there = false;
    uint32_t at = place_of(l, carrier, region, &there);
    return there ? l->group[l->sorted[at]] : NULL;
}

int links_group_id(const struct links *l, uint32_t index)
{
    return (int)(index + l->group[index]->turn * LINKS_GROUPS_MAX);
}

int links_group_index(const struct links *l, int id)
{
    uint32_t index = (uint32_t)id % LINKS_GROUPS_MAX;
    bool there = id >= 0 && index < l->group_n && !l->group[index]->vacant;
    return there && links_group_id(l, index) == id ? (int)index : NO_GROUP;
}

static int in_use_again(struct links *l, uint32_t index)
{
    struct group *g = l->group[index];
    if (g->left) {
        g->since_ms = g->used_ms = 0; /* it has waited for nothing meanwhile */
        l->changed = true;
    }
    g->left = g->vacant = false;
    return links_group_id(l, index);
}

/* There is no more place: of one that has left, or else it is of no group in particular. */
static int in_place_of_another(struct links *l, struct slice carrier, struct slice region)
{
    uint32_t index = 0;
    while (index < l->group_n && !l->group[index]->vacant)
        index++;
    if (index == l->group_n)
        return links_group(l, slice_of("other"), slice_of("other"));
    l->group[index]->turn = (l->group[index]->turn + 1) % TURNS;
    links_group_rename(l, index, carrier, region);
    return in_use_again(l, index);
}

int links_group(struct links *l, struct slice carrier, struct slice region)
{
    bool there = false;
    uint32_t at = place_of(l, carrier, region, &there);
    if (there)
        return in_use_again(l, l->sorted[at]);
    bool last = l->group_n == LINKS_GROUPS_MAX - 1 && /* kept for "other" until that is there */
                !links_group_find(l, SLICE_LIT("other"), SLICE_LIT("other"));
    if (l->group_n == LINKS_GROUPS_MAX ||
        (last && !(slice_eq_str(carrier, "other") && slice_eq_str(region, "other"))))
        return in_place_of_another(l, carrier, region);
    struct group *g = group_new(carrier, region);
    g->carrier_group = first_of_carrier(l, carrier);
    memmove(l->sorted + at + 1, l->sorted + at, (l->group_n - at) * sizeof l->sorted[0]);
    l->sorted[at] = (uint16_t)l->group_n;
    l->group[l->group_n] = g;
    l->changed = true;
    return (int)l->group_n++;
}

void links_group_clear(struct links *l, uint32_t index)
{
    struct group *old = l->group[index];
    struct group *g = group_new(text_slice(old->carrier), text_slice(old->region));
    g->turn = old->turn;
    g->carrier_group = old->carrier_group;
    memcpy(g->carrier_rtt, old->carrier_rtt, sizeof g->carrier_rtt); /* the carrier's */
    l->group[index] = g;
    group_free(old);
}

void links_group_rename(struct links *l, uint32_t index, struct slice carrier, struct slice region)
{
    struct group *g = l->group[index];
    bool there = false;
    uint32_t from = place_of(l, text_slice(g->carrier), text_slice(g->region), &there);
    l->group_n--; /* while it is out of the order */
    memmove(l->sorted + from, l->sorted + from + 1, (l->group_n - from) * sizeof l->sorted[0]);
    uint32_t to = place_of(l, carrier, region, &there);
    memmove(l->sorted + to + 1, l->sorted + to, (l->group_n - to) * sizeof l->sorted[0]);
    l->sorted[to] = (uint16_t)index;
    l->group_n++;
    free(g->carrier);
    free(g->region);
    g->carrier = mem_strndup(carrier.p, carrier.n);
    g->region = mem_strndup(region.p, region.n);
    for (uint32_t i = 0; i < l->group_n; i++)
        l->group[i]->carrier_group = first_of_carrier(l, text_slice(l->group[i]->carrier));
    l->parents_ms = 0; /* with the next tick: means lie with the first group of a carrier */
    l->changed = true;
}

uint32_t links_group_count(const struct links *l)
{
    return l->group_n;
}

/* ---- time ---- */

static void tick_group(struct links *l, uint32_t index, int64_t now_ms)
{
    struct group *g = l->group[index];
    if (g->left)
        return;
    g->since_ms = g->since_ms ? g->since_ms : now_ms;
    g->used_ms = g->used_ms ? g->used_ms : now_ms;
    if (g->judge)
        judge_group(l, g, index, now_ms);
    if (!g->hurry && now_ms < g->evaluate_ms)
        return;
    g->hurry = false;
    if (now_ms >= g->evaluate_ms) {
        bool first = g->evaluate_ms == 0; /* spread the groups over time */
        g->evaluate_ms = now_ms + (first ? EVALUATE_EVERY_MS * (index % 16) / 16 : 0);
        g->evaluate_ms += EVALUATE_EVERY_MS;
    }
    prefer_evaluate(l, g, now_ms);
}

void links_tick(struct links *l, int64_t now_ms, struct rnd *rnd)
{
    if (now_ms - l->parents_ms >= PARENTS_EVERY_MS) {
        l->parents_ms = now_ms;
        view_parents(l);
    }
    probe_check(l, now_ms);
    for (uint32_t g = 0; g < l->group_n; g++)
        tick_group(l, g, now_ms);
    bool all = now_ms - l->faults_ms >= FAULTS_EVERY_MS;
    if (all)
        l->faults_ms = now_ms;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        struct slot *slot = &l->slot[l->order[i]];
        slot->since_ms = slot->since_ms ? slot->since_ms : now_ms;
        if (slot->judge || (all && (slot->fault == EGRESS_PATHS_DOWN || slot->doubt_ms)))
            fault_judge(l, l->order[i], now_ms);
        slot->judge = false;
    }
    if (all) {
        lapse_all(l, now_ms);
        room_keep(l, now_ms);
    }
    probe_send(l, now_ms, rnd);
}
