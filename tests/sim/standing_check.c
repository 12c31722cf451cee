/*
 * tests/sim/standing_check — what must hold at every step of a life
 *
 *   The shadow is made of events alone; what standing shows must agree with it.
 */
#include <stdio.h>
#include <string.h>

#include "reputation/standing_advice.h"
#include "tests/sim/standing_life.h"

static const int64_t HOUR = 3600000, DAY = 24 * 3600000LL;

void life_break(struct life *l, const char *what, int member)
{
    if (l->figures->broken[0])
        return;
    (void)snprintf(l->figures->broken, sizeof l->figures->broken, "day %.3f, member %d: %s",
                   (double)(l->inner - l->start) / (double)DAY, member, what);
}

void life_must(struct life *l, bool holds, const char *what, int member)
{
    if (!holds)
        life_break(l, what, member);
}

bool life_carries(enum standing_state state)
{
    return state == STANDING_PROBATION || state == STANDING_CLEAN || state == STANDING_SUSPECT;
}

static int provider_named(struct slice name)
{
    for (int p = 0; p < LIFE_PROVIDERS; p++)
        if (slice_eq_str(name, life_provider(p)))
            return p;
    return -1;
}

static bool begun(const struct life *l, uint32_t m)
{
    struct standing_view v; /* reading is allowed in a callback */
    return standing_view(l->twin[0], (int)m, l->wall, &v) &&
           (v.eligible || (!life_carries(v.state) && l->wall >= l->member[m].warmup_ms));
}

bool life_in_pool(const struct life *l, uint32_t p, uint32_t m)
{
    return l->config.pool_n == 0 || (l->pool[p].bits[0] >> m & 1);
}

static void count(const struct life *l, uint32_t p, uint32_t *there, uint32_t *active)
{
    *there = *active = 0;
    for (uint32_t m = 0; m < l->config.member_n; m++) {
        if (!life_in_pool(l, p, m) || !begun(l, m))
            continue;
        *there += l->shadow[m].state != STANDING_DISABLED;
        *active += life_carries(l->shadow[m].state) && !l->shadow[m].faulted;
    }
}

static bool is_empty(const struct life *l, uint32_t p)
{
    bool any = false;
    for (uint32_t m = 0; m < l->config.member_n; m++) {
        if (life_in_pool(l, p, m) && begun(l, m) && life_carries(l->shadow[m].state))
            return false;
        any = any || life_in_pool(l, p, m);
    }
    return any;
}

static uint32_t pools(const struct life *l)
{
    return l->config.pool_n ? l->config.pool_n : 1;
}

static void check_caps(struct life *l, int m)
{
    for (uint32_t p = 0; p < pools(l); p++) {
        uint32_t there = 0, active = 0;
        if (!life_in_pool(l, p, (uint32_t)m))
            continue;
        count(l, p, &there, &active);
        life_must(l, 2 * (there - active) <= there, "soft evidence took more than half a pool", m);
        life_must(l, active >= l->config.min_active, "soft evidence went below min_active", m);
    }
}

static bool by_order(struct slice reason)
{
    return slice_ends_with(reason, "by the operator");
}

static void check_transition(struct life *l, const struct standing_event *e,
                             const struct life_shadow *was)
{
    bool hard = was->hard[0] || was->hard[1];
    bool order = by_order(e->reason);
    if (life_carries(e->from) && (e->to == STANDING_DRAINING || e->to == STANDING_QUARANTINED) &&
        !hard && !order && l->wall >= l->member[e->member].warmup_ms)
        check_caps(l, e->member);
    if (e->from == STANDING_QUARANTINED && e->to == STANDING_PROBATION && !order)
        life_must(l, e->points < 10 + 20, "left quarantine with evidence", e->member);
    if (e->from == STANDING_LISTED && e->to == STANDING_QUARANTINED)
        life_must(l, !hard, "left listed while a hard list stands", e->member);
    if (e->from == STANDING_SUSPECT && e->to == STANDING_CLEAN)
        life_must(l, e->points < 10, "clean with evidence", e->member);
    life_must(l,
              e->from != STANDING_LISTED || e->to == STANDING_QUARANTINED ||
                  e->to == STANDING_DISABLED || e->to == STANDING_CLEAN ||
                  e->to == STANDING_PROBATION || e->to == STANDING_SUSPECT,
              "left listed for nowhere", e->member);
}

static void member_event(struct life *l, const struct standing_event *e)
{
    struct life_shadow *s = &l->shadow[e->member], was = *s;
    life_must(l, s->state == e->from, "an event from a state it was not in", e->member);
    s->state = e->to;
    check_transition(l, e, &was);
    if (life_carries(e->from))
        s->soft = !was.hard[0] && !was.hard[1] && !by_order(e->reason);
    else if (was.hard[0] || was.hard[1]) /* that keeps it out now, and what follows from it */
        s->soft = false;
    s->since = l->inner;
    life_oracle_member(l, e);
}

