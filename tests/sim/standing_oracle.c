/*
 * tests/sim/standing_oracle — how long things last, and what evidence is worth: worked out anew
 *
 *   From the inputs and the events alone, by the sentences of docs/REPUTATION.md.
 */
#include <math.h>

#include "tests/sim/standing_life.h"

static const int64_t HOUR = 3600000, DAY = 24 * 3600000LL, WEEK = 7 * 24 * 3600000LL;
static const double SOFT = 40, HARD = 100, NAMES = 20, EXACT = 1e-6;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- quarantine ---- */

static void fell(struct life *l, struct life_shadow *s)
{
    bool relapse = s->freed && l->inner - s->freed < WEEK;
    s->falls = relapse ? s->falls + (s->falls < 16) : 0;
    l->figures->relapses += relapse;
}

/* An hour, twice as long for each relapse, a week at most; on one provider's word a day. */
static int64_t dwell_of(const struct life_shadow *s, struct slice reason)
{
    int64_t dwell = least(HOUR << s->falls, WEEK);
    return slice_starts_with(reason, "a provider refuses") ? least(dwell, DAY) : dwell;
}

void life_oracle_member(struct life *l, const struct standing_event *e)
{
    struct life_shadow *s = &l->shadow[e->member];
    bool order = slice_ends_with(e->reason, "by the operator");
    if (life_carries(e->from) && (e->to == STANDING_DRAINING || e->to == STANDING_QUARANTINED) &&
        !order)
        fell(l, s);
    if (e->to == STANDING_QUARANTINED && e->from != STANDING_DISABLED) {
        s->fell = l->inner;
        s->dwell = dwell_of(s, e->reason);
    }
    if (e->from == STANDING_QUARANTINED && e->to == STANDING_PROBATION && !order) {
        life_must(l, l->inner - s->fell >= s->dwell, "left quarantine early", e->member);
        s->freed = l->inner;
    }
}

/* ---- blocks ---- */

bool life_oracle_canary(const struct life *l, int m, int p)
{
    return l->inner >= l->shadow[m].blocked_until[p];
}

/* Two hours, twice as long when the last ended less than a day ago, a day at most. */
static void blocked(struct life *l, struct life_shadow *s, int p)
{
    bool again = s->blocked_until[p] && l->inner - s->blocked_until[p] < DAY;
    s->blocks[p] = again ? s->blocks[p] + (s->blocks[p] < 16) : 0;
    s->blocked_until[p] = l->inner + least(2 * HOUR << s->blocks[p], DAY);
    l->figures->repeats += again;
}

static bool carries(const struct life *l, int m)
{
    struct standing_view v;
    return standing_view(l->twin[0], m, l->wall, &v) && (v.eligible || v.last_resort);
}

/* Does `a` come before `b` where all are blocked? */
static bool less_bad(const struct life *l, int a, int b, int p)
{
    const struct life_shadow *x = &l->shadow[a], *y = &l->shadow[b];
    if (x->faulted != y->faulted)
        return y->faulted;
    if (x->blocked_until[p] != y->blocked_until[p])
        return x->blocked_until[p] < y->blocked_until[p];
    return x->falls != y->falls ? x->falls < y->falls : a < b;
}

/* Of a pool whose members that carry mail are all blocked there, the least bad. */
bool life_oracle_resort(const struct life *l, int m, int p)
{
    bool best = false;
    if (l->config.last_resort != STANDING_SEND || l->shadow[m].provider[p] != STANDING_BLOCKED ||
        !carries(l, m))
        return false;
    for (uint32_t pool = 0; pool < (l->config.pool_n ? l->config.pool_n : 1) && !best; pool++) {
        best = life_in_pool(l, pool, (uint32_t)m);
        for (int o = 0; o < (int)l->config.member_n; o++)
            if (life_in_pool(l, pool, (uint32_t)o) && carries(l, o) &&
                (l->shadow[o].provider[p] != STANDING_BLOCKED || less_bad(l, o, m, p)))
                best = false;
    }
    return best;
}

void life_oracle_provider(struct life *l, const struct standing_event *e, int p)
{
    struct life_shadow *s = &l->shadow[e->member];
    bool anew = e->to == STANDING_CLEAN || e->to == STANDING_PROBATION;
    bool accepted = e->to == STANDING_THROTTLED && life_oracle_resort(l, e->member, p);
    life_must(
        l, e->from != STANDING_BLOCKED || anew || accepted || life_oracle_canary(l, e->member, p),
        "a block ended early", e->member);
    if (e->to == STANDING_BLOCKED)
        blocked(l, s, p);
}

void life_oracle_reset(struct life *l, int m)
{
    struct life_shadow *s = &l->shadow[m];
    s->freed = s->falls = 0;
    s->broken = s->listed[0] = s->listed[1] = s->hard[0] = s->hard[1] = false;
    for (int p = 0; p < LIFE_PROVIDERS; p++)
        s->blocked_until[p] = s->blocks[p] = 0;
}

/* ---- idle ---- */

void life_oracle_used(struct life *l, int m, int p)
{
    struct standing_view v;
    (void)standing_view(l->twin[0], m, l->wall, &v);
    if (v.eligible || v.last_resort)
        l->shadow[m].used[p] = l->inner;
}

/* Without mail for thirty days, and no longer blocked: as if it had never been heard of. */
void life_oracle_idle(struct life *l, int m, int p, const struct standing_provider_view *v)
{
    struct life_shadow *s = &l->shadow[m];
    struct standing_provider_view anew;
    bool cold = s->used[p] && l->inner - s->used[p] >= 30 * DAY && life_oracle_canary(l, m, p);
    if (!cold) {
        life_must(l, v->warmup_step + 1 >= s->step[p], "warm-up lost more than a step", m);
        return;
    }
    (void)standing_provider_find(l->twin[0], m, slice_of("never"), l->wall, &anew);
    life_must(l,
              v->state == anew.state && v->warmup_step == 0 &&
                  fabs(v->quota_per_hour - anew.quota_per_hour) < EXACT &&
                  fabs(v->share - anew.share) < EXACT,
              "idle for thirty days, and not cold", m);
    s->used[p] = s->blocked_until[p] = s->blocks[p] = 0;
    s->step[p] = 0;
    l->figures->forgotten++;
}

/* ---- evidence ---- */

static double standing_of(const struct life_shadow *s)
{
    return (s->listed[0] ? SOFT : 0) + (s->listed[1] ? HARD : 0) + (s->broken ? NAMES : 0);
}

/* Of what was there at the last look. */
static double after(const struct life_shadow *s, double points, int64_t ms)
{
    double stands = standing_of(s);
    return stands + (points - stands) * exp2(-(double)ms / (6 * (double)HOUR));
}

/* What stands counts in full, the rest halves in six hours: exactly that, now and an hour on. */
void life_oracle_step(struct life *l, int m, const struct standing_view *v)
{
    struct life_shadow *s = &l->shadow[m];
    struct standing_view later;
    (void)standing_view(l->twin[0], m, l->wall + HOUR, &later);
    life_must(l, s->touched || fabs(v->points - after(s, s->points, l->inner - s->looked)) < EXACT,
              "evidence changed by itself", m);
    life_must(l, v->points + EXACT >= standing_of(s), "less than what stands", m);
    life_must(l, fabs(later.points - after(s, v->points, HOUR)) < EXACT,
              "evidence decays otherwise than by half in six hours", m);
    s->points = v->points;
    s->looked = l->inner;
    s->touched = false;
}
