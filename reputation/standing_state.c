/*
 * reputation/standing_state — the rules by which a member changes its state
 *
 *   One table: from, to, what must hold. member_settle() follows it until no rule applies; rules
 *   on soft evidence ask the pools first. Disabled members rest: their rules wait until they are
 *   back, and then act at once on what has been learned meanwhile.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reputation/standing_internal.h"

enum { WHY_MAX = 200 };

const char *const standing_state_names[STANDING_STATES] = {
    "probation", "clean",  "suspect",     "throttled", "blocked",
    "draining",  "listed", "quarantined", "disabled",
};

const char *const standing_event_names[STANDING_EVENT_KINDS] = { "egress_state", "pool_empty",
                                                                 "pool_back" };

static const bool carries[STANDING_STATES] = {
    [STANDING_PROBATION] = true,
    [STANDING_CLEAN] = true,
    [STANDING_SUSPECT] = true,
};

bool member_eligible(const struct member *m)
{
    return m->begun && carries[m->state];
}

bool member_works(const struct member *m)
{
    return member_eligible(m) && m->fault == EGRESS_FINE;
}

/* ---- changing a state ---- */

static void emit(const struct standing *s, const struct member *m, const struct cell *c,
                 enum standing_state from)
{
    struct standing_evidence evidence[STANDING_EVIDENCE_MAX];
    if (!s->hooks.event)
        return;
    struct standing_event event = {
        .kind = STANDING_TRANSITION,
        .at_ms = s->wall_ms,
        .member = (int)m->index,
        .pool = STANDING_NONE,
        .egress = slice_of(m->egress),
        .address = m->address,
        .provider = slice_of(c ? c->provider : ""),
        .from = from,
        .to = c ? c->state : m->state,
        .alone = c && c->state == STANDING_BLOCKED && pools_need(s, m, c->provider),
        .reason = slice_of(c ? c->reason : m->reason),
        .points = member_points(m, s->now_ms),
        .evidence = evidence,
    };
    event.evidence_n =
        standing_evidence(s, event.member, event.at_ms, evidence, STANDING_EVIDENCE_MAX);
    s->hooks.event(s->hooks.arg, &event);
}

void standing_move(struct standing *s, struct member *m, struct cell *c, enum standing_state to,
                   const char *reason)
{
    enum standing_state from = c ? c->state : m->state;
    if (c) {
        c->state = (uint8_t)to;
        c->since_ms = s->now_ms;
        standing_retext(&c->reason, reason);
        s->dirty = s->dirty || (s->send && (from == STANDING_BLOCKED || to == STANDING_BLOCKED));
    } else {
        m->state = (uint8_t)to;
        m->since_ms = s->now_ms;
        m->capped = false;
        standing_retext(&m->reason, reason);
        s->dirty = true;
    }
    s->version++;
    emit(s, m, c, from);
}

/* A drain by order that is under way ends with it, so `before` is free for one of the two. */
void member_hold(struct standing *s, struct member *m, uint8_t hold, bool on, const char *reason)
{
    uint8_t held = m->holds;
    m->holds = (uint8_t)(on ? held | hold : held & ~hold);
    if (on && m->drained) {
        m->drained = false;
        m->holds |= HOLD_OPERATOR;
        standing_move(s, m, NULL, STANDING_DISABLED, reason);
    } else if (on && !held) {
        m->before = m->state;
        m->before_ms = m->since_ms;
        standing_move(s, m, NULL, STANDING_DISABLED, reason);
    } else if (held && !m->holds) {
        standing_move(s, m, NULL, m->before, reason);
        m->since_ms = m->before_ms;
    }
}

/* ---- entering ---- */

static void fall(struct standing *s, struct member *m)
{
    bool relapse = m->freed_ms && s->now_ms - m->freed_ms < WEEK_MS;
    m->falls = relapse && m->falls < RELAPSES_MOST ? m->falls + 1 : relapse ? m->falls : 0;
}

static void enter_draining(struct standing *s, struct member *m)
{
    fall(s, m);
    m->until_ms = s->now_ms + DRAIN_MS;
    m->sessions = UINT32_MAX;
}

static void enter_quarantine(struct standing *s, struct member *m)
{
    int64_t dwell = (int64_t)HOUR_MS << m->falls;
    m->until_ms = s->now_ms + (dwell < WEEK_MS ? dwell : WEEK_MS);
    m->acknowledged = false;
}

static void enter_fallen(struct standing *s, struct member *m)
{
    fall(s, m);
    enter_quarantine(s, m);
}

