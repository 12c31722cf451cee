/*
 * reputation/reply_rules — the rules' text, read strictly
 *
 *   Lines of data/replies.rules:
 *
 *     list ip|domain NAME ...   DNS lists, by names that stand in texts; the first of them counts
 *     [PROVIDER ...]  or  [*]   whose replies the rules below are asked about
 *     NAME CLASS CONDITION ...  a rule; the first that matches wins, in the order of the file
 *
 *   Conditions, all of which must hold; `!` in front of words or a fact turns it round:
 *
 *     code=4xx,550       the reply's code          at=rcpt,final   the step it answers
 *     status=x.7.1,5.7.606-649,x.4.*   the enhanced code
 *     us ip network      our address, an address, a network of addresses in the text
 *     list list=ip list=domain   a DNS list in the text
 *     "this|that words"  one of these in the text, as whole words; a star at an end opens it
 *     scope=SCOPE        not a condition: whom it is about, when its class does not say
 *     ends               not a condition: over in a while though the code says for good
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reputation/reply_data.h"
#include "reputation/reply_internal.h"

static bool name_find(const char *const *names, struct slice name, unsigned *index_r)
{
    for (unsigned i = 0; names[i]; i++) {
        if (slice_eq_str(name, names[i])) {
            *index_r = i;
            return true;
        }
    }
    return false;
}

/* ---- conditions ---- */

static bool parse_code(struct slice s, struct reply_code *code_r)
{
    uint64_t value;
    bool family = s.n == 3 && s.p[1] == 'x' && s.p[2] == 'x';
    if (!slice_to_u64(family ? (struct slice){ s.p, 1 } : s, 599, &value))
        return false;
    code_r->min = (uint16_t)(family ? value * 100 : value);
    code_r->max = (uint16_t)(family ? value * 100 + 99 : value);
    return code_r->min >= 400 && code_r->max <= 599;
}

static bool parse_range(struct slice s, struct reply_status *status_r)
{
    struct slice low, high;
    uint64_t min, max;
    status_r->any_detail = slice_eq_str(s, "*");
    if (status_r->any_detail)
        return true;
    bool range = slice_cut(s, '-', &low, &high);
    if (!slice_to_u64(low, 999, &min) || !slice_to_u64(range ? high : low, 999, &max) || min > max)
        return false;
    status_r->min = (uint16_t)min;
    status_r->max = (uint16_t)max;
    return true;
}

static bool parse_status(struct slice s, struct reply_status *status_r)
{
    struct slice class, subject, detail, rest;
    uint64_t value = 0;
    *status_r = (struct reply_status){ 0 };
    if (!slice_cut(s, '.', &class, &rest) || !slice_cut(rest, '.', &subject, &detail))
        return false;
    if (slice_eq_str(class, "4") || slice_eq_str(class, "5"))
        status_r->class_ = class.p[0] == '4' ? 4 : 5;
    else if (!slice_eq_str(class, "x"))
        return false;
    status_r->any_subject = slice_eq_str(subject, "*");
    if (!status_r->any_subject && !slice_to_u64(subject, 999, &value))
        return false;
    status_r->subject = (uint16_t)value;
    return parse_range(detail, status_r);
}

static bool add_code(struct reply_rule *rule, struct slice s)
{
    return parse_code(s, REPLY_PUSH(&rule->codes));
}

static bool add_status(struct reply_rule *rule, struct slice s)
{
    return parse_status(s, REPLY_PUSH(&rule->statuses));
}

static bool add_at(struct reply_rule *rule, struct slice s)
{
    unsigned at;
    if (!name_find(reply_at_names, s, &at))
        return false;
    rule->at |= 1u << at;
    return true;
}

static bool set_scope(struct reply_rule *rule, struct slice s)
{
    unsigned scope;
    if (!name_find(reply_scope_names, s, &scope))
        return false;
    rule->scope = (enum reply_scope)scope;
    return true;
}

static const struct condition {
    const char *name;
    bool (*add)(struct reply_rule *rule, struct slice value);
    const char *expected;
} conditions[] = {
    { "code", add_code, "a code such as 550 or 4xx" },
    { "status", add_status, "an enhanced code such as 5.7.1, x.7.* or 5.7.606-649" },
    { "at", add_at, "greeting, ehlo, tls, auth, mail, rcpt, data or final" },
    { "scope", set_scope, "a scope: address, network, sender, message, recipient, receiver" },
};

static const struct {
    const char *name;
    enum reply_fact fact;
} text_facts[] = {
    { "us", REPLY_FACT_US },           { "ip", REPLY_FACT_IP },
    { "network", REPLY_FACT_NETWORK }, { "list", REPLY_FACT_LIST },
    { "list=ip", REPLY_FACT_LIST_IP }, { "list=domain", REPLY_FACT_LIST_DOMAIN },
};

