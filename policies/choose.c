#include "policies/choose.h"

#include <math.h>

#include "policies/choose_internal.h"

_Static_assert((int)CONF_EGRESSES_MAX == (int)CHOICE_MAX, "each of them is a candidate");

const char *const choice_reason_texts[CHOICE_REASONS] = {
    [CHOSEN_BY_WEIGHT] = "chosen by weight: nothing measured to go by",
    [CHOSEN_STICKY] = "chosen: an earlier try of this mail went by it",
    [CHOSEN_PREFERRED] = "chosen: in use, and no other is better by the margin",
    [CHOSEN_CHEAPEST] = "chosen: the fastest for this mail",
    [CHOSEN_WARM] = "chosen: a session stands",
    [CHOSEN_BY_HASH] = "chosen: nearly the fastest, and this sender's share",
    [CHOSEN_EXPLORING] = "chosen: to see what it is like",
    [CHOSEN_WARMING_UP] = "chosen: it is warming up, and this is its share",
    [CHOSEN_LAST_RESORT] = "chosen: all others are down as well",
    [CHOSEN_LEAST_BAD] = "chosen: all the same, the least bad of all that are out (last_resort)",
    [NOT_CHEAPEST] = "slower",
    [BELOW_MARGIN] = "faster, but below the margin",
    [NOT_DRAWN] = "nearly as good",
    [RULED_OUT_UNUSABLE] = "ruled out: not usable for this destination",
    [RULED_OUT_EXCLUDED] = "ruled out: refused this mail",
    [RULED_OUT_FAULT] = "ruled out: egress fault",
    [RULED_OUT_DOWN] = "ruled out: path down",
    [RULED_OUT_RESERVE] = "ruled out: weight 0, others are left",
    [RULED_OUT_SHARE] = "ruled out: may carry nothing now",
    [RULED_OUT_REFUSED] = "ruled out: this receiver refuses it",
    [RULED_OUT_SPENT] = "ruled out: its allowance for this receiver is used up",
    [RULED_OUT_LIMITED] = "ruled out: a traffic limit of it is reached",
    [RULED_OUT_SITS_OUT] = "passed over: it has less than its share now",
    [RULED_OUT_ROUND] = "ruled out: the mail waits for another's allowance",
};

bool choice_rules_out(const struct choice *c, int egress, enum choice_reason reason)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->at[i].egress == egress)
            return c->at[i].reason == reason;
    return false;
}

bool choice_has(const struct choice *c, enum choice_reason reason)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->at[i].reason == reason)
            return true;
    return false;
}

void choice_rows_fill(const struct conf *conf, const struct advice *advice,
                      struct choice_rows *rows)
{
    for (size_t i = 0; i < CHOICE_MAX; i++) {
        bool known = advice && i < conf->egress.n;
        rows->row[i] =
            known ? (int16_t)advice_egress(advice, conf->egress.at[i].name) : ADVICE_NONE;
    }
}

/* In proportion to the weights; among those without weight all alike. */
static int draw(const struct choice *c, struct rnd *rnd)
{
    double total = 0;
    uint64_t open = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        total += is_open(&c->at[i]) ? c->at[i].weight : 0;
        open += is_open(&c->at[i]);
    }
    if (open == 0)
        return -1;
    double ticket = rnd_unit(rnd) * (total > 0 ? total : (double)open);
    int last = -1;
    for (uint32_t i = 0; i < c->n; i++) {
        double part = total > 0 ? c->at[i].weight : 1;
        if (!is_open(&c->at[i]) || part <= 0)
            continue;
        last = (int)i;
        if (ticket < part)
            break;
        ticket -= part;
    }
    return last;
}

static bool any_limited(const struct choice_request *q, const struct choice *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (is_open(&c->at[i]) && choice_is_limited(q, &c->at[i]))
            return true;
    return false;
}

/* The same for the same correspondents: mail that waits for its egress is not drawn again. */
static int draw_for_good(const struct choice_request *q, const struct choice *c)
{
    double least = HUGE_VAL;
    int pick = -1;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct candidate *at = &c->at[i];
        double score = is_open(at) ? choice_score(q, at) : HUGE_VAL;
        if (is_open(at) && (pick < 0 || score < least)) {
            least = score;
            pick = (int)i;
        }
    }
    return pick;
}

