/*
 * probes/links_probe.c — which path is probed when, within the budgets
 *
 *   Wishes (verification of a suspicion) go first. Then the path that is most overdue by its own
 *   interval, those in use counting more; the others leave a part of each budget to those in use,
 *   and all of them a part of the total to wishes.
 *   Mail that got through by a path makes its next probe unnecessary.
 */
#include <math.h>

#include "gateway/base/mem.h"
#include "policies/choose.h"
#include "probes/links_internal.h"

static const double TIMEOUT_LEAST_MS = 1500, TIMEOUT_MOST_MS = 5000;
static const int64_t GREETING_MS = 5000;
static const int64_t ANSWER_MS = 1000; /* through a proxy, for QUIT to be answered */
/* Setting up a connection by a proxy takes up to four round trips: TCP, method, login, target. */
static const int64_t PROXIED_FACTOR = 5;
static const double URGENT_LEAST_MS = 900; /* before the first packet would be repeated */
static const int64_t SUSPECT_MS = 2000, AGAIN_MS = 1000;
static const int64_t BACK_MS = PATH_SPACING_MS + 200; /* less the jitter */
static const int64_t DOWN_MS = 3000, DOWN_LATER_MS = 10 * 1000, DOWN_LONG_MS = 60 * 1000;
static const int64_t MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS;
static const double BUSY_RATE = 0.1; /* mails per second: the path in use is watched closely */
enum { RESERVE_OF_TOTAL = 3, AT_ONCE_MOST = 8 };

/* ---- results to come ---- */

static int64_t timeout_of(const struct cell *c, bool proxied, bool urgent)
{
    double ms = fmax(c ? 4 * (c->est.rtt_ms + c->est.var_ms) : 0,
                     urgent ? URGENT_LEAST_MS : TIMEOUT_LEAST_MS);
    return (int64_t)fmin(proxied ? 2 * ms : ms, TIMEOUT_MOST_MS);
}

static struct pending *find_pending(struct links *l, uint32_t group, int16_t slot,
                                    const struct addr *address)
{
    for (uint32_t i = 0; i < l->pending_n; i++) {
        struct pending *p = &l->pending[i];
        if (p->group == group && p->slot == slot && addr_eq(&p->address, address))
            return p;
    }
    return NULL;
}

void probe_connected(struct links *l, uint32_t group, int16_t slot, const struct addr *address,
                     int64_t at_ms)
{
    struct pending *p = find_pending(l, group, slot, address);
    if (!p)
        return;
    p->overdue = true;
    p->timeout_ms = at_ms - p->start_ms + GREETING_MS + (l->slot[slot].proxied ? ANSWER_MS : 0);
}

int64_t probe_finished(struct links *l, uint32_t group, int16_t slot, const struct addr *address,
                       int64_t else_ms)
{
    struct pending *p = find_pending(l, group, slot, address);
    if (!p)
        return else_ms;
    int64_t start = p->start_ms;
    *p = l->pending[--l->pending_n];
    return start;
}

/* Where nothing tells that the connection stands, the greeting is a part of it: whoever has never
 * greeted may take any time. */
static bool is_overdue(const struct links *l, const struct pending *p, int64_t now_ms)
{
    const struct slot *s = &l->slot[p->slot];
    struct group *g = l->group[p->group];
    struct advice_path path;
    view_path(l, g, p->slot, now_ms, &path);
    int64_t ms = choice_overdue_ms(&path) * (s->proxied ? PROXIED_FACTOR : 1);
    const struct target *t = s->blind ? target_find(g, &p->address) : NULL;
    double greet_ms = t ? t->greet_ms : 0;
    if (s->blind && greet_ms <= 0)
        return false;
    return (double)(now_ms - p->start_ms) > (double)ms + 2 * greet_ms;
}