static enum rc too_many(const struct reply_line *line, struct err *err, int most, const char *what)
{
    return err_set(err, RC_LIMIT, "%s:%u: more than %d %s", line->file, line->number, most, what);
}

static enum rc read_words(struct reply_rules *rules, struct reply_rule *rule,
                          const struct reply_line *line, const struct reply_token *token,
                          struct err *err)
{
    struct slice word, rest = token->text;
    if (rules->group_count == REPLY_GROUPS_MAX)
        return too_many(line, err, REPLY_GROUPS_MAX, "groups of words");
    struct reply_group group = { .negated = token->negated, .id = (uint16_t)rules->group_count++ };
    for (bool more = true; more;) {
        struct reply_use use = { .group = group.id };
        more = slice_cut(rest, '|', &word, &rest);
        enum rc rc = reply_words_add(&rules->words, word, &use.word);
        if (rc == RC_LIMIT || rules->uses.n == REPLY_USES_MAX)
            return too_many(line, err, REPLY_WORDS_MAX, "different words");
        if (rc != RC_OK)
            return reply_line_error(line, err, word, "words of 2 to 80 bytes in lower case");
        *REPLY_PUSH(&rules->uses) = use;
    }
    *REPLY_PUSH(&rule->groups) = group;
    return RC_OK;
}

static bool read_fact(struct reply_rule *rule, const struct reply_token *token)
{
    for (size_t i = 0; i < sizeof text_facts / sizeof text_facts[0]; i++) {
        if (!slice_eq_str(token->text, text_facts[i].name))
            continue;
        if (token->negated)
            rule->forbids |= text_facts[i].fact;
        else
            rule->needs |= text_facts[i].fact;
        return true;
    }
    return false;
}

static enum rc read_condition(struct reply_rules *rules, struct reply_rule *rule,
                              const struct reply_line *line, const struct reply_token *token,
                              struct err *err)
{
    struct slice name, value, one;
    if (token->quoted)
        return read_words(rules, rule, line, token, err);
    if (read_fact(rule, token))
        return RC_OK;
    if (slice_eq_str(token->text, "ends") && !token->negated) {
        rule->ends = true;
        return RC_OK;
    }
    bool has_value = slice_cut(token->text, '=', &name, &value);
    for (size_t i = 0; has_value && i < sizeof conditions / sizeof conditions[0]; i++) {
        if (!slice_eq_str(name, conditions[i].name))
            continue;
        for (bool more = true; more;) {
            more = slice_cut(value, ',', &one, &value);
            if (token->negated || !conditions[i].add(rule, one))
                return reply_line_error(line, err, one, conditions[i].expected);
        }
        return RC_OK;
    }
    return reply_line_error(line, err, token->text,
                            "a condition: code= status= at= us ip network list \"words\"");
}

/* ---- lines ---- */

