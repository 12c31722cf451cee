/*
 * reputation/reply_conditions — when a rule holds, as the rules' text has it: see reply_rules.c
 */
#include "reputation/reply_internal.h"

bool reply_name_find(const char *const *names, struct slice name, unsigned *index_r)
{
    for (unsigned i = 0; names[i]; i++) {
        if (slice_eq_str(name, names[i])) {
            *index_r = i;
            return true;
        }
    }
    return false;
}

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
    if (!reply_name_find(reply_at_names, s, &at))
        return false;
    rule->at |= 1u << at;
    return true;
}

static bool set_scope(struct reply_rule *rule, struct slice s)
{
    unsigned scope;
    if (!reply_name_find(reply_scope_names, s, &scope))
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
    { "us", REPLY_FACT_US },
    { "ip", REPLY_FACT_IP },
    { "network", REPLY_FACT_NETWORK },
    { "list", REPLY_FACT_LIST },
    { "list=ip", REPLY_FACT_LIST_IP },
    { "list=domain", REPLY_FACT_LIST_DOMAIN },
    { "mail", REPLY_FACT_MAIL },
    { "names=ehlo", REPLY_FACT_EHLO },
    { "names=sender", REPLY_FACT_SENDER },
    { "names=recipient", REPLY_FACT_RECIPIENT },
};

enum rc reply_too_many(const struct reply_line *line, struct err *err, int most, const char *what)
{
    return err_set(err, RC_LIMIT, "%s:%u: more than %d %s", line->file, line->number, most, what);
}

static enum rc read_words(struct reply_rules *rules, uint16_t group, const struct reply_line *line,
                          const struct reply_token *token, struct err *err)
{
    struct slice word, rest = token->text;
    for (bool more = true; more;) {
        struct reply_use use = { .group = group };
        more = slice_cut(rest, '|', &word, &rest);
        enum rc rc = reply_words_add(&rules->words, word, &use.word);
        if (rc == RC_LIMIT || rules->uses.n == REPLY_USES_MAX)
            return reply_too_many(line, err, REPLY_WORDS_MAX, "different words");
        if (rc != RC_OK)
            return reply_line_error(line, err, word, "words of 2 to 80 bytes in lower case");
        *REPLY_PUSH(&rules->uses) = use;
    }
    return RC_OK;
}

/* Words in quotes are a group of their own; @NAME is one read before. */
static enum rc read_group(struct reply_rules *rules, struct reply_rule *rule,
                          const struct reply_line *line, const struct reply_token *token,
                          struct err *err)
{
    struct reply_group group = { .negated = token->negated,
                                 .where = token->where,
                                 .id = (uint16_t)rules->group_count };
    if (token->quoted) {
        if (rules->group_count++ == REPLY_GROUPS_MAX)
            return reply_too_many(line, err, REPLY_GROUPS_MAX, "groups of words");
        *REPLY_PUSH(&rule->groups) = group;
        return read_words(rules, group.id, line, token, err);
    }
    size_t named = (size_t)(uintptr_t)map_get(rules->named, slice_skip(token->text, 1));
    if (!named)
        return reply_line_error(line, err, token->text, "a name given to words above");
    group.id = (uint16_t)(named - 1);
    *REPLY_PUSH(&rule->groups) = group;
    return RC_OK;
}

enum rc reply_named_read(struct reply_rules *rules, struct reply_line *line, struct err *err)
{
    struct reply_token name, words;
    enum rc rc = reply_token_next(line, &name, err);
    if (rc == RC_PARSE)
        return rc;
    if (rc != RC_OK || name.quoted || name.negated)
        return reply_line_error(line, err, name.text, "a name for the words");
    rc = reply_token_next(line, &words, err);
    if (rc == RC_PARSE)
        return rc;
    if (rc != RC_OK || !words.quoted || words.negated || slice_trim(line->rest).n)
        return reply_line_error(line, err, words.text, "words in one pair of quotes");
    size_t known = (size_t)(uintptr_t)map_get(rules->named, name.text);
    if (!known) {
        if (rules->group_count == REPLY_GROUPS_MAX)
            return reply_too_many(line, err, REPLY_GROUPS_MAX, "groups of words");
        known = ++rules->group_count;
        map_put(rules->named, name.text, (void *)(uintptr_t)known);
    }
    return read_words(rules, (uint16_t)(known - 1), line, &words, err);
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

enum rc reply_condition_read(struct reply_rules *rules, struct reply_rule *rule,
                             const struct reply_line *line, const struct reply_token *token,
                             struct err *err)
{
    struct slice name, value, one;
    if (token->quoted || slice_starts_with(token->text, "@"))
        return read_group(rules, rule, line, token, err);
    if (token->where != REPLY_ANYWHERE)
        return reply_line_error(line, err, token->text, "words behind \"^\" or \"&\"");
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
                            "a condition: code= status= at= us ip network mail list "
                            "names= @words \"words\"");
}
