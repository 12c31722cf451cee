/*
 * reputation/reply_aside — the text without addresses that stand beside it
 *
 *   Many servers put the client's address around every refusal: "[192.0.2.1] No such user",
 *   "Message blocked (client 192.0.2.1)", "User unknown, IP: 192.0.2.1". What is refused is in
 *   the rest. "Refused connection from [192.0.2.1]" and "[192.0.2.1] is listed" need theirs: a
 *   word before it leads to it, or a verb follows.
 */
#include <string.h>

#include "reputation/reply_internal.h"

enum { LABELS_MAX = 3 };

/* What an address may be called beside the text, alone or in brackets. */
static const char *const labels[] = { "ip",    "ip:",     "client",  "client:", "from",
                                      "host",  "host:",   "address", "addr",    "address:",
                                      "addr:", "your",    "remote",  "source",  "peer",
                                      "peer:", "client=", "ip=",     "ipv6:",   NULL };

/* These lead to an address: it is what the text speaks of. */
static const char *const leading[] = { "from",  "for",     "by",     "of",     "is",     "to",
                                       "at",    "on",      "in",     "ip",     "ips",    "ip's",
                                       "using", "your",    "the",    "this",   "that",   "with",
                                       "and",   "or",      "client", "sender", "remote", "source",
                                       "peer",  "because", NULL };

/* So do these, but one that has a label of its own needs none of them: "closing the connection, IP:
 * 192.0.2.1" says the same without the comma. */
static const char *const things[] = { "host",       "hosts",  "address",    "addresses",
                                      "addr",       "server", "mta",        "relay",
                                      "network",    "range",  "system",     "machine",
                                      "mailserver", "smtp",   "connection", "connections",
                                      NULL };

/* Before such a thing: it is ours after all. */
static const char *const ours[] = { "your",   "from",   "sending", "connecting", "client",
                                    "remote", "source", "sender",  NULL };

/* Behind an address that opens the text: it is what they say something of. */
static const char *const verbs[] = {
    "is",      "was",      "has",     "have",      "had",         "will",        "does",
    "did",     "do",       "can",     "cannot",    "can't",       "may",         "must",
    "not",     "blocked",  "listed",  "found",     "black",       "blacklisted", "banned",
    "denied",  "rejected", "refused", "exceeded",  "sent",        "sends",       "appears",
    "looks",   "seems",    "on",      "in",        "no",          "too",         "temporarily",
    "doesn't", "isn't",    "locally", "currently", "permanently", NULL
};

static bool is_one_of(struct slice word, const char *const *words)
{
    for (; *words; words++)
        if (slice_eq_str(word, *words))
            return true;
    return false;
}

static struct slice word_at(struct slice text, size_t at)
{
    struct slice word, rest, from = slice_skip(text, at < text.n ? at : text.n);
    slice_cut(from, ' ', &word, &rest);
    return word;
}

/* Without brackets and punctuation around it. */
static struct slice bare_word(struct slice word)
{
    while (word.n && strchr("[(<\"", word.p[0]))
        word = slice_skip(word, 1);
    if (word.n > 1 && word.p[word.n - 1] == ':' && strchr("])>", word.p[word.n - 2]))
        word.n--;
    while (word.n && strchr("])>\".,;", word.p[word.n - 1]))
        word.n--;
    return word;
}

static bool is_label(struct slice word)
{
    return is_one_of(word, labels);
}

/* "192.0.2.1", "ip=192.0.2.1", "client:192.0.2.1"; a colon may follow. */
static bool is_address(struct slice word)
{
    struct addr a;
    for (const char *const *label = labels; *label; label++) {
        size_t n = strlen(*label);
        if (strchr("=:", (*label)[n - 1]) && slice_starts_with(word, *label)) {
            word = bare_word(slice_skip(word, n));
            break;
        }
    }
    if (reply_literal(word, &a))
        return true;
    return slice_ends_with(word, ":") && reply_literal((struct slice){ word.p, word.n - 1 }, &a);
}

static bool is_number(struct slice word)
{
    uint64_t value;
    return slice_to_u64(word, UINT32_MAX, &value);
}

/* An address at `at`: where its words end and whether it is in brackets; false: none. */
struct mention {
    size_t end;
    bool enclosed, labelled, ended; /* ended: punctuation follows */
    bool named;                     /* a word says what it is; labelled: with a sign behind it */
};

static bool mention_at(struct slice text, size_t at, struct mention *m_r)
{
    struct slice word = word_at(text, at);
    *m_r = (struct mention){ .enclosed = word.n && strchr("[(<", word.p[0]) };
    for (unsigned i = 0; i < LABELS_MAX && is_label(bare_word(word)); i++) {
        struct slice label = bare_word(word);
        m_r->labelled = m_r->labelled || strchr(":=", label.p[label.n - 1]);
        m_r->named = true;
        at += word.n + 1;
        word = word_at(text, at);
    }
    if (word.n == 0 || !is_address(bare_word(word)))
        return false;
    m_r->labelled = m_r->labelled || !strchr("0123456789[(<", word.p[0]);
    m_r->end = at + word.n;
    struct slice next = word_at(text, m_r->end + 1);
    if (m_r->enclosed && !memchr(word.p, ']', word.n) && is_number(bare_word(next))) {
        word = next; /* "[192.0.2.1 19]" */
        m_r->end += 1 + next.n;
    }
    m_r->ended = strchr(".,;:", word.p[word.n - 1]);
    return true;
}

