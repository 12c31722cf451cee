/*
 * reputation/reply_rules — the rules' text, read strictly
 *
 *   Lines of data/replies.rules:
 *
 *     list ip|domain NAME ...   DNS lists, by names that stand in texts; the first of them counts
 *     words NAME "this|that"    words many rules ask for; a second line of that name adds to them
 *     [PROVIDER ...]  or  [*]   whose replies the rules below are asked about
 *     [* sure]                  of all receivers, and as sure as those of a provider
 *     [* little]                of all receivers, but with little to go by
 *     [otherwise]               asked when none before matched: what only the code tells
 *     NAME CLASS CONDITION ...  a rule; the first that matches wins, in the order of the file
 *
 *     [weighed]                 asked about every reply: of all lines that match the weights are
 *                               added up, with a vote of the rule that matched; see reply_weigh.c
 *     CONDITION ... CLASS=+N    a weighed line, for one class or more
 *
 *   Conditions, all of which must hold; `!` in front of words or a fact turns it round:
 *
 *     code=4xx,550       the reply's code          at=rcpt,final   the step it answers
 *     status=x.7.1,5.7.606-649,x.4.*   the enhanced code
 *     us ip network      our address, an address, a network of addresses in the text
 *     mail               a mail address in the text
 *     list list=ip list=domain   a DNS list in the text
 *     "this|that words"  one of these in the text, as whole words; a star at an end opens it
 *     @NAME              one of the words of that name
 *     ^"words" ^@NAME    in the first clause of the text
 *     &"words" &@NAME    in one clause, the same one for all that have it
 *     scope=SCOPE        not a condition: whom it is about, when its class does not say
 *     ends               not a condition: over in a while though the code says for good
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reputation/reply_data.h"
#include "reputation/reply_internal.h"

enum { WEIGHT_MAX = 999 };

/* Sections of all receivers, and what a rule of theirs weighs for its class: tenths of a natural
 * logarithm of the odds, by how often such rules were right about replies they were not written
 * for. */
enum { VOTE_SURE = 90 };
static const struct {
    const char *name;
    int16_t vote;
} general[] = {
    { "* sure", VOTE_SURE }, { "*", 15 }, { "* little", 5 }, { "otherwise", 3 }, { "weighed", 0 },
};

/* ---- lines ---- */

/* "ip-blocked=+12"; false: something else. */
static bool read_weight(struct reply_rule *rule, const struct reply_token *token)
{
    struct slice name, value;
    unsigned class;
    uint64_t weight;
    if (token->quoted || token->negated || !slice_cut(token->text, '=', &name, &value) ||
        !reply_name_find(reply_class_names, name, &class) || value.n == 0 ||
        !strchr("+-", value.p[0]) || !slice_to_u64(slice_skip(value, 1), WEIGHT_MAX, &weight))
        return false;
    rule->weights[class] = (int16_t)(value.p[0] == '-' ? -(int)weight : (int)weight);
    return true;
}

/* Its name is its conditions as written. */
static enum rc read_weighed(struct reply_rules *rules, struct slice whole, struct reply_line *line,
                            struct err *err)
{
    struct reply_token token;
    enum rc rc;
    size_t conditions = 0;
    bool weighs = false;
    if (rules->rule_count++ == REPLY_RULES_MAX)
        return reply_too_many(line, err, REPLY_RULES_MAX, "rules");
    struct reply_rule *rule = REPLY_PUSH(&rules->sections.at[rules->sections.n - 1].rules);
    *rule = (struct reply_rule){ .name = "" };
    while ((rc = reply_token_next(line, &token, err)) == RC_OK) {
        if (read_weight(rule, &token)) {
            weighs = true;
            continue;
        }
        rc = reply_condition_read(rules, rule, line, &token, err);
        if (rc != RC_OK)
            return rc;
        conditions = whole.n - line->rest.n;
    }
    if (rc == RC_NOT_FOUND && (!weighs || !conditions || rule->ends || rule->scope))
        return reply_line_error(line, err, whole, "conditions and weights, nothing else");
    struct slice name = slice_trim((struct slice){ whole.p, conditions });
    rule->name = arena_strndup(rules->arena, name.p, name.n);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

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
        return reply_too_many(line, err, REPLY_RULES_MAX, "rules");
    struct reply_rule *rule = REPLY_PUSH(&rules->sections.at[rules->sections.n - 1].rules);
    *rule = (struct reply_rule){ .name = arena_strndup(rules->arena, name->text.p, name->text.n),
                                 .vote = rules->sections.at[rules->sections.n - 1].vote };
    map_put(rules->names, name->text, rules);
    enum rc rc = reply_token_next(line, &token, err);
    if (rc == RC_PARSE)
        return rc;
    if (rc != RC_OK || token.quoted || token.negated ||
        !reply_name_find(reply_class_names, token.text, &class))
        return reply_line_error(line, err, token.text, "the class of such a reply");
    rule->class = (enum reply_class) class;
    while ((rc = reply_token_next(line, &token, err)) == RC_OK) {
        rc = reply_condition_read(rules, rule, line, &token, err);
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
    section->last = slice_eq_str(rest, "otherwise");
    section->weighed = slice_eq_str(rest, "weighed");
    section->vote = VOTE_SURE;
    for (size_t i = 0; i < sizeof general / sizeof general[0] && !section->all; i++) {
        section->all = slice_eq_str(rest, general[i].name);
        section->vote = section->all ? general[i].vote : VOTE_SURE;
    }
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

/* What is not a section: a list, words with a name, or a rule. */
static enum rc read_other(struct reply_rules *rules, const struct reply_token *first,
                          struct reply_line *line, struct err *err)
{
    if (!first->quoted && slice_eq_str(first->text, "list"))
        return read_lists(rules, line, err);
    if (!first->quoted && slice_eq_str(first->text, "words"))
        return reply_named_read(rules, line, err);
    return read_rule(rules, first, line, err);
}

enum rc reply_sections_read(struct reply_rules *rules, struct slice text, struct err *err)
{
    struct reply_line line = { .file = "replies" };
    struct reply_token token;
    while (reply_line_next(&text, &line)) {
        enum rc rc = RC_OK;
        if (line.rest.p[0] == '[')
            rc = read_section(rules, &line, err);
        else if (rules->sections.n && rules->sections.at[rules->sections.n - 1].weighed)
            rc = read_weighed(rules, line.rest, &line, err);
        else if ((rc = reply_token_next(&line, &token, err)) == RC_OK)
            rc = read_other(rules, &token, &line, err);
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
    rules->named = map_new();
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
    reply_weighed_sort(rules);
    reply_suffixes_sort(rules);
    *rules_r = rules;
    return RC_OK;
}

struct reply_rules *reply_rules_shipped(void)
{
    struct reply_rules *rules = NULL;
    const struct slice parts[] = { reply_data_replies, reply_data_senses, reply_data_weights };
    char *text = mem_zero(reply_data_replies.n + reply_data_senses.n + reply_data_weights.n);
    size_t n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        memcpy(text + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    enum rc rc = reply_rules_read(reply_data_providers, (struct slice){ text, n }, &rules, NULL);
    free(text);
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
    free(rules->weighed.at);
    free(rules->marks.at);
    free(rules->suffixes.at);
    free(rules->providers.at);
    map_free(&rules->names, NULL);
    map_free(&rules->named, NULL);
    reply_words_free(&rules->words);
    arena_free(&rules->arena);
    free(rules);
}
