/*
 * probes/links_regroup — addresses that are of another group than before
 *
 *   How often an address may be probed is kept with it, so it must not be in two groups; and what
 *   nobody sends mail to any more must not be probed for it. Mostly an operator has given carriers
 *   or regions other names: then everything that is known of the group stays.
 */
#include "probes/links_internal.h"

struct regroup {
    struct links *links;
    links_group_fn *group_of;
    void *arg;
    int64_t now_ms;
};

static bool is_named(const struct group *g, struct slice carrier, struct slice region)
{
    return slice_eq_str(carrier, g->carrier) && slice_eq_str(region, g->region);
}

static bool is_other(const struct group *g)
{
    return is_named(g, SLICE_LIT("other"), SLICE_LIT("other"));
}

/* One that only relays serve has no targets either, but no paths. */
static bool is_measured(const struct group *g)
{
    for (int s = 0; s < SLOTS; s++)
        if (g->cell[s] && g->cell[s]->sample_ms)
            return true;
    return false;
}

/* Have all its addresses the same new name, which nobody has? What is of no group in particular
 * must always be there (links_group()). */
static bool rename_whole(const struct regroup *r, uint32_t index)
{
    struct group *g = r->links->group[index];
    struct slice carrier = SLICE_INIT(""), region = carrier, c, z;
    for (uint32_t i = 0; i < g->target_n; i++) {
        r->group_of(r->arg, &g->target[i].address, &c, &z);
        if (i > 0 && !(slice_eq(c, carrier) && slice_eq(z, region)))
            return false;
        carrier = c;
        region = z;
    }
    bool nowhere = slice_eq_str(carrier, "other") && slice_eq_str(region, "other");
    if (!g->target_n || nowhere || is_other(g) || links_group_find(r->links, carrier, region))
        return false;
    links_group_rename(r->links, index, carrier, region);
    return true;
}

/* How many have gone. */
static unsigned move_each(const struct regroup *r, uint32_t index)
{
    struct group *g = r->links->group[index];
    struct slice carrier, region;
    unsigned gone = 0;
    for (uint32_t i = g->target_n; i-- > 0;) {
        r->group_of(r->arg, &g->target[i].address, &carrier, &region);
        int id = links_group(r->links, carrier, region);
        struct group *to = r->links->group[links_group_index(r->links, id)];
        if (to == g || !target_move(&g->target[i], to, r->now_ms))
            continue;
        g->target[i] = g->target[--g->target_n];
        gone++;
    }
    return gone;
}

unsigned links_regroup(struct links *l, links_group_fn *group_of, void *arg, int64_t now_ms)
{
    struct regroup r = { l, group_of, arg, now_ms };
    uint32_t groups = l->group_n; /* one that is made meanwhile has only what belongs there */
    unsigned moved = 0;
    for (uint32_t i = 0; i < groups; i++) {
        struct group *g = l->group[i];
        moved += rename_whole(&r, i) ? g->target_n : move_each(&r, i);
        g->left = g->left || (!g->target_n && is_measured(g) && !is_other(g));
    }
    l->changed = true;
    return moved;
}
