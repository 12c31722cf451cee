/*
 * delivery/views — the addresses of hosts as the carrier's own name servers give them
 *
 *   Who answers by where the question comes from (GeoDNS) gives each carrier addresses of its own.
 *   An egress with `resolvers` asks those, as it connects, and its mail connects to what they
 *   say. Mail never waits for it: what is not known is asked in the background, and until it is,
 *   or when they have nothing to say, the general addresses do.
 *
 *   They are asked in turn: the next one when one gives no answer. One that rewrites answers about
 *   names that do not exist is left out, and so is one of which that is not known yet
 *   (dns/honesty).
 *
 *   An egress through a proxy has no view: a proxy carries no UDP. Answers are kept as
 *   dns/resolver keeps them: 30 s to 1 h, negative ones 5 min, old ones 1 h more when no server
 *   answers. A view is about addresses only: MX sets, DNSSEC and TLSA are nobody's but the general
 *   resolver's.
 */
#ifndef WAYPOST_DELIVERY_VIEWS_H
#define WAYPOST_DELIVERY_VIEWS_H

#include "gateway/base/rnd.h"
#include "gateway/conf/conf.h"
#include "gateway/dns/honesty.h"
#include "gateway/dns/resolver.h"

struct views;

struct views_env {
    struct loop *loop;
    const struct conf *conf;     /* no question after it has gone */
    struct honesties *honesties; /* of all workers; NULL: no view is used */
    struct rnd *rnd;
    bool allow_loopback;
};

struct views *views_new(const struct views_env *env);
void views_free(struct views **views); /* not from a callback of a resolver */

/* The host's addresses (DNS_OK) as this egress sees them; NULL: none known now, and asked for.
 * Borrowed until the next call. */
struct host_set *views_host(struct views *views, int egress, struct slice name);

/* How many of its name servers are left out because they rewrite answers. */
unsigned views_rewriting(const struct views *views, int egress);

#endif
