/*
 * reputation/standing_evidence — points that decay, and beside them what stands
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/standing_internal.h"

const char *const standing_evidence_names[STANDING_EV_KINDS] = {
    "listed", "ip-blocked", "ip-throttled", "content", "fcrdns", "helo",
};

const struct standing_weights standing_weights = {
    .hard_list = 100,
    .pbl = 60,
    .strong_list = 40,
    .uce1 = 15,
    .uce2 = 5,
    .uce3 = 0,
    .ip_blocked = 30,
    .ip_throttled = 8,
    .content_burst = 10,
    .hygiene = 20,
    .delivered = 0.05,
    .delivered_per_hour = 5,
    .throttled_most = 16,
    .blocked_most = 30,
    .suspect = 20,
    .calm = 10,
    .drain = 60,
};

double standing_decay(double points, int64_t ms)
{
    return points * exp2(-(double)ms / STANDING_HALF_LIFE_MS);
}

double member_standing_points(const struct member *m)
{
    double sum = 0;
    for (uint32_t i = 0; i < m->listing_n; i++)
        sum += m->listing[i].points;
    return sum;
}

bool member_hard_listed(const struct member *m)
{
    for (uint32_t i = 0; i < m->listing_n; i++)
        if (m->listing[i].hard)
            return true;
    return false;
}

bool member_broken(const struct member *m)
{
    return m->fcrdns == STANDING_NAME_BROKEN || m->helo == STANDING_NAME_BROKEN;
}

double member_points(const struct member *m, int64_t at_ms)
{
    return standing_decay(m->e, at_ms - m->e_ms) + member_standing_points(m) +
           (member_broken(m) ? standing_weights.hygiene : 0);
}

/* ---- what decays ---- */

static void e_add(struct standing *s, struct member *m, double points)
{
    m->e = fmax(0, standing_decay(m->e, s->now_ms - m->e_ms) + points);
    m->e_ms = s->now_ms;
}

static void trace_add(struct member *m, const struct trace *t)
{
    if (m->trace_n == STANDING_EVIDENCE_MAX) {
        free(m->trace[0].source);
        free(m->trace[0].text);
        memmove(m->trace, m->trace + 1, --m->trace_n * sizeof *t);
    }
    m->trace[m->trace_n++] = *t;
}

void member_charge(struct standing *s, struct member *m, enum standing_evidence_kind kind,
                   struct slice source, struct slice text, double points)
{
    e_add(s, m, points);
    m->bad_ms = s->now_ms;
    trace_add(m, &(struct trace){ .kind = (uint8_t)kind,
                                  .source = standing_text(source, STANDING_NAME_MAX),
                                  .text = standing_text(text, STANDING_TEXT_MAX),
                                  .points = points,
                                  .at_ms = s->now_ms });
}

void member_credit(struct standing *s, struct member *m)
{
    if (s->now_ms - m->good_ms >= HOUR_MS) {
        m->good_ms = s->now_ms;
        m->good_n = 0;
    }
    if ((m->good_n + 0.5) * standing_weights.delivered > standing_weights.delivered_per_hour)
        return;
    m->good_n++;
    e_add(s, m, -standing_weights.delivered);
}

void member_forget(struct member *m)
{
    for (uint32_t i = 0; i < m->trace_n; i++) {
        free(m->trace[i].source);
        free(m->trace[i].text);
    }
    for (uint32_t i = 0; i < m->listing_n; i++) {
        free(m->listing[i].source);
        free(m->listing[i].text);
    }
    m->trace_n = m->listing_n = 0;
    m->e = 0;
}

/* ---- listings ---- */

/* What it was worth goes on decaying from the day it was first seen. */
void listing_drop(struct standing *s, struct member *m, uint32_t index)
{
    struct listing *l = &m->listing[index];
    e_add(s, m, standing_decay(l->points, s->now_ms - l->since_ms));
    trace_add(m, &(struct trace){ .kind = STANDING_EV_LISTED,
                                  .source = l->source,
                                  .text = l->text,
                                  .points = l->points,
                                  .at_ms = l->since_ms });
    memmove(l, l + 1, (--m->listing_n - index) * sizeof *l);
}

