/*
 * reputation/standing_order — what operators, faults and the count of sessions change
 */
#include "reputation/standing_internal.h"

const char *const standing_order_names[STANDING_ORDERS] = {
    "drain", "resume", "disable", "enable", "reset", "acknowledge",
};

static enum rc denied(struct err *err, const char *why)
{
    return err_set(err, RC_DENIED, "%s", why);
}

static enum rc order_drain(struct standing *s, struct member *m, struct err *err)
{
    if (m->holds & HOLD_OPERATOR)
        return denied(err, "it is disabled already");
    if (m->drained)
        return denied(err, "it is draining already");
    if (!member_eligible(m)) {
        member_hold(s, m, HOLD_OPERATOR, true, "drained by the operator");
        return RC_OK;
    }
    m->before = m->state;
    m->before_ms = m->since_ms;
    m->drained = true;
    m->until_ms = s->now_ms + DRAIN_MS;
    m->sessions = UINT32_MAX;
    standing_move(s, m, NULL, STANDING_DRAINING, "drained by the operator");
    return RC_OK;
}

static enum rc order_resume(struct standing *s, struct member *m, struct err *err)
{
    if (m->drained) {
        m->drained = false;
        standing_move(s, m, NULL, m->before, "resumed by the operator");
        m->since_ms = m->before_ms;
        return RC_OK;
    }
    if (!(m->holds & HOLD_OPERATOR))
        return denied(err, m->holds & HOLD_CONFIG ? "it is disabled in the configuration"
                                                  : "it is not disabled");
    member_hold(s, m, HOLD_OPERATOR, false, "enabled by the operator");
    return RC_OK;
}

static enum rc order_disable(struct standing *s, struct member *m, struct err *err)
{
    if (m->holds & HOLD_OPERATOR)
        return denied(err, "it is disabled already");
    member_hold(s, m, HOLD_OPERATOR, true, "disabled by the operator");
    return RC_OK;
}

static void reset_cell(struct standing *s, struct member *m, struct cell *c)
{
    c->block_n = c->blocks = 0;
    c->counted_ms = c->until_ms = c->canary_ms = c->throttled_ms = 0;
    c->scored = 0;
    c->day_bad = false;
    if (c->state != cell_base(c))
        standing_move(s, m, c, cell_base(c), "reset by the operator");
}

static enum rc order_reset(struct standing *s, struct member *m, struct err *err)
{
    enum standing_state anew = m->warmup_ms ? STANDING_PROBATION : STANDING_CLEAN;
    (void)err;
    member_forget(m);
    m->fcrdns = m->helo = STANDING_NAME_UNKNOWN;
    m->blocked_ms = m->two_ms = m->bad_ms = m->listed_ms = m->freed_ms = m->calm_ms = 0;
    m->content_scored_ms = 0;
    m->falls = m->accepted = m->refused = 0;
    m->proving_ms = 0;
    m->ramp = 1;
    for (uint32_t i = 0; i < m->cell_n; i++)
        reset_cell(s, m, m->cell[i]);
    if (m->state == STANDING_DISABLED || m->drained) {
        m->before = (uint8_t)anew;
        m->before_ms = s->now_ms;
    } else if (m->state != anew) {
        standing_move(s, m, NULL, anew, "reset by the operator");
    }
    s->version++;
    return RC_OK;
}

static enum rc order_acknowledge(struct standing *s, struct member *m, struct err *err)
{
    if (!s->acknowledge || m->state != STANDING_QUARANTINED || m->acknowledged)
        return denied(err, "nothing waits for it");
    m->acknowledged = true;
    s->version++;
    return RC_OK;
}

enum rc standing_order(struct standing *s, int member, enum standing_order order, int64_t now_ms,
                       struct err *err)
{
    static enum rc (*const handlers[STANDING_ORDERS])(struct standing *, struct member *,
                                                      struct err *) = {
        [STANDING_DRAIN] = order_drain,     [STANDING_RESUME] = order_resume,
        [STANDING_DISABLE] = order_disable, [STANDING_ENABLE] = order_resume,
        [STANDING_RESET] = order_reset,     [STANDING_ACKNOWLEDGE] = order_acknowledge,
    };
    struct member *m = standing_member(s, member);
    standing_advance(s, now_ms);
    if (!m || order >= STANDING_ORDERS)
        return err_set(err, RC_NOT_FOUND, "no such address");
    enum rc rc = handlers[order](s, m, err);
    standing_touched(s, m);
    return rc;
}

void standing_fault(struct standing *s, int member, enum egress_fault_kind fault, int64_t now_ms)
{
    struct member *m = standing_member(s, member);
    standing_advance(s, now_ms);
    if (!m || fault > EGRESS_PATHS_DOWN || fault == m->fault)
        return;
    m->fault = (uint8_t)fault;
    s->dirty = true;
    s->version++;
    standing_touched(s, m);
}

void standing_sessions(struct standing *s, int member, uint32_t sessions, int64_t now_ms)
{
    struct member *m = standing_member(s, member);
    standing_advance(s, now_ms);
    if (!m || m->state != STANDING_DRAINING)
        return;
    m->sessions = sessions;
    standing_touched(s, m);
}
