/*
 * reputation/reply_provider — whose an MX host is
 *
 *   Lines of data/providers.rules:
 *
 *     suffix  co.uk com.cn ...              public suffixes of two labels
 *     NAME    SUFFIX ... "WORDS|WORDS" ...  host names end so; a text with these words is theirs
 */
#include <stdlib.h>
#include <string.h>

#include "reputation/reply_internal.h"

enum { HOST_MAX = 253 };

static int compare(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_text(const void *a, const void *b)
{
    return compare(((const struct reply_suffix *)a)->text, ((const struct reply_suffix *)b)->text);
}

void reply_suffixes_sort(struct reply_rules *rules)
{
    if (rules->suffixes.n)
        qsort(rules->suffixes.at, rules->suffixes.n, sizeof *rules->suffixes.at, by_text);
}

static const struct reply_suffix *suffix_find(const struct reply_rules *rules, struct slice name)
{
    struct reply_suffix key = { .text = name };
    return rules->suffixes.n ? bsearch(&key, rules->suffixes.at, rules->suffixes.n,
                                       sizeof *rules->suffixes.at, by_text)
                             : NULL;
}

static struct slice without_dot(struct slice host)
{
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    return host;
}

/* What follows the first dot; false: there is none. */
static bool parent(struct slice *name)
{
    struct slice label;
    return slice_cut(*name, '.', &label, name);
}

uint16_t reply_provider_find(const struct reply_rules *rules, struct slice mx)
{
    char lower[HOST_MAX];
    struct slice name = without_dot(mx);
    if (name.n == 0 || name.n > HOST_MAX)
        return REPLY_NO_PROVIDER;
    ascii_lower_copy(lower, name.p, name.n);
    name.p = lower;
    do {
        const struct reply_suffix *suffix = suffix_find(rules, name);
        if (suffix && suffix->provider != REPLY_NO_PROVIDER)
            return suffix->provider;
    } while (parent(&name));
    return REPLY_NO_PROVIDER;
}

/* The last `labels` labels of a name, or all of it. */
static struct slice last_labels(struct slice name, unsigned labels)
{
    for (size_t i = name.n; i > 0; i--) {
        if (name.p[i - 1] == '.' && --labels == 0)
            return slice_skip(name, i);
    }
    return name;
}

static struct slice organisation(const struct reply_rules *rules, struct slice host)
{
    char lower[REPLY_PROVIDER_MAX];
    struct addr a;
    struct slice two = last_labels(host, 2);
    if (addr_parse(host, &a) == RC_OK || two.n > sizeof lower)
        return host;
    ascii_lower_copy(lower, two.p, two.n);
    bool is_public = suffix_find(rules, (struct slice){ lower, two.n }) != NULL;
    return is_public ? last_labels(host, 3) : two;
}

struct slice reply_provider(const struct reply_rules *rules, struct slice mx)
{
    struct slice host = without_dot(mx);
    uint16_t provider = reply_provider_find(rules, host);
    if (provider != REPLY_NO_PROVIDER)
        return rules->providers.at[provider];
    if (host.n > HOST_MAX)
        host = slice_skip(host, host.n - HOST_MAX);
    return host.n ? organisation(rules, host) : (struct slice){ NULL, 0 };
}

/* ---- reading ---- */

static enum rc add_suffix(struct reply_rules *rules, const struct reply_line *line,
                          struct slice text, uint16_t provider, struct err *err)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            return reply_line_error(line, err, text, "the end of a host name, in lower case");
    }
    for (size_t i = 0; i < rules->suffixes.n; i++) {
        if (slice_eq(rules->suffixes.at[i].text, text))
            return reply_line_error(line, err, text, "a suffix that is not there yet");
    }
    if (rules->suffixes.n == REPLY_SUFFIXES_MAX)
        return err_set(err, RC_LIMIT, "%s:%u: more than %d suffixes", line->file, line->number,
                       REPLY_SUFFIXES_MAX);
    *REPLY_PUSH(&rules->suffixes) = (struct reply_suffix){ text, provider };
    return RC_OK;
}

static enum rc add_marks(struct reply_rules *rules, const struct reply_line *line,
                         struct slice words, uint16_t provider, struct err *err)
{
    for (bool more = true; more;) {
        struct slice word;
        struct reply_mark mark = { .provider = provider };
        more = slice_cut(words, '|', &word, &words);
        if (provider == REPLY_NO_PROVIDER ||
            reply_words_add(&rules->words, word, &mark.word) != RC_OK)
            return reply_line_error(line, err, word, "words of a provider, in lower case");
        *REPLY_PUSH(&rules->marks) = mark;
    }
    return RC_OK;
}

static enum rc add_provider(struct reply_rules *rules, const struct reply_line *line,
                            const struct reply_token *name, uint16_t *provider_r, struct err *err)
{
    if (name->quoted || name->negated)
        return reply_line_error(line, err, name->text, "the name of a provider");
    *provider_r = REPLY_NO_PROVIDER;
    if (slice_eq_str(name->text, "suffix"))
        return RC_OK;
    for (size_t i = 0; i < rules->providers.n; i++) {
        if (slice_eq(rules->providers.at[i], name->text))
            return reply_line_error(line, err, name->text, "a provider that is not there yet");
    }
    if (rules->providers.n == REPLY_PROVIDERS_MAX)
        return err_set(err, RC_LIMIT, "%s:%u: more than %d providers", line->file, line->number,
                       REPLY_PROVIDERS_MAX);
    *provider_r = (uint16_t)rules->providers.n;
    *REPLY_PUSH(&rules->providers) = name->text;
    return RC_OK;
}

enum rc reply_providers_read(struct reply_rules *rules, struct slice text, struct err *err)
{
    struct reply_line line = { .file = "providers" };
    struct reply_token token;
    while (reply_line_next(&text, &line)) {
        uint16_t provider = REPLY_NO_PROVIDER;
        enum rc rc = reply_token_next(&line, &token, err);
        if (rc == RC_OK)
            rc = add_provider(rules, &line, &token, &provider, err);
        while (rc == RC_OK && (rc = reply_token_next(&line, &token, err)) == RC_OK) {
            if (token.negated)
                return reply_line_error(&line, err, token.text, "no \"!\" here");
            rc = token.quoted ? add_marks(rules, &line, token.text, provider, err)
                              : add_suffix(rules, &line, token.text, provider, err);
        }
        if (rc != RC_NOT_FOUND)
            return rc;
    }
    return RC_OK;
}
