/*
 * daemon/webhook — JSON is posted to a URL of the operator's, again when it fails
 *
 *   One request at a time, in order, a second apart. Any answer but 2xx is a failure: tried again
 *   after 10 s, 1 m, 5 m, then every 20 m, and given up after a day; a server that is down for
 *   hours gets everything when it is back. One that was refused (4yz) five times is given up at
 *   once: the server is there. When too many are waiting the oldest is given up.
 *   Redirects are failures, too. A 2xx is one whatever follows it: a body that is too large, or
 *   ends early, is nobody's business. The URL may hold a secret: the log has its host alone.
 *
 * Everything runs on the loop.
 */
#ifndef WAYPOST_DAEMON_WEBHOOK_H
#define WAYPOST_DAEMON_WEBHOOK_H

#include "gateway/conf/conf.h"
#include "gateway/io/loop.h"

enum { WEBHOOK_WAITING_MAX = 32 };

struct webhook;

/* `gone` is called when a message is not waiting any more: taken, or `lost`; from the loop or from
 * inside webhook_post(). */
struct webhook *webhook_new(struct loop *loop, void (*gone)(void *arg, bool lost), void *arg);
void webhook_free(struct webhook **webhook);
/* Takes reputation.notify.webhook; what waits goes there from now on. */
void webhook_configure(struct webhook *webhook, const struct conf *conf);
/* Copied. `age_ms`: how long it has been waiting already, in a process before this one. */
void webhook_post(struct webhook *webhook, struct slice json, int64_t age_ms);
/* All that is waiting, the oldest first; what is under way included. */
void webhook_each(const struct webhook *webhook,
                  void (*fn)(void *arg, struct slice json, int64_t age_ms), void *arg);

#endif
