/*
 * probes/links_prefer — the preferred egress of a group, left for a reason only
 *
 *   Hard: the preferred one is DOWN or its egress at fault: at once, to the cheapest that is UP.
 *   Soft: a challenger must be cheaper by 15 % and 40 ms, beyond what a few segments lost by
 *   chance make of it, in 3 evaluations 5 s apart, each with a newer sample of one of the two,
 *   both well measured, and 60 s after the last switch, or 15 s when it takes half the time. While
 *   the preferred path is the least bit suspect nothing soft happens: choose() acts on such
 *   doubts mail by mail.
 *
 *   Until every path that works has been measured 20 times, or for five minutes, the cheapest one
 *   known is taken.
 *
 *   Paths within 6 % of the preferred one are near and stay so up to 10 %: mail is spread over
 *   them, and small changes shall not move senders about.
 */
#include <math.h>
#include <stdio.h>

#include "probes/links_internal.h"

static const double MARGIN = 0.15, MARGIN_MS = 40, SAMPLES = 5;
static const double CHANCE = 0.5; /* standard errors: more would make brownouts last */
static const int64_t DWELL_MS = 60 * 1000, SHORT_DWELL_MS = 15 * 1000, FRESH_MS = 120 * 1000;
static const double DOUBTFUL = 0.05; /* a single connection overdue is more */
static const double STRONG = 0.5;    /* share of the time won that makes the short dwell enough */
static const int64_t RECOVER_MS = 60 * 1000; /* after the destination was away */
static const int64_t SETTLE_MS = 300 * 1000;
static const double NEAR_ENTER = 0.06, NEAR_LEAVE = 0.10;
enum { WINS = 3, SETTLED = 20 };

struct offer {
    int16_t slot;
    double ms;
};

bool prefer_in_use(const struct group *g, int16_t slot)
{
    return g->prefer[SIZE_SMALL].slot == slot || g->prefer[SIZE_LARGE].slot == slot ||
           (g->cell[slot] && g->cell[slot]->near);
}

/* A fault that was inferred leaves out those paths that were seen to work since. */
static bool out(const struct links *l, int16_t slot)
{
    uint8_t fault = l->slot[slot].fault;
    return fault != EGRESS_FINE && fault != EGRESS_PATHS_DOWN;
}

static bool works(const struct links *l, const struct group *g, int16_t slot)
{
    const struct slot *s = &l->slot[slot];
    const struct cell *c = links_seen(l, g, slot);
    return s->used && s->weight > 0 && !out(l, slot) && !s->doubt_ms && c &&
           c->path.state == PATH_UP && c->est.rtt_ms > 0;
}

static bool measured(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms)
{
    const struct cell *c = links_seen(l, g, slot);
    return estimate_samples(&c->est, now_ms) >= SAMPLES && now_ms - c->path.ok_end_ms < FRESH_MS;
}

static struct offer cheapest(const struct links *l, const struct group *g, enum size_class size,
                             bool thoroughly, int64_t now_ms)
{
    struct offer best = { NO_SLOT, HUGE_VAL };
    for (uint32_t i = 0; i < l->egress_n; i++) {
        int16_t s = l->order[i];
        if (!works(l, g, s) || (thoroughly && !measured(l, g, s, now_ms)))
            continue;
        double ms = view_cost(l, g, s, size, now_ms);
        if (ms < best.ms)
            best = (struct offer){ s, ms };
    }
    return best;
}

static void switch_to(struct links *l, struct group *g, enum size_class size, struct offer to,
                      const char *reason, int64_t now_ms)
{
    struct preference *p = &g->prefer[size];
    int16_t from = p->slot;
    struct links_event event = { .kind = LINKS_SWITCH,
                                 .at_ms = now_ms,
                                 .to = text_slice(l->slot[to.slot].name),
                                 .large = size == SIZE_LARGE,
                                 .to_ms = to.ms,
                                 .reason = reason };
    if (from != NO_SLOT) {
        event.from = text_slice(l->slot[from].name);
        event.from_ms = view_cost(l, g, from, size, now_ms);
    }
    *p = (struct preference){ .slot = to.slot,
                              .challenger = NO_SLOT,
                              .settled = p->settled,
                              .first_ms = p->first_ms ? p->first_ms : now_ms,
                              .since_ms = now_ms };
    g->due_ms[to.slot] = 0;
    links_emit_group(l, event, g);
}

static void hard(struct links *l, struct group *g, enum size_class size, int64_t now_ms)
{
    const struct preference *p = &g->prefer[size];
    struct offer best = cheapest(l, g, size, false, now_ms);
    if (best.slot == NO_SLOT)
        return;
    if (p->slot == NO_SLOT)
        switch_to(l, g, size, best, "the first one measured", now_ms);
    else if (out(l, p->slot) || (g->cell[p->slot] && g->cell[p->slot]->path.by_egress))
        switch_to(l, g, size, best, "the egress is at fault", now_ms);
    else
        switch_to(l, g, size, best, "the path is down", now_ms);
}

