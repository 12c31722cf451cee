#include "reputation/reply.h"

#include <string.h>

#include "reputation/reply_internal.h"

const char *const reply_at_names[REPLY_ATS + 1] = { "unknown", "greeting", "ehlo", "tls",   "auth",
                                                    "mail",    "rcpt",     "data", "final", NULL };
const char *const reply_scope_names[REPLY_SCOPES + 1] = { "none",     "address", "network",
                                                          "sender",   "message", "recipient",
                                                          "receiver", NULL };

static const struct {
    enum reply_scope scope;
    unsigned points; /* of evidence against the egress */
    bool ends;       /* a 5yz of this class is over in a while */
} classes[REPLY_CLASSES] = {
    [REPLY_NONE] = { REPLY_SCOPE_NONE, 0, false },
    [REPLY_IP_BLOCKED] = { REPLY_SCOPE_ADDRESS, 30, false },
    [REPLY_IP_THROTTLED] = { REPLY_SCOPE_ADDRESS, 8, true },
    [REPLY_DOMAIN_BLOCKED] = { REPLY_SCOPE_SENDER, 0, false },
    [REPLY_CONTENT] = { REPLY_SCOPE_MESSAGE, 0, false },
    [REPLY_MAILBOX] = { REPLY_SCOPE_RECIPIENT, 0, false },
    [REPLY_GREYLIST] = { REPLY_SCOPE_RECIPIENT, 0, true },
    [REPLY_AUTH] = { REPLY_SCOPE_SENDER, 0, false },
    [REPLY_TLS] = { REPLY_SCOPE_RECEIVER, 0, false },
    [REPLY_TEMP] = { REPLY_SCOPE_RECEIVER, 0, false },
};

unsigned reply_points(enum reply_class class)
{
    return classes[class].points;
}

enum reply_next reply_next(const struct reply_judgement *judgement, const struct reply_facts *facts)
{
    bool session = facts->at >= REPLY_AT_GREETING && facts->at <= REPLY_AT_AUTH;
    if (judgement->class == REPLY_IP_BLOCKED)
        return REPLY_NEXT_ELSEWHERE;
    if (facts->code >= 500 && !session && !judgement->ends_by_itself)
        return judgement->class == REPLY_IP_THROTTLED ? REPLY_NEXT_ELSEWHERE : REPLY_NEXT_RETURNED;
    return REPLY_NEXT_WAITS;
}

/* ---- does a rule match ---- */

enum { CLAUSES_MAX = 6 };

struct question {
    uint16_t code;
    struct enhanced status;
    enum reply_at at;
    unsigned facts;
    struct reply_found found;
    struct reply_hit hit;
    struct reply_hit clause[CLAUSES_MAX]; /* the last one: and all behind it */
    size_t clauses;
};

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

static bool rule_matches(const struct reply_rule *rule, const struct question *q)
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

/* ---- which rules are asked ---- */

/* By the MX, and by the text: a customer's host in front of a provider has another name. */
static void find_providers(const struct reply_rules *rules, const struct reply_found *found,
                           struct slice mx, struct reply_providers *providers_r)
{
    uint16_t by_mx = reply_provider_find(rules, mx);
    *providers_r = (struct reply_providers){ { 0 } };
    if (by_mx != REPLY_NO_PROVIDER)
        providers_r->bits[by_mx / 64] |= 1ull << (by_mx % 64);
    for (size_t i = 0; i < rules->marks.n; i++) {
        uint16_t by_text = rules->marks.at[i].provider;
        if (reply_has(found, rules->marks.at[i].word))
            providers_r->bits[by_text / 64] |= 1ull << (by_text % 64);
    }
}

static bool section_asked(const struct reply_section *section,
                          const struct reply_providers *providers)
{
    for (size_t i = 0; i < section->providers.n; i++) {
        uint16_t here = section->providers.at[i];
        if (providers->bits[here / 64] >> (here % 64) & 1)
            return true;
    }
    return section->all;
}

static const struct reply_rule *find_rule(const struct reply_rules *rules, const struct question *q,
                                          struct slice mx, bool last)
{
    struct reply_providers providers;
    find_providers(rules, &q->found, mx, &providers);
    for (size_t i = 0; i < rules->sections.n; i++) {
        const struct reply_section *section = &rules->sections.at[i];
        if (section->last != last || section->weighed || !section_asked(section, &providers))
            continue;
        for (size_t k = 0; k < section->rules.n; k++)
            if (rule_matches(&section->rules.at[k], q))
                return &section->rules.at[k];
    }
    return NULL;
}

