/*
 * probes/links_probe.c — probes under way, and the next ones within the budgets
 *
 *   Wishes (verification of a suspicion) go first, then what is wanted most (links_wanted.c). All
 *   but wishes leave a part of the total to them.
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
    int index = links_group_index(l, probe->group);
    if (index != NO_GROUP)
        (void)probe_finished(l, (uint32_t)index, l->order[probe->egress], &probe->address, 0);
}

void probe_check(struct links *l, int64_t now_ms)
{
    for (uint32_t i = l->pending_n; i-- > 0;)
        if (late(l, &l->pending[i], now_ms))
            l->pending[i] = l->pending[--l->pending_n];
}

/* ---- sending ---- */

bool probe_own_room(const struct slot *s, enum urgency urgency, int64_t now_ms)
{
    uint32_t left = urgency != ORDINARY || s->limiter.count < 2 ? 0 : 1;
    return limiter_room(&s->limiter, now_ms) > left;
}

bool probe_total_room(const struct links *l, enum urgency urgency, int64_t now_ms)
{
    uint32_t left = urgency == URGENT ? 0 : l->total.count / RESERVE_OF_TOTAL;
    return limiter_room(&l->total, now_ms) > left && l->pending_n < PENDING_MAX;
}

static bool room(const struct links *l, int16_t slot, enum urgency urgency, int64_t now_ms)
{
    return probe_total_room(l, urgency, now_ms) && probe_own_room(&l->slot[slot], urgency, now_ms);
}

static void send_probe(struct links *l, uint32_t group, int16_t slot, struct target *t, bool urgent,
                       int64_t now_ms)
{
    struct group *g = l->group[group];
    struct links_probe probe = { .egress = (uint32_t)l->slot[slot].conf_index,
                                 .egress_hash = l->slot[slot].hash,
                                 .group = links_group_id(l, group),
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
    struct cell *c = links_cell(g, slot);
    c->asked_ms = now_ms;
    c->minute.probes++;
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

/* ---- the most wanted ---- */

/* False: there is no address that may be asked now. */
static bool send_wanted(struct links *l, const struct wanted *w, int64_t now_ms, struct rnd *rnd)
{
    struct group *g = l->group[w->group];
    int16_t slot = l->order[w->egress];
    struct target *t = target_pick(l, g, slot, false, now_ms);
    int64_t every = probe_interval(l, g, slot, now_ms);
    g->due_ms[slot] = now_ms + (t ? rnd_jitter(rnd, every, 10) : PROBE_AGAIN_MS);
    if (t)
        send_probe(l, w->group, slot, t, false, now_ms);
    return t != NULL;
}

/* Each probe changes what there is room for, and how much others are wanted; a path that cannot be
 * probed changes neither. */
static void send_most_wanted(struct links *l, int64_t now_ms, struct rnd *rnd)
{
    struct wanted best[AT_ONCE_MOST];
    bool sent = true;
    for (unsigned left = AT_ONCE_MOST; left > 0 && sent;) {
        unsigned n = probe_most_wanted(l, now_ms, best, left);
        sent = false;
        for (unsigned i = 0; i < n && !sent; i++, left--)
            sent = send_wanted(l, &best[i], now_ms, rnd);
    }
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
    send_most_wanted(l, now_ms, rnd);
}
