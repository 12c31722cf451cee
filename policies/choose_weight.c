/*
 * policies/choose_weight — by weight alone, when nothing is measured
 */
#include "policies/choose.h"

static bool eligible(const struct conf *conf, const struct egress_facts *facts, uint16_t i)
{
    return conf->egress.at[i].usable && facts[i].usable;
}

/* One of those without weight, all alike. */
static int choose_reserve(const struct conf *conf, struct egress_set allowed,
                          const struct egress_facts *facts, struct rnd *rnd)
{
    uint64_t seen = 0;
    int chosen = EGRESS_NONE;
    for (size_t i = 0; i < allowed.n; i++)
        if (eligible(conf, facts, allowed.at[i]) && rnd_below(rnd, ++seen) == 0)
            chosen = allowed.at[i];
    return chosen;
}

int choose_egress(const struct conf *conf, struct egress_set allowed,
                  const struct egress_facts *facts, struct rnd *rnd)
{
    uint64_t total = 0;
    for (size_t i = 0; i < allowed.n; i++)
        if (eligible(conf, facts, allowed.at[i]))
            total += conf->egress.at[allowed.at[i]].weight;
    if (total == 0)
        return choose_reserve(conf, allowed, facts, rnd);
    uint64_t ticket = rnd_below(rnd, total);
    for (size_t i = 0; i < allowed.n; i++) {
        uint64_t weight = conf->egress.at[allowed.at[i]].weight;
        if (!eligible(conf, facts, allowed.at[i]))
            continue;
        if (ticket < weight)
            return allowed.at[i];
        ticket -= weight;
    }
    return EGRESS_NONE;
}
