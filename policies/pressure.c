#include "policies/pressure.h"

static const unsigned percent[LANE_COUNT] = {
    [LANE_URGENT] = 100, [LANE_HIGH] = 90, [LANE_NORMAL] = 80, [LANE_BULK] = 70
};

enum { HELD_PERCENT = 50, HELD_PART_OF_ONE = 8 };

bool pressure_held_enough(uint64_t used, uint64_t limit)
{
    return limit && used >= limit / HELD_PART_OF_ONE;
}

enum pressure_of pressure_judge(const struct pressure *p, enum lane lane, bool held)
{
    unsigned most = held ? HELD_PERCENT : percent[lane];
    for (enum pressure_of i = PRESSURE_QUEUE; i < PRESSURES; i++) {
        uint64_t limit = p->of[i].limit, part = limit / 100 * most;
        part += limit % 100 * most / 100;
        if (limit && p->of[i].used >= part)
            return i;
    }
    return PRESSURES;
}
