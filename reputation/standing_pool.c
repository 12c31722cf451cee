/*
 * reputation/standing_pool — what a pool can spare, and what happens when nothing of it is left
 */
#include <string.h>

#include "reputation/standing_internal.h"

static bool in_pool(const struct standing *s, uint32_t pool, const struct member *m)
{
    return s->pool_n == 0 || (s->pool[pool].bits[m->index / 64] >> (m->index % 64) & 1);
}

static uint32_t pool_count(const struct standing *s)
{
    return s->pool_n ? s->pool_n : 1;
}

bool member_carries(const struct member *m)
{
    return member_eligible(m) || m->last_resort;
}

bool pools_share(const struct standing *s, const struct member *a, const struct member *b)
{
    for (uint32_t p = 0; p < pool_count(s); p++)
        if (in_pool(s, p, a) && in_pool(s, p, b))
            return true;
    return false;
}

static bool has_another(const struct standing *s, uint32_t pool, const struct member *m,
                        const char *provider)
{
    for (uint32_t i = 0; i < s->conf_n; i++) {
        const struct member *o = s->member[i];
        const struct cell *c = cell_find(o, slice_of(provider));
        if (o != m && in_pool(s, pool, o) && member_works(o) &&
            !(c && c->state == STANDING_BLOCKED))
            return true;
    }
    return false;
}

bool pools_need(const struct standing *s, const struct member *m, const char *provider)
{
    for (uint32_t p = 0; p < pool_count(s); p++)
        if (in_pool(s, p, m) && !has_another(s, p, m, provider))
            return true;
    return false;
}

/* Of the members that are there at all, how many work. */
static void census(const struct standing *s, uint32_t pool, uint32_t *there_r, uint32_t *active_r)
{
    *there_r = *active_r = 0;
    for (uint32_t i = 0; i < s->conf_n; i++) {
        const struct member *m = s->member[i];
        if (!in_pool(s, pool, m))
            continue;
        *there_r += m->begun && m->state != STANDING_DISABLED;
        *active_r += member_works(m);
    }
}

bool pools_permit(const struct standing *s, const struct member *m)
{
    for (uint32_t p = 0; p < pool_count(s); p++) {
        uint32_t there = 0, active = 0;
        if (!in_pool(s, p, m))
            continue;
        census(s, p, &there, &active);
        uint32_t left = active - member_works(m), out = there - left;
        if (left < s->min_active || 2 * out > there)
            return false;
    }
    return true;
}

/* ---- letting back in ---- */

/* What is left of a listing that ended is evidence like any other: a pool that cannot do without
 * the address has it back, unless a person wanted to see it first. */
bool pools_may_want(const struct standing *s, const struct member *m, enum standing_state to)
{
    bool stays = to == STANDING_PROBATION || to == STANDING_CLEAN || to == STANDING_SUSPECT;
    return !stays && !member_hard_listed(m) &&
           (m->soft || (to == STANDING_QUARANTINED && !s->acknowledge));
}

static bool is_short(const struct standing *s, uint32_t pool)
{
    uint32_t there = 0, active = 0;
    census(s, pool, &there, &active);
    return active < s->min_active || 2 * (there - active) > there;
}

static bool is_softly_out(const struct member *m)
{
    return m->soft && m->begun && !m->drained && !member_eligible(m) && m->fault == EGRESS_FINE &&
           m->state != STANDING_DISABLED && !member_hard_listed(m);
}

/* Of those that soft evidence put out, the one with the least of it; NULL: none. */
static struct member *to_be_spared(const struct standing *s, uint32_t pool)
{
    struct member *best = NULL;
    for (uint32_t i = 0; i < s->conf_n; i++) {
        struct member *m = s->member[i];
        if (in_pool(s, pool, m) && is_softly_out(m) &&
            (!best || member_points(m, s->now_ms) < member_points(best, s->now_ms)))
            best = m;
    }
    return best;
}

/* A hard listing takes out whom it names, and a fault whom it befalls. Had it come first, the pool
 * would have kept the others: it is the same when it comes last. */
static void relieve(struct standing *s, uint32_t pool)
{
    struct member *m;
    while (is_short(s, pool) && (m = to_be_spared(s, pool)))
        member_spare(s, m);
}

/* ---- when nothing is left ---- */

/* The least bad of a pool: running out before quarantined before listed; then the first. */
static struct member *least_bad(const struct standing *s, uint32_t pool)
{
    static const uint8_t rank[STANDING_STATES] = {
        [STANDING_DRAINING] = 1, [STANDING_QUARANTINED] = 2, [STANDING_LISTED] = 3
    };
    struct member *best = NULL;
    for (uint32_t i = 0; i < s->conf_n; i++) {
        struct member *m = s->member[i];
        if (!in_pool(s, pool, m) || !m->begun || !rank[m->state] || m->drained)
            continue;
        if (!best || member_hard_listed(m) < member_hard_listed(best) ||
            (member_hard_listed(m) == member_hard_listed(best) &&
             rank[m->state] < rank[best->state]))
            best = m;
    }
    return best;
}

