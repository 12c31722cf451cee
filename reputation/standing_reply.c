/*
 * reputation/standing_reply — what receivers answer: points for the address, and its overlays
 *
 *   While a provider blocks us only the canary's reply counts, or that of mail which the last
 *   resort carries all the same. A refusal of these says nothing new: it gives no points. Before
 *   the block's time is over it does not lengthen it, either: the resort stays with one address.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reputation/standing_internal.h"

enum { HALF_HOUR_MS = HOUR_MS / 2, REASON_MAX = 200 };
static const double PRESSED = 0.75; /* of the quota used in an hour: more than a chance would */

/* ---- volume ---- */

static void count_hour(const struct standing *s, const struct member *m, struct cell *c)
{
    if (!c->hour_ms || s->now_ms - c->hour_ms >= HOUR_MS) {
        double kept = m->ramp < 1 ? c->former : c->former * FORMER_KEPT;
        c->former = fmax(kept, c->hour_n);
        c->hour_ms = s->now_ms;
        c->hour_n = 0;
    }
    c->hour_n += c->hour_n < UINT32_MAX;
}

static void count(const struct standing *s, const struct member *m, struct cell *c,
                  const struct standing_reply *reply)
{
    count_hour(s, m, c);
    if (!c->day_ms)
        c->day_ms = s->now_ms;
    if (!c->first_ms)
        c->first_ms = s->now_ms;
    if (!c->warm && c->hour_n >= PRESSED * cell_quota(m, c))
        c->day_pressed = true;
    c->day_sent += c->day_sent < UINT32_MAX;
    c->day_temporary += reply->temporary && c->day_temporary < UINT32_MAX;
}

static void count_refused(struct member *m, struct cell *c)
{
    m->refused += m->refused < UINT32_MAX;
    c->refused += c->refused < UINT32_MAX;
}

/* ---- throttled ---- */

static double busy_hour(const struct cell *c)
{
    return fmax(WARM_PER_HOUR, fmax(c->former, c->hour_n));
}

/* Does its answer count while the provider blocks it? */
static bool tried(const struct cell *c)
{
    return c->canary_ms || c->resort;
}

static void throttle(struct standing *s, struct member *m, struct cell *c, double rate,
                     const char *reason)
{
    c->rate = rate;
    c->cap = busy_hour(c);
    c->rate_ms = s->now_ms;
    standing_move(s, m, c, STANDING_THROTTLED, reason);
}

static void rate_set(struct standing *s, struct cell *c, double rate)
{
    s->version += rate < c->rate || rate > c->rate;
    c->rate = rate;
    c->rate_ms = s->now_ms;
}

/* One provider's word counts, however often it is said, up to `most` at a time: alone it makes an
 * address suspect, but drains none. */
static void score(struct standing *s, struct member *m, struct cell *c,
                  enum standing_evidence_kind kind, const struct standing_reply *reply,
                  double points, double most)
{
    double held = standing_decay(c->scored, s->now_ms - c->scored_ms);
    points = fmin(points, most - held);
    if (points < 1)
        return;
    c->scored = held + points;
    c->scored_ms = s->now_ms;
    member_charge(s, m, kind, slice_of(c->provider), reply->text, points);
}

static void on_throttled(struct standing *s, struct member *m, struct cell *c,
                         const struct standing_reply *reply)
{
    bool again = c->throttled_ms && s->now_ms - c->throttled_ms < THROTTLE_WINDOW_MS;
    if (!reply->temporary)
        count_refused(m, c);
    if (c->state == STANDING_BLOCKED) {
        if (tried(c))
            throttle(s, m, c, RATE_LEAST,
                     c->resort ? "it only limits what is sent all the same"
                               : "the canary was only throttled");
        return;
    }
    score(s, m, c, STANDING_EV_THROTTLED, reply, standing_weights.ip_throttled,
          standing_weights.throttled_most);
    c->throttled_ms = s->now_ms;
    if (c->state == STANDING_THROTTLED) {
        if (s->now_ms - c->rate_ms >= THROTTLE_HALVE_MS)
            rate_set(s, c, fmax(RATE_LEAST, c->rate / 2));
    } else if (again) {
        throttle(s, m, c, 0.5, "told twice within 10 minutes that it sends too much");
    }
}

