/*
 * dns/answer — reads raw DNS answers (pure)
 *
 *   answer_parse() turns one packet into records, checking every bound: names (length,
 *   compression only backwards, so loops are impossible), RDLENGTH against what the type needs,
 *   counts. Names are lower-case text without the dot at the end; "" is the root; bytes that a
 *   host name cannot have are written \DDD. Record types that are not known are kept as type and
 *   TTL only.
 *
 *   answer_find() follows the CNAME chain from the question to the records wanted.
 *
 * Memory: everything lives in the arena given.
 * See:    RFC 1035 section 4, RFC 2181 section 8 (TTLs), RFC 2308 section 5, RFC 6891 (OPT).
 */
#ifndef WAYPOST_DNS_ANSWER_H
#define WAYPOST_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/mem.h"
#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_OPT = 41
};

enum dns_rcode { DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NAME_ERROR = 3 };

enum {
    DNS_RECORDS_MAX = 512,   /* more in one packet are refused */
    DNS_NAME_TEXT_MAX = 1024 /* 255 bytes, each up to four characters, and NUL */
};

struct dns_record {
    const char *owner;
    uint16_t type;
    uint32_t ttl;        /* seconds; the sign bit set means 0 */
    uint16_t preference; /* MX */
    const char *name;    /* MX, CNAME, PTR; NULL else */
    struct addr addr;    /* A, AAAA; port 0 */
    struct slice text;   /* TXT: all strings joined */
    uint32_t minimum;    /* SOA */
};

struct dns_answer {
    uint16_t id;
    uint8_t rcode;
    bool truncated, authentic; /* TC, AD */
    bool has_question;
    const char *question; /* name asked for; "" without a question */
    uint16_t question_type;
    size_t count; /* answer section */
    struct dns_record *records;
    bool has_negative_ttl; /* an SOA stood in the authority section */
    uint32_t negative_ttl; /* seconds: the smaller of its TTL and MINIMUM */
};

/* RC_OK, RC_PARSE, RC_LIMIT. Queries (QR = 0) are RC_PARSE. */
enum rc answer_parse(const void *packet, size_t n, struct arena *arena,
                     struct dns_answer *answer_r);

struct dns_found {
    const char *name; /* where the chain ended */
    bool followed;    /* at least one CNAME */
    bool looped;      /* the chain never ends, or is absurdly long */
    size_t count;     /* records of `type` at `name` */
    uint32_t ttl;     /* smallest along the way, seconds; 0 when nothing was found */
};

/* What the answer says about (name, type). answer_next() then walks the records found:
 * for (r = NULL; (r = answer_next(a, &found, type, r));) */
struct dns_found answer_find(const struct dns_answer *a, const char *name, uint16_t type);
const struct dns_record *answer_next(const struct dns_answer *a, const struct dns_found *found,
                                     uint16_t type, const struct dns_record *after);

/* Is `name` fit to be a mail host: labels of letters, digits, '-', '_', at most 63 and 253 long in
 * all, not all digits at the end (that would be an address). */
bool dns_is_host_name(const char *name);

#endif
