/*
 * delivery/peers — a short memory of addresses that did not work, in bounded space
 *
 *   An address that failed is tried last for 1 minute, doubling up to 5; one whose TLS is broken is
 *   spoken to in plain text for an hour where the route allows that. By egress (session_egress()):
 *   what one cannot reach another may.
 */
#ifndef WAYPOST_DELIVERY_PEERS_H
#define WAYPOST_DELIVERY_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

enum { PEERS_MAX = 4096 };

struct peers;

struct peers *peers_new(void);
void peers_free(struct peers **peers);

void peers_failed(struct peers *peers, uint64_t egress, const struct addr *addr, int64_t now_ms);
void peers_worked(struct peers *peers, uint64_t egress, const struct addr *addr);
bool peers_failing(const struct peers *peers, uint64_t egress, const struct addr *addr,
                   int64_t now_ms);
void peers_tls_broke(struct peers *peers, uint64_t egress, const struct addr *addr, int64_t now_ms);
bool peers_tls_broken(const struct peers *peers, uint64_t egress, const struct addr *addr,
                      int64_t now_ms);
size_t peers_count(const struct peers *peers);

#endif