/* ---- what is weighed where rules have little to go by ---- */

/* In tenths of a natural logarithm of the odds: by so much the heaviest class must lead. */
enum { LEAD_MIN = 10, LEAD_MIN_IP = 30 };

struct verdict {
    enum reply_class class, next;
    int lead;
};

static struct verdict heaviest(const int sums[REPLY_CLASSES])
{
    struct verdict v = { REPLY_NONE, REPLY_NONE, 0 };
    for (unsigned c = REPLY_NONE + 1; c < REPLY_CLASSES; c++)
        if (v.class == REPLY_NONE || sums[c] > sums[v.class])
            v.class = (enum reply_class)c;
    for (unsigned c = REPLY_NONE + 1; c < REPLY_CLASSES; c++)
        if (c != v.class && (v.next == REPLY_NONE || sums[c] > sums[v.next]))
            v.next = (enum reply_class)c;
    v.lead = sums[v.class] - sums[v.next];
    return v;
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

/* The next weighed line that matches, behind `*at` of `*section`; NULL: none. */
static const struct reply_rule *next_hit(const struct reply_rules *rules, const struct question *q,
                                         size_t *section, size_t *at)
{
    for (; *section < rules->sections.n; ++*section, *at = 0) {
        const struct reply_section *s = &rules->sections.at[*section];
        while (s->weighed && *at < s->rules.n) {
            const struct reply_rule *line = &s->rules.at[(*at)++];
            if (rule_matches(line, q))
                return line;
        }
    }
    return NULL;
}

/* REPLY_NONE: no class leads by enough, or it is `known`. Of the session, the step tells. */
static enum reply_class weigh(const struct reply_rules *rules, const struct question *q,
                              enum reply_class known, struct reply_reason because[REPLY_REASONS])
{
    const struct reply_rule *line;
    int sums[REPLY_CLASSES] = { 0 };
    if (q->at >= REPLY_AT_GREETING && q->at <= REPLY_AT_AUTH)
        return REPLY_NONE;
    for (size_t section = 0, at = 0; (line = next_hit(rules, q, &section, &at));)
        for (unsigned c = 0; c < REPLY_CLASSES; c++)
            sums[c] += line->weights[c];
    struct verdict v = heaviest(sums);
    bool ip = v.class == REPLY_IP_BLOCKED || v.class == REPLY_IP_THROTTLED;
    if (v.class == known || v.lead < (ip ? LEAD_MIN_IP : LEAD_MIN))
        return REPLY_NONE;
    for (size_t section = 0, at = 0; (line = next_hit(rules, q, &section, &at));)
        add_reason(because, line->name, line->weights[v.class] - line->weights[v.next]);
    return v.class;
}

/* ---- the judgement ---- */

/* The reader of the dialogue knows the code; a text that still has one in front says it too. */
static struct enhanced status_of(const struct reply_facts *facts)
{
    struct enhanced status = facts->status;
    if (!status.class_ && (!enhanced_parse(slice_trim(facts->text), &status, NULL) ||
                           status.class_ != facts->code / 100))
        status = (struct enhanced){ 0, 0, 0 };
    return status;
}

static void decide(struct reply_judgement *j, uint16_t code, enum reply_class class,
                   const char *rule)
{
    j->class = class;
    j->scope = classes[class].scope;
    j->rule = rule;
    j->ends_by_itself = code >= 500 && classes[class].ends;
}

/* The next clause, without the blank before it. */
static struct slice next_clause(struct slice *rest)
{
    struct slice clause = *rest;
    for (size_t i = 0; i + 1 < rest->n; i++) {
        bool stop = strchr(".,;", rest->p[i]) && rest->p[i + 1] == ' ';
        if (!stop && !slice_starts_with(slice_skip(*rest, i), " but "))
            continue;
        clause.n = i;
        *rest = slice_skip(*rest, i + 2 - !stop);
        return clause;
    }
    *rest = slice_skip(*rest, rest->n);
    return clause;
}

/* Words as they stand, and as they stand without the names between them. */
static void find_groups(const struct reply_rules *rules, struct slice text,
                        struct reply_found *found_r, struct reply_hit *hit_r)
{
    char bare[REPLY_TEXT_MAX];
    struct reply_found further;
    reply_words_find(&rules->words, text, found_r);
    reply_words_find(&rules->words, reply_bare(text, bare), &further);
    for (size_t i = 0; i < sizeof further.bits / sizeof further.bits[0]; i++)
        found_r->bits[i] |= further.bits[i];
    reply_groups_find(rules, found_r, hit_r);
}

/* What rules ask of the text. */
static void look_at(const struct reply_rules *rules, struct slice text, struct question *q)
{
    struct reply_found part;
    find_groups(rules, text, &q->found, &q->hit);
    q->clauses = 0;
    do {
        struct slice clause = q->clauses + 1 < CLAUSES_MAX ? next_clause(&text) : text;
        if (q->clauses && slice_starts_with(clause, "if ")) /* no reason, see reply_words_find() */
            clause.n = 0;
        find_groups(rules, clause, &part, &q->clause[q->clauses++]);
    } while (text.n && q->clauses < CLAUSES_MAX);
}

struct answer {
    const struct reply_rule *rule;
    struct question q; /* with the facts the rule was found by */
    struct reply_seen seen;
};

/* First by what is said; where that tells nothing, an address beside it may; then by the code. */
static void judge(const struct reply_rules *rules, const struct reply_facts *facts,
                  struct slice normal, struct answer *a_r)
{
    char buffer[REPLY_REASON_MAX];
    struct reply_seen without;
    struct question *q = &a_r->q;
    *q = (struct question){ .code = facts->code, .status = status_of(facts), .at = facts->at };
    struct slice said = reply_said(normal, buffer);
    if (said.n == 0)
        said = normal;
    look_at(rules, said, q);
    reply_look(rules, facts, said, &q->found, &without);
    a_r->seen = without;
    if (said.n < normal.n)
        reply_look(rules, facts, normal, &q->found, &a_r->seen);
    q->facts = without.facts;
    a_r->rule = find_rule(rules, q, facts->mx, false);
    if (!a_r->rule && a_r->seen.facts != without.facts) {
        q->facts = a_r->seen.facts;
        a_r->rule = find_rule(rules, q, facts->mx, false);
    }
    if (!a_r->rule) {
        q->facts = without.facts;
        a_r->rule = find_rule(rules, q, facts->mx, true);
    }
}

static void decide_by_rule(struct reply_judgement *j, uint16_t code, const struct reply_rule *rule)
{
    decide(j, code, rule->class, rule->name);
    if (rule->scope != REPLY_SCOPE_NONE)
        j->scope = rule->scope;
    if (rule->ends && code >= 500)
        j->ends_by_itself = true;
}

void reply_classify(const struct reply_rules *rules, const struct reply_facts *facts,
                    struct reply_judgement *judgement_r)
{
    char reason[REPLY_REASON_MAX];
    struct answer a;
    *judgement_r = (struct reply_judgement){ .provider = reply_provider(rules, facts->mx) };
    if (facts->code < 400) {
        decide(judgement_r, facts->code, REPLY_NONE, "no-refusal");
        return;
    }
    struct slice normal = reply_reason(facts, reason);
    judge(rules, facts, normal, &a);
    judgement_r->zone = a.seen.zone;
    judgement_r->names_us = a.seen.facts & REPLY_FACT_US;
    judgement_r->names_other = a.seen.names_other;
    if (a.rule)
        decide_by_rule(judgement_r, facts->code, a.rule);
    else
        decide(judgement_r, facts->code, REPLY_NONE, "no-rule");
    if (a.rule && !a.rule->little)
        return;
    enum reply_class class = weigh(rules, &a.q, judgement_r->class, judgement_r->because);
    if (class != REPLY_NONE)
        decide(judgement_r, facts->code, class, "weighed");
}

void reply_overrule(struct reply_judgement *judgement, const struct reply_facts *facts,
                    enum reply_class class, const char *rule)
{
    decide(judgement, facts->code, class, rule);
    memset(judgement->because, 0, sizeof judgement->because);
    if (class == REPLY_TEMP) /* whoever calls it so wants it tried again */
        judgement->ends_by_itself = facts->code >= 500;
}