static void by_weight(const struct choice_request *q, struct choice *c, struct rnd *rnd)
{
    int sticky = choice_open_egress(c, q->sticky);
    c->chosen = sticky >= 0 ? sticky : any_limited(q, c) ? draw_for_good(q, c) : draw(c, rnd);
    for (uint32_t i = 0; i < c->n; i++)
        if (is_open(&c->at[i]))
            c->at[i].reason = (int)i != c->chosen ? NOT_DRAWN
                              : sticky >= 0       ? CHOSEN_STICKY
                                                  : CHOSEN_BY_WEIGHT;
}

/* What each of the others would have been, seen from the chosen one. */
static void compare(struct choice *c)
{
    const struct candidate *chosen = &c->at[c->chosen];
    for (uint32_t i = 0; i < c->n; i++) {
        struct candidate *at = &c->at[i];
        if (chosen->cost.total_ms > 0 && at->cost.total_ms > 0)
            at->better_pct = 100 * (1 - at->cost.total_ms / chosen->cost.total_ms);
        if (is_open(at) && at->better_pct > 0)
            at->reason = BELOW_MARGIN;
    }
}

/* The one to race with: up rather than doubtful, then the cheapest. */
static int second(const struct choice *c)
{
    int best = -1;
    double best_ms = HUGE_VAL;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct candidate *at = &c->at[i];
        bool able = at->reason >= NOT_CHEAPEST && at->reason <= NOT_DRAWN;
        bool doubtful = at->path && at->path->state == PATH_SUSPECT;
        double ms = at->cost.total_ms + (doubtful ? COST_FAILURE_MS : 0);
        if (able && (int)i != c->chosen && ms < best_ms) {
            best = (int)i;
            best_ms = ms;
        }
    }
    return best;
}

static void pick(const struct choice_request *q, struct rnd *rnd, struct choice *c)
{
    c->n = 0;
    c->chosen = c->second = -1;
    c->destination_suspect = c->drawn = false;
    choice_collect(q, c);
    c->measured = choice_rank(q, rnd, c);
    if (!c->measured)
        by_weight(q, c, rnd);
}

/* The mail of an egress that may carry no more now: it waits, whoever else there is. */
static void wait_for(struct choice *c)
{
    c->waits = true;
    c->chosen = -1;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->at[i].reason < RULED_OUT_UNUSABLE)
            c->at[i].reason = RULED_OUT_ROUND;
}

/* Who else carries it when its own egress may not: somebody, nobody, or it waits. */
static void go_round(const struct choice_request *q, struct rnd *rnd, struct choice *c)
{
    int own = c->at[c->chosen].egress, was = c->chosen;
    bool spills = q->facts[own].spills;
    c->spilled = own;
    pick(q, rnd, c); /* now without those that are spent */
    c->drawn = true;
    if (spills && c->chosen >= 0)
        return;
    c->spilled = EGRESS_NONE;
    if (c->chosen >= 0)
        wait_for(c);
    c->at[was].reason = RULED_OUT_SPENT;
}

int choose(const struct choice_request *q, struct rnd *rnd, struct choice *c)
{
    c->egress = c->spilled = EGRESS_NONE;
    c->waits = c->bound = false;
    pick(q, rnd, c);
    if (c->chosen >= 0 && q->facts[c->at[c->chosen].egress].spent)
        go_round(q, rnd, c);
    if (c->chosen < 0)
        return EGRESS_NONE;
    struct candidate *at = &c->at[c->chosen];
    c->bound = choice_is_limited(q, at);
    if (at->path && at->path->state == PATH_DOWN)
        at->reason = CHOSEN_LAST_RESORT;
    else if (q->facts[at->egress].least_bad)
        at->reason = CHOSEN_LEAST_BAD;
    c->egress = at->egress;
    if (c->measured) {
        compare(c);
        c->second = c->bound ? -1 : second(c);
    }
    return c->egress;
}

int64_t choice_overdue_ms(const struct advice_path *p)
{
    const double least = 250, most = 2000, unknown = 1000;
    if (!p || p->rtt_ms <= 0)
        return (int64_t)unknown;
    double ms = (double)p->rtt_ms + 4 * (double)p->rtt_var_ms;
    return (int64_t)fmin(fmax(ms, least), most);
}

int64_t choice_race_ms(const struct choice *c)
{
    enum { SYN_REPEATED_MS = 1000 }; /* RFC 6298 */
    const float doubtful = 0.05F;
    if (c->chosen < 0 || c->second < 0 || c->destination_suspect)
        return CHOICE_RACE_NEVER;
    const struct advice_path *path = c->at[c->chosen].path;
    int64_t overdue = choice_overdue_ms(path);
    return path && path->fail > doubtful ? overdue : SYN_REPEATED_MS + overdue;
}
