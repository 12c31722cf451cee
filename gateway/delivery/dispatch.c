/*
 * delivery/dispatch — which session carries which mail, and when another one is opened
 *
 *   For the mail in front an egress is chosen (paths.h). Then, in this order:
 *   1. a session of that egress that has nothing to do;
 *   2. one that can take a transaction behind the running one, while waiting for its final reply
 *      costs less than a new connection would;
 *   3. a new session, while the limits allow;
 *   4. at the limit: any session that suits, by an egress that may carry it, behind the running
 *      transaction only as its reply becomes due; else the mail stays in the queue.
 *   So sessions grow only when the existing ones are saturated, and as no session ever holds more
 *   than two mails, a slow one collects none. Mail bound to a session that is still opening goes to
 *   one that became free before.
 */
#include <string.h>

#include "gateway/conf/conf.h"
#include "gateway/delivery/crowd.h"
#include "gateway/delivery/domains.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/pick.h"
#include "gateway/delivery/relay.h"
#include "gateway/delivery/repute.h"
#include "gateway/delivery/tolls.h"

enum {
    OPENING_ELSEWHERE = 4, /* beyond those that may be opened at once, one by each other egress */
    LOOK_AT_MAX = 64       /* sessions looked at for one mail */
};

/* ---- room for another ---- */

static uint32_t live_sessions(const struct target *t)
{
    return t->site->sessions - t->opening;
}

/* Those that take too long for their path hold up no other path. */
static uint32_t opening_by(const struct target *t, int egress)
{
    uint32_t n = 0;
    unsigned looked = 0;
    LIST_EACH (at, &t->others) {
        const struct session *s = CONTAINER_OF(at, struct session, link);
        n += s->state == SESSION_OPENING && s->egress == egress;
        if (++looked == LOOK_AT_MAX)
            break;
    }
    return n;
}

/* A site that has not proven itself is not stormed: as many are opened as stand, or, where they do
 * not last, one more for each that came about while as many were being opened as might. */
static bool enough_are_opening(const struct target *t, int egress)
{
    uint32_t most = t->proven && live_sessions(t) > t->at_once ? live_sessions(t) : t->at_once;
    return t->opening >= most + OPENING_ELSEWHERE ||
           (t->opening >= most && opening_by(t, egress) > 0);
}

/* At the limit of the site only a session that is no use to this mail makes way: there is room when
 * its connection is closed. */
static bool site_has_room(struct target *t, const struct need *need)
{
    struct need any = *need;
    any.any = true;
    uint64_t most = t->site->limit.connections;
    if (most == 0 || t->site->sessions + t->parting < most)
        return true;
    t->site->hold = SITE_CONNECTIONS;
    if (!t->parting && !list_empty(&t->idle) && !pick_idle(t, &any))
        session_quit(CONTAINER_OF(t->idle.prev, struct session, link));
    return false;
}

static bool may_open(struct target *t, const struct need *need)
{
    t->site->hold = SITE_OPENING;
    if (enough_are_opening(t, need->way.egress) ||
        loop_now_ms(t->delivery->loop) < t->site->backoff_until_ms)
        return false;
    t->site->hold = SITE_BEARS;
    if (!crowd_has_room(t, need->way.egress))
        return false;
    enum lane lane = (enum lane)need->item->lane;
    if (!tolls_may_open(t, need->way.egress, lane) || !tolls_room(t, need->way.egress, lane))
        return false;
    t->site->hold = SITE_TOTAL;
    return relay_has_room(t, need->way.egress) && site_has_room(t, need) &&
           delivery_find_room(t, lane);
}

/* ---- one mail ---- */

static struct attempt *take(struct target *t, struct flow *flow, struct item *item,
                            enum sched_for what)
{
    struct delivery *d = t->delivery;
    site_take(t->site, flow, item, what);
    struct attempt *a = attempt_new(d, item);
    if (!a)
        return NULL;
    int64_t waited = loop_wall_ms(d->loop) - item->due_ms;
    a->stage_us[STAGE_QUEUE] = waited > 0 ? waited * 1000 : 0;
    return a;
}

static bool cheap_behind(const struct target *t)
{
    return t->final_us <= t->open_us;
}

/* NULL: none now; *open_r: one should be opened. */
static struct session *find_session(struct target *t, const struct need *need, bool open,
                                    bool *open_r)
{
    struct need any = *need;
    any.any = true;
    if (need->what == SCHED_BEHIND) {
        struct session *behind = pick_behind(t, need, true);
        *open_r = false;
        return behind ? behind : pick_behind(t, &any, true);
    }
    struct session *s = pick_idle(t, need);
    if (!s && cheap_behind(t) && !tolls_rated(t, need->way.egress))
        s = pick_behind(t, need, false);
    if (!s)
        s = relay_adopt(t, need->route, need->item, need->way.egress);
    *open_r = !s && open && may_open(t, need);
    if (s || *open_r)
        return s;
    s = pick_idle(t, &any);
    return s ? s : pick_behind(t, &any, true);
}

