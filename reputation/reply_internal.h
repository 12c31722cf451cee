/*
 * reputation/reply_internal — the compiled rules behind reply.h
 *
 *   Private to reputation/.
 */
#ifndef WAYPOST_REPUTATION_REPLY_INTERNAL_H
#define WAYPOST_REPUTATION_REPLY_INTERNAL_H

#include "gateway/base/map.h"
#include "gateway/base/mem.h"
#include "reputation/reply.h"

enum {
    REPLY_WORDS_MAX = 8192, /* different words and phrases in all rules */
    REPLY_RULES_MAX = 4096,
    REPLY_GROUPS_MAX = 4096, /* of words, in all rules */
    REPLY_USES_MAX = 65536,
    REPLY_PROVIDERS_MAX = 1024,
    REPLY_SUFFIXES_MAX = 8192,
    REPLY_LISTS_MAX = 512,
    REPLY_NO_PROVIDER = UINT16_MAX
};

/* A growing array that is part of the rules. */
#define REPLY_ARRAY(type)                                                                          \
    struct {                                                                                       \
        type *at;                                                                                  \
        size_t n, cap;                                                                             \
    }
#define REPLY_PUSH(array)                                                                          \
    ((array)->at = reply_array_room((array)->at, (array)->n, &(array)->cap, sizeof *(array)->at),  \
     &(array)->at[(array)->n++])
void *reply_array_room(void *at, size_t n, size_t *cap, size_t size);

/* ---- words ---- */

/* A word or phrase; it begins and ends at the edge of a word unless that end is open. */
struct reply_word {
    struct slice text;
    uint64_t head, mask; /* its first bytes, to be compared at once */
    bool open_start, open_end;
    bool plain; /* nothing an address or a URL is made of: not looked for inside one */
    uint16_t id, bucket;
};

/* Areas: long words that begin where one of the text does, long ones that begin anywhere, short. */
enum { REPLY_BUCKETS = 2048, REPLY_AREAS = 3 };

struct reply_words {
    struct map *ids; /* by the word as written */
    REPLY_ARRAY(struct reply_word) words;
    uint16_t
        first[REPLY_AREAS * REPLY_BUCKETS + 1]; /* words.at[] is sorted by bucket once closed */
};

/* Bit per word. */
struct reply_found {
    uint64_t bits[REPLY_WORDS_MAX / 64];
};

void reply_words_init(struct reply_words *w);
void reply_words_free(struct reply_words *w);
/* RC_PARSE: too short, not lower case, or a star inside; RC_LIMIT: too many. */
enum rc reply_words_add(struct reply_words *w, struct slice written, uint16_t *id_r);
void reply_words_close(struct reply_words *w); /* after the last word, before the first search */
void reply_words_find(const struct reply_words *w, struct slice text, struct reply_found *found_r);

/* Where the characters of host names and of the halves of mail addresses end. */
size_t reply_run_until(struct slice text, size_t at);
/* Where the URL or mail address ends that starts at `at` with such a run up to `run`; `at` when
 * none does. Words in one are names, not what the reply says. */
size_t reply_opaque_until(struct slice text, size_t at, size_t run);

/* Bit per group of words. */
struct reply_hit {
    uint64_t bits[REPLY_GROUPS_MAX / 64];
};

static inline bool reply_has(const struct reply_found *f, uint16_t id)
{
    return f->bits[id / 64] >> (id % 64) & 1;
}

/* ---- rules ---- */

enum reply_list_kind { REPLY_LIST_IP, REPLY_LIST_DOMAIN };

struct reply_list {
    uint16_t word;
    struct slice name;
    enum reply_list_kind kind;
};

/* Where words of a group must stand. A clause ends at a full stop, comma or semicolon and before
 * "but". */
enum reply_where {
    REPLY_ANYWHERE,
    REPLY_FIRST,   /* '^': in the first clause */
    REPLY_TOGETHER /* '&': in one clause, the same for all groups of the rule marked so */
};

