#include "gateway/delivery/tolls_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/relay.h"

enum { LOOK_AT_MAX = 64, USUAL = 8 };

static const char of_connections[] = "connections";

const char *const tolls_rate_names[TRAFFIC_RATES] = { [TRAFFIC_MESSAGES] = "rate",
                                                      [TRAFFIC_RECIPIENTS] = "recipient rate",
                                                      [TRAFFIC_BYTES] = "byte rate",
                                                      [TRAFFIC_OPENED] = "connection rate" };

/* ---- looking them up ---- */

void tolls_unref(struct tolls *ts)
{
    if (--ts->refs)
        return;
    for (size_t i = 0; i < ts->n; i++)
        gauge_put(ts->gauges, &ts->at[i].gauge);
    free(ts);
}

void tolls_forget(struct target *t)
{
    LIST_EACH (at, &t->tolls)
        tolls_unref(CONTAINER_OF(at, struct tolls, link));
    list_init(&t->tolls);
}

static void name_over(struct toll *toll, const struct facts *f)
{
    struct buf text;
    buf_init(&text, 4096);
    traffic_put_over(&text, toll->is.over, f);
    snprintf(toll->over, sizeof toll->over, "%.*s", SLICE_FMT(buf_slice(&text)));
    buf_free(&text);
}

static struct tolls *look_up(struct target *t, int egress)
{
    struct delivery *d = t->delivery;
    size_t most = policies_traffic_count(queue_policies(d->queue));
    struct traffic_toll *found = mem_array(most, sizeof *found);
    struct tolls *ts = mem_zero(sizeof *ts + most * sizeof ts->at[0]);
    struct slice name = egress == EGRESS_NONE ? slice_of("") : egress_conf(d->egress, egress)->name;
    struct facts f;
    ts->n = site_limits(t->site, name, &ts->limits, found, &f);
    for (size_t i = 0; i < ts->n; i++) {
        ts->at[i].is = found[i];
        ts->at[i].gauge = gauge_get(d->gauges, &found[i], clock_mono_us());
        name_over(&ts->at[i], &f);
    }
    free(found);
    ts->refs = 1;
    ts->egress = egress;
    ts->gauges = d->gauges;
    ts->usual[TRAFFIC_MESSAGES] = ts->usual[TRAFFIC_RECIPIENTS] = 1;
    ts->usual[TRAFFIC_BYTES] = SCHED_MESSAGE_COST;
    list_push_front(&t->tolls, &ts->link);
    return ts;
}

struct tolls *tolls_of(struct target *t, int egress)
{
    const struct policies *p = queue_policies(t->delivery->queue);
    if (!t->delivery->gauges || !policies_traffic_count(p))
        return NULL;
    if (!policies_traffic_needs_egress(p))
        egress = EGRESS_NONE;
    if (t->tolls_stamp != t->site->limit_stamp)
        tolls_renew(t);
    LIST_EACH (at, &t->tolls) {
        struct tolls *ts = CONTAINER_OF(at, struct tolls, link);
        if (ts->egress == egress)
            return ts;
    }
    return look_up(t, egress);
}

/* ---- what holds ---- */

static void worse(struct hold *h, const struct toll *toll, const char *what, int64_t wait_us)
{
    if (wait_us > h->wait_us)
        *h = (struct hold){ toll, what, wait_us };
}

static int64_t token_us(const struct toll *toll, enum traffic_rate kind, int64_t now_us)
{
    return gauge_token_us(toll->gauge, kind, toll->is.rate[kind], now_us);
}

/* When urgent mail has all the tokens that it needs. */
static int64_t longest_us(const struct tolls *ts, enum traffic_rate first, enum traffic_rate last,
                          int64_t now_us)
{
    int64_t longest = 0;
    for (size_t i = 0; i < ts->n; i++)
        for (enum traffic_rate k = first; k <= last; k++) {
            int64_t us = token_us(&ts->at[i], k, now_us);
            longest = us > longest ? us : longest;
        }
    return longest;
}

/* Urgent mail makes others wait for the token that comes last: those that come before are of no use
 * to it until then. */