/* Are there as many as the server was found to bear, and not as many as it may have? */
static bool slots_are_found(const struct site *site)
{
    uint64_t most = site->limit.connections;
    return site->bears && (most == 0 || site->bears < most);
}

/* A session for the mail in front, `s`, or a new one. True: look again. */
static bool carry(struct target *t, struct flow *flow, struct need *need, struct session *s)
{
    int egress = s ? s->egress : need->way.egress;
    struct grant fresh = { 0 }, *grant = s ? &s->grant : &fresh;
    if (!grant->held && !repute_take(t, egress, need->way.spilled, grant)) {
        paths_forget(t); /* the last of its allowance is gone: choose again */
        return true;
    }
    struct attempt *a = take(t, flow, need->item, need->what);
    if (a && s)
        session_give(s, a);
    else if (a)
        session_open(t, flow->route, &need->way, grant, a);
    else
        repute_give_back(t, grant);
    return true;
}

/* The mail in front has to wait for a rate. One that rests gets it then, and urgent mail has the
 * next token: it stays in the queue. False: no session is opened for it. */
static bool open_ahead(struct target *t, struct flow *flow, struct need *need)
{
    uint8_t hold = t->site->hold;
    char held_by[sizeof t->site->held_by];
    memcpy(held_by, t->site->held_by, sizeof held_by);
    if (need->item->lane == LANE_URGENT && !list_empty(&t->idle))
        return false;
    paths_choose(t, flow->route, need->item, true, &need->way);
    bool opens = need->way.egress != EGRESS_NONE && tolls_run_short(t, need->way.egress) &&
                 may_open(t, need);
    t->site->hold = hold;
    memcpy(t->site->held_by, held_by, sizeof held_by);
    return opens && carry(t, flow, need, NULL);
}

/* None can carry it; other mail or other routes may have one that can. */
static bool stranded(struct target *t, struct flow *flow, const struct need *need,
                     struct item *item)
{
    char none[160];
    if (!egress_why_none(t->delivery->egress, flow->route, none, sizeof none))
        paths_why_none(t->delivery->paths, none, sizeof none);
    if (item->refused_n || need->way.waits)
        flow_put_off(flow, item, none);
    else
        flow_failed(flow, none);
    return true;
}

/* False: the mail whose turn it is has to wait, or there is none. */
static bool dispatch_one(struct target *t, struct flow *only, enum sched_for what, bool open)
{
    struct flow *flow = NULL;
    struct item *front = site_front(t->site, only, what, &flow);
    if (!front && what == SCHED_SLOT && !only)
        t->site->hold = slots_are_found(t->site) ? SITE_BEARS : SITE_CONNECTIONS;
    if (!front || !flow->route)
        return false;
    struct need need = { .what = what, .route = flow->route, .item = front };
    enum lane lane = tolls_asks_as(t, (enum lane)front->lane);
    if (!tolls_let_go(t, EGRESS_NONE, lane))
        return open && open_ahead(t, flow, &need);
    paths_choose(t, flow->route, front, false, &need.way);
    if (need.way.egress == EGRESS_NONE && tolls_hold(t, lane))
        return open && open_ahead(t, flow, &need);
    if (need.way.egress == EGRESS_NONE)
        return stranded(t, flow, &need, front);
    bool opening;
    struct session *s = find_session(t, &need, open, &opening);
    if (!s && !opening)
        return false;
    int egress = s ? s->egress : need.way.egress;
    if (s && !tolls_let_go_by(t, egress, lane)) {
        paths_forget(t); /* its own limit is reached: choose again */
        return egress == need.way.egress;
    }
    return carry(t, flow, &need, s);
}

/* ---- all of them ---- */

/* May the mail that `s` is being opened for, of a lane before that one, go by `session`, which is
 * free, now? */
static bool may_take_over(const struct target *t, struct session *session, const struct session *s,
                          enum lane before)
{
    if (s->state != SESSION_OPENING || !s->front || s->policies != session->policies)
        return false;
    if (s->front->lane >= before)
        return false;
    const struct item *item = s->front->item;
    bool same = s->egress == session->egress;
    return session_suits(session, s->route) && domains_allow_item(session, item) &&
           (same || !pick_is_sticky(t->delivery, item)) && repute_suits(session, item) &&
           paths_is_able(&s->way, session->egress) &&
           egress_allowed(t->delivery->egress, s->route, session->egress) &&
           tolls_may_go(session, (enum lane)s->front->lane);
}

