/*
 * daemon/feed_rest — when a feed's file is to be read: when it rests, or never does (pure)
 *
 *   A file that is being written may be half there, so what counts is a state that was the same at
 *   two looks. One that is never at rest is read all the same after FEED_RESTLESS_MS, and as often:
 *   its reader has to see whether it got it whole.
 */
#ifndef WAYPOST_DAEMON_FEED_REST_H
#define WAYPOST_DAEMON_FEED_REST_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { FEED_RESTLESS_MS = 60 * 1000 };

/* What tells one state of a file from another, who may read it included. All zero: it cannot be
 * looked at. */
struct feed_mark {
    int64_t inode, size;
    struct timespec written, changed;
};

struct feed_rest {
    struct feed_mark seen, sent;
    bool told;           /* `sent` holds */
    int64_t restless_ms; /* a change has not come to rest since then; 0: none is under way */
};

enum feed_look { FEED_AS_BEFORE, FEED_RESTS, FEED_RESTLESS };

/* At each look. Unless it is as before the file is to be told now: that is noted. */
enum feed_look feed_rest_look(struct feed_rest *f, const struct feed_mark *now, int64_t now_ms);

#endif
