/*
 * daemon/webhook — JSON is posted to a URL of the operator's, again when it fails
 *
 *   One request at a time, in order. Any answer but 2xx is a failure: tried again after 10 s, 1 m,
 *   5 m and 20 m, then given up. Redirects are failures, too. A 2xx is one whatever follows it: a
 *   body that is too large, or ends early, is nobody's business. The URL may hold a secret: the log
 *   has its host alone.
 *
 * Everything runs on the loop.
 */
#ifndef WAYPOST_DAEMON_WEBHOOK_H
#define WAYPOST_DAEMON_WEBHOOK_H

#include "gateway/conf/conf.h"
#include "gateway/io/loop.h"

enum { WEBHOOK_WAITING_MAX = 32 };

struct webhook;

/* `lost` is called when a message is given up. */
struct webhook *webhook_new(struct loop *loop, void (*lost)(void *arg), void *arg);
void webhook_free(struct webhook **webhook);
/* Takes reputation.notify.webhook; what waits goes there from now on. */
void webhook_configure(struct webhook *webhook, const struct conf *conf);
/* Copied. False: too many are waiting, it is given up. */
bool webhook_post(struct webhook *webhook, struct slice json);

#endif
