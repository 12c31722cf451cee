#include "gateway/queue/lanes.h"

#include <assert.h>

const unsigned lanes_weight[LANE_COUNT] = { [LANE_HIGH] = 8, [LANE_NORMAL] = 4, [LANE_BULK] = 1 };
const int64_t lanes_age_ms[LANE_COUNT] = {
    [LANE_HIGH] = 15000, [LANE_NORMAL] = 30000, [LANE_BULK] = 60000
};

enum { WEIGHT_MOST = 8 }; /* that of high: spent counts in its units */

static uint64_t weighed(enum lane lane, uint64_t cost)
{
    return lanes_weight[lane] ? cost * (WEIGHT_MOST / lanes_weight[lane]) : 0;
}

void lanes_join(struct lanes *l, enum lane lane, int64_t now_ms)
{
    l->since_ms[lane] = now_ms;
    if (l->spent[lane] < l->now)
        l->spent[lane] = l->now;
}

static int64_t overdue_ms(const struct lanes *l, enum lane lane, int64_t now_ms)
{
    return now_ms - l->since_ms[lane] - lanes_age_ms[lane];
}

/* The one that is overdue by most. */
static enum lane next_aged(const struct lanes *l, const uint64_t *cost, int64_t now_ms)
{
    enum lane best = LANE_COUNT;
    if (l->since_aged < LANES_AGED_EVERY - 1)
        return best;
    for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++) {
        if (!cost[lane] || overdue_ms(l, lane, now_ms) < 0)
            continue;
        if (best == LANE_COUNT || overdue_ms(l, lane, now_ms) > overdue_ms(l, best, now_ms))
            best = lane;
    }
    return best;
}

/* The one that would be through first. */
static enum lane next_by_weight(const struct lanes *l, const uint64_t *cost)
{
    enum lane best = LANE_COUNT;
    uint64_t best_end = 0;
    for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++) {
        uint64_t end = l->spent[lane] + weighed(lane, cost[lane]);
        if (cost[lane] && (best == LANE_COUNT || end < best_end)) {
            best = lane;
            best_end = end;
        }
    }
    return best;
}

static enum lane next_below(const struct lanes *l, const uint64_t *cost, int64_t now_ms)
{
    enum lane lane = next_aged(l, cost, now_ms);
    return lane == LANE_COUNT ? next_by_weight(l, cost) : lane;
}

enum lane lanes_next(const struct lanes *l, const uint64_t cost[LANE_COUNT], int64_t now_ms)
{
    enum lane below = next_below(l, cost, now_ms);
    if (cost[LANE_URGENT] && (below == LANE_COUNT || l->owed < cost[below]))
        return LANE_URGENT;
    return below;
}

/* Only what the lanes below could have used is owed to them. */
static void charge_urgent(struct lanes *l, const uint64_t *cost, int64_t now_ms)
{
    bool below = next_below(l, cost, now_ms) != LANE_COUNT;
    l->owed = below ? l->owed + cost[LANE_URGENT] / LANES_URGENT_SHARE : 0;
}

void lanes_charge(struct lanes *l, enum lane lane, const uint64_t cost[LANE_COUNT], int64_t now_ms)
{
    assert(lane < LANE_COUNT);
    bool aged = lane != LANE_URGENT && lane == next_aged(l, cost, now_ms);
    l->since_ms[lane] = now_ms;
    if (lane == LANE_URGENT) {
        charge_urgent(l, cost, now_ms);
        return;
    }
    l->since_aged = aged ? 0 : l->since_aged + (l->since_aged < LANES_AGED_EVERY);
    l->owed -= l->owed < cost[lane] ? l->owed : cost[lane];
    l->spent[lane] += weighed(lane, cost[lane]);
    if (!aged && l->spent[lane] > l->now) /* one that goes out of turn does not move the present */
        l->now = l->spent[lane];
}

void lanes_refund(struct lanes *l, enum lane lane, uint64_t cost)
{
    uint64_t back = weighed(lane, cost);
    l->spent[lane] -= l->spent[lane] < back ? l->spent[lane] : back;
}