static struct listing *listing_of(struct member *m, struct slice source)
{
    for (uint32_t i = 0; i < m->listing_n; i++)
        if (slice_eq_str(source, m->listing[i].source))
            return &m->listing[i];
    return NULL;
}

/* Room for a listing: the weakest gives way, unless the new one is no stronger. */
static struct listing *listing_room(struct standing *s, struct member *m, double points)
{
    if (m->listing_n == STANDING_LISTINGS_MAX) {
        uint32_t weakest = 0;
        for (uint32_t i = 1; i < m->listing_n; i++)
            if (m->listing[i].points < m->listing[weakest].points)
                weakest = i;
        if (m->listing[weakest].points >= points)
            return NULL;
        listing_drop(s, m, weakest);
    }
    return &m->listing[m->listing_n++];
}

static void listing_seen(struct standing *s, struct member *m, struct slice source,
                         const struct standing_check *check)
{
    double points = check->points > 0 ? fmin(check->points, POINTS_MOST) : 0;
    struct listing *l = listing_of(m, source);
    if (!l) {
        l = listing_room(s, m, points);
        if (!l)
            return;
        *l = (struct listing){ .source = mem_strndup(source.p, source.n),
                               .text = mem_strdup(""),
                               .since_ms = s->now_ms };
        m->bad_ms = s->now_ms;
        m->listed_ms = points >= standing_weights.calm ? s->now_ms : m->listed_ms;
    }
    free(l->text);
    l->text = standing_text(check->text, STANDING_TEXT_MAX);
    l->points = points;
    l->hard = check->hard && !check->many;
    l->many = check->many;
    l->clear = 0;
    l->heard_ms = s->now_ms;
}

static void listing_clear(struct standing *s, struct member *m, struct slice source)
{
    struct listing *l = listing_of(m, source);
    if (l)
        l->heard_ms = s->now_ms;
    if (!l || (l->clear > 0 && s->now_ms - l->clear_ms < CLEAR_APART_MS))
        return;
    l->clear_ms = s->now_ms;
    if (++l->clear == CLEAR_CHECKS)
        listing_drop(s, m, (uint32_t)(l - m->listing));
}

/* Kept by a version that did not note when it was heard of: that begins now. */
static void listing_silent(struct standing *s, struct member *m, struct slice source)
{
    struct listing *l = listing_of(m, source);
    if (l && !l->heard_ms)
        l->heard_ms = s->now_ms;
    if (l && s->now_ms - l->heard_ms >= STANDING_SILENT_MS)
        listing_drop(s, m, (uint32_t)(l - m->listing));
}

void standing_listing(struct standing *s, int member, const struct standing_check *check,
                      int64_t now_ms)
{
    struct member *m = standing_member(s, member);
    standing_advance(s, now_ms);
    if (!m || check->verdict == STANDING_UNKNOWN || check->verdict > STANDING_SILENT)
        return;
    char *name = standing_text(check->source, STANDING_NAME_MAX);
    bool hard = member_hard_listed(m);
    if (check->verdict == STANDING_IS_LISTED)
        listing_seen(s, m, slice_of(name), check);
    else if (check->verdict == STANDING_SILENT)
        listing_silent(s, m, slice_of(name));
    else
        listing_clear(s, m, slice_of(name));
    free(name);
    s->dirty = s->dirty || hard != member_hard_listed(m); /* who is the least bad? */
    standing_touched(s, m);
}

/* ---- names ---- */

static void name_seen(struct standing *s, struct member *m, uint8_t *known, int64_t *since_ms,
                      enum standing_name seen)
{
    if (seen == STANDING_NAME_UNKNOWN || seen == *known)
        return;
    *known = (uint8_t)seen;
    *since_ms = s->now_ms;
    if (seen == STANDING_NAME_BROKEN)
        m->bad_ms = s->now_ms;
}

void standing_hygiene(struct standing *s, int member, enum standing_name fcrdns,
                      enum standing_name helo, int64_t now_ms)
{
    struct member *m = standing_member(s, member);
    standing_advance(s, now_ms);
    if (!m)
        return;
    name_seen(s, m, &m->fcrdns, &m->fcrdns_ms, fcrdns);
    name_seen(s, m, &m->helo, &m->helo_ms, helo);
    standing_touched(s, m);
}