/* ---- blocked ---- */

static void block(struct standing *s, struct member *m, struct cell *c, const char *reason)
{
    bool repeat = c->until_ms && s->now_ms - c->until_ms < DAY_MS;
    c->blocks = repeat ? c->blocks + (c->blocks < RELAPSES_MOST) : 0;
    int64_t hours = (int64_t)BLOCK_HOURS << c->blocks;
    c->until_ms = s->now_ms + (hours < BLOCK_HOURS_MOST ? hours : BLOCK_HOURS_MOST) * HOUR_MS;
    c->cap = busy_hour(c); /* the last resort goes by it */
    c->canary_ms = 0;
    c->block_n = 0;
    standing_move(s, m, c, STANDING_BLOCKED, reason);
}

static void remember_block(struct standing *s, struct cell *c, const struct standing_reply *reply)
{
    uint32_t old = c->block_n == RECENT_BLOCKS;
    while (old < c->block_n && s->now_ms - c->block[old].at_ms >= BLOCK_WINDOW_MS)
        old++;
    c->block_n -= old;
    memmove(c->block, c->block + old, c->block_n * sizeof c->block[0]);
    c->block[c->block_n++] = (struct block){ s->now_ms, reply->sender_domain, reply->names_us };
}

/* Not one sender's fault: it says so, or several senders were refused. The null sender is
 * nobody. */
static bool about_us(const struct cell *c)
{
    uint64_t first = 0;
    bool others = false;
    for (uint32_t i = 0; i < c->block_n; i++) {
        uint64_t domain = c->block[i].domain;
        if (c->block[i].names_us)
            return true;
        others = others || (first && domain && domain != first);
        first = first ? first : domain;
    }
    return others;
}

static void note_blocked(struct standing *s, struct member *m, struct cell *c,
                         const struct standing_reply *reply)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < m->cell_n; i++)
        others += m->cell[i] != c && m->cell[i]->counted_ms &&
                  s->now_ms - m->cell[i]->counted_ms < HOUR_MS;
    c->counted_ms = m->blocked_ms = s->now_ms;
    if (others)
        m->two_ms = s->now_ms;
    c->day_bad = true;
    score(s, m, c, STANDING_EV_BLOCKED, reply, standing_weights.ip_blocked,
          standing_weights.blocked_most);
}

static void on_blocked(struct standing *s, struct member *m, struct cell *c,
                       const struct standing_reply *reply)
{
    char reason[REASON_MAX];
    count_refused(m, c);
    if (c->state == STANDING_BLOCKED) {
        if (tried(c) && s->now_ms >= c->until_ms)
            block(s, m, c,
                  c->resort ? "what is sent all the same is still refused"
                            : "the canary was refused");
        return;
    }
    remember_block(s, c, reply);
    if (!about_us(c))
        return;
    if (!c->counted_ms || s->now_ms - c->counted_ms >= BLOCK_WINDOW_MS)
        note_blocked(s, m, c, reply);
    if (c->block_n < BLOCK_REPLIES)
        return;
    (void)snprintf(reason, sizeof reason, "%u mails refused for its address in 15 minutes",
                   c->block_n);
    block(s, m, c, reason);
}

/* ---- content ---- */

static void content_roll(const struct standing *s, struct member *m)
{
    int64_t age = s->now_ms - m->content_ms;
    if (m->content_ms && age < HALF_HOUR_MS)
        return;
    bool next = m->content_ms && age < 2 * (int64_t)HALF_HOUR_MS;
    m->replies[1] = next ? m->replies[0] : 0;
    m->contents[1] = next ? m->contents[0] : 0;
    m->replies[0] = m->contents[0] = 0;
    m->content_ms = s->now_ms;
}