/* One of some words; negated: none of them. */
struct reply_group {
    bool negated;
    enum reply_where where;
    uint16_t id;
};

/* A word is one of a group's. */
struct reply_use {
    uint16_t word, group;
};

struct reply_code {
    uint16_t min, max;
};

struct reply_status {
    uint8_t class_; /* 0: 4 and 5 */
    bool any_subject, any_detail;
    uint16_t subject, min, max; /* of the detail */
};

enum reply_fact {
    REPLY_FACT_US = 1,           /* our address in the text */
    REPLY_FACT_IP = 2,           /* an address in the text */
    REPLY_FACT_LIST = 4,         /* a DNS list in the text */
    REPLY_FACT_LIST_IP = 8,      /* one of addresses */
    REPLY_FACT_LIST_DOMAIN = 16, /* one of names */
    REPLY_FACT_NETWORK = 32,     /* a network of addresses in the text */
    REPLY_FACT_MAIL = 64,        /* a mail address in the text */
    REPLY_FACT_EHLO = 128,       /* the name of our host in the text */
    REPLY_FACT_SENDER = 256,     /* the sender or his domain */
    REPLY_FACT_RECIPIENT = 512   /* the recipient or his domain */
};

struct reply_rule {
    const char *name;
    enum reply_class class;
    enum reply_scope scope;
    bool ends;
    int16_t vote;                   /* what it weighs for its class */
    int16_t weights[REPLY_CLASSES]; /* of a weighed line */
    unsigned needs, forbids;        /* enum reply_fact */
    unsigned at;                    /* bit per enum reply_at; 0: anywhere */
    REPLY_ARRAY(struct reply_code) codes;
    REPLY_ARRAY(struct reply_status) statuses;
    REPLY_ARRAY(struct reply_group) groups;
};

/* Rules asked together: of all receivers, or of some. */
struct reply_section {
    bool all;
    bool last; /* when no other section has an answer, not even with asides */
    bool weighed;
    int16_t vote; /* of its rules */
    REPLY_ARRAY(uint16_t) providers;
    REPLY_ARRAY(struct reply_rule) rules;
};

/* A weighed line by a group it needs in the text or the first clause; those that need none stand
 * behind the last group. */
struct reply_weighed {
    size_t group;
    const struct reply_rule *line;
};

struct reply_suffix {
    struct slice text;
    uint16_t provider; /* REPLY_NO_PROVIDER: a public suffix of two labels */
};

struct reply_mark {
    uint16_t word, provider;
};

/* Bit per provider. */
struct reply_providers {
    uint64_t bits[REPLY_PROVIDERS_MAX / 64];
};

struct reply_rules {
    struct arena *arena;
    struct reply_words words;
    struct map *names; /* of rules */
    struct map *named; /* words with a name: their group, from 1 */
    REPLY_ARRAY(struct slice) providers;
    REPLY_ARRAY(struct reply_suffix) suffixes; /* sorted once read */
    REPLY_ARRAY(struct reply_mark) marks;      /* words that give a provider away */
    REPLY_ARRAY(struct reply_list) lists;
    REPLY_ARRAY(struct reply_section) sections;
    REPLY_ARRAY(struct reply_use) uses;        /* sorted by word once read */
    uint32_t *first_use;                       /* by word */
    REPLY_ARRAY(struct reply_weighed) weighed; /* sorted by group once read */
    uint32_t *first_weighed;                   /* by group */
    size_t rule_count, group_count;
};

/* The provider's index, or REPLY_NO_PROVIDER. */
uint16_t reply_provider_find(const struct reply_rules *rules, struct slice mx);
/* The groups that have one of the words found. */
void reply_uses_sort(struct reply_rules *rules);
void reply_groups_find(const struct reply_rules *rules, const struct reply_found *found,
                       struct reply_hit *hit_r);
