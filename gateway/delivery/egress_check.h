/*
 * delivery/egress_check — is the proxy or relay of an egress there?
 *
 *   Looks its name up (anew: it may have moved), connects from the egress's source; with SOCKS5
 *   goes on to the login. Sends no mail and no target. `done` runs once, never from inside the call
 *   that began it.
 */
#ifndef WAYPOST_DELIVERY_EGRESS_CHECK_H
#define WAYPOST_DELIVERY_EGRESS_CHECK_H

#include "gateway/dns/resolver.h"
#include "gateway/io/way.h"

enum egress_check_result {
    CHECK_THERE,
    CHECK_FAILED,
    CHECK_UNTRIED /* we had no descriptor, memory or port left for it */
};

/* reason: why it failed; "" when it did not. */
typedef void egress_check_fn(void *arg, enum egress_check_result result, const char *reason);

struct egress_check;
struct egress_check *egress_check_start(struct loop *loop, struct resolver *resolver,
                                        const struct conf_egress *e, egress_check_fn *done,
                                        void *arg);
void egress_check_cancel(struct egress_check **check); /* without `done` */

#endif