static void provider_event(struct life *l, const struct standing_event *e)
{
    struct life_shadow *s = &l->shadow[e->member];
    int p = provider_named(e->provider);
    if (p < 0) {
        life_break(l, "an unknown provider", e->member);
        return;
    }
    life_must(l, s->provider[p] == e->from, "a provider's event from another state", e->member);
    life_oracle_provider(l, e, p);
    s->provider[p] = e->to;
}

void life_on_event(struct life *l, const struct standing_event *e)
{
    if (l->verbose)
        printf("%9.3f %-12s %.*s%s%.*s %s>%s E=%.1f %.*s\n",
               (double)(l->inner - l->start) / (double)DAY, standing_event_names[e->kind],
               SLICE_FMT(e->egress), e->provider.n ? "@" : "", SLICE_FMT(e->provider),
               standing_state_names[e->from], standing_state_names[e->to], e->points,
               SLICE_FMT(e->reason));
    life_must(l, e->reason.n > 0, "an event without a reason", e->member);
    if (e->kind == STANDING_TRANSITION) {
        l->figures->transitions++;
        l->figures->to[e->to]++;
        if (e->provider.n)
            provider_event(l, e);
        else
            member_event(l, e);
        return;
    }
    bool empty = e->kind == STANDING_POOL_EMPTY;
    l->figures->alarms += empty;
    life_must(l, l->pool_empty[e->pool] != empty, "the same alarm twice", -1);
    l->pool_empty[e->pool] = empty;
}

/* ---- before and after a take ---- */

void life_note_quota(struct life *l, int m, int p)
{
    struct life_shadow *s = &l->shadow[m];
    struct standing_provider_view v;
    life_oracle_used(l, m, p);
    (void)standing_provider_find(l->twin[0], m, slice_of(life_provider(p)), l->wall, &v);
    s->unlimited[p] = s->unlimited[p] || v.quota_per_hour < 0;
    s->most[p] = v.quota_per_hour > s->most[p] ? v.quota_per_hour : s->most[p];
}

void life_check_take(struct life *l, int m, int p, uint32_t given)
{
    struct life_shadow *s = &l->shadow[m];
    struct standing_view v;
    if (!given)
        return;
    (void)standing_view(l->twin[0], m, l->wall, &v);
    if (!life_carries(s->state)) {
        bool alone = false;
        for (uint32_t pool = 0; pool < pools(l); pool++)
            alone = alone || (life_in_pool(l, pool, (uint32_t)m) && l->pool_empty[pool]);
        life_must(l,
                  v.last_resort && alone && l->config.last_resort == STANDING_SEND &&
                      s->state != STANDING_DISABLED,
                  "an ineligible address was used", m);
    }
    life_must(l, l->wall >= l->member[m].warmup_ms || l->inner - s->since > 0,
              "used before its warm-up begins", m);
    if (life_oracle_resort(l, m, p)) {
        l->figures->resorts += given;
    } else if (s->provider[p] == STANDING_BLOCKED) {
        l->figures->canaries++;
        life_must(l, given == 1 && life_oracle_canary(l, m, p),
                  "a provider that blocks us was bothered", m);
    }
    s->sent[p] += given;
}

/* ---- at every step ---- */

/* What went out in an hour or so is within quota and burst. */
static void check_quota(struct life *l, int m, int p, double hours)
{
    struct life_shadow *s = &l->shadow[m];
    struct standing_provider_view v;
    (void)standing_provider_find(l->twin[0], m, slice_of(life_provider(p)), l->wall, &v);
    life_must(l, v.state == s->provider[p], "a provider's state changed without an event", m);
    life_must(l, v.last_resort == life_oracle_resort(l, m, p),
              "another than the least bad is the last resort", m);
    life_must(l, !v.last_resort || (v.quota_per_hour >= 1 && !v.canary),
              "the last resort has no limit", m);
    life_oracle_idle(l, m, p, &v);
    life_must(l, v.quota_per_hour < 0 || (v.tokens >= 0 && v.tokens <= v.quota_per_hour / 12 + 1),
              "tokens beyond the burst", m);
    if (v.warmup_step > s->step[p]) {
        life_must(l, v.warmup_step == s->step[p] + 1 && l->inner - s->step_ms[p] >= DAY,
                  "warm-up grew by more than a step a day", m);
        s->step_ms[p] = l->inner;
    }
    s->step[p] = v.warmup_step;
    if (hours < 1)
        return;
    life_must(l, s->unlimited[p] || s->sent[p] <= s->most[p] * (hours + 1.0 / 12) + 1,
              "more than the quota went out", m);
    s->sent[p] = s->most[p] = 0;
    s->unlimited[p] = false;
}

static bool is_softly_out(const struct life *l, uint32_t m)
{
    const struct life_shadow *s = &l->shadow[m];
    return s->soft && !s->faulted && !s->hard[0] && !s->hard[1] && begun(l, m) &&
           (s->state == STANDING_QUARANTINED || s->state == STANDING_LISTED);
}

