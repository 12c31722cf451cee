/*
 * reputation/reply_match — does a rule hold for a reply
 */
#include "reputation/reply_internal.h"

static bool code_matches(const struct reply_rule *rule, uint16_t code)
{
    for (size_t i = 0; i < rule->codes.n; i++)
        if (code >= rule->codes.at[i].min && code <= rule->codes.at[i].max)
            return true;
    return rule->codes.n == 0;
}

static bool status_matches(const struct reply_rule *rule, struct enhanced said)
{
    for (size_t i = 0; i < rule->statuses.n && said.class_; i++) {
        const struct reply_status *s = &rule->statuses.at[i];
        if ((!s->class_ || s->class_ == said.class_) &&
            (s->any_subject || s->subject == said.subject) &&
            (s->any_detail || (said.detail >= s->min && said.detail <= s->max)))
            return true;
    }
    return rule->statuses.n == 0;
}

static bool group_holds(struct reply_group group, const struct reply_hit *where)
{
    bool hit = where->bits[group.id / 64] >> (group.id % 64) & 1;
    return hit != group.negated;
}

static bool groups_hold(const struct reply_rule *rule, enum reply_where where,
                        const struct reply_hit *hit)
{
    for (size_t i = 0; i < rule->groups.n; i++)
        if (rule->groups.at[i].where == where && !group_holds(rule->groups.at[i], hit))
            return false;
    return true;
}

bool reply_rule_matches(const struct reply_rule *rule, const struct reply_question *q)
{
    if ((rule->needs & ~q->facts) || (rule->forbids & q->facts))
        return false;
    if (rule->at && !(rule->at & (1u << q->at)))
        return false;
    if (!code_matches(rule, q->code) || !status_matches(rule, q->status))
        return false;
    if (!groups_hold(rule, REPLY_ANYWHERE, &q->hit) ||
        !groups_hold(rule, REPLY_FIRST, &q->clause[0]))
        return false;
    for (size_t i = 0; i < q->clauses; i++)
        if (groups_hold(rule, REPLY_TOGETHER, &q->clause[i]))
            return true;
    return false;
}
