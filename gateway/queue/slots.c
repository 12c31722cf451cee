#include "gateway/queue/slots.h"

#include <assert.h>

enum { KEEP_FROM = 3, KEEP_HIGH_FROM = 8, KEEP_PART = 8, LARGE_PART = 4, LEAVE_ONE_FROM = 8 };

static uint32_t part_of(uint32_t all, uint32_t part)
{
    return all >= part ? all / part : 1;
}

uint32_t slots_kept(uint32_t all, enum lane lane)
{
    uint32_t kept = 0;
    if (lane > LANE_URGENT && all >= KEEP_FROM)
        kept += part_of(all, KEEP_PART);
    if (lane > LANE_HIGH && all >= KEEP_HIGH_FROM)
        kept += part_of(all, KEEP_PART);
    return kept;
}

uint32_t slots_large_most(uint32_t all)
{
    return part_of(all, LARGE_PART);
}

uint32_t slots_for(uint32_t most, uint32_t sessions)
{
    uint32_t all = sessions;
    while (all < most && all - slots_kept(all, LANE_BULK) < sessions)
        all++;
    return all < most ? all : most;
}

uint32_t slots_held(const struct slots *s)
{
    uint32_t held = 0;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        held += s->busy[lane];
    return held;
}

/* Mail of a lane counts against what is left to it and against what is left to each lane above, so
 * that none above is pushed aside by those below together. */
bool slots_allow(const struct slots *s, enum lane lane, bool large)
{
    uint32_t held = 0;
    if (large && s->large >= slots_large_most(s->all))
        return false;
    for (enum lane at = LANE_COUNT; at-- > LANE_URGENT;) {
        held += s->busy[at];
        if (at <= lane && held + slots_kept(s->all, at) >= s->all)
            return false;
    }
    return true;
}

bool slots_allow_more(const struct slots *s, enum lane lane, uint32_t more)
{
    uint32_t held = 0, left = s->all - slots_kept(s->all, lane);
    for (enum lane at = LANE_COUNT; at-- > lane;)
        held += s->busy[at];
    return lane == LANE_URGENT || left < LEAVE_ONE_FROM || held + more < left;
}

void slots_take(struct slots *s, enum lane lane, bool large)
{
    s->busy[lane]++;
    s->large += large;
    s->small_turns = large ? 0 : s->small_turns + (s->small_turns < SLOTS_SMALL_TURNS);
}

void slots_leave(struct slots *s, enum lane lane, bool large)
{
    assert(s->busy[lane] > 0 && s->large >= large);
    s->busy[lane]--;
    s->large -= large;
}

bool slots_large_first(const struct slots *s, enum lane small, enum lane large)
{
    if ((small == LANE_URGENT) != (large == LANE_URGENT))
        return large == LANE_URGENT;
    return s->large == 0 && (s->all > 1 || s->small_turns >= SLOTS_SMALL_TURNS);
}