static int64_t wait_for(const struct toll *toll, enum traffic_rate kind, enum lane lane,
                        int64_t all_us, int64_t now_us)
{
    int64_t us = token_us(toll, kind, now_us);
    if (lane == LANE_URGENT && us + GAUGE_URGENT_US < all_us)
        return us;
    return gauge_wait_us(toll->gauge, kind, toll->is.rate[kind], lane, now_us);
}

struct hold tolls_hold_of_rates(const struct tolls *ts, enum traffic_rate first,
                                enum traffic_rate last, enum lane lane)
{
    struct hold h = { NULL, NULL, 0 };
    int64_t now = ts && ts->n ? clock_mono_us() : 0;
    int64_t all_us = ts && ts->n && lane == LANE_URGENT ? longest_us(ts, first, last, now) : 0;
    for (size_t i = 0; ts && i < ts->n; i++)
        for (enum traffic_rate k = first; k <= last; k++)
            worse(&h, &ts->at[i], tolls_rate_names[k], wait_for(&ts->at[i], k, lane, all_us, now));
    return h;
}

struct hold tolls_hold_of_mail(const struct tolls *ts, enum lane lane)
{
    return tolls_hold_of_rates(ts, TRAFFIC_MESSAGES, TRAFFIC_BYTES, lane);
}

uint64_t toll_most(const struct toll *toll, enum lane lane)
{
    uint64_t all = toll->is.connections;
    return all - slots_kept((uint32_t)all, lane);
}

bool toll_counts(const struct toll *toll, bool relay)
{
    return toll->is.connections && (!relay || toll->is.over == OVER_EGRESS);
}

struct hold tolls_hold_of_sessions(const struct tolls *ts, enum lane lane, bool relay)
{
    struct hold h = tolls_hold_of_rates(ts, TRAFFIC_OPENED, TRAFFIC_OPENED, lane);
    for (size_t i = 0; ts && i < ts->n; i++)
        if (toll_counts(&ts->at[i], relay) &&
            gauge_connections(ts->at[i].gauge) >= toll_most(&ts->at[i], lane))
            worse(&h, &ts->at[i], of_connections, INT64_C(1000) * TOLLS_LOOK_MS);
    return h;
}

bool tolls_note(struct target *t, const struct hold *h)
{
    if (!h->toll)
        return true;
    t->site->hold = h->what ? SITE_LIMIT : SITE_OPENING;
    if (h->what)
        snprintf(t->site->held_by, sizeof t->site->held_by, "%s%s%s", h->what,
                 h->toll->over[0] ? " of " : "", h->toll->over);
    target_look_in(t, (h->wait_us + 999) / 1000);
    return false;
}

/* ---- mail ---- */

bool tolls_let_go(struct target *t, int egress, enum lane lane)
{
    struct hold h = tolls_hold_of_mail(tolls_of(t, egress), lane);
    return tolls_note(t, &h);
}

bool tolls_let_go_by(struct target *t, int egress, enum lane lane)
{
    return !policies_traffic_needs_egress(queue_policies(t->delivery->queue)) ||
           tolls_let_go(t, egress, lane);
}

static uint64_t bytes_of(const struct attempt *a)
{
    return body_is_streamed(a) ? 0 : a->item->body_size;
}

bool tolls_take(const struct tolls *ts, enum traffic_rate first, enum traffic_rate last,
                const uint64_t n[TRAFFIC_RATES])
{
    size_t kinds = (size_t)(last - first) + 1;
    int64_t now = clock_mono_us();
    for (size_t at = 0; at < ts->n * kinds; at++) {
        const struct toll *toll = &ts->at[at / kinds];
        enum traffic_rate k = first + (enum traffic_rate)(at % kinds);
        if (gauge_take(toll->gauge, k, toll->is.rate[k], n[k], now))
            continue;
        while (at-- > 0) {
            toll = &ts->at[at / kinds];
            k = first + (enum traffic_rate)(at % kinds);
            gauge_give_back(toll->gauge, k, toll->is.rate[k], n[k]);
        }
        return false;
    }
    return true;
}

