/*
 * delivery/domains — RCPTDOMAINMAX of a next hop: so many domains in the recipients of one session
 * (RFC 9422)
 *
 *   A session keeps which domains it has named. Mail for another goes by a session that has room
 *   for it; recipients of one message that do not fit (with fixed hosts they may be of many
 *   domains) go at once by the next session. Without such a limit nothing is kept.
 */
#ifndef WAYPOST_DELIVERY_DOMAINS_H
#define WAYPOST_DELIVERY_DOMAINS_H

#include "gateway/delivery/session.h"

/* May a recipient of this domain be named here? "": of one more. */
bool domains_allow(const struct session *s, struct slice domain);
/* The same for a mail: for the recipients of its domain, or for some. */
bool domains_allow_item(const struct session *s, const struct item *item);
void domains_note(struct session *s, struct slice domain);
void domains_forget(struct session *s); /* its connection is over */

#endif
