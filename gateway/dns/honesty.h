/*
 * dns/honesty — which name servers give an address to names that do not exist
 *
 *   Some carriers' resolvers answer NXDOMAIN with the address of a server of advertisements. What
 *   they say of mail hosts is not to be relied on. Once an hour each is asked for a name that
 *   nobody has; an address in the answer gives it away, whichever that is. Until it has answered
 *   once nothing is known of it, and without an answer it is asked again after a minute; what was
 *   known before stays.
 *
 *   One table for all workers: the first that finds a question due asks it for all of them.
 *
 * Guarantees: any thread; no lock, no allocation after honesties_new(). Without a place for one
 *             more key (HONESTIES_MAX are known) its verdict stays HONESTY_UNKNOWN.
 * Units:      milliseconds of the monotonic clock.
 */
#ifndef WAYPOST_DNS_HONESTY_H
#define WAYPOST_DNS_HONESTY_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/rnd.h"
#include "gateway/base/slice.h"
#include "gateway/dns/resolver.h"

enum {
    HONESTIES_MAX = 2048,
    HONESTY_NAME_SIZE = 32,
    HONESTY_EVERY_MS = 60 * 60 * 1000,
    HONESTY_AGAIN_MS = 60 * 1000 /* without an answer */
};

enum honesty { HONESTY_UNKNOWN, HONESTY_HONEST, HONESTY_REWRITES };

struct honesties;

struct honesties *honesties_new(void);
void honesties_free(struct honesties **honesties);

/* Of this server as this egress reaches it; never 0. */
uint64_t honesty_key(struct slice egress, const struct addr *server);
enum honesty honesty_of(const struct honesties *h, uint64_t key);

/* True: the caller asks now, and nobody else does. */
bool honesty_due(struct honesties *h, uint64_t key, int64_t now_ms);
/* What the answer says; HONESTY_UNKNOWN: there was none. */
enum honesty honesty_judge(enum dns_status status);
/* Returns the verdict before this one. */
enum honesty honesty_told(struct honesties *h, uint64_t key, enum honesty verdict, int64_t now_ms);

/* A name that does not exist, below a top-level domain that does. */
void honesty_name(struct rnd *rnd, char name_r[HONESTY_NAME_SIZE]);

#endif
