/*
 * reputation/reply_weigh — one sum of all that speaks for each class
 *
 *   The rule that matched has a vote, by the section it stands in; what its words, codes and facts
 *   told in replies whose class is known is in the weighed lines. Everything is in tenths of a
 *   natural logarithm of the odds, so that all may be added up.
 */
#include <stdlib.h>
#include <string.h>

#include "reputation/reply_internal.h"

/* Over the next of another subject, where the rule does not speak of our address. */
enum { LEAD_MIN_IP = 9 };

/* ---- the lines, by what they need ---- */

static size_t needed(const struct reply_rules *rules, const struct reply_rule *line)
{
    for (size_t i = 0; i < line->groups.n; i++)
        if (!line->groups.at[i].negated && line->groups.at[i].where != REPLY_TOGETHER)
            return line->groups.at[i].id;
    return rules->group_count;
}

static int by_group(const void *a, const void *b)
{
    const struct reply_weighed *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

void reply_weighed_sort(struct reply_rules *rules)
{
    size_t at = 0;
    for (size_t i = 0; i < rules->sections.n; i++) {
        const struct reply_section *s = &rules->sections.at[i];
        for (size_t k = 0; s->weighed && k < s->rules.n; k++)
            *REPLY_PUSH(&rules->weighed) =
                (struct reply_weighed){ needed(rules, &s->rules.at[k]), &s->rules.at[k] };
    }
    if (rules->weighed.n)
        qsort(rules->weighed.at, rules->weighed.n, sizeof *rules->weighed.at, by_group);
    rules->first_weighed =
        arena_alloc(rules->arena, (rules->group_count + 2) * sizeof *rules->first_weighed);
    for (size_t group = 0; group <= rules->group_count + 1; group++) {
        while (at < rules->weighed.n && rules->weighed.at[at].group < group)
            at++;
        rules->first_weighed[group] = (uint32_t)at;
    }
}

/* ---- the sum ---- */

static bool is_ip(enum reply_class class)
{
    return class == REPLY_IP_BLOCKED || class == REPLY_IP_THROTTLED;
}

/* More than the code and the step: words or facts of the text. */
static bool tells_more(const struct reply_rule *line)
{
    return line->groups.n || line->needs;
}

struct place {
    size_t group;
    uint32_t at;
};

static uint64_t found_of(const struct reply_question *q, size_t group)
{
    return (q->hit.bits[group / 64] | q->clause[0].bits[group / 64]) >> (group % 64);
}

/* The next group that the text has, from `group` on; behind the last one: those without. */
static size_t next_group(const struct reply_rules *rules, const struct reply_question *q,
                         size_t group)
{
    while (group < rules->group_count && !(found_of(q, group) & 1))
        group = found_of(q, group) ? group + (size_t)__builtin_ctzll(found_of(q, group))
                                   : (group / 64 + 1) * 64;
    return group < rules->group_count ? group : rules->group_count;
}

/* The next line that holds; NULL: none. */
static const struct reply_rule *next_hit(const struct reply_rules *rules,
                                         const struct reply_question *q, struct place *here)
{
    while (here->group <= rules->group_count) {
        size_t group = next_group(rules, q, here->group);
        if (here->at < rules->first_weighed[group])
            here->at = rules->first_weighed[group];
        while (here->at < rules->first_weighed[group + 1]) {
            const struct reply_rule *line = rules->weighed.at[here->at++].line;
            here->group = group;
            if (reply_rule_matches(line, q))
                return line;
        }
        here->group = group + 1;
    }
    return NULL;
}

/* The first of those that have most; without what is about our address when `others`. */
static enum reply_class heaviest(const int sums[REPLY_CLASSES], bool others)
{
    enum reply_class best = REPLY_NONE;
    for (enum reply_class c = REPLY_NONE + 1; c < REPLY_CLASSES; c++)
        if (!(others && is_ip(c)) && (best == REPLY_NONE || sums[c] > sums[best]))
            best = c;
    return best;
}

static void add_reason(struct reply_reason because[REPLY_REASONS], const char *line, int points)
{
    for (size_t i = 0; points > 0 && i < REPLY_REASONS; i++) {
        if (because[i].line && because[i].points >= points)
            continue;
        memmove(because + i + 1, because + i, (REPLY_REASONS - 1 - i) * sizeof *because);
        because[i] = (struct reply_reason){ line, points };
        return;
    }
}

/* False: only code and step tell something, and the rules know them better. */
static bool add_up(const struct reply_rules *rules, const struct reply_question *q,
                   int sums[REPLY_CLASSES])
{
    const struct reply_rule *line;
    bool more = false;
    for (struct place here = { 0, 0 }; (line = next_hit(rules, q, &here));) {
        more = more || tells_more(line);
        for (unsigned c = 0; c < REPLY_CLASSES; c++)
            sums[c] += line->weights[c];
    }
    return more;
}

enum reply_class reply_weigh(const struct reply_rules *rules, const struct reply_question *q,
                             const struct reply_rule *rule,
                             struct reply_reason because_r[REPLY_REASONS])
{
    const struct reply_rule *line;
    int sums[REPLY_CLASSES] = { 0 };
    enum reply_class known = rule ? rule->class : REPLY_NONE;
    if ((rule && known == REPLY_NONE) || q->at == REPLY_AT_TLS || q->at == REPLY_AT_AUTH ||
        !add_up(rules, q, sums)) /* of these steps the rules know all */
        return known;
    if (rule)
        sums[known] += rule->vote;
    enum reply_class best = heaviest(sums, false), other = heaviest(sums, true);
    if (is_ip(best) && !is_ip(known) && sums[best] - sums[other] < LEAD_MIN_IP)
        best = other;
    for (struct place here = { 0, 0 }; best != known && (line = next_hit(rules, q, &here));)
        add_reason(because_r, line->name, line->weights[best] - line->weights[known]);
    return best;
}
