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
#include "gateway/base/clock.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/crowd.h"
#include "gateway/delivery/domains.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/relay.h"
#include "gateway/delivery/repute.h"
#include "gateway/delivery/tolls.h"

enum {
    OPENING_FIRST = 2,     /* at once towards a site that has not proven itself */
    OPENING_ELSEWHERE = 4, /* beyond that, one by each other egress */
    LOOK_AT_MAX = 64,      /* sessions looked at for one mail */
    AT_ONCE_US = 200000,   /* final replies that take no longer keep nobody waiting */
    LATE_US = 20000        /* timers are that late at most */
};

/* ---- finding a session ---- */

/* What a mail asks of a session. */
struct need {
    enum sched_for what;
    const struct conf_route *route;
    const struct item *item;
    struct way_out way;
    bool any; /* not only way.egress: any that may carry it */
};

/* It goes by the egress of its earlier try, or by none. */
static bool is_sticky(const struct delivery *d, const struct item *item)
{
    return loop_now_ms(d->loop) < item->sticky_until_ms;
}

static bool usable_by(const struct session *s, const struct need *need)
{
    if (!session_suits(s, need->route) || !domains_allow_item(s, need->item) ||
        paths_barred(s->delivery->paths, s->egress, &s->source) || !repute_suits(s, need->item))
        return false;
    if (!need->any || is_sticky(s->delivery, need->item))
        return s->egress == need->way.egress;
    return paths_is_able(&need->way, s->egress) &&
           egress_allowed(s->delivery->egress, need->route, s->egress);
}

static struct session *find_idle(struct target *t, const struct need *need)
{
    unsigned looked = 0;
    LIST_EACH (at, &t->idle) {
        struct session *s = CONTAINER_OF(at, struct session, link);
        if (usable_by(s, need))
            return s;
        if (++looked == LOOK_AT_MAX)
            break;
    }
    return NULL;
}

/* The slot of the mail in front will be its own: it must be one that it may have. Large mail waits
 * for a slot of large mail. */
static bool may_follow(const struct target *t, const struct attempt *front, const struct item *item)
{
    uint32_t all = t->site->order.slots.all;
    return !sched_is_large(item->body_size) &&
           slots_kept(all, (enum lane)front->lane) >= slots_kept(all, (enum lane)item->lane);
}

/* Mail that stands behind another has had its turn, and what comes meanwhile does not overtake it.
 * So where there is no other way it goes there no earlier than its envelope needs to be answered
 * when the reply is due; 0 and less: now. */
static int64_t too_early_us(const struct session *s)
{
    int64_t final_us = s->target->final_us;
    if (final_us <= AT_ONCE_US || !s->app_rtt_us)
        return 0;
    return s->front->sent_us + final_us - 2 * s->app_rtt_us - LATE_US - clock_mono_us();
}

static struct session *find_behind(struct target *t, const struct need *need, bool late)
{
    unsigned looked = 0;
    int64_t next_us = INT64_MAX;
    LIST_EACH (at, &t->others) {
        struct session *s = CONTAINER_OF(at, struct session, link);
        if (session_takes_more(s) && may_follow(t, s->front, need->item) && usable_by(s, need)) {
            int64_t wait_us = late ? too_early_us(s) : 0;
            if (wait_us <= 0)
                return s;
            next_us = wait_us < next_us ? wait_us : next_us;
        }
        if (++looked == LOOK_AT_MAX)
            break;
    }
    if (next_us != INT64_MAX)
        target_look_in(t, (next_us + 999) / 1000);
    return NULL;
}

static uint32_t live_sessions(const struct target *t)
{
    return t->site->sessions - t->opening;
}

/* The one of all idle sessions that was used least recently makes room. */
static bool make_room(struct delivery *d)
{
    if (list_empty(&d->idle))
        return false;
    session_quit(CONTAINER_OF(d->idle.prev, struct session, lru));
    return true;
}

/* At the limit of all sessions together a target stands in line; nothing of its own may ever
 * happen that would make it look again. */
static bool room(struct target *t)
{
    struct delivery *d = t->delivery;
    if (d->sessions < d->sessions_max || make_room(d))
        return true;
    if (list_empty(&t->want))
        list_push_back(&d->wanting, &t->want);
    return false;
}

void delivery_room(struct delivery *d)
{
    if (!list_empty(&d->wanting))
        loop_task_schedule(d->loop, &d->room);
}

/* The first in line may have nothing left to send: then the room is the next one's. */
void delivery_let_in(struct loop_task *task)
{
    struct delivery *d = CONTAINER_OF(task, struct delivery, room);
    relay_let_in(d);
    while ((d->sessions < d->sessions_max || !list_empty(&d->idle)) && !list_empty(&d->wanting))
        target_run(CONTAINER_OF(list_pop_front(&d->wanting), struct target, want));
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

/* A site that has not proven itself is not stormed. */
static bool enough_are_opening(const struct target *t, int egress)
{
    uint32_t most =
        t->proven && live_sessions(t) > OPENING_FIRST ? live_sessions(t) : OPENING_FIRST;
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
    if (!t->parting && !list_empty(&t->idle) && !find_idle(t, &any))
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
    if (!tolls_room(t, need->way.egress, (enum lane)need->item->lane))
        return false;
    t->site->hold = SITE_TOTAL;
    return relay_has_room(t, need->way.egress) && site_has_room(t, need) && room(t);
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
        struct session *behind = find_behind(t, need, true);
        *open_r = false;
        return behind ? behind : find_behind(t, &any, true);
    }
    struct session *s = find_idle(t, need);
    if (!s && cheap_behind(t))
        s = find_behind(t, need, false);
    if (!s)
        s = relay_adopt(t, need->route, need->item, need->way.egress);
    *open_r = !s && open && may_open(t, need);
    if (s || *open_r)
        return s;
    s = find_idle(t, &any);
    return s ? s : find_behind(t, &any, true);
}

