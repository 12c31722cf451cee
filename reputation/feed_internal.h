/*
 * reputation/feed_internal — how the formats put entries into a set
 *
 *   A reader gets the lines one by one; it returns NULL, or what it expected instead of the line.
 *   Entries need no order: feed_parse() sorts them at the end.
 */
#ifndef WAYPOST_REPUTATION_FEED_INTERNAL_H
#define WAYPOST_REPUTATION_FEED_INTERNAL_H

#include "reputation/feed.h"

struct feed_entry {
    uint8_t bytes[16]; /* network order, host bits zero */
    uint8_t prefix;    /* of the family */
    bool v6, excluded;
    uint32_t text; /* place in the texts; 0: none */
};

struct feed {
    struct feed_entry *at; /* by family, prefix (longest first), address; exclusions first */
    size_t n, room;
    struct buf texts;      /* NUL-terminated; the first is empty */
    bool has_end;          /* its last line says that it is the last */
    bool ended;            /* nothing may follow */
    uint32_t same_text;    /* rbldnsd: text of entries without one of their own */
    uint64_t v4_addresses; /* that it covers, exclusions not taken off */
};

const char *feed_line_netset(struct feed *f, struct slice line);
const char *feed_line_json(struct feed *f, struct slice line);
const char *feed_line_rbldnsd(struct feed *f, struct slice line);

/* False: FEED_ENTRIES_MAX. */
bool feed_add(struct feed *f, const struct network *n, bool excluded, uint32_t text);
/* IPv4 in host order, both ends included. */
bool feed_add_range(struct feed *f, uint32_t first, uint32_t last, bool excluded, uint32_t text);
uint32_t feed_text(struct feed *f, struct slice text); /* cut at 120 bytes, made printable */

#endif
