/*
 * probes/links_wanted.c — how often each path is to be probed, and which one is most overdue
 *
 *   By its own interval, those in use counting more; the others leave a part of each budget to
 *   those in use. Mail that got through by a path makes its next probe unnecessary.
 */
#include <math.h>

#include "probes/links_internal.h"

static const int64_t SUSPECT_MS = 2000;
static const int64_t BACK_MS = PATH_SPACING_MS + 200; /* less the jitter */
static const int64_t DOWN_MS = 3000, DOWN_LATER_MS = 10 * 1000, DOWN_LONG_MS = 60 * 1000;
static const int64_t MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS;
static const double BUSY_RATE = 0.1; /* mails per second: the path in use is watched closely */

static bool challenges(const struct group *g, int16_t slot)
{
    for (int size = 0; size < SIZE_CLASSES; size++)
        if (g->prefer[size].challenger == slot && g->prefer[size].wins > 0)
            return true;
    return false;
}

/* So often that there is always an address that has not been asked for a minute. */
static int64_t even_interval(uint32_t targets)
{
    return LINKS_PAIR_MS / (targets > TARGET_RESERVE ? targets - TARGET_RESERVE : 1);
}

/* As long as half of the addresses may be asked there is no need to be sparing with them. A single
 * one is saved for the verification of a failure. */
static int64_t in_use_interval(const struct links *l, const struct group *g, int16_t slot,
                               int64_t now_ms)
{
    double rate = g->rate * exp(-fmax((double)(now_ms - g->rate_ms), 0) / LINKS_RATE_TAU_MS);
    const struct cell *c = g->cell[slot];
    bool close = rate >= BUSY_RATE || (c && estimate_in_doubt(&c->est, now_ms));
    int64_t every = close ? l->interval_ms / 8 : l->interval_ms / 3;
    uint32_t targets = target_count(l, g, slot);
    int64_t even = even_interval(targets);
    bool sparing = targets == 1 || 2 * target_spare(l, g, slot, now_ms) < targets;
    return every < even && sparing ? even : every;
}

static bool comes_back(const struct group *g, int16_t slot)
{
    const struct cell *c = g->cell[slot];
    return c && c->path.state == PATH_DOWN && c->path.ups > 0;
}

/* A path that flaps is looked at evenly: no pause shall be missed because every address has been
 * asked. */
static int64_t back_interval(const struct links *l, const struct group *g, int16_t slot)
{
    int64_t even = even_interval(target_count(l, g, slot));
    bool evenly = g->cell[slot]->path.span_ms && even > DOWN_MS && !target_beacon(l, g, slot);
    return evenly ? even : BACK_MS;
}

int64_t probe_interval(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms)
{
    const struct cell *c = g->cell[slot];
    if (comes_back(g, slot))
        return back_interval(l, g, slot);
    if (c && c->path.state == PATH_DOWN) {
        int64_t from = c->path.ok_end_ms > c->path.down_ms ? c->path.ok_end_ms : c->path.down_ms;
        int64_t since = now_ms - from; /* one that flaps is not given up */
        return since < MINUTE_MS ? DOWN_MS : since < 10 * MINUTE_MS ? DOWN_LATER_MS : DOWN_LONG_MS;
    }
    if (c && c->path.state == PATH_SUSPECT)
        return SUSPECT_MS;
    bool mail = g->mail_ms && now_ms - g->mail_ms < HOUR_MS;
    if (mail && prefer_in_use(g, slot))
        return in_use_interval(l, g, slot, now_ms);
    if (mail && challenges(g, slot))
        return l->interval_ms / 3;
    if (mail)
        return l->interval_ms;
    return g->mail_ms && now_ms - g->mail_ms < 24 * HOUR_MS ? 4 * l->interval_ms
                                                            : 20 * l->interval_ms;
}

