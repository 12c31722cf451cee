/*
 * delivery/views — the addresses of hosts as the carrier's own name servers give them
 *
 *   Who answers by where the question comes from (GeoDNS) gives each carrier addresses of its own.
 *   An egress with `resolvers` asks those, from its own address, and its mail connects to what they
 *   say. Mail never waits for it: what is not known is asked in the background, and until it is,
 *   or when they have nothing to say, the general addresses do.
 *
 *   An egress through a proxy has no view: a proxy carries no UDP. Answers are kept as
 *   dns/resolver keeps them: 30 s to 1 h, negative ones 5 min, old ones 1 h more when no server
 *   answers. A view is about addresses only: MX sets, DNSSEC and TLSA are nobody's but the general
 *   resolver's.
 */
#ifndef WAYPOST_DELIVERY_VIEWS_H
#define WAYPOST_DELIVERY_VIEWS_H

#include "gateway/conf/conf.h"
#include "gateway/dns/resolver.h"

struct views;

/* No question after the configuration has gone. */
struct views *views_new(struct loop *loop, const struct conf *conf, bool allow_loopback);
void views_free(struct views **views); /* not from a callback of a resolver */

/* The host's addresses (DNS_OK) as this egress sees them; NULL: none known now, and asked for.
 * Borrowed until the next call. */
struct host_set *views_host(struct views *views, int egress, struct slice name);

#endif