/* Are there as many as the server was found to bear, and not as many as it may have? */
static bool slots_are_found(const struct site *site)
{
    uint64_t most = site->limit.connections;
    return site->bears && (most == 0 || site->bears < most);
}

/* False: the mail whose turn it is has to wait, or there is none. */
static bool dispatch_one(struct target *t, struct flow *only, enum sched_for what, bool open)
{
    struct flow *flow = NULL;
    struct item *front = site_front(t->site, only, what, &flow);
    if (!front && what == SCHED_SLOT && !only)
        t->site->hold = slots_are_found(t->site) ? SITE_BEARS : SITE_CONNECTIONS;
    if (!front || !flow->route || !tolls_let_go(t, EGRESS_NONE, (enum lane)front->lane))
        return false;
    struct need need = { .what = what, .route = flow->route, .item = front };
    paths_choose(t, flow->route, front, &need.way);
    if (need.way.egress == EGRESS_NONE && paths_are_limited(t->delivery->paths)) {
        tolls_hold(t, (enum lane)front->lane);
        return false;
    }
    if (need.way.egress == EGRESS_NONE) { /* other mail or other routes may have one that can */
        char none[160];
        if (!egress_why_none(t->delivery->egress, flow->route, none, sizeof none))
            paths_why_none(t->delivery->paths, none, sizeof none);
        if (front->refused_n || need.way.waits)
            flow_put_off(flow, front, none);
        else
            flow_failed(flow, none);
        return true;
    }
    bool opening;
    struct session *s = find_session(t, &need, open, &opening);
    if (!s && !opening)
        return false;
    int egress = s ? s->egress : need.way.egress;
    if (!tolls_let_go_by(t, egress, (enum lane)front->lane)) {
        paths_forget(t); /* its own limit is reached: choose again */
        return egress == need.way.egress;
    }
    if (!repute_take(t, egress, need.way.spilled)) {
        paths_forget(t); /* the last of its allowance is gone: choose again */
        return true;
    }
    struct attempt *a = take(t, flow, front, what);
    if (!a)
        return true;
    if (!tolls_take(t, egress, a)) {
        attempt_return(&a);
        return true;
    }
    if (s)
        session_give(s, a);
    else
        session_open(t, flow->route, &need.way, a);
    return true;
}

/* ---- all of them ---- */

/* For a session that is free: mail bound to one that is still opening, if it suits. */
static struct attempt *steal(struct target *t, const struct session *session)
{
    LIST_EACH (at, &t->others) {
        struct session *s = CONTAINER_OF(at, struct session, link);
        if (s->state == SESSION_OPENING && s->front && s->policies == session->policies &&
            session_suits(session, s->route) && domains_allow_item(session, s->front->item) &&
            (s->egress == session->egress || !is_sticky(t->delivery, s->front->item)) &&
            repute_suits(session, s->front->item) && paths_is_able(&s->way, session->egress) &&
            egress_allowed(t->delivery->egress, s->route, session->egress) &&
            (s->egress == session->egress || tolls_change(t, session->egress, s->front))) {
            struct attempt *a = s->front;
            s->front = NULL;
            return a;
        }
    }
    return NULL;
}

bool target_outranks(const struct target *t, const struct item *item)
{
    for (enum lane lane = LANE_URGENT; lane <= LANE_HIGH && lane < item->lane; lane++)
        if (site_ready_in(t->site, lane))
            return true;
    return false;
}

static void give_bound(struct target *t)
{
    for (unsigned n = 0; n < LOOK_AT_MAX && t->opening && !list_empty(&t->idle); n++) {
        struct session *s = CONTAINER_OF(t->idle.next, struct session, link);
        struct attempt *a = steal(t, s);
        if (!a)
            return;
        session_give(s, a);
    }
}

/* When the mail whose turn it is has to wait, that of another route may still have a session. */
static void run_other_flows(struct target *t)
{
    LIST_EACH (at, &t->site->flows) {
        struct flow *flow = CONTAINER_OF(at, struct flow, link);
        if (flow_ready(flow) && dispatch_one(t, flow, SCHED_SLOT, false))
            t->again = true;
    }
}

/* First what may have a session of its own; then, behind it, what may not. */
static void run_in_order(struct target *t)
{
    while (!t->delivery->draining && dispatch_one(t, NULL, SCHED_SLOT, true))
        ;
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
        run_in_order(t);
        if (!t->delivery->draining && site_ready(t->site))
            run_other_flows(t);
        give_bound(t);
    } while (t->again && site_ready(t->site) && !t->delivery->draining);
    t->running = false;
}