static enum rc read_rule(struct reply_rules *rules, const struct reply_token *name,
                         struct reply_line *line, struct err *err)
{
    struct reply_token token;
    unsigned class;
    if (rules->sections.n == 0)
        return reply_line_error(line, err, name->text, "[*] or [PROVIDER] before the first rule");
    if (name->quoted || name->negated || map_get(rules->names, name->text))
        return reply_line_error(line, err, name->text, "a name for the rule, used once");
    if (rules->rule_count++ == REPLY_RULES_MAX)
        return too_many(line, err, REPLY_RULES_MAX, "rules");
    struct reply_rule *rule = REPLY_PUSH(&rules->sections.at[rules->sections.n - 1].rules);
    *rule = (struct reply_rule){ .name = arena_strndup(rules->arena, name->text.p, name->text.n) };
    map_put(rules->names, name->text, rules);
    enum rc rc = reply_token_next(line, &token, err);
    if (rc == RC_PARSE)
        return rc;
    if (rc != RC_OK || token.quoted || token.negated ||
        !name_find(reply_class_names, token.text, &class))
        return reply_line_error(line, err, token.text, "the class of such a reply");
    rule->class = (enum reply_class) class;
    while ((rc = reply_token_next(line, &token, err)) == RC_OK) {
        rc = read_condition(rules, rule, line, &token, err);
        if (rc != RC_OK)
            return rc;
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static bool provider_named(const struct reply_rules *rules, struct slice name, uint16_t *index_r)
{
    for (size_t i = 0; i < rules->providers.n; i++) {
        if (slice_eq(rules->providers.at[i], name)) {
            *index_r = (uint16_t)i;
            return true;
        }
    }
    return false;
}

static enum rc read_section(struct reply_rules *rules, const struct reply_line *line,
                            struct err *err)
{
    struct slice name, rest = slice_skip(line->rest, 1);
    struct reply_section *section = REPLY_PUSH(&rules->sections);
    *section = (struct reply_section){ 0 };
    if (!slice_ends_with(rest, "]"))
        return reply_line_error(line, err, line->rest, "\"]\" at the end of the line");
    rest.n--;
    section->all = slice_eq_str(rest, "*");
    for (bool more = !section->all; more;) {
        more = slice_cut(rest, ' ', &name, &rest);
        if (!provider_named(rules, name, REPLY_PUSH(&section->providers)))
            return reply_line_error(line, err, name, "the name of a provider");
    }
    return RC_OK;
}

static enum rc read_lists(struct reply_rules *rules, struct reply_line *line, struct err *err)
{
    struct reply_token token;
    enum rc rc = reply_token_next(line, &token, err);
    if (rc == RC_PARSE)
        return rc;
    bool ip = slice_eq_str(token.text, "ip");
    if (rc != RC_OK || token.negated || (!ip && !slice_eq_str(token.text, "domain")))
        return reply_line_error(line, err, token.text, "\"ip\" or \"domain\"");
    while ((rc = reply_token_next(line, &token, err)) == RC_OK) {
        struct reply_list list = { .name = token.text,
                                   .kind = ip ? REPLY_LIST_IP : REPLY_LIST_DOMAIN };
        if (token.negated || rules->lists.n == REPLY_LISTS_MAX ||
            reply_words_add(&rules->words, token.text, &list.word) != RC_OK)
            return reply_line_error(line, err, token.text, "the name of a DNS list");
        *REPLY_PUSH(&rules->lists) = list;
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc reply_sections_read(struct reply_rules *rules, struct slice text, struct err *err)
{
    struct reply_line line = { .file = "replies" };
    struct reply_token token;
    while (reply_line_next(&text, &line)) {
        enum rc rc = RC_OK;
        if (line.rest.p[0] == '[')
            rc = read_section(rules, &line, err);
        else if ((rc = reply_token_next(&line, &token, err)) == RC_OK)
            rc = slice_eq_str(token.text, "list") && !token.quoted
                     ? read_lists(rules, &line, err)
                     : read_rule(rules, &token, &line, err);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* ---- the whole ---- */

static struct slice keep(struct reply_rules *rules, struct slice text)
{
    return (struct slice){ arena_strndup(rules->arena, text.n ? text.p : "", text.n), text.n };
}

enum rc reply_rules_read(struct slice providers, struct slice text, struct reply_rules **rules_r,
                         struct err *err)
{
    if (providers.n > REPLY_RULES_BYTES || text.n > REPLY_RULES_BYTES)
        return err_set(err, RC_LIMIT, "rules of more than %d bytes", REPLY_RULES_BYTES);
    struct reply_rules *rules = mem_zero(sizeof *rules);
    rules->arena = arena_new(16384);
    rules->names = map_new();
    reply_words_init(&rules->words);
    enum rc rc = reply_providers_read(rules, keep(rules, providers), err);
    if (rc == RC_OK)
        rc = reply_sections_read(rules, keep(rules, text), err);
    if (rc != RC_OK) {
        reply_rules_free(&rules);
        return rc;
    }
    reply_words_close(&rules->words);
    reply_uses_sort(rules);
    reply_suffixes_sort(rules);
    *rules_r = rules;
    return RC_OK;
}

struct reply_rules *reply_rules_shipped(void)
{
    struct reply_rules *rules = NULL;
    enum rc rc = reply_rules_read(reply_data_providers, reply_data_replies, &rules, NULL);
    assert(rc == RC_OK);
    return rules;
}

static void section_free(struct reply_section *s)
{
    for (size_t i = 0; i < s->rules.n; i++) {
        free(s->rules.at[i].codes.at);
        free(s->rules.at[i].statuses.at);
        free(s->rules.at[i].groups.at);
    }
    free(s->rules.at);
    free(s->providers.at);
}

void reply_rules_free(struct reply_rules **rules_r)
{
    struct reply_rules *rules = *rules_r;
    *rules_r = NULL;
    if (!rules)
        return;
    for (size_t i = 0; i < rules->sections.n; i++)
        section_free(&rules->sections.at[i]);
    free(rules->sections.at);
    free(rules->lists.at);
    free(rules->uses.at);
    free(rules->marks.at);
    free(rules->suffixes.at);
    free(rules->providers.at);
    map_free(&rules->names, NULL);
    reply_words_free(&rules->words);
    arena_free(&rules->arena);
    free(rules);
}