void reply_suffixes_sort(struct reply_rules *rules);
enum rc reply_providers_read(struct reply_rules *rules, struct slice text, struct err *err);
enum rc reply_sections_read(struct reply_rules *rules, struct slice text, struct err *err);

/* ---- a reply as rules ask about it ---- */

enum { REPLY_CLAUSES_MAX = 6 };

struct reply_question {
    uint16_t code;
    struct enhanced status;
    enum reply_at at;
    unsigned facts;
    struct reply_found found;
    struct reply_hit hit;
    struct reply_hit clause[REPLY_CLAUSES_MAX]; /* the last one: and all behind it */
    size_t clauses;
};

void reply_weighed_sort(struct reply_rules *rules);
bool reply_rule_matches(const struct reply_rule *rule, const struct reply_question *q);

/* The class with most of what is weighed and of the rule's own vote; `rule` NULL: none spoke. The
 * rule's class when no weighed line holds. Another class than the rule's: why. */
enum reply_class reply_weigh(const struct reply_rules *rules, const struct reply_question *q,
                             const struct reply_rule *rule,
                             struct reply_reason because_r[REPLY_REASONS]);

/* ---- lines of data ---- */

struct reply_line {
    const char *file; /* in errors */
    unsigned number;
    struct slice rest;
};

struct reply_token {
    struct slice text; /* without quotes, '!', '^' and '&' */
    bool quoted, negated;
    enum reply_where where;
};

/* The next line that is not empty and no comment; false: none. */
bool reply_line_next(struct slice *text, struct reply_line *line);
/* RC_OK, RC_NOT_FOUND at the end of the line, RC_PARSE for a quote that does not end. */
enum rc reply_token_next(struct reply_line *line, struct reply_token *token_r, struct err *err);
enum rc reply_line_error(const struct reply_line *line, struct err *err, struct slice found,
                         const char *expected);

/* ---- conditions of a rule ---- */

bool reply_name_find(const char *const *names, struct slice name, unsigned *index_r);
enum rc reply_too_many(const struct reply_line *line, struct err *err, int most, const char *what);
/* The rest of a line `words NAME "..."`. */
enum rc reply_named_read(struct reply_rules *rules, struct reply_line *line, struct err *err);
enum rc reply_condition_read(struct reply_rules *rules, struct reply_rule *rule,
                             const struct reply_line *line, const struct reply_token *token,
                             struct err *err);

/* ---- the reason ---- */

/* It stands in front: two lines of the longest that SMTP allows (RFC 5321 4.5.3.1.5). */
enum { REPLY_REASON_MAX = 1024 };
/* What is looked at of the normal text. */
struct slice reply_reason(const struct reply_facts *facts, char reason[REPLY_REASON_MAX]);

/* ---- the text without names ---- */

/* The normal text without mail addresses, address literals and host names: "sender
 * <u@example.com> has exceeded" becomes "sender has exceeded". At most REPLY_TEXT_MAX bytes. */
struct slice reply_bare(struct slice normal, char text[REPLY_TEXT_MAX]);

/* ---- the text without asides ---- */

/* The normal text without addresses that only stand beside it; `text` has room for normal.n. */
struct slice reply_said(struct slice normal, char *text);

/* ---- facts in the text ---- */

/* Which of REPLY_FACT_EHLO, _SENDER and _RECIPIENT the text has. A name is compared as a whole; one
 * that fits several is of the longest, our host's before the sender's. Names in a URL are nobody's,
 * nor is one that sender and recipient share. */
unsigned reply_names(const struct reply_facts *facts, struct slice text);

/* An address that can be somebody's: none of 127/8 or 0/8, in lower case, nothing around it. */
bool reply_literal(struct slice s, struct addr *addr_r);

struct reply_seen {
    unsigned facts; /* enum reply_fact */
    struct slice zone;
    bool names_other;
};

void reply_look(const struct reply_rules *rules, const struct reply_facts *facts,
                struct slice normal, const struct reply_found *found, struct reply_seen *seen_r);

#endif
