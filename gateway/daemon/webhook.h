/*
 * daemon/webhook — JSON is posted to a URL of the operator's, again when it fails
 *
 *   One request at a time, in order, a second apart. Any answer but 2xx is a failure: tried again
 *   after 10 s, 1 m, 5 m, then every 20 m, and given up after a day without a newer one. What waits
 *   for a server that is down becomes one message: when it is back it gets that, and not all that
 *   it has missed. One that was refused (4yz) five times is given up at once: the server is there,
 *   and the others do not become one with it. When too many are waiting the oldest is given up.
 *   Redirects are failures, too. A 2xx is one whatever follows it: a body that is too large, or
 *   ends early, is nobody's business. The URL may hold a secret: the log has its host alone.
 *
 * Everything runs on the loop.
 */
#ifndef WAYPOST_DAEMON_WEBHOOK_H
#define WAYPOST_DAEMON_WEBHOOK_H

#include "gateway/base/buf.h"
#include "gateway/conf/conf.h"
#include "gateway/io/loop.h"

enum { WEBHOOK_WAITING_MAX = 32 };

struct webhook;

struct webhook_ops {
    /* A message is not waiting any more: taken, or a part of another, or `lost`; from the loop or
     * from inside webhook_post(). */
    void (*gone)(void *arg, bool lost);
    /* Both as one; false: that cannot be. */
    bool (*join)(struct slice older, struct slice newer, struct buf *out);
};

struct webhook *webhook_new(struct loop *loop, const struct webhook_ops *ops, void *arg);
void webhook_free(struct webhook **webhook);
/* Takes reputation.notify.webhook; what waits goes there from now on. */
void webhook_configure(struct webhook *webhook, const struct conf *conf);
/* Copied. `age_ms`: how long it has been waiting already, in a process before this one. */
void webhook_post(struct webhook *webhook, struct slice json, int64_t age_ms);
/* All that is waiting, the oldest first; what is under way included. */
void webhook_each(const struct webhook *webhook,
                  void (*fn)(void *arg, struct slice json, int64_t age_ms), void *arg);

#endif