static void alarm_about(const struct standing *s, uint32_t pool, bool empty, bool sends)
{
    const char *reason = !empty  ? "an address of it may carry mail again"
                         : sends ? "none of its addresses may carry mail; the least bad one does"
                                 : "none of its addresses may carry mail: it waits";
    struct standing_event event = { .kind = empty ? STANDING_POOL_EMPTY : STANDING_POOL_BACK,
                                    .at_ms = s->wall_ms,
                                    .member = STANDING_NONE,
                                    .pool = (int)pool,
                                    .reason = slice_of(reason) };
    if (s->hooks.event)
        s->hooks.event(s->hooks.arg, &event);
}

/* Faults are told by whom they befall, and pass by themselves: mail waits for that. */
static bool is_empty(const struct standing *s, uint32_t pool)
{
    bool has_members = false;
    for (uint32_t i = 0; i < s->conf_n; i++) {
        if (!in_pool(s, pool, s->member[i]))
            continue;
        if (member_eligible(s->member[i]))
            return false;
        has_members = true;
    }
    return has_members;
}

static void pool_check(struct standing *s, uint32_t pool)
{
    bool empty = is_empty(s, pool);
    struct member *chosen = empty && s->send ? least_bad(s, pool) : NULL;
    if (chosen)
        chosen->last_resort = true;
    if (empty == (bool)s->pool_empty[pool])
        return;
    s->pool_empty[pool] = empty;
    s->version++;
    alarm_about(s, pool, empty, chosen != NULL);
}

/* ---- when a provider blocks all that are left ---- */

/* One that mail cannot leave by just now is no use; then blocked for the shortest time still, then
 * the fewest falls, then the first. */
static bool is_less_bad(const struct member *m, const struct cell *c, const struct member *than,
                        const struct cell *than_c)
{
    bool faulty = m->fault != EGRESS_FINE, than_faulty = than->fault != EGRESS_FINE;
    if (faulty != than_faulty)
        return than_faulty;
    return c->until_ms != than_c->until_ms ? c->until_ms < than_c->until_ms
                                           : m->falls < than->falls;
}

/* NULL: one is free there, if only mail could leave by it: that passes by itself. */
static struct cell *least_blocked(const struct standing *s, uint32_t pool, const char *provider)
{
    const struct member *best = NULL;
    struct cell *cell = NULL;
    for (uint32_t i = 0; i < s->conf_n; i++) {
        const struct member *m = s->member[i];
        if (!in_pool(s, pool, m) || !member_carries(m))
            continue;
        struct cell *c = cell_find(m, slice_of(provider));
        if (!c || c->state != STANDING_BLOCKED)
            return NULL;
        if (!cell || is_less_bad(m, c, best, cell)) {
            best = m;
            cell = c;
        }
    }
    return cell;
}

/* Where all are blocked, whoever is the first is. */
static void mark_resorts(const struct standing *s, uint32_t pool)
{
    uint32_t first = 0;
    while (first < s->conf_n &&
           !(in_pool(s, pool, s->member[first]) && member_carries(s->member[first])))
        first++;
    for (uint32_t i = 0; first < s->conf_n && i < s->member[first]->cell_n; i++) {
        const struct cell *c = s->member[first]->cell[i];
        struct cell *best =
            c->state == STANDING_BLOCKED ? least_blocked(s, pool, c->provider) : NULL;
        if (best)
            best->resort = true;
    }
}

static void blocks_check(struct standing *s)
{
    for (uint32_t m = 0; m < s->conf_n; m++)
        for (uint32_t i = 0; i < s->member[m]->cell_n; i++) {
            struct cell *c = s->member[m]->cell[i];
            c->was_resort = c->resort;
            c->resort = false;
        }
    for (uint32_t p = 0; s->send && p < pool_count(s); p++)
        mark_resorts(s, p);
    for (uint32_t m = 0; m < s->conf_n; m++)
        for (uint32_t i = 0; i < s->member[m]->cell_n; i++)
            s->version += s->member[m]->cell[i]->resort != s->member[m]->cell[i]->was_resort;
}

/* ---- all of it, when something has changed ---- */

static struct standing_set resorts(const struct standing *s)
{
    struct standing_set set = { { 0 } };
    for (uint32_t i = 0; i < s->conf_n; i++)
        if (s->member[i]->last_resort)
            set.bits[i / 64] |= UINT64_C(1) << (i % 64);
    return set;
}

void pools_check(struct standing *s)
{
    if (!s->dirty)
        return;
    struct standing_set before = resorts(s);
    for (uint32_t i = 0; i < s->conf_n; i++) {
        struct member *m = s->member[i];
        m->last_resort = false;
        if (m->capped && m->state != STANDING_DISABLED)
            member_settle(s, m); /* there may be room now: not a tick later */
    }
    for (uint32_t p = 0; p < pool_count(s); p++)
        relieve(s, p);
    s->dirty = false;
    for (uint32_t p = 0; p < pool_count(s); p++)
        pool_check(s, p);
    for (uint32_t p = pool_count(s); p < STANDING_POOLS_MAX; p++)
        s->pool_empty[p] = false;
    blocks_check(s);
    struct standing_set after = resorts(s);
    s->version += memcmp(&before, &after, sizeof before) != 0;
}