/* Says once that a probe is overdue; true when it is lost. */
static bool late(struct links *l, struct pending *p, int64_t now_ms)
{
    struct group *g = l->group[p->group];
    if (now_ms >= p->start_ms + p->timeout_ms + LINKS_PROBE_GRACE_MS) {
        judge_failure(l, g, p->slot, &p->address, true, p->start_ms, now_ms);
        return true;
    }
    if (!p->overdue && is_overdue(l, p, now_ms)) {
        p->overdue = true;
        judge_failure(l, g, p->slot, &p->address, false, p->start_ms, now_ms);
    }
    return false;
}

void links_unsent(struct links *l, const struct links_probe *probe)
{
    if (probe->group >= 0)
        (void)probe_finished(l, (uint32_t)probe->group, l->order[probe->egress], &probe->address,
                             0);
}

void probe_check(struct links *l, int64_t now_ms)
{
    for (uint32_t i = l->pending_n; i-- > 0;)
        if (late(l, &l->pending[i], now_ms))
            l->pending[i] = l->pending[--l->pending_n];
}

/* ---- sending ---- */

enum urgency { ORDINARY, IN_USE, URGENT };

static bool room(const struct links *l, int16_t slot, enum urgency urgency, int64_t now_ms)
{
    const struct slot *s = &l->slot[slot];
    uint32_t own = limiter_room(&s->limiter, now_ms), all = limiter_room(&l->total, now_ms);
    uint32_t own_left = urgency != ORDINARY || s->limiter.count < 2 ? 0 : 1;
    uint32_t all_left = urgency == URGENT ? 0 : l->total.count / RESERVE_OF_TOTAL;
    return own > own_left && all > all_left && l->pending_n < PENDING_MAX;
}

static void send_probe(struct links *l, uint32_t group, int16_t slot, struct target *t, bool urgent,
                       int64_t now_ms)
{
    struct group *g = l->group[group];
    struct links_probe probe = { .egress = (uint32_t)l->slot[slot].conf_index,
                                 .egress_hash = l->slot[slot].hash,
                                 .group = (int)group,
                                 .address = t->address,
                                 .kind = t->kind,
                                 .urgent = urgent };
    probe.timeout_ms = (uint32_t)timeout_of(g->cell[slot], l->slot[slot].proxied, urgent);
    probe.greeting_ms = (uint32_t)GREETING_MS;
    int64_t more_ms =
        (l->slot[slot].blind ? GREETING_MS : 0) + (l->slot[slot].proxied ? ANSWER_MS : 0);
    limiter_take(&l->slot[slot].limiter, now_ms);
    limiter_take(&l->total, now_ms);
    target_probed(t, slot, now_ms);
    links_cell(g, slot)->minute.probes++;
    l->pending[l->pending_n++] = (struct pending){ .group = group,
                                                   .slot = slot,
                                                   .kind = t->kind,
                                                   .address = t->address,
                                                   .start_ms = now_ms,
                                                   .timeout_ms = probe.timeout_ms + more_ms };
    if (l->hooks.probe)
        l->hooks.probe(l->hooks.arg, &probe);
}

void probe_wish(struct links *l, const struct wish *wish)
{
    if (l->wish_n < WISHES_MAX)
        l->wish[l->wish_n++] = *wish;
}

/* True when it needs no more looking after. */
static bool grant(struct links *l, const struct wish *w, int64_t now_ms)
{
    const struct cell *suspect = l->group[w->group]->cell[w->suspect];
    if (now_ms > w->until_ms || !suspect || suspect->path.state != PATH_SUSPECT)
        return true;
    if (!room(l, w->slot, URGENT, now_ms))
        return false;
    struct target *t = target_pick(l, l->group[w->group], w->slot, true, now_ms);
    if (t)
        send_probe(l, w->group, w->slot, t, true, now_ms);
    return t != NULL;
}

static void grant_wishes(struct links *l, int64_t now_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->wish_n; i++)
        if (!grant(l, &l->wish[i], now_ms))
            l->wish[kept++] = l->wish[i];
    l->wish_n = kept;
}

/* ---- cadence ---- */

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
    return g->cell[slot]->path.span_ms && even > DOWN_MS ? even : BACK_MS;
}

