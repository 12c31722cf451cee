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

void rows_copy_site(struct buf *out, const struct queue_site_row *row);
bool rows_put_site(struct cursor *copies, int64_t now_ms, struct buf *json);

#endif
