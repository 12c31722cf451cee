/*
 * admin/under_way — what is still being sent by egresses that may begin nothing new
 *
 *   The relay's verb `under-way`, which control asks while an address drains: a row with the time
 *   of the oldest advice that a worker obeys, {"table":ms}, then one for each session that such an
 *   egress has a transaction on, {"egress":"a","source":"192.0.2.1","n":1}. No "source": not known.
 */
#ifndef WAYPOST_ADMIN_UNDER_WAY_H
#define WAYPOST_ADMIN_UNDER_WAY_H

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

/* One row each, without the end of its line. */
void under_way_put_table(struct buf *row, int64_t table_ms);
void under_way_put_session(struct buf *row, struct slice egress, const struct addr *source,
                           unsigned transactions);

/* Slices are valid during the call. */
typedef void under_way_fn(void *arg, struct slice egress, const struct addr *source, uint32_t n);

/* The rows of an answer: made_ms of the advice, then fn for each session. RC_PARSE: not such an
 * answer; fn may have been called. */
enum rc under_way_read(struct slice rows, int64_t *table_ms_r, under_way_fn *fn, void *arg);

#endif