static int64_t interval(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms)
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
    return g->target_n > 0 && !s->relay && (s->v4 || s->v6) && s->fault != EGRESS_UNPLUMBED &&
           s->fault != EGRESS_PROXY_DOWN;
}

/* How much a path wants to be probed; 0: not now. Moves its due time when there is none yet. */
static double want(const struct links *l, struct group *g, int16_t slot, int64_t now_ms)
{
    if (now_ms < g->due_ms[slot])
        return 0;
    if (!probeable(l, g, slot)) {
        g->due_ms[slot] = now_ms + AGAIN_MS;
        return 0;
    }
    int64_t every = interval(l, g, slot, now_ms);
    const struct cell *c = g->cell[slot];
    if (c && now_ms - c->sample_ms < every) {
        int64_t due = c->sample_ms + every; /* or sooner: addresses may become free */
        g->due_ms[slot] =
            due > now_ms + AGAIN_MS && prefer_in_use(g, slot) ? now_ms + AGAIN_MS : due;
        return 0;
    }
    double late_by = c ? (double)(now_ms - c->sample_ms - every) / (double)every : 1;
    return (1 + late_by) * weight(g, slot);
}

static bool send_most_wanted(struct links *l, int64_t now_ms, struct rnd *rnd)
{
    double most = 0;
    uint32_t group = 0;
    int16_t slot = NO_SLOT;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        int16_t s = l->order[i];
        bool ordinary = room(l, s, ORDINARY, now_ms);
        if (!ordinary && !room(l, s, IN_USE, now_ms))
            continue;
        for (uint32_t g = 0; g < l->group_n; g++) {
            bool first = prefer_in_use(l->group[g], s) || comes_back(l->group[g], s);
            double wanted = ordinary || first ? want(l, l->group[g], s, now_ms) : 0;
            if (wanted > most) {
                most = wanted;
                group = g;
                slot = s;
            }
        }
    }
    if (slot == NO_SLOT)
        return false;
    struct group *g = l->group[group];
    struct target *t = target_pick(l, g, slot, false, now_ms);
    int64_t every = interval(l, g, slot, now_ms);
    g->due_ms[slot] = now_ms + (t ? rnd_jitter(rnd, every, 10) : AGAIN_MS);
    if (t)
        send_probe(l, group, slot, t, false, now_ms);
    return true;
}

/* A relay is named by the operator, as a beacon is. It has no group, and a probe of it that gets no
 * result is not missed: mail tells. */
static void probe_leg(struct links *l, int16_t slot, int64_t now_ms, struct rnd *rnd)
{
    struct slot *s = &l->slot[slot];
    if (now_ms < s->leg_due_ms || s->fault != EGRESS_FINE || !room(l, slot, IN_USE, now_ms))
        return;
    s->leg_due_ms = now_ms + rnd_jitter(rnd, l->interval_ms, 10);
    if (s->leg && now_ms - s->leg->sample_ms < l->interval_ms / 2)
        return;
    struct links_probe probe = { .egress = (uint32_t)s->conf_index,
                                 .egress_hash = s->hash,
                                 .group = -1,
                                 .kind = OBS_BEACON,
                                 .timeout_ms = (uint32_t)timeout_of(s->leg, false, false) };
    s->leg = s->leg ? s->leg : mem_zero(sizeof *s->leg);
    s->leg->minute.probes++;
    limiter_take(&s->limiter, now_ms);
    limiter_take(&l->total, now_ms);
    if (l->hooks.probe)
        l->hooks.probe(l->hooks.arg, &probe);
}

void probe_send(struct links *l, int64_t now_ms, struct rnd *rnd)
{
    grant_wishes(l, now_ms);
    for (uint32_t i = 0; i < l->egress_n; i++)
        if (l->slot[l->order[i]].relay)
            probe_leg(l, l->order[i], now_ms, rnd);
    for (int i = 0; i < AT_ONCE_MOST && send_most_wanted(l, now_ms, rnd); i++) {
    }
}
