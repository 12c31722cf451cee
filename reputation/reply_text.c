/*
 * reputation/reply_text — the text as rules see it, and what is in it: addresses, DNS lists
 */
#include <stdio.h>
#include <string.h>

#include "reputation/reply_internal.h"

/* ---- the normal form ---- */

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

static struct slice next_word(struct slice *rest)
{
    size_t from = 0, to;
    while (from < rest->n && is_blank(rest->p[from]))
        from++;
    for (to = from; to < rest->n && !is_blank(rest->p[to]);)
        to++;
    struct slice word = { rest->p + from, to - from };
    *rest = slice_skip(*rest, to);
    return word;
}

/* Without "550-" in front, as lines of a joined reply have it; empty when it is a code alone. */
static struct slice strip_codes(struct slice word, struct slice code, struct slice status)
{
    while (word.n > code.n && word.p[code.n] == '-' && memcmp(word.p, code.p, code.n) == 0)
        word = slice_skip(word, code.n + 1);
    if (slice_eq(word, code) || (status.n && slice_eq(word, status)))
        word.n = 0;
    return word;
}

/* Latin Extended-A has its letters in pairs, the capital first. */
static bool is_extended_capital(unsigned char lead, unsigned char next)
{
    unsigned letter = (lead & 0x1fu) << 6 | (next & 0x3fu);
    bool even = (letter >= 0x100 && letter <= 0x136 && letter != 0x130) ||
                (letter >= 0x14a && letter <= 0x176);
    bool odd = (letter >= 0x139 && letter <= 0x147 && letter != 0x13f) ||
               (letter >= 0x179 && letter <= 0x17d);
    return (lead == 0xc4 || lead == 0xc5) && next >= 0x80 &&
           ((even && letter % 2 == 0) || (odd && letter % 2 == 1));
}

/* Letters of two bytes behind ASCII: Latin-1 (U+00C0 to U+00DE), Latin Extended-A and Cyrillic
 * (U+0410 to U+042F). */
static void lower_further(char *p, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        unsigned char lead = (unsigned char)p[i], next = (unsigned char)p[i + 1];
        if ((lead == 0xc3 && next >= 0x80 && next <= 0x9e && next != 0x97) ||
            (lead == 0xd0 && next >= 0x90 && next <= 0x9f)) {
            p[i + 1] = (char)(next + 0x20);
        } else if (lead == 0xd0 && next >= 0xa0 && next <= 0xaf) {
            p[i] = (char)0xd1;
            p[i + 1] = (char)(next - 0x20);
        } else if (is_extended_capital(lead, next)) {
            p[i + 1] = (char)(next + 1);
        }
    }
}

struct slice reply_normal(const struct reply_facts *facts, char text[REPLY_TEXT_MAX])
{
    char code_text[8], status_text[24] = "";
    const struct enhanced *e = &facts->status;
    struct slice rest = facts->text, code, status = { status_text, 0 };
    size_t n = 0;
    code = (struct slice){ code_text,
                           (size_t)snprintf(code_text, sizeof code_text, "%u", facts->code) };
    if (e->class_)
        status.n = (size_t)snprintf(status_text, sizeof status_text, "%u.%u.%u", e->class_,
                                    e->subject, e->detail);
    while (rest.n) {
        struct slice word = strip_codes(next_word(&rest), code, status);
        if (word.n == 0)
            continue;
        if (n && n + 1 + word.n > REPLY_TEXT_MAX)
            break;
        if (n)
            text[n++] = ' ';
        if (word.n > REPLY_TEXT_MAX)
            word.n = REPLY_TEXT_MAX;
        ascii_lower_copy(text + n, word.p, word.n);
        lower_further(text + n, word.n);
        n += word.n;
    }
    return (struct slice){ text, n };
}

struct slice reply_reason(const struct reply_facts *facts, char reason[REPLY_REASON_MAX])
{
    char text[REPLY_TEXT_MAX];
    struct slice normal = reply_normal(facts, text);
    if (normal.n > REPLY_REASON_MAX)
        normal.n = REPLY_REASON_MAX;
    memcpy(reason, text, normal.n);
    return (struct slice){ reason, normal.n };
}

