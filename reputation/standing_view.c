/*
 * reputation/standing_view — what is known, for advice, reports and people
 */
#include <math.h>
#include <string.h>

#include "reputation/standing_internal.h"

static const double SUSPECT_SHARE = 0.5;
static const char ALL_THE_SAME[] =
    "it carries mail all the same, as the least bad of all that are out (last_resort)";

/* Unix time of an inner one; 0 stays 0. `shift` is how far the clocks are apart. */
static int64_t to_wall(int64_t inner_ms, int64_t shift)
{
    return inner_ms ? inner_ms + shift : 0;
}

/* ---- members ---- */

static const char *todo(const struct standing *s, const struct member *m)
{
    if (m->fault == EGRESS_UNPLUMBED)
        return "put the address on this machine, or take the egress out of the configuration";
    if (m->fault == EGRESS_PROXY_DOWN)
        return "look after the proxy or relay of this egress";
    if (m->fault == EGRESS_PATHS_DOWN)
        return "look after the network of this egress: others get through";
    if (m->holds & HOLD_OPERATOR)
        return "enable the egress when it shall carry mail again";
    if (m->state == STANDING_QUARANTINED && s->acknowledge && !m->acknowledged)
        return "find out what was sent, stop it, then acknowledge the quarantine";
    if (member_hard_listed(m))
        return "find out what was sent by it and stop that; then go by what the list says about "
               "its entry: some expire, others are to be removed at its own site";
    if (m->fcrdns == STANDING_NAME_BROKEN)
        return "give the address a reverse name (PTR) that resolves to it";
    if (m->helo == STANDING_NAME_BROKEN)
        return "make the EHLO name of the egress resolve to its address";
    if (m->capped)
        return "the pool cannot spare it: add addresses, or see what the evidence names";
    if (m->state == STANDING_QUARANTINED || m->state == STANDING_SUSPECT ||
        m->state == STANDING_DRAINING || m->state == STANDING_LISTED)
        return "read the evidence: the replies name what receivers object to";
    return m->begun ? "" : "nothing: its warm-up has not begun";
}

/* What becomes of its mail, and how that ends. */
static const char *does(const struct standing *s, const struct member *m)
{
    static const char *const by_state[STANDING_STATES] = {
        [STANDING_PROBATION] = "it carries a part of its mail, which grows as long as all is well",
        [STANDING_SUSPECT] = "it carries half of its mail, and is looked at each minute",
        [STANDING_DRAINING] = "no new mail leaves by it; what is under way ends, and what waits "
                              "leaves by other egresses",
        [STANDING_LISTED] = "no mail leaves by it; when no list of weight has it any more it is "
                            "quarantined, then begins again with a tenth of its mail",
        [STANDING_QUARANTINED] = "no mail leaves by it; when its time is over and nothing stands "
                                 "against it, it begins again with a tenth of its mail",
        [STANDING_DISABLED] = "no mail leaves by it, as ordered",
    };
    if (m->last_resort)
        return ALL_THE_SAME;
    if (m->state == STANDING_QUARANTINED && s->acknowledge && !m->acknowledged)
        return "no mail leaves by it until somebody acknowledges the quarantine";
    if (m->capped)
        return "it carries half of its mail: the others of a route cannot do without it";
    const char *text = by_state[m->state];
    return text && m->begun ? text : "";
}

static double member_share(const struct member *m)
{
    double share = m->state == STANDING_PROBATION ? m->ramp : 1;
    if (m->state == STANDING_SUSPECT || m->capped)
        share = fmin(share, SUSPECT_SHARE);
    return member_eligible(m) ? share : 0;
}

uint32_t standing_member_n(const struct standing *s)
{
    return s->conf_n;
}

struct slice standing_egress(const struct standing *s, int member)
{
    const struct member *m = standing_member(s, member);
    return slice_of(m ? m->egress : "");
}

bool standing_view(const struct standing *s, int member, int64_t now_ms,
                   struct standing_view *view_r)
{
    const struct member *m = standing_member(s, member);
    if (!m)
        return false;
    int64_t at_ms = standing_at(s, now_ms), shift = now_ms - at_ms;
    bool waits = m->state == STANDING_DRAINING || m->state == STANDING_QUARANTINED;
    bool recent = waits || m->state == STANDING_LISTED || at_ms - m->freed_ms < WEEK_MS;
    *view_r = (struct standing_view){
        .egress = slice_of(m->egress),
        .address = m->address,
        .state = m->state,
        .since_ms = to_wall(m->since_ms, shift),
        .until_ms = waits      ? to_wall(m->until_ms, shift)
                    : m->begun ? 0
                               : m->warmup_ms,
        .points = member_points(m, at_ms),
        .eligible = member_eligible(m),
        .last_resort = m->last_resort,
        .capped = m->capped,
        .wants_ack = s->acknowledge && m->state == STANDING_QUARANTINED && !m->acknowledged,
        .share = m->last_resort ? 1 : member_share(m),
        .relapses = recent ? m->falls : 0,
        .reason = slice_of(m->reason),
        .does = does(s, m),
        .todo = todo(s, m),
    };
    return true;
}

