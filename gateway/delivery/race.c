#include "gateway/delivery/race.h"

#include "gateway/conf/conf.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/sense.h"

enum { PROXIED_FACTOR = 4 }; /* a proxy's own dialogue comes on top */

bool race_place(struct session *s)
{
    struct target *t = s->target;
    struct way_out way;
    if (s->relay)
        return true;
    if (s->host_at == 0)
        paths_note_address(t, &s->addrs[0]);
    if (s->way.placed || s->dialled || !s->front)
        return true;
    paths_choose(t, s->route, s->front->item, &way);
    if (way.egress == EGRESS_NONE || way.egress == s->egress || !way.measured) {
        s->way.placed = true;
        return true;
    }
    session_kill(s, NULL);
    return false;
}

void race_watch(struct session *s)
{
    const struct conf_egress *e = egress_conf(s->delivery->egress, s->egress);
    int64_t ms = s->way.overdue_ms;
    if (e->via.kind != CONF_VIA_NONE)
        ms *= PROXIED_FACTOR;
    timer_set(s->delivery->loop, &s->late, ms);
}

void race_unwatch(struct session *s)
{
    timer_stop(s->delivery->loop, &s->late);
}

static bool has_room(const struct session *s)
{
    const struct site *site = s->target->site;
    return s->delivery->sessions < s->delivery->sessions_max &&
           (site->limit.connections == 0 || site->sessions < site->limit.connections);
}

static void start_rival(struct session *s)
{
    struct delivery *d = s->delivery;
    int second = s->way.second;
    if (second == EGRESS_NONE || s->rival || !s->front || s->policies != d->policies ||
        egress_fault(d->egress, second) != EGRESS_FINE || !has_room(s))
        return;
    struct way_out way = { .egress = second,
                           .second = EGRESS_NONE,
                           .race_ms = CHOICE_RACE_NEVER,
                           .overdue_ms = s->way.overdue_ms,
                           .placed = true };
    struct session *rival = session_open(s->target, s->route, &way, NULL);
    if (!rival)
        return;
    rival->rival = s;
    s->rival = rival;
}

void race_on_late(struct timer *timer)
{
    struct session *s = CONTAINER_OF(timer, struct session, late);
    struct target *target = s->target;
    if (s->state != SESSION_OPENING || !s->dial)
        return;
    sense_overdue(s);
    start_rival(s);
    target_run(target);
}

static bool before_ehlo(const struct session *s)
{
    return s->state == SESSION_OPENING &&
           (!s->stream || (s->expected_n && s->expected[s->expected_at].step == STEP_GREETING));
}

static void hand_over(struct session *from, struct session *to)
{
    if (!from->front || to->front)
        return;
    to->front = from->front;
    to->front->session = to;
    from->front = NULL;
}

void race_won(struct session *s)
{
    struct session *rival = s->rival;
    if (!rival)
        return;
    race_leave(s);
    if (!before_ehlo(rival))
        return;
    hand_over(rival, s);
    session_kill(rival, NULL);
}

bool race_lost(struct session *s)
{
    struct session *rival = s->rival;
    if (!rival)
        return false;
    hand_over(s, rival);
    session_kill(s, NULL);
    return true;
}

void race_leave(struct session *s)
{
    race_unwatch(s);
    if (s->rival)
        s->rival->rival = NULL;
    s->rival = NULL;
}