/* ---- without names ---- */

/* A mail address, an address literal, or a host name; a URL is none of them. */
static bool is_name(struct slice word)
{
    bool letter = false, dot = false;
    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];
        if (c == '@')
            return true;
        if (c == '/' || c == '=')
            return false;
        letter = letter || (c >= 'a' && c <= 'z');
        dot = dot || ((c == '.' || c == ':') && i > 0 && i + 1 < word.n && word.p[i + 1] > ' ' &&
                      strchr(".:)]>", word.p[i + 1]) == NULL);
    }
    return dot && (letter || word.n > 3);
}

struct slice reply_bare(struct slice normal, char text[REPLY_TEXT_MAX])
{
    struct slice rest = normal, before = { NULL, 0 };
    size_t n = 0;
    while (rest.n && n < REPLY_TEXT_MAX) {
        struct slice word = next_word(&rest);
        bool object = slice_eq_str(before, "from"); /* "mail from 192.0.2.1 refused" */
        before = word;
        if (word.n == 0)
            continue;
        if (is_name(word) && !(object && !memchr(word.p, '@', word.n))) {
            if (n && strchr(".;", word.p[word.n - 1])) /* the sentence ends all the same */
                text[n++] = word.p[word.n - 1];
            continue;
        }
        if (n)
            text[n++] = ' ';
        if (word.n > REPLY_TEXT_MAX - n)
            word.n = REPLY_TEXT_MAX - n;
        memcpy(text + n, word.p, word.n);
        n += word.n;
    }
    return (struct slice){ text, n };
}

/* ---- addresses ---- */

enum { LITERAL_MAX = 45, NAME_MAX = 253 };

