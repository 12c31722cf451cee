/*
 * delivery/tolls_ahead — sessions that are opened for mail of a rate: when, and how many
 *
 *   What is counted is MAIL (tolls_pay_ms()), so nothing is taken for a session that is being
 *   opened. What bounds these is how many tokens come while an opening takes (policies/ahead.h),
 *   and, over all sites and workers that share the rate, its pace (gauge.h).
 */
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/relay.h"
#include "gateway/delivery/tolls_private.h"
#include "policies/ahead.h"

/* One of the rates that limit what goes: a walk over all of them. Begins zeroed. */
struct rated {
    size_t next;
    const struct toll *toll;
    enum traffic_rate kind;
    struct rate rate;
};

static bool next_rated(const struct tolls *ts, struct rated *r)
{
    enum { KINDS = TRAFFIC_BYTES - TRAFFIC_MESSAGES + 1 };
    while (r->next < ts->n * KINDS) {
        r->toll = &ts->at[r->next / KINDS];
        r->kind = (enum traffic_rate)(TRAFFIC_MESSAGES + r->next % KINDS);
        r->rate = r->toll->is.rate[r->kind];
        r->next++;
        if (r->rate.count)
            return true;
    }
    return false;
}

bool tolls_is_rated(const struct tolls *ts)
{
    struct rated r = { 0 };
    return ts && next_rated(ts, &r);
}

/* What the site said last of how many messages a session may carry, the next one hears as well. */
static struct ahead ahead_of(const struct target *t, const struct tolls *ts)
{
    uint64_t messages = tolls_stricter(ts->limits.messages_per_connection, t->mail_max);
    return (struct ahead){ .messages = messages, .open_us = t->opens_us, .busy_us = t->busy_us };
}

static int64_t wait_us(const struct rated *r, int64_t now_us)
{
    return gauge_wait_us(r->toll->gauge, r->kind, r->rate, LANE_BULK, now_us);
}

/* When `supply` messages have a session: until one more is opened, by the rate that is slowest. */
static struct hold until_needed(const struct tolls *ts, const struct ahead *a, uint64_t supply)
{
    struct hold h = { NULL, NULL, 0 };
    int64_t now = clock_mono_us();
    for (struct rated r = { 0 }; next_rated(ts, &r);) {
        int64_t in_us = ahead_in_us(a, supply, r.rate, ts->usual[r.kind], wait_us(&r, now));
        if (in_us > h.wait_us)
            h = (struct hold){ r.toll, NULL, in_us };
    }
    return h;
}

/* Messages that are to have a session, by the rate that is slowest. */
static uint64_t needs(const struct tolls *ts, const struct ahead *a)
{
    uint64_t least = UINT64_MAX;
    int64_t now = clock_mono_us();
    for (struct rated r = { 0 }; next_rated(ts, &r);) {
        uint64_t n = ahead_needs(a, r.rate, ts->usual[r.kind], wait_us(&r, now));
        least = n < least ? n : least;
    }
    return least;
}

static struct hold until_paced(const struct tolls *ts)
{
    struct hold h = { NULL, NULL, 0 };
    int64_t now = clock_mono_us();
    for (struct rated r = { 0 }; next_rated(ts, &r);) {
        int64_t paced_us = gauge_pace_wait_us(r.toll->gauge, r.kind, r.rate, now);
        if (paced_us > h.wait_us)
            h = (struct hold){ r.toll, tolls_rate_names[r.kind], paced_us };
    }
    return h;
}

/* Urgent mail does not wait for the pace. */
struct hold tolls_hold_of_opening(const struct target *t, const struct tolls *ts, enum lane lane)
{
    if (!tolls_is_rated(ts))
        return (struct hold){ NULL, NULL, 0 };
    struct ahead a = ahead_of(t, ts);
    struct hold h = until_needed(ts, &a, ts->opening);
    return h.toll || lane == LANE_URGENT ? h : until_paced(ts);
}

bool tolls_may_open(struct target *t, int egress, enum lane lane)
{
    struct hold h = tolls_hold_of_opening(t, tolls_of(t, egress), lane);
    return tolls_note(t, &h);
}

/* It ends before one that is opened now is ready. */
static bool is_ending(const struct session *s, const struct ahead *a)
{
    int64_t rests_ms = loop_now_ms(s->delivery->loop) - s->rests_ms;
    return s->state == SESSION_IDLE &&
           rests_ms + a->open_us / 1000 >= policies_conf(s->policies)->delivery.idle;
}

static uint64_t left_of(const struct session *s)
{
    if (!s->transactions_max)
        return UINT64_MAX;
    return s->transactions < s->transactions_max ? s->transactions_max - s->transactions : 0;
}

/* Messages that the sessions of a list that stand will carry; counted up to `enough`. */
static uint64_t carried_by(const struct list *sessions, const struct tolls *ts,
                           const struct ahead *a, uint64_t enough)
{
    uint64_t n = 0;
    LIST_EACH (at, sessions) {
        const struct session *s = CONTAINER_OF(at, struct session, link);
        if (n >= enough)
            break;
        if (s->tolls == ts && s->state != SESSION_OPENING && !is_ending(s, a))
            n += ahead_standing(a, left_of(s), s->state == SESSION_IDLE);
    }
    return n;
}

/* Those to a relay last, and are counted where they were opened. */
bool tolls_run_short(struct target *t, int egress)
{
    struct tolls *ts = tolls_of(t, egress);
    if (!tolls_is_rated(ts) || relay_is(t->delivery, egress))
        return false;
    struct ahead a = ahead_of(t, ts);
    uint64_t need = needs(ts, &a), ready = site_ready(t->site);
    uint64_t resting = carried_by(&t->idle, ts, &a, need > ready ? need : ready);
    uint64_t supply = resting + ts->opening * ahead_opening(&a);
    if (supply < need)
        supply += carried_by(&t->others, ts, &a, need - supply);
    if (supply < need)
        return resting < ready;
    struct hold h = until_needed(ts, &a, need);
    if (h.toll)
        target_look_in(t, (h.wait_us + 999) / 1000);
    return false;
}

void tolls_opened(struct session *s)
{
    if (s->tolls)
        s->tolls->opening--;
}

static void pace(const struct tolls *ts, const uint64_t *each, bool back)
{
    int64_t now = clock_mono_us();
    for (struct rated r = { 0 }; next_rated(ts, &r);) {
        if (back)
            gauge_pace_back(r.toll->gauge, r.kind, r.rate, each[r.kind]);
        else
            gauge_pace(r.toll->gauge, r.kind, r.rate, each[r.kind], now);
    }
}

/* A rival has no mail of its own. */
void tolls_pace(struct session *s)
{
    if (!s->front || !tolls_is_rated(s->tolls))
        return;
    memcpy(s->paced, s->tolls->usual, sizeof s->paced);
    pace(s->tolls, s->paced, false);
}

void tolls_pace_back(struct session *s)
{
    if (s->paced[TRAFFIC_MESSAGES] && s->transactions == 0)
        pace(s->tolls, s->paced, true);
    memset(s->paced, 0, sizeof s->paced);
}
