/*
 * probes/links_view — a path as the cost sees it
 *
 *   With fewer than FULL samples the round trip leans on the parent: the same egress towards the
 *   other groups of the carrier, else towards all groups.
 */
#include <math.h>
#include <string.h>

#include "probes/links_internal.h"

static const double FULL = 10; /* samples from which a path stands for itself */
static const double UNKNOWN_SPREAD = 0.25;
static const double EGRESS_DOUBT = 0.35; /* fail share of a path whose egress is in doubt */

double view_think(const struct group *g)
{
    return g->greet_ms + g->final_ms;
}

static double parent_rtt(const struct links *l, const struct group *g, int16_t slot)
{
    double carrier = (double)l->group[g->carrier_group]->carrier_rtt[slot];
    return carrier > 0 ? carrier : l->slot[slot].mean_rtt;
}

static void round_trip(const struct links *l, const struct group *g, int16_t slot,
                       const struct estimate *e, struct advice_path *p)
{
    double own = e && e->rtt_ms > 0 ? fmin(e->rtt_all / FULL, 1) : 0;
    double parent = own < 1 ? parent_rtt(l, g, slot) : 0;
    if (parent <= 0)
        own = own > 0 ? 1 : 0;
    double rtt = 0, var = 0;
    if (e && own > 0) {
        rtt = own * e->rtt_ms;
        var = own * e->var_ms;
    }
    p->rtt_ms = (float)(rtt + (1 - own) * parent);
    p->rtt_var_ms = (float)(var + (1 - own) * parent * UNKNOWN_SPREAD);
}

/* How likely the next session fails because of what is happening right now. */
static double doubt_of(const struct links *l, const struct group *g, int16_t slot)
{
    const struct path *p = &links_seen(l, g, slot)->path;
    if (g->destination_suspect)
        return 0;
    double of_egress = p->ok_start_ms < l->slot[slot].doubt_ms ? EGRESS_DOUBT : 0;
    return fmax(of_egress, path_doubt(p));
}

static void of_cell(const struct cell *c, int64_t now_ms, struct advice_path *p)
{
    p->state = c->path.state;
    p->loss = (float)estimate_loss_share(&c->est, now_ms);
    p->fail = (float)estimate_fail_share(&c->est, now_ms);
    p->goodput = (float)estimate_goodput_now(&c->est, now_ms);
    p->samples = (float)estimate_samples(&c->est, now_ms);
    int64_t age = now_ms - c->sample_ms;
    p->age_ms = age < 0 ? 0 : age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
}

static void figures(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms,
                    struct advice_path *p)
{
    const struct cell *c = links_seen(l, g, slot);
    *p = (struct advice_path){ .state = PATH_UNKNOWN };
    round_trip(l, g, slot, c ? &c->est : NULL, p);
    p->near = g->cell[slot] ? g->cell[slot]->near : 0;
    if (c)
        of_cell(c, now_ms, p);
}

void view_path(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms,
               struct advice_path *p)
{
    figures(l, g, slot, now_ms, p);
    if (links_seen(l, g, slot))
        p->fail = (float)(1 - (1 - (double)p->fail) * (1 - doubt_of(l, g, slot)));
}

static double cost_of(const struct links *l, const struct group *g, int16_t slot,
                      enum size_class size, const struct advice_path *path)
{
    return cost_of_path(path, view_think(g), l->slot[slot].cost_ms,
                        size == SIZE_LARGE ? COST_LARGE_BYTES : COST_SMALL_BYTES);
}

double view_cost(const struct links *l, const struct group *g, int16_t slot, enum size_class size,
                 int64_t now_ms)
{
    struct advice_path path;
    figures(l, g, slot, now_ms, &path);
    return cost_of(l, g, slot, size, &path);
}

double view_cost_error(const struct links *l, const struct group *g, int16_t slot,
                       enum size_class size, int64_t now_ms)
{
    struct advice_path path;
    figures(l, g, slot, now_ms, &path);
    double ms = cost_of(l, g, slot, size, &path);
    path.loss += (float)estimate_loss_error(&links_seen(l, g, slot)->est, now_ms);
    return cost_of(l, g, slot, size, &path) - ms;
}

void view_leg(const struct links *l, int16_t slot, int64_t now_ms, struct links_minute *row)
{
    const struct cell *c = l->slot[slot].leg;
    struct advice_path path = { .rtt_ms = (float)c->est.rtt_ms,
                                .rtt_var_ms = (float)c->est.var_ms };
    of_cell(c, now_ms, &path);
    row->rtt_ms = c->est.rtt_ms;
    row->loss = (double)path.loss;
    row->goodput = (double)path.goodput;
    row->state = path.state;
    row->cost_ms = cost_of_path(&path, 0, l->slot[slot].cost_ms, COST_SMALL_BYTES);
    row->cost_large_ms = cost_of_path(&path, 0, l->slot[slot].cost_ms, COST_LARGE_BYTES);
}

static bool stands_alone(const struct cell *c)
{
    return c && c->est.rtt_ms > 0 && c->est.rtt_all >= FULL;
}

static void slot_parents(struct links *l, int16_t slot)
{
    double all = 0, sums[LINKS_GROUPS_MAX] = { 0 };
    uint32_t all_n = 0, n[LINKS_GROUPS_MAX] = { 0 };
    for (uint32_t i = 0; i < l->group_n; i++) {
        const struct cell *c = l->group[i]->cell[slot];
        if (l->group[i]->left || !stands_alone(c))
            continue;
        uint32_t at = l->group[i]->carrier_group;
        sums[at] += c->est.rtt_ms;
        n[at]++;
        all += c->est.rtt_ms;
        all_n++;
    }
    for (uint32_t i = 0; i < l->group_n; i++)
        l->group[i]->carrier_rtt[slot] = n[i] ? (float)(sums[i] / n[i]) : 0;
    l->slot[slot].mean_rtt = all_n ? all / all_n : 0;
}

void view_parents(struct links *l)
{
    for (uint32_t i = 0; i < l->egress_n; i++)
        slot_parents(l, l->order[i]);
}