static double weight(const struct group *g, int16_t slot)
{
    const struct cell *c = g->cell[slot];
    bool broken = c && (c->path.state == PATH_DOWN || c->path.state == PATH_SUSPECT);
    return prefer_in_use(g, slot) ? 8 : broken || challenges(g, slot) ? 4 : 1;
}

static bool probeable(const struct links *l, const struct group *g, int16_t slot)
{
    const struct slot *s = &l->slot[slot];
    return g->target_n > 0 && !g->left && !s->relay && (s->v4 || s->v6) &&
           s->fault != EGRESS_UNPLUMBED && s->fault != EGRESS_PROXY_DOWN;
}

/* In intervals. Whom a probe told nothing has had its turn, too; who never had one has waited since
 * there is the path, else the others, which are late as well where there is not enough for all,
 * would go first for ever. */
static double late_by(const struct links *l, const struct group *g, int16_t slot, int64_t every_ms,
                      int64_t now_ms)
{
    const struct cell *c = g->cell[slot];
    int64_t turn_ms = c ? later(c->asked_ms, c->sample_ms) + every_ms
                        : later(g->since_ms, l->slot[slot].since_ms) - every_ms;
    return fmax((double)(now_ms - turn_ms) / (double)every_ms, 0);
}

/* How much a path that is due wants to be probed; 0: not now, and its due time has moved. */
static double want(const struct links *l, struct group *g, int16_t slot, int64_t now_ms)
{
    if (!probeable(l, g, slot)) {
        g->due_ms[slot] = now_ms + PROBE_AGAIN_MS;
        return 0;
    }
    int64_t every = probe_interval(l, g, slot, now_ms);
    const struct cell *c = g->cell[slot];
    if (c && now_ms - c->sample_ms < every) {
        int64_t due = c->sample_ms + every; /* or sooner: addresses may become free */
        g->due_ms[slot] =
            due > now_ms + PROBE_AGAIN_MS && prefer_in_use(g, slot) ? now_ms + PROBE_AGAIN_MS : due;
        return 0;
    }
    return (1 + late_by(l, g, slot, every, now_ms)) * weight(g, slot);
}

/* The most wanted first; of equals the first egress, of that the first group. */
static bool before(const struct wanted *a, const struct wanted *b)
{
    if (a->much < b->much || a->much > b->much)
        return a->much > b->much;
    return a->egress < b->egress || (a->egress == b->egress && a->group < b->group);
}

/* Into the sorted `best` of `n`, the last of which goes when there is no room. */
static unsigned put_wanted(struct wanted *best, unsigned n, unsigned most, struct wanted wanted)
{
    if (n == most && !before(&wanted, &best[n - 1]))
        return n;
    unsigned at = n < most ? n : n - 1;
    for (; at > 0 && before(&wanted, &best[at - 1]); at--)
        best[at] = best[at - 1];
    best[at] = wanted;
    return n < most ? n + 1 : n;
}

/* Groups outside, egresses inside: that is how it lies in memory, and most of a large table is due
 * at any time. */
unsigned probe_most_wanted(const struct links *l, int64_t now_ms, struct wanted *best,
                           unsigned most)
{
    bool ordinary[SLOTS], in_use[SLOTS];
    unsigned n = 0;
    if (!probe_total_room(l, IN_USE, now_ms))
        return 0;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        ordinary[i] = probe_own_room(&l->slot[l->order[i]], ORDINARY, now_ms);
        in_use[i] = ordinary[i] || probe_own_room(&l->slot[l->order[i]], IN_USE, now_ms);
    }
    for (uint32_t index = 0; index < l->group_n; index++) {
        struct group *g = l->group[index];
        for (uint32_t i = 0; i < l->egress_n; i++) {
            int16_t s = l->order[i];
            if (now_ms < g->due_ms[s] || !in_use[i] ||
                !(ordinary[i] || prefer_in_use(g, s) || comes_back(g, s)))
                continue;
            struct wanted wanted = { want(l, g, s, now_ms), index, i };
            if (wanted.much > 0)
                n = put_wanted(best, n, most, wanted);
        }
    }
    return n;
}
