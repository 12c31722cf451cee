/*
 * reputation/dnsbl_answer — the question for a DNS blocklist, and what one answer means (pure)
 *
 *   dnsbl_name() writes the reversed address below the zone: four octets of IPv4, 32 nibbles of
 *   IPv6. dnsbl_judge() reads one set of addresses. Only 127.0.0.0/8 is an answer; anything else is
 *   a parked zone or a resolver that rewrites NXDOMAIN. 127.255.255.0/24, 127.0.0.1 and the zone's
 *   own error codes speak about the question ("you ask too much", "your resolver is not welcome").
 *   Both are LIST_UNKNOWN: they neither list nor clear. An answer that is not in the table, on the
 *   other hand, says that the list has nothing against the address that we count: LIST_CLEAR.
 *
 * See: RFC 5782 sections 2.1, 2.4 and 5.
 */
#ifndef WAYPOST_REPUTATION_DNSBL_ANSWER_H
#define WAYPOST_REPUTATION_DNSBL_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "reputation/listing.h"

enum { DNSBL_NAME_MAX = 256, DNSBL_ADDRS_MAX = 16 };

/* What a resolver said to one question. */
struct dnsbl_answer {
    /* LIST_UNKNOWN: no usable answer, `why` says what came instead; LIST_CLEAR: there is no such
     * name, or it has no address; LIST_LISTED: the addresses below. */
    enum listing_state state;
    const char *why; /* constant */
    struct addr addrs[DNSBL_ADDRS_MAX];
    size_t n;
    uint32_t ttl_s;    /* of what was answered, also of "no such name"; 0: not told */
    struct slice text; /* of a question for text */
};

struct dnsbl_codes {
    const struct zone_code *codes, *errors;
    size_t code_n, error_n;
};

struct dnsbl_finding {
    enum listing_state state;
    const char *why;              /* LIST_UNKNOWN */
    const struct zone_code *code; /* LIST_LISTED: the gravest */
    uint32_t answer;              /* LIST_LISTED: the answer that `code` is for */
};

/* RC_LIMIT: the name would be longer than DNS allows. */
enum rc dnsbl_name(const struct addr *address, struct slice zone, char name[DNSBL_NAME_MAX]);
struct dnsbl_finding dnsbl_judge(const struct dnsbl_codes *codes, const struct dnsbl_answer *a);
/* The same for a test entry (RFC 5782 section 5): any answer in 127.0.0.0/8 that is no error. */
struct dnsbl_finding dnsbl_judge_test(const struct dnsbl_codes *codes,
                                      const struct dnsbl_answer *a);

#endif
