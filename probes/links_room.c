/*
 * probes/links_room — room for groups to come
 *
 *   Who sends to all the world meets more pairs of carrier and country in days than there is room
 *   for. As it grows scarce those give their places first whose addresses are of other groups now,
 *   then the one without mail for the longest time, an hour at least. A group stays
 *     - while the configuration names an address of it, or none in particular has another
 *       ("other", "other"),
 *     - for a day when it is in trouble: what keeps mail away shall not be found out anew by mail,
 *     - while nothing else shows why an egress is out (links_fault.c).
 *   It leaves as one without addresses does (links_regroup.c): it is in no table and not probed.
 *   All is as before when mail goes there again, until the limits of its addresses, which are
 *   forgotten with it, have run out; then it is empty, and the next new one may have its place.
 */
#include "probes/links_internal.h"

static const int64_t UNUSED_MS = 60 * 60 * 1000, TROUBLED_MS = 24 * 60 * 60 * 1000;
static const int64_t QUIET_MS = LINKS_PAIR_MS + 1000;
static const int64_t SETTLE_MS = 60 * 1000; /* after a start, for the beacons to be named */
enum { SPARE = 32 };

static bool is_other(const struct links *l, const struct group *g)
{
    return g == links_group_find(l, SLICE_LIT("other"), SLICE_LIT("other"));
}

static bool may_forget_targets(const struct group *g, int64_t now_ms)
{
    for (uint32_t i = 0; i < g->target_n; i++) {
        const struct target *t = &g->target[i];
        if (t->probed_ms && now_ms - t->probed_ms < QUIET_MS)
            return false;
    }
    return true;
}

static bool is_named(const struct group *g)
{
    for (uint32_t i = 0; i < g->target_n; i++)
        if (g->target[i].kind != OBS_PROBE)
            return true;
    return false;
}

static bool is_troubled(const struct links *l, const struct group *g)
{
    for (uint32_t i = 0; i < l->egress_n; i++) {
        const struct cell *c = g->cell[l->order[i]];
        if (c &&
            (c->path.state == PATH_SUSPECT || (c->path.state == PATH_DOWN && !c->path.by_egress)))
            return true;
    }
    return g->destination_suspect;
}

static bool is_down(const struct group *g, int16_t slot)
{
    return g->cell[slot] && g->cell[slot]->path.state == PATH_DOWN;
}

/* Is it the last one that shows why an egress is out? */
static bool shows_fault(const struct links *l, const struct group *g)
{
    for (uint32_t i = 0; i < l->egress_n; i++) {
        int16_t slot = l->order[i];
        uint32_t down = 0;
        if (l->slot[slot].fault != EGRESS_PATHS_DOWN || !is_down(g, slot))
            continue;
        for (uint32_t k = 0; k < l->group_n; k++)
            down += !l->group[k]->left && is_down(l->group[k], slot);
        if (down == 1)
            return true;
    }
    return false;
}

static bool may_leave(const struct links *l, const struct group *g, int64_t now_ms)
{
    int64_t unused_ms = now_ms - g->used_ms;
    return !g->left && unused_ms >= UNUSED_MS && !is_other(l, g) && !is_named(g) &&
           (unused_ms >= TROUBLED_MS || !is_troubled(l, g)) && !shows_fault(l, g);
}

/* NO_GROUP: all are needed. */
static int least_needed(const struct links *l, int64_t now_ms)
{
    int best = NO_GROUP;
    for (uint32_t i = 0; i < l->group_n; i++) {
        const struct group *g = l->group[i];
        bool before = best == NO_GROUP || g->used_ms < l->group[best]->used_ms;
        if (before && may_leave(l, g, now_ms))
            best = (int)i;
    }
    return best;
}

static void leave(struct links *l, uint32_t index, int64_t now_ms)
{
    struct group *g = l->group[index];
    if (g->destination_suspect)
        judge_acquit(l, g, NO_SLOT, "no mail for a day: nobody looks any more", now_ms);
    for (uint32_t i = l->wish_n; i-- > 0;)
        if (l->wish[i].group == index)
            l->wish[i] = l->wish[--l->wish_n];
    g->left = true;
    l->changed = true;
}

static void empty(struct links *l, uint32_t index)
{
    for (uint32_t i = l->pending_n; i-- > 0;)
        if (l->pending[i].group == index)
            l->pending[i] = l->pending[--l->pending_n];
    links_group_clear(l, index);
    l->group[index]->left = l->group[index]->vacant = true;
}

void room_keep(struct links *l, int64_t now_ms)
{
    const uint32_t most = LINKS_GROUPS_MAX - 1; /* the last one is for none in particular */
    uint32_t room = l->group_n < most ? most - l->group_n : 0, soon = room;
    if (now_ms - l->awake_ms < SETTLE_MS)
        return;
    for (uint32_t i = 0; i < l->group_n; i++) {
        room += l->group[i]->vacant;
        soon += l->group[i]->left;
    }
    for (int i = 0; soon < SPARE && (i = least_needed(l, now_ms)) != NO_GROUP; soon++)
        leave(l, (uint32_t)i, now_ms);
    for (uint32_t i = 0; i < l->group_n && room < SPARE; i++) {
        const struct group *g = l->group[i];
        if (!g->left || g->vacant || !may_forget_targets(g, now_ms))
            continue;
        empty(l, i);
        room++;
    }
}