static bool take(struct tolls *ts, const uint64_t n[TRAFFIC_RATES])
{
    if (!tolls_take(ts, TRAFFIC_MESSAGES, TRAFFIC_BYTES, n))
        return false;
    for (enum traffic_rate k = TRAFFIC_MESSAGES; k <= TRAFFIC_BYTES; k++) {
        uint64_t usual = (ts->usual[k] * (USUAL - 1) + n[k] + USUAL / 2) / USUAL;
        ts->usual[k] = usual ? usual : 1;
    }
    return true;
}

static bool is_current(const struct session *s)
{
    return s->policies == s->delivery->policies;
}

bool tolls_rated(struct target *t, int egress)
{
    return tolls_is_rated(tolls_of(t, egress));
}

/* What an earlier configuration allowed is no more: the mail goes by a session of this one. */
bool tolls_may_go(struct session *s, enum lane lane)
{
    const struct delivery *d = s->delivery;
    if (!is_current(s))
        return !d->gauges || !policies_traffic_count(d->policies);
    return !tolls_hold_of_mail(tolls_of(s->target, s->egress), lane).toll;
}

int64_t tolls_pay_ms(struct session *s, const struct attempt *a)
{
    struct tolls *ts = is_current(s) ? tolls_of(s->target, s->egress) : s->tolls;
    const uint64_t n[TRAFFIC_RATES] = {
        [TRAFFIC_MESSAGES] = 1, [TRAFFIC_RECIPIENTS] = a->batch_n, [TRAFFIC_BYTES] = bytes_of(a)
    };
    if (!tolls_is_rated(ts))
        return 0;
    struct hold h = tolls_hold_of_mail(ts, (enum lane)a->lane);
    if (!h.toll && take(ts, n))
        return 0;
    return (h.wait_us + 999) / 1000 + 1;
}

/* ---- the choice of an egress ---- */

static bool rests_by(const struct target *t, int egress)
{
    unsigned looked = 0;
    LIST_EACH (at, &t->idle) {
        if (CONTAINER_OF(at, struct session, link)->egress == egress)
            return true;
        if (++looked == LOOK_AT_MAX)
            break;
    }
    return false;
}

enum lane tolls_asks_as(const struct target *t, enum lane lane)
{
    return list_empty(&t->idle) ? LANE_BULK : lane;
}

static struct hold hold_of_way(struct target *t, int egress, enum lane lane)
{
    const struct tolls *ts = tolls_of(t, egress);
    struct hold h = tolls_hold_of_mail(ts, tolls_asks_as(t, lane));
    if (h.toll || rests_by(t, egress))
        return h;
    h = tolls_hold_of_opening(t, ts, lane);
    return h.toll ? h : tolls_hold_of_sessions(ts, lane, relay_is(t->delivery, egress));
}

static size_t ways(const struct target *t)
{
    size_t n = delivery_conf(t->delivery)->egress.n;
    if (!policies_traffic_needs_egress(queue_policies(t->delivery->queue)))
        return 0;
    return n < CHOICE_MAX ? n : CHOICE_MAX;
}

void tolls_facts(struct target *t, enum lane lane, bool ahead, struct egress_facts *facts)
{
    for (size_t i = 0; i < ways(t); i++)
        facts[i].limited = facts[i].usable && (ahead ? !tolls_run_short(t, (int)i)
                                                     : hold_of_way(t, (int)i, lane).toll != NULL);
}

bool tolls_hold(struct target *t, enum lane lane)
{
    struct hold soonest = { NULL, NULL, 0 };
    bool any = false;
    for (size_t i = 0; i < ways(t); i++) {
        if (!paths_limited(t->delivery->paths, (int)i))
            continue;
        any = true;
        struct hold h = hold_of_way(t, (int)i, lane);
        if (h.what == of_connections)
            tolls_want_room(t, (int)i, lane);
        if (h.toll && (!soonest.toll || h.wait_us < soonest.wait_us))
            soonest = h;
    }
    if (any && tolls_note(t, &soonest)) /* meanwhile one may go */
        target_look_in(t, 1);
    return any;
}