static void check_pools(struct life *l)
{
    for (uint32_t p = 0; p < pools(l); p++) {
        uint32_t there = 0, active = 0;
        count(l, p, &there, &active);
        bool enough = active >= l->config.min_active && 2 * (there - active) <= there;
        for (uint32_t m = 0; m < l->config.member_n; m++)
            life_must(l, enough || !life_in_pool(l, p, m) || !is_softly_out(l, m),
                      "a pool is short, and soft evidence keeps one out", (int)m);
        life_must(l, l->pool_empty[p] == is_empty(l, p), "the alarm does not tell the truth", -1);
    }
}

/* ---- what the relay is told ---- */

static struct advice *table_of(const struct life *l, int twin)
{
    struct advice *a = advice_new(l->config.member_n, 0);
    for (uint32_t m = 0; m < l->config.member_n; m++)
        a->egress[m].name = advice_text(a, l->member[m].egress);
    standing_put_advice(l->twin[twin], l->wall, a);
    advice_seal(a);
    return a;
}

/* Each member is an egress of its own: the relay chooses among those that are not barred, and of
 * the others only for receivers that take their mail. */
static void check_row(struct life *l, const struct advice *a, int m)
{
    const struct life_shadow *s = &l->shadow[m];
    struct standing_view v;
    (void)standing_view(l->twin[0], m, l->wall, &v);
    bool barred = a->egress[m].fault == EGRESS_BARRED;
    life_must(l, barred == !(v.eligible || v.last_resort), "the relay is told of another state", m);
    life_must(l, barred || life_carries(s->state) || l->config.last_resort == STANDING_SEND,
              "the relay may use an address that is out", m);
    for (int p = 0; p < LIFE_PROVIDERS && !barred; p++) {
        const struct advice_standing *row = advice_standing(a, m, slice_of(life_provider(p)));
        life_must(l,
                  s->provider[p] != STANDING_BLOCKED ||
                      (row && (row->share <= 0 || (row->per_hour && life_oracle_canary(l, m, p)) ||
                               (row->per_hour && row->share < 1 && row->last_resort))),
                  "the relay may bother a provider that blocks us", m);
        life_must(l, (row && row->last_resort) == life_oracle_resort(l, m, p),
                  "the relay is told of another last resort", m);
    }
}

/* A new table goes out when standing says that something has changed: it is looked at whenever a
 * state has. Of quotas and shares evenly: each would cost as much as all of the rest. */
static void check_told(struct life *l)
{
    if (standing_version(l->twin[0]) == l->told ||
        (l->figures->transitions == l->told_changes && l->figures->steps % 8 != 0))
        return;
    l->told = standing_version(l->twin[0]);
    l->told_changes = l->figures->transitions;
    struct advice *a = table_of(l, 0), *b = table_of(l, 1);
    for (int m = 0; m < (int)l->config.member_n; m++)
        check_row(l, a, m);
    life_must(l, advice_same_standing(a, b),
              "the twin that was restarted tells the relay otherwise", -1);
    advice_unref(&a);
    advice_unref(&b);
    l->figures->tables++;
}

void life_check_step(struct life *l)
{
    double hours = (double)(l->inner - l->hour) / (double)HOUR;
    if (hours >= 1)
        l->hour = l->inner;
    for (int m = 0; m < (int)l->config.member_n; m++) {
        struct standing_view v;
        if (!standing_view(l->twin[0], m, l->wall, &v)) {
            life_break(l, "not there", m);
            return;
        }
        life_must(l, v.state == l->shadow[m].state, "a state changed without an event", m);
        life_must(l, v.eligible <= life_carries(v.state), "eligible in a state that carries none",
                  m);
        life_must(l, v.eligible || v.last_resort || v.share <= 0, "a share for nothing", m);
        life_must(l, v.share >= 0 && v.share <= 1, "a share that is none", m);
        life_oracle_step(l, m, &v);
        for (int p = 0; p < LIFE_PROVIDERS; p++)
            check_quota(l, m, p, hours);
    }
    check_pools(l);
    check_told(l);
    life_must(l, l->heard[0] == l->heard[1], "the twin that was restarted behaves differently", -1);
}

void life_check_end(struct life *l)
{
    for (int m = 0; m < (int)l->config.member_n; m++) {
        struct standing_view v;
        (void)standing_view(l->twin[0], m, l->wall, &v);
        life_must(l, v.eligible && v.points < 10 && !v.capped, "not back after weeks of peace", m);
        life_must(l, v.state != STANDING_SUSPECT, "suspect after weeks of peace", m);
        for (int p = 0; p < LIFE_PROVIDERS; p++)
            life_must(l,
                      l->shadow[m].provider[p] == STANDING_CLEAN ||
                          l->shadow[m].provider[p] == STANDING_PROBATION,
                      "an overlay after weeks of peace", m);
    }
}
