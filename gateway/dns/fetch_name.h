/*
 * dns/fetch_name — a URL is fetched, its host looked up by our resolver, redirects followed
 *
 *   io/fetch with the name resolved first, and again after each redirect: at most three, never from
 *   https to http, and only for requests without a body.
 *
 * Callbacks: as io/fetch. `fn` never gets a redirect that could be followed.
 * Errors:    RC_NOT_FOUND: the host has no address; RC_AGAIN: name servers fail; RC_PARSE: no URL.
 */
#ifndef WAYPOST_DNS_FETCH_NAME_H
#define WAYPOST_DNS_FETCH_NAME_H

#include "gateway/dns/resolver.h"
#include "gateway/io/fetch.h"

struct fetch_name;

/* plan->addrs is not used. The plan's texts, body and ca must live until the end. */
struct fetch_name *fetch_name_start(struct loop *loop, struct fetcher *fetcher,
                                    struct resolver *resolver, const struct fetch_plan *plan,
                                    fetch_fn *fn, void *arg);
void fetch_name_cancel(struct fetch_name **fetch);

#endif
