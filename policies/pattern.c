#include "policies/pattern.h"

#include <string.h>

#include "gateway/base/units.h"

static bool equal_folded(const char *lower, const char *subject, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lower[i] != subject[i] && lower[i] != (char)ascii_lower((unsigned char)subject[i]))
            return false;
    return true;
}

static bool has_star(struct slice s)
{
    return s.n > 0 && memchr(s.p, '*', s.n) != NULL;
}

void pattern_compile(struct arena *arena, struct slice text, struct pattern *pattern_r)
{
    if (slice_eq_str(text, "<>"))
        text.n = 0; /* the null sender, as an address is written */
    char *lower = arena_strndup(arena, text.n ? text.p : "", text.n);
    ascii_lower_copy(lower, lower, text.n);
    struct slice s = { lower, text.n };
    struct slice first_cut = { s.p + 1, s.n ? s.n - 1 : 0 }, last_cut = { s.p, first_cut.n };
    if (!has_star(s))
        *pattern_r = (struct pattern){ PATTERN_EXACT, s };
    else if (s.n == 1)
        *pattern_r = (struct pattern){ PATTERN_ANY, s };
    else if (s.p[0] == '*' && !has_star(first_cut))
        *pattern_r = (struct pattern){ PATTERN_SUFFIX, first_cut };
    else if (s.p[s.n - 1] == '*' && !has_star(last_cut))
        *pattern_r = (struct pattern){ PATTERN_PREFIX, last_cut };
    else
        *pattern_r = (struct pattern){ PATTERN_GLOB, s };
}

/* Steps back only to the last star: at most pattern x subject steps, no recursion. */
static bool glob_match(struct slice pattern, struct slice subject)
{
    size_t p = 0, s = 0, star = SIZE_MAX, star_s = 0;
    while (s < subject.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = ++p; /* what follows the star is tried from here on */
            star_s = s;
        } else if (p < pattern.n && equal_folded(pattern.p + p, subject.p + s, 1)) {
            p++;
            s++;
        } else if (star != SIZE_MAX) {
            p = star;
            s = ++star_s;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool pattern_match(const struct pattern *p, struct slice subject)
{
    size_t n = p->text.n;
    switch (p->kind) {
    case PATTERN_ANY:
        return true;
    case PATTERN_EXACT:
        return subject.n == n && equal_folded(p->text.p, subject.p, n);
    case PATTERN_SUFFIX:
        return subject.n >= n && equal_folded(p->text.p, subject.p + subject.n - n, n);
    case PATTERN_PREFIX:
        return subject.n >= n && equal_folded(p->text.p, subject.p, n);
    case PATTERN_GLOB:
        return glob_match(p->text, subject);
    }
    return false;
}

bool pattern_match_any(const struct pattern *p, size_t n, struct slice subject)
{
    for (size_t i = 0; i < n; i++)
        if (pattern_match(&p[i], subject))
            return true;
    return false;
}

static enum rc parse_span(struct slice text, struct size_range *range_r)
{
    const char *dots = text.n ? memmem(text.p, text.n, "..", 2) : NULL;
    struct slice low = text, high = text;
    if (dots) {
        low.n = (size_t)(dots - text.p);
        high = (struct slice){ dots + 2, text.n - low.n - 2 };
    }
    if (units_size(low, &range_r->min) != RC_OK || units_size(high, &range_r->max) != RC_OK ||
        range_r->min > range_r->max)
        return RC_PARSE;
    return RC_OK;
}

enum rc size_range_parse(struct slice text, struct size_range *range_r)
{
    text = slice_trim(text);
    if (text.n == 0 || (text.p[0] != '<' && text.p[0] != '>'))
        return parse_span(text, range_r);
    bool above = text.p[0] == '>', equal = text.n > 1 && text.p[1] == '=';
    size_t skip = equal ? 2 : 1;
    uint64_t bound;
    if (units_size(slice_trim((struct slice){ text.p + skip, text.n - skip }), &bound) != RC_OK ||
        (!above && !equal && bound == 0))
        return RC_PARSE;
    if (above)
        *range_r = (struct size_range){ equal ? bound : bound + 1, UINT64_MAX };
    else
        *range_r = (struct size_range){ 0, equal ? bound : bound - 1 };
    return RC_OK;
}
