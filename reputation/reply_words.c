/*
 * reputation/reply_words — which of many words a text has, in one pass
 *
 *   Words are sorted by a hash of their first four bytes, short ones by their first two; where a
 *   word of the text begins, and for the few that may begin inside one everywhere, only those of
 *   one bucket are compared.
 */
#include <stdlib.h>
#include <string.h>

#include "reputation/reply_internal.h"

enum { WORD_MIN = 2, WORD_MAX = 80, ADVICE_MAX = 160 };

void *reply_array_room(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? 2 * *cap : 4;
    return mem_grow(at, *cap, size);
}

enum { LONG_MIN = 4 }; /* bytes that are hashed */

static unsigned short_bucket(const char *p)
{
    return 2 * REPLY_BUCKETS + ((unsigned char)p[0] * 29u + (unsigned char)p[1]) % REPLY_BUCKETS;
}

static unsigned long_bucket(const char *p)
{
    uint32_t head;
    memcpy(&head, p, sizeof head);
    return (head * 2654435761u >> 16) % REPLY_BUCKETS;
}

/* The first bytes as one number; zeroes behind the end. */
static uint64_t head_of(struct slice s)
{
    uint64_t head = 0;
    memcpy(&head, s.p, s.n < sizeof head ? s.n : sizeof head);
    return head;
}

/* All bits of the first n bytes of such a number. */
static uint64_t head_mask(size_t n)
{
    uint64_t mask = 0;
    memset(&mask, 0xff, n < sizeof mask ? n : sizeof mask);
    return mask;
}

/* Letters, digits and bytes of other alphabets; '_' joins words, it is in none. */
static bool in_word(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 'a' && u <= 'z') || (u >= '0' && u <= '9') || u >= 0x80;
}

void reply_words_init(struct reply_words *w)
{
    memset(w, 0, sizeof *w);
    w->ids = map_new();
}

void reply_words_free(struct reply_words *w)
{
    map_free(&w->ids, NULL);
    free(w->words.at);
}

static bool well_written(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' || c == 0x7f || c == '*' || (c >= 'A' && c <= 'Z') ||
            (c == ' ' && (i == 0 || i + 1 == s.n || s.p[i - 1] == ' ')))
            return false;
    }
    return s.n >= WORD_MIN && s.n <= WORD_MAX;
}

/* Of letters, blanks and hyphens: nothing a URL or a mail address is known by. */
static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!in_word(s.p[i]) && s.p[i] != ' ' && s.p[i] != '-' && s.p[i] != '\'')
            return false;
    return true;
}

enum rc reply_words_add(struct reply_words *w, struct slice written, uint16_t *id_r)
{
    size_t known = (size_t)(uintptr_t)map_get(w->ids, written);
    if (known) {
        *id_r = (uint16_t)(known - 1);
        return RC_OK;
    }
    struct reply_word word = { .text = written, .id = (uint16_t)w->words.n };
    if (slice_starts_with(word.text, "*")) {
        word.open_start = true;
        word.text = slice_skip(word.text, 1);
    }
    if (slice_ends_with(word.text, "*")) {
        word.open_end = true;
        word.text.n--;
    }
    if (!well_written(word.text))
        return RC_PARSE;
    if (w->words.n == REPLY_WORDS_MAX)
        return RC_LIMIT;
    word.plain = !word.open_start && is_plain(word.text);
    word.open_start = word.open_start || !in_word(word.text.p[0]);
    word.open_end = word.open_end || !in_word(word.text.p[word.text.n - 1]);
    word.head = head_of(word.text);
    word.mask = head_mask(word.text.n);
    word.bucket = (uint16_t)(word.text.n < LONG_MIN ? short_bucket(word.text.p)
                                                    : long_bucket(word.text.p) +
                                                          (word.open_start ? REPLY_BUCKETS : 0));
    *id_r = word.id;
    *REPLY_PUSH(&w->words) = word;
    map_put(w->ids, written, (void *)(uintptr_t)w->words.n);
    return RC_OK;
}

static int by_bucket(const void *a, const void *b)
{
    const struct reply_word *x = a, *y = b;
    return x->bucket != y->bucket ? (int)x->bucket - (int)y->bucket : (int)x->id - (int)y->id;
}

void reply_words_close(struct reply_words *w)
{
    size_t at = 0;
    if (w->words.n)
        qsort(w->words.at, w->words.n, sizeof *w->words.at, by_bucket);
    for (unsigned bucket = 0; bucket <= REPLY_AREAS * REPLY_BUCKETS; bucket++) {
        while (at < w->words.n && w->words.at[at].bucket < bucket)
            at++;
        w->first[bucket] = (uint16_t)at;
    }
}

static bool is_at(const struct reply_word *word, struct slice text, size_t at)
{
    size_t end = at + word->text.n;
    return end <= text.n && memcmp(text.p + at, word->text.p, word->text.n) == 0 &&
           (word->open_end || end == text.n || !in_word(text.p[end]));
}