static int64_t newest_sample(const struct links *l, const struct group *g, int16_t a, int16_t b)
{
    int64_t x = links_seen(l, g, a)->sample_ms, y = links_seen(l, g, b)->sample_ms;
    return x > y ? x : y;
}

/* What the difference of two predictions may well be by chance. */
static double chance(const struct links *l, const struct group *g, enum size_class size, int16_t a,
                     int16_t b, int64_t now_ms)
{
    double x = view_cost_error(l, g, a, size, now_ms), y = view_cost_error(l, g, b, size, now_ms);
    return CHANCE * hypot(x, y);
}

static void challenge(struct links *l, struct group *g, enum size_class size, int64_t now_ms)
{
    struct preference *p = &g->prefer[size];
    struct offer best = cheapest(l, g, size, true, now_ms);
    double ms = view_cost(l, g, p->slot, size, now_ms), gain = ms - best.ms;
    bool better =
        best.slot != NO_SLOT && best.slot != p->slot && measured(l, g, p->slot, now_ms) &&
        gain - chance(l, g, size, p->slot, best.slot, now_ms) >= fmax(MARGIN * ms, MARGIN_MS);
    if (!better || best.slot != p->challenger) {
        p->challenger = better ? best.slot : NO_SLOT;
        p->wins = 0;
    }
    if (!better || newest_sample(l, g, p->slot, best.slot) <= p->evidence_ms)
        return;
    p->evidence_ms = newest_sample(l, g, p->slot, best.slot);
    g->due_ms[best.slot] = 0;
    if (p->wins < WINS)
        p->wins++;
    if (p->wins < WINS || now_ms - p->since_ms < (gain >= STRONG * ms ? SHORT_DWELL_MS : DWELL_MS))
        return;
    char reason[160];
    (void)snprintf(reason, sizeof reason, "%.0f ms instead of %.0f ms in %d evaluations", best.ms,
                   ms, WINS);
    switch_to(l, g, size, best, reason, now_ms);
}

/* At first: whichever is cheapest by what is known, with a little margin against noise. */
static void settle(struct links *l, struct group *g, enum size_class size, int64_t now_ms)
{
    const double margin = 0.05;
    struct preference *p = &g->prefer[size];
    struct offer best = cheapest(l, g, size, false, now_ms);
    bool all = true, over = now_ms - p->first_ms > SETTLE_MS;
    for (uint32_t i = 0; i < l->egress_n; i++)
        all = all &&
              (!works(l, g, l->order[i]) || links_seen(l, g, l->order[i])->est.rtt_all >= SETTLED);
    if (best.slot != p->slot && best.slot != NO_SLOT &&
        best.ms < (1 - (all ? 0 : margin)) * view_cost(l, g, p->slot, size, now_ms))
        switch_to(l, g, size, best, "the best of those measured so far", now_ms);
    p->settled = all || over;
}

static void update_near(struct links *l, struct group *g, enum size_class size, int64_t now_ms)
{
    uint8_t bit = size == SIZE_LARGE ? PATH_NEAR_LARGE : PATH_NEAR;
    int16_t preferred = g->prefer[size].slot;
    double ms = preferred != NO_SLOT ? view_cost(l, g, preferred, size, now_ms) : 0;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        int16_t s = l->order[i];
        const struct cell *c = g->cell[s];
        bool is = c && (c->near & bit), near = false;
        if (preferred != NO_SLOT && s != preferred && works(l, g, s) && measured(l, g, s, now_ms))
            near = view_cost(l, g, s, size, now_ms) <= ms * (1 + (is ? NEAR_LEAVE : NEAR_ENTER));
        if (near == is)
            continue;
        links_cell(g, s)->near ^= bit;
        l->dirty = true; /* no hurry: it only shifts shares */
    }
}

static void evaluate(struct links *l, struct group *g, enum size_class size, int64_t now_ms)
{
    int16_t slot = g->prefer[size].slot;
    const struct cell *c = slot != NO_SLOT ? links_seen(l, g, slot) : NULL;
    if (slot == NO_SLOT || out(l, slot) || !c || c->path.state == PATH_DOWN ||
        l->slot[slot].weight <= 0)
        hard(l, g, size, now_ms);
    else if (!g->prefer[size].settled)
        settle(l, g, size, now_ms);
    else if (!g->destination_suspect && path_doubt(&c->path) < DOUBTFUL &&
             (!g->fine_ms || now_ms - g->fine_ms > RECOVER_MS) &&
             (!g->blink_ms || now_ms - g->blink_ms > RECOVER_MS))
        challenge(l, g, size, now_ms);
    update_near(l, g, size, now_ms);
}

void prefer_evaluate(struct links *l, struct group *g, int64_t now_ms)
{
    evaluate(l, g, SIZE_SMALL, now_ms);
    evaluate(l, g, SIZE_LARGE, now_ms);
}
