/*
 * dns/sets — builds struct mx_set and struct host_set from answers (pure)
 *
 *   The rules of RFC 5321 section 5.1 and RFC 7505 are here: null MX, sorting, duplicates, what
 *   is no host name. So is the judgement of addresses that can never be a receiver: unspecified,
 *   multicast, link-local, and loopback unless allowed. expires_ms is left to the caller.
 */
#ifndef WAYPOST_DNS_SETS_H
#define WAYPOST_DNS_SETS_H

#include "gateway/dns/answer.h"
#include "gateway/dns/resolver.h"

struct mx_set *mx_set_failed(enum dns_status status, const char *text);
struct mx_set *mx_set_copy(const struct mx_set *set);
/* One host, `name`, with preference 0: an implicit MX or a literal. */
struct mx_set *mx_set_single(const char *name, bool implicit);
/* From the MX records found; found->count > 0. */
struct mx_set *mx_set_build(const struct dns_answer *answer, const struct dns_found *found);

struct host_set *host_set_failed(enum dns_status status, const char *text);
struct host_set *host_set_copy(const struct host_set *set);
/* Alternates families, IPv6 first; drops duplicates and what can never be right. When nothing is
 * left the status is DNS_UNUSABLE. */
struct host_set *host_set_build(const struct addr *v6, size_t v6_count, const struct addr *v4,
                                size_t v4_count, bool allow_loopback);

/* A literal "[192.0.2.1]", "[IPv6:2001:db8::1]", or a bare address. *bare_r: no brackets. */
bool dns_parse_literal(struct slice text, struct addr *addr_r, bool *bare_r);

#endif