/* A host name, the half of a mail address, the scheme of a URL. */
size_t reply_run_until(struct slice text, size_t at)
{
    while (at < text.n && (in_word(text.p[at]) || text.p[at] == '.' || text.p[at] == '_' ||
                           text.p[at] == '+' || text.p[at] == '=' || text.p[at] == '-'))
        at++;
    return at;
}

/* Whom to turn to says nothing of the reason: "Please contact the recipient by other means."; nor
 * what would be: "If your server is no source of spam, write to us." */
static size_t advice_until(struct slice text, size_t at)
{
    static const char *const ends[] = {
        ". ", "; ", " but ", " since ", " because ", " about ", NULL
    };
    struct slice rest = slice_skip(text, at);
    if (rest.n > ADVICE_MAX)
        rest.n = ADVICE_MAX;
    size_t until = at + rest.n;
    bool sentence = at >= 2 && text.p[at - 1] == ' ' && strchr(".;", text.p[at - 2]);
    if (!slice_starts_with(rest, "contact ") && !(sentence && slice_starts_with(rest, "if ")))
        return at;
    for (const char *const *end = ends; *end; end++) {
        const char *p = memmem(rest.p, rest.n, *end, strlen(*end));
        if (p && (size_t)(p - text.p) < until)
            until = (size_t)(p - text.p);
    }
    return until;
}

size_t reply_opaque_until(struct slice text, size_t at, size_t run)
{
    struct slice rest = slice_skip(text, run);
    if (slice_starts_with(rest, "@"))
        return reply_run_until(text, run + 1);
    if (!slice_starts_with(rest, "://") && !slice_starts_with(slice_skip(text, at), "www."))
        return at;
    while (run < text.n && !strchr(" <>()[]\"", text.p[run]))
        run++;
    return run;
}

struct place {
    struct slice text;
    size_t at;
    bool inside; /* the byte before is part of a word */
    bool opaque; /* in a URL, a mail address or advice */
};

static void find_in_bucket(const struct reply_words *w, unsigned bucket, const struct place *here,
                           struct reply_found *found)
{
    unsigned i = w->first[bucket], end = w->first[bucket + 1];
    uint64_t head = i < end ? head_of(slice_skip(here->text, here->at)) : 0;
    for (; i < end; i++) {
        const struct reply_word *word = &w->words.at[i];
        if ((head & word->mask) != word->head || (here->inside && !word->open_start) ||
            (here->opaque && word->plain))
            continue;
        if (is_at(word, here->text, here->at))
            found->bits[word->id / 64] |= 1ull << (word->id % 64);
    }
}

void reply_words_find(const struct reply_words *w, struct slice text, struct reply_found *found_r)
{
    struct place here = { .text = text };
    size_t run = 0, opaque = 0;
    memset(found_r, 0, sizeof *found_r);
    for (; here.at + WORD_MIN <= text.n; here.at++) {
        const char *p = text.p + here.at;
        if (here.at >= run && here.at >= opaque) {
            run = reply_run_until(text, here.at);
            opaque = reply_opaque_until(text, here.at, run);
            if (opaque == here.at)
                opaque = advice_until(text, here.at);
        }
        here.opaque = here.at < opaque;
        find_in_bucket(w, short_bucket(p), &here, found_r);
        if (here.at + LONG_MIN <= text.n) {
            unsigned bucket = long_bucket(p);
            if (!here.inside)
                find_in_bucket(w, bucket, &here, found_r);
            find_in_bucket(w, bucket + REPLY_BUCKETS, &here, found_r);
        }
        here.inside = in_word(*p);
    }
}

/* ---- groups ---- */

static int by_word(const void *a, const void *b)
{
    const struct reply_use *x = a, *y = b;
    return x->word != y->word ? (int)x->word - (int)y->word : (int)x->group - (int)y->group;
}

void reply_uses_sort(struct reply_rules *rules)
{
    size_t at = 0;
    if (rules->uses.n)
        qsort(rules->uses.at, rules->uses.n, sizeof *rules->uses.at, by_word);
    rules->first_use =
        arena_alloc(rules->arena, (rules->words.words.n + 1) * sizeof *rules->first_use);
    for (size_t word = 0; word <= rules->words.words.n; word++) {
        while (at < rules->uses.n && rules->uses.at[at].word < word)
            at++;
        rules->first_use[word] = (uint32_t)at;
    }
}

void reply_groups_find(const struct reply_rules *rules, const struct reply_found *found,
                       struct reply_hit *hit_r)
{
    memset(hit_r, 0, sizeof *hit_r);
    for (size_t i = 0; i * 64 < rules->words.words.n; i++) {
        for (uint64_t left = found->bits[i]; left; left &= left - 1) {
            size_t word = i * 64 + (size_t)__builtin_ctzll(left);
            for (uint32_t use = rules->first_use[word]; use < rules->first_use[word + 1]; use++) {
                uint16_t group = rules->uses.at[use].group;
                hit_r->bits[group / 64] |= 1ull << (group % 64);
            }
        }
    }
}