/* One provider's word, which is that of its own overlay: no more than that lasts at most. */
static void enter_refused(struct standing *s, struct member *m)
{
    enter_fallen(s, m);
    if (m->until_ms > s->now_ms + (int64_t)BLOCK_HOURS_MOST * HOUR_MS)
        m->until_ms = s->now_ms + (int64_t)BLOCK_HOURS_MOST * HOUR_MS;
}

static void enter_released(struct standing *s, struct member *m)
{
    m->ramp = RAMP_START;
    m->ramp_ms = s->now_ms;
    m->freed_ms = s->now_ms;
    m->ramp_good = false;
    m->accepted = m->refused = 0;
    m->proving_ms = 0;
}

static void enter_clean(struct standing *s, struct member *m)
{
    (void)s;
    m->ramp = 1;
}

static void enter_suspect(struct standing *s, struct member *m)
{
    (void)s;
    m->calm_ms = 0;
}

static void enter_drained(struct standing *s, struct member *m)
{
    (void)s;
    m->holds |= HOLD_OPERATOR;
    m->drained = false;
}

/* ---- what must hold; fills in why ---- */

typedef bool condition(const struct standing *s, const struct member *m, char why[WHY_MAX]);

static bool because(char why[WHY_MAX], const char *text)
{
    (void)snprintf(why, WHY_MAX, "%s", text);
    return true;
}

static bool hard_listed(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    (void)s;
    for (uint32_t i = 0; i < m->listing_n; i++)
        if (m->listing[i].hard) {
            (void)snprintf(why, WHY_MAX, "listed by %.120s", m->listing[i].source);
            return true;
        }
    return false;
}

static bool too_much(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    double points = member_points(m, s->now_ms);
    if (points < standing_weights.drain)
        return false;
    (void)snprintf(why, WHY_MAX, "%.0f points of evidence", points);
    return true;
}

static bool condemned(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    if (m->two_ms && s->now_ms - m->two_ms < HOUR_MS)
        return because(why, "two providers refuse its address within an hour");
    return too_much(s, m, why);
}

static bool refused(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    return m->blocked_ms >= m->since_ms && s->now_ms - m->blocked_ms < HOUR_MS &&
           because(why, "a provider refuses its address during probation");
}

static bool unfit(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    for (uint32_t i = 0; i < m->listing_n; i++)
        if (m->listing[i].points >= standing_weights.calm &&
            m->listing[i].since_ms >= m->since_ms) { /* one that stood before let it out */
            (void)snprintf(why, WHY_MAX, "listed by %.120s during probation", m->listing[i].source);
            return true;
        }
    return too_much(s, m, why);
}

static bool doubtful(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    double points = member_points(m, s->now_ms);
    if (points < standing_weights.suspect)
        return false;
    (void)snprintf(why, WHY_MAX, "%.0f points of evidence", points);
    return true;
}

static bool enough_is_known(const struct standing *s, const struct member *m)
{
    int64_t since_ms = m->proving_ms > m->since_ms ? m->proving_ms : m->since_ms;
    return m->begun && s->now_ms - since_ms >= PROVEN_MS && m->accepted >= PROVEN_MAILS;
}

/* How many mails it takes to outweigh what was refused; 0: it is. */
static uint64_t outweigh(const struct member *m)
{
    uint64_t all = (uint64_t)m->accepted + m->refused, most = (uint64_t)m->refused * PROVEN_OF;
    return most >= all ? most - all + 1 : 0;
}

static bool proven(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    if (!enough_is_known(s, m) || outweigh(m) ||
        member_points(m, s->now_ms) >= standing_weights.suspect)
        return false;
    (void)snprintf(why, WHY_MAX, "%u mails accepted, %u refused for its address", m->accepted,
                   m->refused);
    return true;
}

static bool calm(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    return m->calm_ms && s->now_ms - m->calm_ms >= CALM_MS &&
           because(why, "little evidence for 30 minutes");
}

static bool drained(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    if (m->sessions == 0)
        return because(why, "no sessions are left");
    return s->now_ms >= m->until_ms && because(why, "sessions had 5 minutes to end");
}

static bool drained_by_order(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    return m->drained && drained(s, m, why);
}

static bool listing_stands(const struct member *m)
{
    return member_hard_listed(m) || member_standing_points(m) >= standing_weights.suspect;
}

static bool drained_listed(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    return listing_stands(m) && drained(s, m, why);
}

static bool cleared(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    (void)s;
    return !listing_stands(m) && because(why, "no list names it any more");
}

