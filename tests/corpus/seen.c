/*
 * tests/corpus/seen — replies as the rules see them: what weigh.py learns from
 *
 *   Standard input: a reply a line, "code TAB enhanced TAB text"; "-": no enhanced code.
 *   Standard output, for each: the text without asides, the same without names, facts as a number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reputation/reply_internal.h"

enum { LINE_MAX_BYTES = 16384 };

static void tell(const struct reply_rules *rules, const struct reply_facts *facts)
{
    char reason[REPLY_REASON_MAX], kept[REPLY_REASON_MAX], bare[REPLY_TEXT_MAX];
    struct reply_found found;
    struct reply_seen seen;
    struct slice normal = reply_reason(facts, reason), said = reply_said(normal, kept);
    if (said.n == 0)
        said = normal;
    reply_words_find(&rules->words, said, &found);
    reply_look(rules, facts, said, &found, &seen);
    struct slice without = reply_bare(said, bare);
    printf("%.*s\t%.*s\t%u\n", SLICE_FMT(said), SLICE_FMT(without), seen.facts);
}

int main(void)
{
    static char line[LINE_MAX_BYTES];
    struct reply_rules *rules = reply_rules_shipped();
    struct addr us;
    if (addr_parse(slice_of("203.0.113.42"), &us) != RC_OK)
        return EXIT_FAILURE;
    while (fgets(line, sizeof line, stdin)) {
        struct slice code, status, rest = slice_of(line);
        uint64_t value;
        struct reply_facts f = { .source = &us,
                                 .ehlo = SLICE_LIT("mail.example.com"),
                                 .sender = SLICE_LIT("user@example.com"),
                                 .recipient = SLICE_LIT("user@example.net") };
        rest.n -= slice_ends_with(rest, "\n");
        if (!slice_cut(rest, '\t', &code, &rest) || !slice_cut(rest, '\t', &status, &f.text) ||
            !slice_to_u64(code, 599, &value))
            return EXIT_FAILURE;
        f.code = (uint16_t)value;
        if (!slice_eq_str(status, "-") && !enhanced_parse(status, &f.status, NULL))
            return EXIT_FAILURE;
        tell(rules, &f);
    }
    reply_rules_free(&rules);
    return EXIT_SUCCESS;
}
