/*
 * policies/choose_rank — which of the eligible ways this mail takes
 *
 *   Each step may replace the answer of the one before: base (sticky, preferred, used last,
 *   cheapest), spread among the nearly equal, warm session, exploration.
 */
#include <math.h>

#include "policies/choose_internal.h"

static const double MARGIN = 0.15, MARGIN_MS = 40; /* to leave what is in use */
static const double WARM_MARGIN = 0.20;            /* to leave a session that stands */
static const double NEAR = 0.20;                   /* of the chosen one, for this very mail */
static const double DOUBTFUL = 0.25; /* fail: from here a doubtful path is left, below it raced */
static const double EXPLORE_SHARE = 0.01, UNCERTAINTY = 0.5;
static const double SAMPLES_FULL = 100; /* nothing is won by knowing more */

static bool up(const struct candidate *c)
{
    return c->path && (c->path->state == PATH_UP || c->path->state == PATH_UNKNOWN);
}

static void predict(const struct choice_request *q, struct choice *c)
{
    double think = q->advice->group[q->group].think_ms;
    for (uint32_t i = 0; i < c->n; i++) {
        struct candidate *at = &c->at[i];
        struct cost_mail mail = { .bytes = q->bytes,
                                  .warm = q->facts[at->egress].warm,
                                  .tls = q->tls,
                                  .active = q->facts[at->egress].active };
        if (at->reason != RULED_OUT_UNUSABLE)
            cost_predict(at->path, think, (double)q->conf->egress.at[at->egress].cost, &mail,
                         &at->cost);
    }
}

static int cheapest(const struct choice *c)
{
    int best = -1;
    for (uint32_t i = 0; i < c->n; i++)
        if (is_open(&c->at[i]) && (best < 0 || c->at[i].cost.total_ms < c->at[best].cost.total_ms))
            best = (int)i;
    return best;
}

int choice_open_egress(const struct choice *c, int egress)
{
    for (uint32_t i = 0; i < c->n && egress != EGRESS_NONE; i++)
        if (c->at[i].egress == egress && is_open(&c->at[i]))
            return (int)i;
    return -1;
}

static int open_row(const struct choice *c, int row)
{
    for (uint32_t i = 0; i < c->n && row != ADVICE_NONE; i++)
        if (c->at[i].row == row && is_open(&c->at[i]))
            return (int)i;
    return -1;
}

static bool by_margin(const struct candidate *better, const struct candidate *than)
{
    double gain = than->cost.total_ms - better->cost.total_ms;
    return gain > MARGIN_MS && gain > MARGIN * than->cost.total_ms;
}

static int base(const struct choice_request *q, const struct advice_group *group, struct choice *c,
                uint8_t *reason_r)
{
    int at = choice_open_egress(c, q->sticky), best = cheapest(c);
    *reason_r = CHOSEN_STICKY;
    if (at >= 0)
        return at;
    *reason_r = CHOSEN_PREFERRED;
    at = open_row(c, q->bytes >= COST_LARGE_FROM ? group->preferred_large : group->preferred);
    if (at >= 0 && (group->destination_suspect || (double)c->at[at].path->fail < DOUBTFUL ||
                    !by_margin(&c->at[best], &c->at[at])))
        return at;
    if (at < 0)
        at = choice_open_egress(c, q->incumbent);
    if (at >= 0 && !by_margin(&c->at[best], &c->at[at]))
        return at;
    *reason_r = CHOSEN_CHEAPEST;
    return best;
}

/* 0 < u <= 1, the same for this sender and egress whatever else there is. */
static double ticket(uint64_t sender, struct slice name)
{
    uint64_t z = sender ^ slice_hash_stable(name);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return ((double)(z >> 11) + 1) * 0x1.0p-53;
}

double choice_score(const struct choice_request *q, const struct candidate *c)
{
    double t = ticket(q->sender, q->conf->egress.at[c->egress].name);
    return c->weight > 0 ? -log(t) / c->weight : HUGE_VAL;
}

/* Each way gets senders in proportion to its weight. */
static int spread(const struct choice_request *q, const struct choice *c, int chosen)
{
    unsigned bit = q->bytes >= COST_LARGE_FROM ? PATH_NEAR_LARGE : PATH_NEAR;
    double limit = (1 + NEAR) * c->at[chosen].cost.total_ms, least = HUGE_VAL;
    int pick = chosen;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct candidate *at = &c->at[i];
        bool near = (int)i == chosen ||
                    (is_open(at) && up(at) && (at->path->near & bit) && at->cost.total_ms <= limit);
        if (!near || at->weight <= 0)
            continue;
        double score = choice_score(q, at);
        if (score < least) {
            least = score;
            pick = (int)i;
        }
    }
    return pick;
}

static int warm(const struct choice_request *q, const struct choice *c, int chosen)
{
    int best = -1;
    if (q->facts[c->at[chosen].egress].warm)
        return chosen;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct candidate *at = &c->at[i];
        if (is_open(at) && up(at) && (double)at->path->fail < DOUBTFUL &&
            q->facts[at->egress].warm &&
            (best < 0 || at->cost.total_ms < c->at[best].cost.total_ms))
            best = (int)i;
    }
    if (best < 0 || c->at[chosen].cost.total_ms < (1 - WARM_MARGIN) * c->at[best].cost.total_ms)
        return chosen;
    return best;
}