/* -1: too few replies, or none lately. */
static double content_share(const struct standing *s, const struct member *m)
{
    uint64_t all = (uint64_t)m->replies[0] + m->replies[1];
    uint64_t bad = (uint64_t)m->contents[0] + m->contents[1];
    if (all < CONTENT_LEAST || s->now_ms - m->content_ms >= 2 * (int64_t)HALF_HOUR_MS)
        return -1;
    return (double)bad / (double)all;
}

/* At least three times the median of the others; with nobody to compare it with the senders may
 * be to blame as well. */
static bool content_burst(const struct standing *s, const struct member *m)
{
    double own = content_share(s, m);
    uint32_t others = 0, far_below = 0;
    for (uint32_t i = 0; own > CONTENT_SHARE && i < s->conf_n; i++) {
        const struct member *o = s->member[i];
        double share = o == m || !pools_share(s, o, m) ? -1 : content_share(s, o);
        others += share >= 0;
        far_below += share >= 0 && own >= 3 * share;
    }
    return others && 2 * far_below >= others;
}

static void on_content(struct standing *s, struct member *m, struct cell *c,
                       const struct standing_reply *reply)
{
    c->canary_ms = 0; /* got past the judgement of the address */
    m->contents[0] += m->contents[0] < UINT32_MAX;
    if ((m->content_scored_ms && s->now_ms - m->content_scored_ms < HOUR_MS) ||
        !content_burst(s, m))
        return;
    m->content_scored_ms = s->now_ms;
    member_charge(s, m, STANDING_EV_CONTENT, slice_of(c->provider), reply->text,
                  standing_weights.content_burst);
}

/* ---- delivered and the rest ---- */

static void raise_rate(struct standing *s, struct member *m, struct cell *c)
{
    if (s->now_ms - c->rate_ms < THROTTLE_RAISE_MS)
        return;
    rate_set(s, c, fmin(1, c->rate + RATE_STEP));
    if (c->rate >= 1)
        standing_move(s, m, c, cell_base(c), "its rate is back");
}

static void on_delivered(struct standing *s, struct member *m, struct cell *c,
                         const struct standing_reply *reply)
{
    (void)reply;
    m->accepted += m->accepted < UINT32_MAX;
    c->accepted += c->accepted < UINT32_MAX;
    m->ramp_good = true;
    member_credit(s, m);
    if (c->state == STANDING_BLOCKED && tried(c))
        throttle(s, m, c, RATE_LEAST,
                 c->resort ? "it accepts what is sent all the same" : "the canary was accepted");
    else if (c->state == STANDING_THROTTLED)
        raise_rate(s, m, c);
}

/* Nothing about the address: the canary tells nothing, another may fly. */
static void on_other(struct standing *s, struct member *m, struct cell *c,
                     const struct standing_reply *reply)
{
    (void)s;
    (void)m;
    (void)reply;
    c->canary_ms = 0;
}

void standing_reply(struct standing *s, int member, struct slice provider,
                    const struct standing_reply *reply, int64_t now_ms)
{
    static void (*const handlers[STANDING_CLASSES])(
        struct standing *, struct member *, struct cell *, const struct standing_reply *) = {
        [STANDING_DELIVERED] = on_delivered,
        [STANDING_IP_BLOCKED] = on_blocked,
        [STANDING_IP_THROTTLED] = on_throttled,
        [STANDING_CONTENT] = on_content,
        [STANDING_OTHER] = on_other,
    };
    struct member *m = standing_member(s, member);
    standing_advance(s, now_ms);
    if (!m || reply->reply_class >= STANDING_CLASSES)
        return;
    struct cell *c = cell_get(s, m, provider);
    count(s, m, c, reply);
    content_roll(s, m);
    m->replies[0] += m->replies[0] < UINT32_MAX;
    handlers[reply->reply_class](s, m, c, reply);
    standing_touched(s, m);
}