static bool released(const struct standing *s, const struct member *m, char why[WHY_MAX])
{
    double standing = member_standing_points(m);
    if (s->now_ms < m->until_ms || standing >= standing_weights.suspect ||
        member_points(m, s->now_ms) - standing >= standing_weights.calm || member_broken(m) ||
        (s->acknowledge && !m->acknowledged))
        return false;
    return because(why, "quarantine is over and little evidence is left");
}

/* ---- the table ---- */

static const struct rule {
    enum standing_state from, to;
    bool soft; /* the pools must be able to spare it */
    condition *applies;
    void (*enter)(struct standing *s, struct member *m);
} rules[] = {
    { STANDING_PROBATION, STANDING_QUARANTINED, false, hard_listed, enter_fallen },
    { STANDING_PROBATION, STANDING_QUARANTINED, true, unfit, enter_fallen },
    { STANDING_PROBATION, STANDING_QUARANTINED, true, refused, enter_refused },
    { STANDING_PROBATION, STANDING_CLEAN, false, proven, enter_clean },
    { STANDING_CLEAN, STANDING_DRAINING, false, hard_listed, enter_draining },
    { STANDING_CLEAN, STANDING_DRAINING, true, condemned, enter_draining },
    { STANDING_CLEAN, STANDING_SUSPECT, false, doubtful, enter_suspect },
    { STANDING_SUSPECT, STANDING_DRAINING, false, hard_listed, enter_draining },
    { STANDING_SUSPECT, STANDING_DRAINING, true, condemned, enter_draining },
    { STANDING_SUSPECT, STANDING_CLEAN, false, calm, enter_clean },
    { STANDING_DRAINING, STANDING_DISABLED, false, drained_by_order, enter_drained },
    { STANDING_DRAINING, STANDING_LISTED, false, drained_listed, NULL },
    { STANDING_DRAINING, STANDING_QUARANTINED, false, drained, enter_quarantine },
    { STANDING_LISTED, STANDING_QUARANTINED, false, cleared, enter_quarantine },
    { STANDING_QUARANTINED, STANDING_LISTED, false, hard_listed, NULL },
    { STANDING_QUARANTINED, STANDING_PROBATION, false, released, enter_released },
};

static bool follow(struct standing *s, struct member *m)
{
    char why[WHY_MAX] = "";
    bool capped = false;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *r = &rules[i];
        if (r->from != m->state || !r->applies(s, m, why))
            continue;
        if (r->soft && m->begun && !pools_permit(s, m)) {
            capped = true;
            continue;
        }
        if (r->enter)
            r->enter(s, m);
        m->soft = r->soft || pools_may_want(s, m, r->to);
        standing_move(s, m, NULL, r->to, why);
        return true;
    }
    s->version += capped != m->capped;
    m->capped = capped;
    return false;
}

void member_spare(struct standing *s, struct member *m)
{
    m->soft = false;
    standing_move(s, m, NULL, STANDING_SUSPECT, "its pool cannot spare it any more");
    member_settle(s, m);
}

/* Since when E is low, for as long as it is. */
static void note_calm(const struct standing *s, struct member *m)
{
    bool low = member_points(m, s->now_ms) < standing_weights.calm;
    m->calm_ms = !low ? 0 : m->calm_ms ? m->calm_ms : s->now_ms;
}

void member_settle(struct standing *s, struct member *m)
{
    if (!m->begun && s->wall_ms >= m->warmup_ms) {
        m->begun = true;
        m->since_ms = s->now_ms;
        s->dirty = true;
        s->version++;
    }
    note_calm(s, m);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && follow(s, m); i++)
        note_calm(s, m);
}

/* It has not proved itself, and tries again when that takes less: what was refused once must not
 * count for ever, or a bad day would take thousands of mails to outweigh. */
void member_prove_anew(const struct standing *s, struct member *m)
{
    if (m->state != STANDING_PROBATION || !enough_is_known(s, m) || outweigh(m) <= PROVEN_MAILS)
        return;
    m->accepted = m->refused = 0;
    m->proving_ms = s->now_ms;
}

/* After a release: twice as much with every hour of mail and no trouble. */
void member_ramp_tick(struct standing *s, struct member *m)
{
    if (m->state != STANDING_PROBATION || m->ramp >= 1 || s->now_ms - m->ramp_ms < HOUR_MS)
        return;
    if (m->ramp_good && m->bad_ms <= m->ramp_ms) {
        m->ramp = fmin(1, 2 * m->ramp);
        s->version++;
    }
    m->ramp_ms = s->now_ms;
    m->ramp_good = false;
}
