#include "policies/priority.h"

#include "policies/compiled.h"

const char *const lane_source_names[] = { "default", "sender", "rule", "quota", NULL };

enum lane lane_of_mt_priority(int value)
{
    if (value >= 4)
        return LANE_URGENT;
    if (value >= 1)
        return LANE_HIGH;
    return value == 0 ? LANE_NORMAL : LANE_BULK;
}

int mt_priority_in_lane(int value, enum lane lane)
{
    static const struct {
        int least, most;
    } range[LANE_COUNT] = { [LANE_URGENT] = { 4, 9 },
                            [LANE_HIGH] = { 1, 3 },
                            [LANE_NORMAL] = { 0, 0 },
                            [LANE_BULK] = { -9, -1 } };
    if (value < range[lane].least)
        return range[lane].least;
    return value > range[lane].most ? range[lane].most : value;
}

int mt_priority_effective(struct mt_priority mt)
{
    if (!mt.given)
        return 0;
    return mt.allowed || mt.value < 0 ? mt.value : 0;
}

struct lane_choice policies_lane(const struct policies *p, const struct facts *f,
                                 struct mt_priority mt)
{
    const struct conf_rules *r = &p->conf->rules;
    struct lane_choice choice = { .lane = lane_of_mt_priority(mt_priority_effective(mt)),
                                  .source = mt.given ? LANE_BY_SENDER : LANE_BY_DEFAULT };
    for (size_t i = 0; i < r->priorities.n; i++) {
        enum answer a = when_answer(p->priorities[i], f);
        if (a == ANSWER_UNKNOWN)
            choice.undecided = true;
        if (a != ANSWER_YES)
            continue;
        choice.lane = (enum lane)r->priorities.at[i].lane;
        choice.source = LANE_BY_RULE;
        choice.rule = &r->priorities.at[i];
        break;
    }
    return choice;
}
