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

enum {
    LEAD_MIN_IP = 6, /* over the next of another subject, where no rule speaks of our address */
    HITS_MAX = 2048  /* lines of one reply */
};

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

struct hits {
    const struct reply_rule *line[HITS_MAX];
    size_t n;
    bool more; /* than what the code tells, which the rules know better */
};

static bool is_ip(enum reply_class class)
{
    return class == REPLY_IP_BLOCKED || class == REPLY_IP_THROTTLED;
}

/* More than the code: words or facts of the text, or the step. */
static bool tells_more(const struct reply_rule *line)
{
    return line->groups.n || line->needs || line->at;
}

static void ask(const struct reply_rules *rules, const struct reply_question *q, size_t group,
                struct hits *hits)
{
    for (uint32_t i = rules->first_weighed[group]; i < rules->first_weighed[group + 1]; i++) {
        const struct reply_rule *line = rules->weighed.at[i].line;
        if (hits->n == HITS_MAX || !reply_rule_matches(line, q))
            continue;
        hits->line[hits->n++] = line;
        hits->more = hits->more || tells_more(line);
    }
}

static void find_hits(const struct reply_rules *rules, const struct reply_question *q,
                      struct hits *hits_r)
{
    hits_r->n = 0;
    hits_r->more = false;
    for (size_t i = 0; i * 64 < rules->group_count; i++)
        for (uint64_t left = q->hit.bits[i] | q->clause[0].bits[i]; left; left &= left - 1)
            ask(rules, q, i * 64 + (size_t)__builtin_ctzll(left), hits_r);
    ask(rules, q, rules->group_count, hits_r);
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

enum reply_class reply_weigh(const struct reply_rules *rules, const struct reply_question *q,
                             const struct reply_rule *rule,
                             struct reply_reason because_r[REPLY_REASONS])
{
    struct hits hits;
    int sums[REPLY_CLASSES] = { 0 };
    enum reply_class known = rule ? rule->class : REPLY_NONE;
    if ((rule && known == REPLY_NONE) || q->at == REPLY_AT_TLS || q->at == REPLY_AT_AUTH)
        return known; /* of these steps the rules know all */
    find_hits(rules, q, &hits);
    if (!hits.more)
        return known;
    for (size_t i = 0; i < hits.n; i++)
        for (unsigned c = 0; c < REPLY_CLASSES; c++)
            sums[c] += hits.line[i]->weights[c];
    if (rule)
        sums[known] += rule->vote;
    enum reply_class best = heaviest(sums, false), other = heaviest(sums, true);
    if (is_ip(best) && !is_ip(known) && sums[best] - sums[other] < LEAD_MIN_IP)
        best = other;
    for (size_t i = 0; best != known && i < hits.n; i++)
        add_reason(because_r, hits.line[i]->name,
                   hits.line[i]->weights[best] - hits.line[i]->weights[known]);
    return best;
}
