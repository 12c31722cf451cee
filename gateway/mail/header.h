/*
 * mail/header — reads a message's header section while it streams by (RFC 5322 section 2.2)
 *
 *   A push scanner: bytes in, in pieces of any size with the same result; the bytes themselves are
 * not kept. It counts Received fields (loop detection, RFC 5321 section 6.3), notes bytes above 127
 *   (RFC 6532) and keeps the values of the fields asked for, unfolded, first occurrence of each.
 *   The section ends with the empty line, or before the first line that is no field.
 */
#ifndef WAYPOST_MAIL_HEADER_H
#define WAYPOST_MAIL_HEADER_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum {
    HEADER_NAME_MAX = 64,   /* longer names are never asked for */
    HEADER_VALUE_MAX = 998, /* kept per field; the rest is cut */
    HEADER_WANTED_MAX = 64
};

struct header_scan {
    /* results */
    uint64_t size;     /* bytes of the section, with the empty line */
    unsigned received; /* Received fields */
    bool has_8bit;
    bool done; /* the section has ended */
    /* inner state */
    const struct slice *wanted;
    size_t wanted_n;
    uint64_t limit;
    uint64_t line_at; /* where the line being read starts */
    uint8_t state;
    uint8_t name_n;
    int capture; /* index into wanted, -1: none */
    char name[HEADER_NAME_MAX];
    struct header_value {
        uint32_t at, n;
        bool present;
    } values[HEADER_WANTED_MAX];
    struct buf kept;
};

/* `wanted`: at most HEADER_WANTED_MAX field names in lower case, not copied (they outlive the
 * scan). `limit`: bytes of the whole section. init once, reset for each further message. */
void header_scan_init(struct header_scan *scan, const struct slice *wanted, size_t wanted_n,
                      uint64_t limit);
void header_scan_reset(struct header_scan *scan);
void header_scan_free(struct header_scan *scan);

/* RC_AGAIN: still inside the section; RC_OK: it has ended (further bytes are ignored); RC_LIMIT:
 * it is larger than `limit`; stays so. A message may end inside its header section: nothing is
 * left to do. */
enum rc header_scan_feed(struct header_scan *scan, struct slice data);
/* Value of wanted[i], trimmed, valid until reset; false: the field is not there. */
bool header_scan_value(const struct header_scan *scan, size_t i, struct slice *value_r);

#endif
