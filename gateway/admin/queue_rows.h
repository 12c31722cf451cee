/*
 * admin/queue_rows — items and sites as JSON, in two steps
 *
 *   On the worker's thread only a copy is made (some 100 ns an item): the mail path waits for no
 *   formatting. The JSON is made from the copies on the thread that talks to the operator.
 */
#ifndef WAYPOST_ADMIN_QUEUE_ROWS_H
#define WAYPOST_ADMIN_QUEUE_ROWS_H

#include "gateway/base/cursor.h"
#include "gateway/base/mem.h"
#include "gateway/queue/inspect.h"

void rows_copy_item(struct buf *out, const struct item *item);
/* Takes the next copy and appends one JSON object; `detail`: all that is known, every recipient.
 * False: no more copies. The arena is reset. */
bool rows_put_item(struct cursor *copies, bool detail, int64_t now_ms, struct arena *arena,
                   struct buf *json);

struct rows_site {
    uint32_t ready[LANE_COUNT], busy, waiting, held, sessions, failures;
    uint32_t bears;
    uint64_t connections;
    int64_t oldest_ms, backoff_ms;
    uint32_t ages[LANE_COUNT][QUEUE_AGES];
};

/* What has no site yet, of all workers together: which of them will look it up tells nobody
 * anything. Zeroed: nothing. */
struct rows_limbo {
    struct rows_site sum;
    struct buf error; /* buf_free() it in the end */
};

void rows_copy_site(struct buf *out, const struct queue_site_row *row);
/* Takes copies up to the next of a site and appends its object; those without a site are added to
 * `limbo`. False: no more copies. */
bool rows_put_site(struct cursor *copies, int64_t now_ms, struct rows_limbo *limbo,
                   struct buf *json);
/* The object of them all, once. False: there is no such mail. */
bool rows_put_limbo(struct rows_limbo *limbo, int64_t now_ms, struct buf *json);

#endif