/* What was taken for mail goes with it, but not to another egress. */
static bool pass_grant(struct target *t, struct session *from, struct session *to)
{
    if (to->grant.held)
        return true;
    if (from->egress != to->egress)
        return repute_take(t, to->egress, EGRESS_NONE, &to->grant);
    for (enum grant_part part = GRANT_EGRESS; part <= GRANT_SPILL; part++) {
        to->grant.of[part] = from->grant.of[part];
        from->grant.of[part] = (struct grant_of){ 0 };
    }
    to->grant.held = from->grant.held;
    from->grant.held = false;
    return true;
}

/* For a session that is free: mail bound to one that is still opening, if it suits. */
static struct attempt *steal(struct target *t, struct session *session, enum lane before)
{
    LIST_EACH (at, &t->others) {
        struct session *s = CONTAINER_OF(at, struct session, link);
        if (may_take_over(t, session, s, before) && pass_grant(t, s, session)) {
            struct attempt *a = s->front;
            s->front = NULL;
            return a;
        }
    }
    return NULL;
}

static bool is_bound_in(const struct target *t, enum lane lane)
{
    unsigned looked = 0;
    LIST_EACH (at, &t->others) {
        const struct session *s = CONTAINER_OF(at, struct session, link);
        if (s->state == SESSION_OPENING && s->front && s->front->lane == lane)
            return true;
        if (++looked == LOOK_AT_MAX)
            break;
    }
    return false;
}

bool target_outranks(const struct target *t, const struct item *item)
{
    for (enum lane lane = LANE_URGENT; lane <= LANE_HIGH && lane < item->lane; lane++)
        if (site_ready_in(t->site, lane) || is_bound_in(t, lane))
            return true;
    return false;
}

/* Of lanes before this one. */
static void give_bound(struct target *t, enum lane before)
{
    for (unsigned n = 0; n < LOOK_AT_MAX && t->opening && !list_empty(&t->idle); n++) {
        struct session *s = CONTAINER_OF(t->idle.next, struct session, link);
        struct attempt *a = steal(t, s, before);
        if (!a)
            return;
        session_give(s, a);
    }
}

/* Urgent and high mail does not wait for its session while others go by one that is free. */
static void give_urgent_bound(struct target *t)
{
    for (enum lane lane = LANE_URGENT; lane <= LANE_HIGH && !site_ready_in(t->site, lane); lane++)
        give_bound(t, lane + 1);
}

/* When the mail whose turn it is has to wait, that of another route may still have a session, or
 * one opened for it: by an egress that is not what the first one waits for. What holds back the
 * first is what the site says. */
static void run_other_flows(struct target *t)
{
    uint8_t hold = t->site->hold;
    char held_by[sizeof t->site->held_by];
    memcpy(held_by, t->site->held_by, sizeof held_by);
    LIST_EACH (at, &t->site->flows) {
        struct flow *flow = CONTAINER_OF(at, struct flow, link);
        if (flow_ready(flow) && dispatch_one(t, flow, SCHED_SLOT, true))
            t->again = true;
    }
    t->site->hold = hold;
    memcpy(t->site->held_by, held_by, sizeof held_by);
}

/* Of all sessions some are kept for the lanes above: mail that waits for one of the others does not
 * hold up theirs. */
static void run_lanes_above(struct target *t)
{
    const struct delivery *d = t->delivery;
    struct sched *order = &t->site->order;
    if (t->site->hold != SITE_TOTAL)
        return;
    while (order->end > LANE_URGENT && !delivery_has_room(d, (enum lane)(order->end - 1)))
        order->end--;
    while (order->end < LANE_COUNT && !d->draining && dispatch_one(t, NULL, SCHED_SLOT, true))
        ;
    order->end = LANE_COUNT;
    t->site->hold = SITE_TOTAL;
}

/* First what may have a session of its own; then, behind it, what may not. */
static void run_in_order(struct target *t)
{
    while (!t->delivery->draining && dispatch_one(t, NULL, SCHED_SLOT, true))
        ;
    run_lanes_above(t);
    while (!t->delivery->draining && dispatch_one(t, NULL, SCHED_BEHIND, false))
        ;
}

void target_run(struct target *t)
{
    if (t->running) {
        t->again = true;
        return;
    }
    t->running = true;
    do {
        t->again = false;
        t->site->hold = SITE_FREE;
        give_urgent_bound(t);
        run_in_order(t);
        if (!t->delivery->draining && site_ready(t->site))
            run_other_flows(t);
        give_bound(t, LANE_COUNT);
    } while (t->again && site_ready(t->site) && !t->delivery->draining);
    t->running = false;
}
