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

static const struct reply_rule *find_rule(const struct reply_rules *rules,
                                          const struct reply_question *q, struct slice mx,
                                          bool last)
{
    struct reply_providers providers;
    find_providers(rules, &q->found, mx, &providers);
    for (size_t i = 0; i < rules->sections.n; i++) {
        const struct reply_section *section = &rules->sections.at[i];
        if (section->last != last || section->weighed || !section_asked(section, &providers))
            continue;
        for (size_t k = 0; k < section->rules.n; k++)
            if (reply_rule_matches(&section->rules.at[k], q))
                return &section->rules.at[k];
    }
    return NULL;
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
static void look_at(const struct reply_rules *rules, struct slice text, struct reply_question *q)
{
    struct reply_found part;
    find_groups(rules, text, &q->found, &q->hit);
    q->clauses = 0;
    do {
        struct slice clause = q->clauses + 1 < REPLY_CLAUSES_MAX ? next_clause(&text) : text;
        if (q->clauses && slice_starts_with(clause, "if ")) /* no reason, see reply_words_find() */
            clause.n = 0;
        find_groups(rules, clause, &part, &q->clause[q->clauses++]);
    } while (text.n && q->clauses < REPLY_CLAUSES_MAX);
}

struct answer {
    const struct reply_rule *rule;
    struct reply_question q; /* with the facts the rule was found by */
    struct reply_seen seen;
};

/* First by what is said; where that tells nothing, an address beside it may; then by the code. */
static void judge(const struct reply_rules *rules, const struct reply_facts *facts,
                  struct slice normal, struct answer *a_r)
{
    char buffer[REPLY_REASON_MAX];
    struct reply_seen without;
    struct reply_question *q = &a_r->q;
    *q =
        (struct reply_question){ .code = facts->code, .status = status_of(facts), .at = facts->at };
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
    judgement_r->names_ehlo = a.seen.facts & REPLY_FACT_EHLO;
    judgement_r->names_sender = a.seen.facts & REPLY_FACT_SENDER;
    judgement_r->names_recipient = a.seen.facts & REPLY_FACT_RECIPIENT;
    if (a.rule)
        decide_by_rule(judgement_r, facts->code, a.rule);
    else
        decide(judgement_r, facts->code, REPLY_NONE, "no-rule");
    enum reply_class class = reply_weigh(rules, &a.q, a.rule, judgement_r->because);
    if (class != judgement_r->class)
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
