/*
 * dns/upstream — asks resolvers one question until one of them gives an answer worth having
 *
 *   One c-ares channel per server: c-ares does the transport (UDP, TCP after truncation, matching
 *   of ids and questions), the choice of the next server is made here, because c-ares hides
 *   SERVFAIL and REFUSED or hands out the first server's answer as final. The server that
 *   answered last is asked first, so a dead first server costs one wait, not one per question.
 *
 *   Worth having: a well-formed packet with NOERROR or NXDOMAIN. Silence for try_ms, SERVFAIL,
 *   REFUSED and the like, and malformed packets move on; `tries` rounds; timeout_ms in all.
 *
 * Callbacks: exactly once, from the loop, never from inside upstream_ask() and never while c-ares
 *            is on the stack. An ask dies when its callback returns; upstream_drop() ends it
 *            silently.
 */
#ifndef WAYPOST_DNS_UPSTREAM_H
#define WAYPOST_DNS_UPSTREAM_H

#include "gateway/dns/answer.h"
#include "gateway/dns/resolver.h"

struct upstream;
struct ask;

struct ask_result {
    enum rc rc; /* RC_OK, RC_TIMEOUT silent, RC_IO failing, RC_AGAIN one of them could not be asked
                   for want of a descriptor or memory of our own */
    const struct dns_answer *answer; /* RC_OK; until the callback returns */
    char text[96];                   /* else: "no answer from 192.0.2.53:53" */
};

typedef void ask_fn(void *arg, const struct ask_result *result);

enum rc upstream_new(struct loop *loop, const struct resolver_conf *conf,
                     struct upstream **upstream_r, struct err *err);
void upstream_free(struct upstream **u); /* drops every ask; not from a callback of c-ares */

/* name: text as in dns/answer, at most 253 bytes. */
struct ask *upstream_ask(struct upstream *u, const char *name, uint16_t type, ask_fn *fn,
                         void *arg);
void upstream_drop(struct ask **ask);

/* Adds what was counted: queries, server_failures, timeouts. */
void upstream_stats(const struct upstream *u, struct resolver_stats *stats);

#endif