/* "mx.example.net [192.0.2.1] ...": a host's name in front belongs to it. */
static bool opens(size_t at, struct slice before)
{
    return at == 0 || (at == before.n + 1 && memchr(before.p, '.', before.n) &&
                       !memchr(before.p, '@', before.n) && !strchr(".,:;", before.p[before.n - 1]));
}

/* The two words before an address: "connection from" leads to it, "on this host" does not. */
struct words_before {
    struct slice last, but_one;
};

static bool lead(const struct words_before *before, const struct mention *m)
{
    struct slice last = before->last, but_one = before->but_one;
    if (strchr(":(", last.p[last.n - 1]))
        return true;
    if (slice_eq_str(but_one, "this") || slice_eq_str(but_one, "our"))
        return false;
    if (!is_one_of(last, things))
        return is_one_of(last, leading);
    return !m->named ||
           (!m->enclosed && (slice_ends_with(but_one, ":") || is_one_of(but_one, ours)));
}

static bool stands_beside(struct slice text, size_t at, const struct words_before *before,
                          const struct mention *m)
{
    struct slice next = word_at(text, m->end + 1);
    bool last = m->end >= text.n;
    if (opens(at, before->last) && !last)
        return m->ended || (m->enclosed && !is_one_of(bare_word(next), verbs));
    if (!m->enclosed && !m->labelled)
        return false;
    if (before->last.n == 0 || lead(before, m))
        return false;
    return last || m->ended || slice_starts_with(next, "http") || slice_eq_str(next, "see") ||
           slice_eq_str(next, "-");
}

/* A URL up to the address in it. */
static struct slice without_query(struct slice word)
{
    struct addr a;
    const char *scheme = memmem(word.p, word.n, "://", 3);
    for (size_t i = scheme ? (size_t)(scheme - word.p) + 3 : word.n; i < word.n; i++) {
        size_t end = i + 1;
        if (!strchr("=?/&", word.p[i]))
            continue;
        while (end < word.n && !strchr("&/)>];", word.p[end]))
            end++;
        if (reply_literal(bare_word((struct slice){ word.p + i + 1, end - i - 1 }), &a))
            return (struct slice){ word.p, i };
    }
    return word;
}

/* ---- a sentence that only tells who we are ---- */

/* Of an address, these say no more than whose it is: "This message came from your IP 192.0.2.1". */
static const char *const telling[] = {
    "a",       "an",    "the",      "this",       "that",     "your",   "our",        "you",
    "we",      "is",    "are",      "was",        "were",     "has",    "have",       "been",
    "it",      "its",   "of",       "by",         "at",       "to",     "for",        "via",
    "and",     "us",    "message",  "mail",       "email",    "e-mail", "came",       "coming",
    "sent",    "got",   "seen",     "originated", "origin",   "server", "mailserver", "ips",
    "sending", "saw",   "smtp",     "connection", "network",  "system", "connected",  "connecting",
    "machine", "relay", "client's", "received",   "sender's", "name",   "helo",       NULL
};

static bool is_telling(struct slice word)
{
    struct slice bare = bare_word(word);
    if (slice_ends_with(bare, ":"))
        bare.n--;
    return bare.n == 0 || is_label(bare) || is_one_of(bare, telling) ||
           (memchr(bare.p, '.', bare.n) && !memchr(bare.p, '/', bare.n) &&
            !memchr(bare.p, '@', bare.n));
}

/* A sentence behind another one that only tells which address we have: where it ends. */
static bool tells_at(struct slice text, size_t at, size_t *end_r)
{
    bool ended = at < 2 || !strchr(".;", text.p[at - 2]), names = false;
    while (at < text.n && !ended) {
        struct slice word = word_at(text, at);
        if (!is_telling(word))
            return false;
        names = names || is_address(bare_word(word));
        ended = word.n && strchr(".;", word.p[word.n - 1]);
        at += word.n + 1;
    }
    *end_r = at;
    return names;
}

/* ---- the text without both ---- */

struct slice reply_said(struct slice normal, char *text)
{
    struct words_before before = { { NULL, 0 }, { NULL, 0 } };
    size_t n = 0;
    for (size_t at = 0; at < normal.n;) {
        size_t end;
        struct mention m;
        struct slice word = word_at(normal, at);
        if (mention_at(normal, at, &m) && stands_beside(normal, at, &before, &m)) {
            at = m.end + 1;
            continue;
        }
        if (tells_at(normal, at, &end)) {
            at = end;
            continue;
        }
        before = (struct words_before){ word, before.last };
        at += word.n + 1;
        word = without_query(word);
        if (n)
            text[n++] = ' ';
        memcpy(text + n, word.p, word.n);
        n += word.n;
    }
    return (struct slice){ text, n };
}
