/*
 * reputation/run_feeds — feeds (feed.h) kept up to date, and our addresses looked up in them
 *
 *   A file's bytes are handed in when it has changed; a URL is fetched every interval (Spamhaus:
 *   hourly at most), with ETag and Last-Modified. Only a feed that parses and can be true takes the
 *   place of the one before; else that stays and an alarm says why, once for each reason. A fetch
 *   that fails is tried again after five minutes, then doubling up to the interval.
 *
 *   An address that is in the new set is listed at once, one that is not any more is clear at once.
 *   A set that has more than half of three or more addresses, which were not in it before, is
 *   believed when it has them 15 minutes later: a file that is still the same, a URL asked again.
 *   They are told as `many` then: evidence, but soft, until no more than half is left of it.
 *   Every five minutes what the sets say is repeated: who counts clear looks needs them.
 *
 *   A feed that nothing could be taken from any more bears nothing out: what it said is not
 *   repeated. After three hours it is dead: listings say so, every five minutes, and an alarm does.
 *
 * Callbacks: from the loop or from inside run_feeds_take(); run_feeds_configure() reports what a
 *            feed that stays says about new addresses at the next turn of the loop.
 */
#ifndef WAYPOST_REPUTATION_RUN_FEEDS_H
#define WAYPOST_REPUTATION_RUN_FEEDS_H

#include "gateway/conf/plan.h"
#include "gateway/dns/fetch_name.h"
#include "reputation/listing.h"

struct run_feeds_hooks {
    /* After every look at a set, whether `changed` or only repeated. */
    void (*listing)(void *arg, const struct listing *listing);
    /* When something is wrong with the feed itself, and when that is over; for a content that is
     * refused once for each reason. The first time that nothing is wrong `text` is "". */
    void (*fault)(void *arg, struct slice feed, enum list_fault fault, const char *text);
    void *arg;
};

struct run_feeds;

struct run_feeds *run_feeds_new(struct loop *loop, const struct run_feeds_hooks *hooks);
void run_feeds_free(struct run_feeds **run);

struct run_feeds_config {
    const struct conf_feed *feeds;
    size_t feed_n;
    const struct addr *addresses; /* ours, each once */
    size_t address_n;
    struct slice ca;           /* whom to trust for https; lives until the next configuration */
    struct resolver *resolver; /* for the hosts of URLs; NULL: none are fetched */
    struct fetcher *fetcher;
};
/* Feeds that are in both configurations keep their content. */
void run_feeds_configure(struct run_feeds *run, const struct run_feeds_config *config);
/* The content of a file, whole; `error` (NULL: none) says why it cannot be read. */
void run_feeds_take(struct run_feeds *run, struct slice path, struct slice bytes,
                    const char *error);
/* An earlier process believed that the feed has the address, as one of `many` or not: that is no
 * news. Ignored once this one knows. */
void run_feeds_believed(struct run_feeds *run, struct slice source, const struct addr *address,
                        bool many);
/* What all feeds say or no longer say, as of then: done every five minutes. */
void run_feeds_look(struct run_feeds *run, int64_t now_ms);
/* Everything, feed by feed. */
void run_feeds_each(const struct run_feeds *run,
                    void (*fn)(void *arg, const struct listing *listing), void *arg);

#endif
