#include "gateway/delivery/race.h"

#include <stdio.h>
#include <string.h>

#include "gateway/conf/conf.h"
#include "gateway/delivery/crowd.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/repute.h"
#include "gateway/delivery/sense.h"
#include "gateway/delivery/tolls.h"

enum {
    PROXIED_FACTOR = 4, /* a proxy's own dialogue comes on top */
    SYN_REPEATED_MS = 1000,
    GREETING_FACTOR = 4, /* of what opening a session takes */
    GREETING_LEAST_MS = 3000,
    GREETING_MOST_MS = 10000
};

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
    paths_choose(t, s->route, s->front->item, false, &way);
    if (way.egress == EGRESS_NONE || way.egress == s->egress || !way.measured) {
        s->way.placed = true;
        return true;
    }
    session_kill(s, NULL); /* not one byte was sent: it may be this egress's turn all the same */
    return false;
}

int64_t race_wait_ms(bool via, int64_t ms)
{
    return via ? ms * PROXIED_FACTOR : ms;
}

static int64_t scaled(const struct session *s, int64_t ms)
{
    return race_wait_ms(s->via, ms);
}

void race_watch(struct session *s)
{
    s->overdue = s->greets_late = false;
    timer_set(s->delivery->loop, &s->late, scaled(s, s->way.overdue_ms));
}

void race_unwatch(struct session *s)
{
    timer_stop(s->delivery->loop, &s->late);
}

/* Doubtful from the start: even the greeting is late as soon as the dial is. */
static bool is_doubtful(const struct session *s)
{
    return s->way.race_ms != CHOICE_RACE_NEVER && s->way.race_ms <= s->way.overdue_ms;
}

static int64_t greeting_ms(const struct session *s)
{
    int64_t ms = GREETING_FACTOR * s->target->open_us / 1000;
    if (ms == 0 || ms > GREETING_MOST_MS)
        return GREETING_MOST_MS;
    return ms < GREETING_LEAST_MS ? GREETING_LEAST_MS : ms;
}

void race_connected(struct session *s)
{
    s->greets_late = false;
    if (!is_doubtful(s))
        timer_set(s->delivery->loop, &s->late, greeting_ms(s));
}

static bool has_room(const struct session *s)
{
    const struct target *t = s->target;
    uint64_t most = t->site->limit.connections;
    return delivery_has_room(s->delivery, LANE_BULK) &&
           (most == 0 || t->site->sessions + t->parting < most);
}

static bool before_ehlo(const struct session *s)
{
    return s->state == SESSION_OPENING &&
           (!s->stream || (s->expected_n && s->expected[s->expected_at].step == STEP_GREETING));
}

/* For the log: by whom the mail was tried right before, and why not by it alone. */
static void note_loser(const struct session *s, struct item *item)
{
    char reason[320];
    long long ms = loop_now_ms(s->delivery->loop) - s->started_ms;
    const char *doubt = is_doubtful(s) ? ", the path was in doubt" : "";
    if (s->trouble.where != WHERE_NONE)
        (void)snprintf(reason, sizeof reason, "raced: %s", s->trouble_text);
    else
        (void)snprintf(reason, sizeof reason, "raced: no %s after %lld ms%s",
                       s->stream ? "greeting" : "connection", ms, doubt);
    item_set_detour(item, policies_conf(s->policies)->egress.at[s->egress].name, slice_of(reason));
}

static void hand_over(struct session *from, struct session *to)
{
    if (!from->front || to->front)
        return;
    note_loser(from, from->front->item);
    to->front = from->front;
    to->front->session = to;
    from->front = NULL;
}

static bool is_new(const struct session *s, const struct item *item, int egress)
{
    return egress != EGRESS_NONE && egress != s->egress &&
           !(s->rival && s->rival->egress == egress) && !item_tried(item, egress) &&
           egress_fault(s->delivery->egress, egress) == EGRESS_FINE;
}

/* The best way for the mail as things are now, other than those that are being tried: as if these
 * had failed for it already. */
static bool find_other(const struct session *s, struct item *item, struct way_out *way_r)
{
    uint16_t tried[ITEM_TRIED_MAX];
    uint8_t tried_n = item->tried_n;
    memcpy(tried, item->tried, sizeof tried);
    item->tried_n = 0;
    item_try_other(item, s->egress);
    if (s->rival)
        item_try_other(item, s->rival->egress);
    paths_choose(s->target, s->route, item, false, way_r);
    item->tried_n = tried_n;
    memcpy(item->tried, tried, sizeof tried);
    return is_new(s, item, way_r->egress);
}

/* Two at a time: with a third one the older of the two ends. */
static bool make_way(struct session *s, struct item *item)
{
    struct session *old = s->rival;
    if (!old)
        return true;
    if (!before_ehlo(old) || !item_try_other(item, old->egress))
        return false;
    hand_over(old, s);
    session_kill(old, NULL);
    return true;
}

static void start_rival(struct session *s)
{
    struct session *holder = s->front ? s : s->rival;
    struct way_out way;
    if (!holder || !holder->front || s->policies != s->delivery->policies || !has_room(s))
        return;
    struct item *item = holder->front->item;
    if (!find_other(s, item, &way) || !crowd_has_room(s->target, way.egress) ||
        !tolls_room(s->target, way.egress, LANE_BULK))
        return;
    struct grant grant = { 0 }; /* two of them hold one, until one has won */
    if (!repute_take(s->target, way.egress, way.spilled, &grant))
        return;
    if (!make_way(s, item)) {
        repute_give_back(s->target, &grant);
        return;
    }
    struct session *rival = session_open(s->target, s->route, &way, &grant, NULL);
    if (!rival)
        return;
    rival->rival = s;
    s->rival = rival;
}

static void late_dial(struct session *s)
{
    bool never = s->way.race_ms == CHOICE_RACE_NEVER; /* none was known; that may have changed */
    int64_t more_ms = never ? SYN_REPEATED_MS : s->way.race_ms - s->way.overdue_ms;
    if (s->dial && !s->overdue)
        sense_overdue(s);
    if (!s->overdue && more_ms > 0) {
        s->overdue = true;
        timer_set(s->delivery->loop, &s->late, scaled(s, more_ms));
    } else if (s->dial || is_doubtful(s)) {
        start_rival(s);
    }
}

static void late_greeting(struct session *s)
{
    s->greets_late = true;
    if (!s->rival || s->target->open_us)
        start_rival(s);
}

void race_on_late(struct timer *timer)
{
    struct session *s = CONTAINER_OF(timer, struct session, late);
    struct target *target = s->target;
    if (!before_ehlo(s))
        return;
    if (s->stream && !is_doubtful(s))
        late_greeting(s);
    else
        late_dial(s);
    target_run(target);
}

void race_won(struct session *s)
{
    struct session *rival = s->rival;
    race_leave(s);
    if (!rival)
        return;
    if (!before_ehlo(rival))
        return;
    if (rival->greets_late && !open_others_work(rival, true))
        sense_outrun(rival);
    hand_over(rival, s);
    session_kill(rival, NULL);
}

bool race_lost(struct session *s)
{
    struct session *rival = s->rival;
    if (!rival && !(s->is_rival && !s->front)) /* a rival without mail fails nobody */
        return false;
    if (rival)
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
