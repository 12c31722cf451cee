/*
 * tests/support/dnswire — writes DNS packets, right ones and wrong ones
 *
 *   dnswire_begin() writes header and question; records follow in section order; dnswire_end()
 *   puts the counts in. Names are text as in dns/answer ("" the root, \DDD for odd bytes),
 *   uncompressed.
 */
#ifndef WAYPOST_TESTS_SUPPORT_DNSWIRE_H
#define WAYPOST_TESTS_SUPPORT_DNSWIRE_H

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"

enum dnswire_section { DNSWIRE_ANSWER = 1, DNSWIRE_AUTHORITY, DNSWIRE_ADDITIONAL };

struct dnswire {
    struct buf buf;
    uint16_t counts[4];
};

void dnswire_begin(struct dnswire *w, uint16_t id, uint16_t flags, const char *name,
                   uint16_t type); /* name NULL: no question */
void dnswire_put_name(struct buf *b, const char *name);
void dnswire_put_u16(struct buf *b, unsigned v);
void dnswire_put_u32(struct buf *b, uint32_t v);
/* One record with the data given. */
void dnswire_record(struct dnswire *w, enum dnswire_section section, const char *owner,
                    uint16_t type, uint32_t ttl, struct slice data);
void dnswire_addr(struct dnswire *w, const char *owner, uint32_t ttl, const char *addr);
void dnswire_mx(struct dnswire *w, const char *owner, uint32_t ttl, unsigned pref,
                const char *host);
void dnswire_cname(struct dnswire *w, const char *owner, uint32_t ttl, const char *target);
void dnswire_soa(struct dnswire *w, uint32_t ttl, uint32_t minimum); /* authority section */
struct slice dnswire_end(struct dnswire *w);
void dnswire_free(struct dnswire *w);

#endif
