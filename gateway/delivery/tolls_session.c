/*
 * delivery/tolls_session — limits as a session meets them: its beginning, its bytes, its end
 */
#include "gateway/base/clock.h"
#include "gateway/delivery/relay.h"
#include "gateway/delivery/tolls_private.h"

enum { LOOK_AT_MAX = 64, TICK_MS = 100 };

/* ---- what it may carry ---- */

uint64_t tolls_stricter(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static const struct traffic_limits *limits_of(const struct session *s)
{
    return s->tolls ? &s->tolls->limits : &s->target->site->limit;
}

uint32_t tolls_recipients_max(const struct session *s)
{
    uint64_t max = tolls_stricter(limits_of(s)->recipients_per_message, s->caps.rcpt_max);
    return max == 0 || max > UINT32_MAX ? UINT32_MAX : (uint32_t)max;
}

uint64_t tolls_messages_max(const struct session *s)
{
    return tolls_stricter(limits_of(s)->messages_per_connection, s->caps.mail_max);
}

int64_t tolls_bytes_wait_ms(const struct session *s)
{
    struct hold h = tolls_hold_of_rates(s->tolls, TRAFFIC_BYTES, TRAFFIC_BYTES, LANE_BULK);
    return (h.wait_us + 999) / 1000;
}

void tolls_charge_bytes(const struct session *s, uint64_t n)
{
    for (size_t i = 0; s->tolls && i < s->tolls->n; i++) {
        const struct toll *toll = &s->tolls->at[i];
        gauge_charge(toll->gauge, TRAFFIC_BYTES, toll->is.rate[TRAFFIC_BYTES], n, clock_mono_us());
    }
}

/* ---- its place ---- */

static bool holds(const struct session *s, const struct gauge *gauge)
{
    for (size_t i = 0; s->tolls && i < s->tolls->n; i++)
        if (s->tolls->at[i].gauge == gauge)
            return true;
    return false;
}

/* Of this worker's sessions at rest the one used least recently makes room. */
static bool end_one(struct delivery *d, const struct gauge *gauge)
{
    unsigned looked = 0;
    for (struct list *at = d->idle.prev; at != &d->idle && looked++ < LOOK_AT_MAX; at = at->prev) {
        struct session *s = CONTAINER_OF(at, struct session, lru);
        if (holds(s, gauge)) {
            session_quit(s);
            return true;
        }
    }
    return false;
}

void tolls_want_room(struct target *t, int egress, enum lane lane)
{
    struct tolls *ts = tolls_of(t, egress);
    bool relay = relay_is(t->delivery, egress);
    for (size_t i = 0; ts && i < ts->n; i++) {
        const struct toll *toll = &ts->at[i];
        if (toll_counts(toll, relay) && gauge_staying(toll->gauge) >= toll_most(toll, lane) &&
            !end_one(t->delivery, toll->gauge))
            gauge_want(toll->gauge, clock_mono_us());
    }
}

bool tolls_room(struct target *t, int egress, enum lane lane)
{
    tolls_want_room(t, egress, lane);
    struct hold h =
        tolls_hold_of_sessions(tolls_of(t, egress), lane, relay_is(t->delivery, egress));
    return tolls_note(t, &h);
}

static void leave(struct tolls *ts, size_t n, bool relay)
{
    for (size_t i = 0; i < n; i++)
        if (toll_counts(&ts->at[i], relay))
            gauge_disconnect(ts->at[i].gauge);
}

static bool open_one(const struct tolls *ts)
{
    static const uint64_t n[TRAFFIC_RATES] = { [TRAFFIC_OPENED] = 1 };
    return tolls_take(ts, TRAFFIC_OPENED, TRAFFIC_OPENED, n);
}

bool tolls_connect(struct session *s)
{
    struct tolls *ts = tolls_of(s->target, s->egress);
    tolls_end(s); /* it may have come to these limits as they were looked up */
    enum lane lane = s->front ? (enum lane)s->front->lane : LANE_BULK;
    int64_t now = ts ? clock_mono_us() : 0;
    size_t n = 0;
    while (ts && n < ts->n &&
           (!toll_counts(&ts->at[n], s->relay) ||
            gauge_connect(ts->at[n].gauge, toll_most(&ts->at[n], lane), now)))
        n++;
    if (ts && n < ts->n) {
        leave(ts, n, s->relay);
        return false;
    }
    s->tolls = ts;
    if (ts) {
        ts->refs++;
        ts->opening++;
        tolls_pace(s);
    }
    return true;
}

void tolls_end(struct session *s)
{
    struct tolls *ts = s->tolls;
    if (!ts)
        return;
    tolls_pace_back(s);
    ts->opening -= s->state == SESSION_OPENING;
    s->tolls = NULL;
    leave(ts, ts->n, s->relay);
    tolls_unref(ts);
}

struct tolls *tolls_part(struct session *s)
{
    struct tolls *ts = s->tolls;
    if (!ts)
        return NULL;
    for (size_t i = 0; i < ts->n; i++)
        if (toll_counts(&ts->at[i], s->relay))
            gauge_part(ts->at[i].gauge);
    tolls_pace_back(s);
    s->tolls = NULL;
    return ts;
}

void tolls_closed(struct tolls **tolls, bool relay)
{
    struct tolls *ts = *tolls;
    *tolls = NULL;
    for (size_t i = 0; ts && i < ts->n; i++)
        if (toll_counts(&ts->at[i], relay))
            gauge_parted(ts->at[i].gauge);
    if (ts)
        tolls_unref(ts);
}

int64_t tolls_dial_ms(struct session *s)
{
    if (!s->tolls)
        return 0;
    struct hold h = tolls_hold_of_rates(s->tolls, TRAFFIC_OPENED, TRAFFIC_OPENED, LANE_BULK);
    return h.toll || !open_one(s->tolls) ? (h.wait_us + 999) / 1000 + 1 : 0;
}

static bool is_wanted(const struct session *s)
{
    for (size_t i = 0; s->tolls && i < s->tolls->n; i++)
        if (toll_counts(&s->tolls->at[i], s->relay) &&
            gauge_is_wanted(s->tolls->at[i].gauge, clock_mono_us()))
            return true;
    return false;
}

bool tolls_make_way(const struct session *s)
{
    int64_t age = loop_now_ms(s->delivery->loop) - s->started_ms;
    return is_wanted(s) && (age >= TOLLS_TURN_MS || !site_ready(s->target->site));
}

static bool has_connections(const struct session *s)
{
    for (size_t i = 0; s->tolls && i < s->tolls->n; i++)
        if (toll_counts(&s->tolls->at[i], s->relay))
            return true;
    return false;
}

void tolls_watch(struct session *s)
{
    struct delivery *d = s->delivery;
    if (has_connections(s) && !timer_is_set(&d->tolls_tick))
        timer_set(d->loop, &d->tolls_tick, TICK_MS);
}

void tolls_on_tick(struct timer *timer)
{
    struct delivery *d = CONTAINER_OF(timer, struct delivery, tolls_tick);
    unsigned looked = 0;
    for (struct list *at = d->idle.prev, *before; at != &d->idle && looked++ < LOOK_AT_MAX;
         at = before) {
        struct session *s = CONTAINER_OF(at, struct session, lru);
        before = at->prev;
        if (is_wanted(s))
            session_quit(s);
        else
            tolls_watch(s);
    }
}