int64_t standing_check_every_ms(const struct standing *s, int member)
{
    static const bool close[STANDING_STATES] = { [STANDING_SUSPECT] = true,
                                                 [STANDING_DRAINING] = true,
                                                 [STANDING_LISTED] = true,
                                                 [STANDING_QUARANTINED] = true };
    const struct member *m = standing_member(s, member);
    return m && (close[m->state] || m->listing_n) ? MINUTE_MS : 5 * MINUTE_MS;
}

/* ---- providers ---- */

static void cell_view(const struct member *m, const struct cell *c, int64_t at_ms, int64_t shift,
                      struct standing_provider_view *view_r)
{
    bool blocked = c->state == STANDING_BLOCKED;
    *view_r = (struct standing_provider_view){
        .provider = slice_of(c->provider),
        .state = c->state,
        .since_ms = to_wall(c->since_ms, shift),
        .until_ms = blocked ? to_wall(c->until_ms, shift) : 0,
        .eligible = member_carries(m) && !blocked,
        .canary = member_carries(m) && cell_canary(c, at_ms),
        .last_resort = c->resort,
        .share = cell_share(c),
        .quota_per_hour = cell_quota(m, c),
        .tokens = cell_tokens(m, c, at_ms),
        .warmup_step = c->step,
        .reason = slice_of(c->reason),
        .does = c->resort ? ALL_THE_SAME : "",
    };
}

uint32_t standing_provider_n(const struct standing *s, int member)
{
    const struct member *m = standing_member(s, member);
    return m ? m->cell_n : 0;
}

bool standing_provider_view(const struct standing *s, int member, uint32_t index, int64_t now_ms,
                            struct standing_provider_view *view_r)
{
    const struct member *m = standing_member(s, member);
    int64_t at_ms = standing_at(s, now_ms);
    if (!m || index >= m->cell_n)
        return false;
    cell_view(m, m->cell[index], at_ms, now_ms - at_ms, view_r);
    return true;
}

bool standing_provider_find(const struct standing *s, int member, struct slice provider,
                            int64_t now_ms, struct standing_provider_view *view_r)
{
    const struct member *m = standing_member(s, member);
    int64_t at_ms = standing_at(s, now_ms);
    if (!m)
        return false;
    const struct cell fresh = cell_fresh(m, at_ms), *c = cell_find(m, provider);
    cell_view(m, c ? c : &fresh, at_ms, now_ms - at_ms, view_r);
    view_r->provider = c ? view_r->provider : provider;
    return true;
}

/* ---- evidence ---- */

struct list {
    struct standing_evidence *at;
    uint32_t n, max;
};

static void list_add(struct list *l, const struct standing_evidence *e)
{
    if (l->n < l->max)
        l->at[l->n++] = *e;
}

static void add_name(struct list *l, uint8_t known, enum standing_evidence_kind kind,
                     int64_t since_ms, double points)
{
    if (known == STANDING_NAME_BROKEN)
        list_add(
            l, &(struct standing_evidence){
                   .kind = (uint8_t)kind, .standing = true, .points = points, .at_ms = since_ms });
}

/* When `points` of then are worth one. */
static int64_t gone_ms(int64_t at_ms, double points)
{
    return points <= 1 ? at_ms : at_ms + (int64_t)(log2(points) * STANDING_HALF_LIFE_MS);
}

static void add_trace(struct list *l, const struct trace *t, int64_t at_ms, int64_t shift)
{
    list_add(l, &(struct standing_evidence){
                    .kind = t->kind,
                    .source = slice_of(t->source),
                    .text = slice_of(t->text),
                    .points = standing_decay(t->points, at_ms - t->at_ms),
                    .at_ms = to_wall(t->at_ms, shift),
                    .gone_ms = gone_ms(t->at_ms, t->points) + shift,
                });
}

uint32_t standing_evidence(const struct standing *s, int member, int64_t now_ms,
                           struct standing_evidence *at, uint32_t max)
{
    const struct member *m = standing_member(s, member);
    struct list l = { at, 0, max };
    if (!m)
        return 0;
    int64_t at_ms = standing_at(s, now_ms), shift = now_ms - at_ms;
    for (uint32_t i = m->listing_n; i-- > 0;) {
        const struct listing *list = &m->listing[i];
        list_add(&l, &(struct standing_evidence){ .kind = STANDING_EV_LISTED,
                                                  .standing = true,
                                                  .hard = list->hard,
                                                  .many = list->many,
                                                  .source = slice_of(list->source),
                                                  .text = slice_of(list->text),
                                                  .points = list->points,
                                                  .at_ms = to_wall(list->since_ms, shift),
                                                  .clear = list->clear });
    }
    double hygiene = standing_weights.hygiene; /* once, for whichever name comes first */
    add_name(&l, m->fcrdns, STANDING_EV_FCRDNS, to_wall(m->fcrdns_ms, shift), hygiene);
    add_name(&l, m->helo, STANDING_EV_HELO, to_wall(m->helo_ms, shift),
             m->fcrdns == STANDING_NAME_BROKEN ? 0 : hygiene);
    for (uint32_t i = m->trace_n; i-- > 0;)
        add_trace(&l, &m->trace[i], at_ms, shift);
    return l.n;
}
