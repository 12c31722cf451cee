/*
 * dns/ping — how long a resolver takes to answer, asked from one source
 *
 *   One question it knows by heart (the name servers of the root), one try. Any answer counts, also
 *   a refusal: the way there and back is what is measured.
 *
 * Callbacks: once, from the loop, never from inside dns_ping_start().
 * Errors:    RC_TIMEOUT silence; RC_IO nothing could be sent: no route, closed port, or the system
 *            refuses the source.
 */
#ifndef WAYPOST_DNS_PING_H
#define WAYPOST_DNS_PING_H

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"
#include "gateway/io/dial.h"
#include "gateway/io/loop.h"

struct dns_ping;
typedef void dns_ping_fn(void *arg, enum rc rc, int64_t took_us);

struct dns_ping *dns_ping_start(struct loop *loop, const struct addr *server,
                                const struct dial_source *source, int64_t timeout_ms,
                                dns_ping_fn *fn, void *arg);
void dns_ping_cancel(struct dns_ping **ping); /* without the callback */

#endif
