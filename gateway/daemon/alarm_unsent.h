/*
 * daemon/alarm_unsent — messages to people that have not arrived yet, as bytes (pure)
 *
 *   What is kept over a restart of control: JSON for the webhook, mail that the relay has not
 *   taken.
 *   A magic, then one record after the other; little-endian.
 *
 * Ownership: slices point into the bytes that are read.
 */
#ifndef WAYPOST_DAEMON_ALARM_UNSENT_H
#define WAYPOST_DAEMON_ALARM_UNSENT_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum { UNSENT_PACK_MAX = 16 << 20 };

struct unsent {
    int64_t since_ms;         /* wall clock */
    struct slice to, subject; /* empty: it is for the webhook */
    struct slice text;
};

void unsent_begin(struct buf *out);
void unsent_put(struct buf *out, const struct unsent *message);
/* In the order they were put. RC_PARSE: not these bytes; then `fn` was not called. */
enum rc unsent_read(struct slice bytes, void (*fn)(void *arg, const struct unsent *message),
                    void *arg, struct err *err);

#endif