/* Optimism in the face of uncertainty: only what might turn out better than the chosen one. */
static int promising(const struct choice *c, int chosen)
{
    double all = 1, least = c->at[chosen].cost.total_ms;
    int pick = -1;
    for (uint32_t i = 0; i < c->n; i++)
        all += is_open(&c->at[i]) && c->at[i].path ? (double)c->at[i].path->samples : 0;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct candidate *at = &c->at[i];
        if (!is_open(at) || (int)i == chosen || !up(at) || at->weight <= 0 ||
            (double)at->path->samples >= SAMPLES_FULL)
            continue;
        double n = fmax((double)at->path->samples, 1);
        double hope = at->cost.total_ms * (1 - UNCERTAINTY * sqrt(log(all + 1) / n));
        if (hope < least) {
            least = hope;
            pick = (int)i;
        }
    }
    return pick;
}

/* Is this mail fit to go by a way that may turn out worse? */
static bool is_modest(const struct choice_request *q)
{
    return q->lane >= LANE_NORMAL && q->bytes <= CHOICE_EXPLORE_BYTES;
}

static int explore(const struct choice_request *q, struct rnd *rnd, const struct choice *c,
                   int chosen)
{
    if (!q->explore_ms || q->now_ms < *q->explore_ms || !is_modest(q) ||
        rnd_unit(rnd) >= EXPLORE_SHARE)
        return chosen;
    int pick = promising(c, chosen);
    if (pick < 0)
        return chosen;
    *q->explore_ms = q->now_ms + (int64_t)CHOICE_EXPLORE_EVERY_MS * (q->sharers ? q->sharers : 1);
    return pick;
}

static bool wants_warmth(const struct choice_request *q, const struct candidate *c)
{
    return is_open(c) && q->facts[c->egress].receiver == RECEIVER_WARMS && c->weight > 0 && up(c) &&
           (double)c->path->fail < DOUBTFUL;
}

/* By measurement it would have nothing, for it is not known. Its allowance keeps it from having
 * much; who has less than its share has sat out already. */
static int warm_up(const struct choice_request *q, struct rnd *rnd, struct choice *c, int chosen)
{
    double all = 0, wanted = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        double weight = (double)q->conf->egress.at[c->at[i].egress].weight;
        all += is_open(&c->at[i]) ? weight : 0;
        wanted += wants_warmth(q, &c->at[i]) ? weight : 0;
    }
    if (wanted <= 0 || !is_modest(q))
        return chosen;
    c->drawn = true;
    double ticket = rnd_unit(rnd) * all;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!wants_warmth(q, &c->at[i]))
            continue;
        ticket -= (double)q->conf->egress.at[c->at[i].egress].weight;
        if (ticket < 0)
            return (int)i;
    }
    return chosen;
}

static bool anything_measured(const struct choice *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (is_open(&c->at[i]) && c->at[i].path &&
            (c->at[i].path->rtt_ms > 0 || c->at[i].path->state != PATH_UNKNOWN))
            return true;
    return false;
}

static uint32_t open_ways(const struct choice *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++)
        n += is_open(&c->at[i]);
    return n;
}

/* By measurement the best takes all, whatever its weight. One that has half its share therefore
 * passes on every second mail, as long as another is left; but not what is to come back to it.
 * When all are in doubt alike, none is. */
static void sit_out(const struct choice_request *q, struct rnd *rnd, struct choice *c)
{
    double most = 0;
    for (uint32_t i = 0; i < c->n; i++)
        most = is_open(&c->at[i]) ? fmax(most, c->at[i].share) : most;
    for (uint32_t i = 0; i < c->n; i++) {
        struct candidate *at = &c->at[i];
        if (!is_open(at) || at->share >= most || choice_is_limited(q, at)) /* its rate binds it */
            continue;
        c->drawn = true;
        if (at->egress != q->sticky && rnd_unit(rnd) >= at->share / most && open_ways(c) > 1)
            at->reason = RULED_OUT_SITS_OUT;
    }
}

static int step(int from, int to, uint8_t why, uint8_t *reason_r)
{
    if (to != from)
        *reason_r = why;
    return to;
}

bool choice_rank(const struct choice_request *q, struct rnd *rnd, struct choice *c)
{
    if (!q->rows || advice_stale(q->advice, q->now_ms) || q->group < 0 ||
        (uint32_t)q->group >= q->advice->group_n || !anything_measured(c))
        return false;
    const struct advice_group *group = &q->advice->group[q->group];
    uint8_t reason = CHOSEN_CHEAPEST;
    c->destination_suspect = group->destination_suspect;
    predict(q, c);
    sit_out(q, rnd, c);
    int chosen = base(q, group, c, &reason);
    if (reason != CHOSEN_STICKY) {
        chosen = step(chosen, spread(q, c, chosen), CHOSEN_BY_HASH, &reason);
    }
    if (reason != CHOSEN_STICKY && !choice_is_limited(q, &c->at[chosen])) {
        chosen = step(chosen, warm(q, c, chosen), CHOSEN_WARM, &reason);
        chosen = step(chosen, explore(q, rnd, c, chosen), CHOSEN_EXPLORING, &reason);
        chosen = step(chosen, warm_up(q, rnd, c, chosen), CHOSEN_WARMING_UP, &reason);
    }
    c->chosen = chosen;
    c->at[chosen].reason = reason;
    return true;
}
