/*
 * policies/names — lists of patterns; patterns of addresses and domains in the user's own letters
 *
 *   Mail carries a domain as A-labels or, under SMTPUTF8, in letters. A pattern with letters in
 *   its domain is compiled twice, so that it matches both. What stands before the '@' is never
 *   converted.
 */
#include <string.h>

#include "gateway/base/utf8.h"
#include "gateway/mail/domain.h"
#include "policies/compiled.h"

struct patterns patterns_compile(struct arena *arena, const struct conf_texts *texts)
{
    struct patterns p = { arena_alloc(arena, (texts->n + 1) * sizeof(struct pattern)), texts->n };
    for (size_t i = 0; i < texts->n; i++)
        pattern_compile(arena, texts->at[i].text, &p.at[i]);
    return p;
}

/* Where the domain begins that can be converted: behind the last '@', '*' and a dot after that. */
static size_t domain_start(struct slice s)
{
    const char *at = memrchr(s.p, '@', s.n), *star = memrchr(s.p, '*', s.n);
    const char *last = !at || (star && star > at) ? star : at;
    size_t start = last ? (size_t)(last - s.p) + 1 : 0;
    return start + (start < s.n && s.p[start] == '.');
}

/* A label cut by a star has no A-label: only whole labels can be converted. */
static bool letters_in_cut_label(struct slice s, size_t start)
{
    const char *at = memrchr(s.p, '@', start);
    size_t from = at ? (size_t)(at - s.p) : 0;
    return !utf8_is_ascii((struct slice){ s.p + from, start - from });
}

static void add_ascii(struct arena *arena, const struct conf_text *text, struct patterns *p,
                      struct conf_errors *errors)
{
    struct slice s = text->text;
    struct domain domain;
    size_t start = domain_start(s);
    struct slice tail = { s.p + start, s.n - start };
    bool address = memchr(s.p, '@', s.n) != NULL;
    bool cut = (address || start > 0) && letters_in_cut_label(s, start);
    if (utf8_is_ascii(tail) && !cut)
        return;
    if (cut || domain_to_ascii(tail, &domain) != RC_OK) {
        conf_error(errors, text->pos, "found \"%s\", expected a domain that IDNA allows", s.p);
        return;
    }
    const char *whole = arena_printf(arena, "%.*s%s", (int)start, s.p, domain.text);
    pattern_compile(arena, slice_of(whole), &p->at[p->n++]);
}

struct patterns names_compile(struct arena *arena, const struct conf_texts *texts,
                              struct conf_errors *errors)
{
    struct patterns p = { arena_alloc(arena, (2 * texts->n + 1) * sizeof(struct pattern)), 0 };
    for (size_t i = 0; i < texts->n; i++) {
        const struct conf_text *text = &texts->at[i];
        pattern_compile(arena, text->text, &p.at[p.n++]);
        if (!utf8_is_ascii(text->text))
            add_ascii(arena, text, &p, errors);
    }
    return p;
}
