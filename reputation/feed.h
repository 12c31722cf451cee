/*
 * reputation/feed — lists of networks: files and downloads read whole, looked up by address (pure)
 *
 *   feed_parse() gives an immutable set, or nothing and the first line that is wrong. feed_accept()
 *   then says whether it can be true: a list that lost more than half of its entries was cut off
 *   (of a few no share means anything, but nothing is nothing), one that covers more than a
 *   hundredth of IPv4 would take everybody out. Of the entries that
 *   contain an address the narrowest one decides, and an exclusion wins over an equal entry.
 *
 *   format      is
 *   netset      an address or network a line; `#` and `;` begin comments. What stands behind `;` is
 *   list        the entry's text, as in the text form of Spamhaus DROP. `list` is the same
 *   drop-json   a JSON object a line: cidr, perhaps sblid and rir; one with type "metadata" ends it
 *   rbldnsd     what rbldnsd reads as ip4set, ip4trie or ip6trie, one of them a file
 *
 * Errors: RC_PARSE "NAME:LINE: what", RC_LIMIT too large, feed_accept() RC_DENIED, or RC_AGAIN
 *         when it may be true if it stays so. Sets are freed with feed_free().
 * See:    rbldnsd(8).
 */
#ifndef WAYPOST_REPUTATION_FEED_H
#define WAYPOST_REPUTATION_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"

enum feed_format { FEED_NETSET, FEED_DROP_JSON, FEED_RBLDNSD, FEED_LIST }; /* as in conf */

enum {
    FEED_BYTES_MAX = 64 << 20,
    FEED_ENTRIES_MAX = 4 << 20,
    FEED_V4_MAX = 42949672 /* addresses: a hundredth of IPv4 */
};

struct feed;

enum rc feed_parse(struct slice bytes, enum feed_format format, const char *name,
                   struct feed **feed_r, struct err *err);
void feed_free(struct feed **feed);
/* May `next` take the place of `before` (NULL: there was none)? */
enum rc feed_accept(const struct feed *next, const struct feed *before, struct err *err);

struct feed_hit {
    struct network network;
    const char *text; /* printable; "" when there is none; as long as the feed lives */
};
bool feed_find(const struct feed *feed, const struct addr *address, struct feed_hit *hit_r);
size_t feed_count(const struct feed *feed);

bool feed_hit_same(const struct feed_hit *a, const struct feed_hit *b); /* the same network */
/* For people: "stands in the feed as 192.0.2.0/24"; NULL: "". */
void feed_hit_what(const struct feed_hit *hit, char *what, size_t size);

#endif
