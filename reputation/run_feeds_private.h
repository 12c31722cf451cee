/*
 * reputation/run_feeds_private — one feed, as the files of run_feeds share it
 *
 *   run_feeds.c      which feeds there are, downloads, the looks every five minutes
 *   run_feeds_set.c  what a content is worth, and what it says of our addresses
 *
 *   A source calls the hooks of its struct run_feeds; the functions are for the loop's thread.
 */
#ifndef WAYPOST_REPUTATION_RUN_FEEDS_PRIVATE_H
#define WAYPOST_REPUTATION_RUN_FEEDS_PRIVATE_H

#include "gateway/base/rnd.h"
#include "gateway/io/timer.h"
#include "reputation/feed.h"
#include "reputation/run_feeds.h"

enum { WHAT_MAX = 80 };

/* What a feed says of one of our addresses. */
struct verdict {
    struct addr address;
    enum listing_state state;
    bool before; /* an earlier process believed that the feed has it */
    bool many;   /* the feed has it (or had, `before`) with most of the others */
    int64_t since_ms;
    struct feed_hit hit; /* LIST_LISTED */
    char what[WHAT_MAX];
};

struct source {
    struct run_feeds *run;
    struct conf_feed conf; /* with texts of its own */
    struct feed *feed;     /* NULL: none yet */
    struct feed *held;     /* has most of our addresses: not believed before held_until_ms */
    int64_t held_until_ms;
    struct feed *less; /* came last, and lacks most of `feed`: not believed for a day */
    struct verdict *verdicts;
    size_t n;
    int64_t checked_ms;
    char problem[256]; /* why the last content was not taken; "": it was */
    int64_t lame_ms;   /* nothing that could be taken since then; 0: the last could */
    bool dead;         /* for hours */
    bool many;         /* `feed` has most of our addresses, and took them at once */
    bool told;         /* `last` holds */
    enum list_fault last;
    /* URLs */
    struct fetch_name *fetch;
    struct timer next;
    int64_t next_ms; /* when it fires */
    unsigned failures;
    char etag[FETCH_FIELD_MAX], modified[FETCH_FIELD_MAX];
};

struct run_feeds {
    struct loop *loop;
    struct run_feeds_hooks hooks;
    struct source **sources;
    size_t n;
    struct slice ca;
    struct resolver *resolver;
    struct fetcher *fetcher;
    struct timer look; /* at all sets again */
    struct rnd rnd;
};

struct slice source_name(const struct source *s);
struct listing source_listing(const struct source *s, const struct verdict *v);
/* Content that came: false and a complaint when it cannot be true. */
bool source_take(struct source *s, struct slice bytes);
/* Nothing came that could be looked at. */
void source_miss(struct source *s, const char *why);
/* It is still as it was. */
void source_confirm(struct source *s);
/* The look of every five minutes. */
void source_look(struct source *s, int64_t now_ms);

#endif