static bool in_literal(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

/* "42.113.0.203", as the name that is asked of a list has it. */
static void reverse_v4(struct addr *a)
{
    uint8_t b[4];
    memcpy(b, a->bytes, sizeof b);
    for (unsigned i = 0; i < sizeof b; i++)
        a->bytes[i] = b[3 - i];
}

static bool is_ours(const struct addr *found, const struct addr *source)
{
    struct addr turned = *found;
    if (!source || source->family == ADDR_NONE)
        return false;
    if (addr_same_host(found, source))
        return true;
    reverse_v4(&turned);
    return found->family == ADDR_V4 && addr_same_host(&turned, source);
}

/* A run of the characters of addresses; punctuation at its end is not part of it. */
static struct slice literal_at(struct slice text, size_t at)
{
    size_t end = at;
    while (end < text.n && in_literal(text.p[end]))
        end++;
    bool cut = end < text.n && is_letter(text.p[end]); /* the last label of a name */
    if (cut) {
        while (end > at && text.p[end - 1] != '.')
            end--;
    }
    while (end > at && (text.p[end - 1] == '.' || text.p[end - 1] == ':') &&
           !(end - at >= 2 && text.p[end - 1] == ':' && text.p[end - 2] == ':'))
        end--;
    return (struct slice){ text.p + at, end - at };
}

bool reply_literal(struct slice s, struct addr *addr_r)
{
    if (s.n > LITERAL_MAX || (!memchr(s.p, '.', s.n) && !memchr(s.p, ':', s.n)))
        return false;
    if (addr_parse(s, addr_r) != RC_OK)
        return false;
    if (addr_r->family == ADDR_V4) /* 127/8 is an answer of a list, 0/8 nobody */
        return addr_r->bytes[0] != 127 && addr_r->bytes[0] != 0;
    return !addr_is_any(addr_r) && !addr_is_loopback(addr_r);
}

static bool begins_literal(struct slice text, size_t at)
{
    if (!in_literal(text.p[at]) || text.p[at] == '.')
        return false;
    return at == 0 || (!in_literal(text.p[at - 1]) && !is_letter(text.p[at - 1]));
}

static void look_for_addresses(const struct addr *source, struct slice text,
                               struct reply_seen *seen)
{
    for (size_t at = 0; at < text.n; at++) {
        struct addr found;
        if (text.n - at > 5 && memcmp(text.p + at, "ipv6:", 5) == 0)
            at += 5;
        else if (!begins_literal(text, at))
            continue;
        struct slice literal = literal_at(text, at);
        if (literal.n < 2)
            continue;
        size_t end = at + literal.n;
        bool network = end < text.n && text.p[end] == '/' && end + 1 < text.n &&
                       text.p[end + 1] >= '0' && text.p[end + 1] <= '9';
        if (reply_literal(literal, &found)) {
            seen->facts |= REPLY_FACT_IP | (network ? REPLY_FACT_NETWORK : 0u);
            if (is_ours(&found, source))
                seen->facts |= REPLY_FACT_US;
        }
        at = end - 1;
    }
}

/* ---- DNS lists ---- */

static const char *const before_list[] = { "blocked using ",
                                           "blocked by ",
                                           "listed at ",
                                           "listed in ",
                                           "listed by ",
                                           "listed on ",
                                           "rejected using ",
                                           "blacklisted by ",
                                           "blacklisted at ",
                                           "found in ",
                                           "rejected by ",
                                           "dnsbl ",
                                           NULL };

static bool in_name(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/* A host name of two labels or more at the start of `s`, no address. */
static struct slice name_at(struct slice s)
{
    struct slice name = { s.p, 0 };
    struct addr a;
    bool dot = false;
    while (name.n < s.n && in_name(s.p[name.n]))
        name.n++;
    while (name.n && name.p[name.n - 1] == '.')
        name.n--;
    for (size_t i = 1; i + 1 < name.n; i++)
        dot = dot || name.p[i] == '.';
    if (!dot || name.n > NAME_MAX || (name.n < s.n && s.p[name.n] == '@') ||
        addr_parse(name, &a) == RC_OK)
        name.n = 0;
    return name;
}

/* The same name in the text as it came: the normal text does not outlive the call. */
static struct slice as_received(struct slice text, struct slice name)
{
    for (size_t at = 0; at + name.n <= text.n; at++) {
        struct slice here = { text.p + at, name.n };
        if (slice_ieq(here, name))
            return here;
    }
    return (struct slice){ text.p, 0 };
}

static void look_for_unknown_list(struct slice received, struct slice normal,
                                  struct reply_seen *seen)
{
    for (const char *const *before = before_list; *before; before++) {
        size_t n = strlen(*before);
        const char *p = normal.n ? memmem(normal.p, normal.n, *before, n) : NULL;
        if (!p)
            continue;
        struct slice name = name_at(slice_skip(normal, (size_t)(p - normal.p) + n));
        if (name.n == 0)
            continue;
        seen->zone = as_received(received, name);
        seen->facts |= REPLY_FACT_LIST;
        return;
    }
}

void reply_look(const struct reply_rules *rules, const struct reply_facts *facts,
                struct slice normal, const struct reply_found *found, struct reply_seen *seen_r)
{
    *seen_r = (struct reply_seen){ 0 };
    look_for_addresses(facts->source, normal, seen_r);
    seen_r->facts |= reply_names(facts, normal);
    if (memchr(normal.p, '@', normal.n))
        seen_r->facts |= REPLY_FACT_MAIL;
    seen_r->names_other =
        (seen_r->facts & (REPLY_FACT_IP | REPLY_FACT_US)) == REPLY_FACT_IP && facts->source;
    for (size_t i = 0; i < rules->lists.n; i++) {
        const struct reply_list *list = &rules->lists.at[i];
        if (!reply_has(found, list->word))
            continue;
        seen_r->zone = list->name;
        seen_r->facts |= REPLY_FACT_LIST | (list->kind == REPLY_LIST_IP ? REPLY_FACT_LIST_IP
                                                                        : REPLY_FACT_LIST_DOMAIN);
        return;
    }
    look_for_unknown_list(facts->text, normal, seen_r);
}
