/*
 * smtp/proxy — the PROXY protocol, versions 1 and 2
 *
 *   Read in front of a session from networks that may send it; version 2 written in front of a
 *   connection through an egress proxy. LOCAL, UNKNOWN, UNIX and unspecified families are read: the
 *   connection then counts as the proxy's own. TLVs are skipped, a CRC32c TLV is checked.
 */
#ifndef WAYPOST_SMTP_PROXY_H
#define WAYPOST_SMTP_PROXY_H

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum {
    PROXY_V1_MAX = 107, /* longest line of version 1, with CRLF */
    PROXY_V2_MAX = 4096 /* header and TLVs we accept */
};

struct proxy_header {
    bool has_addresses; /* false: use those of the connection itself */
    struct addr source, destination;
};

/* A header at the front of `in`. RC_AGAIN: more bytes needed; RC_PARSE, RC_LIMIT: hang up.
 * *used_r: bytes of the header, with RC_OK only (else 0). */
enum rc proxy_parse(struct slice in, struct proxy_header *header_r, size_t *used_r);
/* Appends a version 2 header: PROXY over TCP when both are of one family, else LOCAL. */
void proxy_put_v2(struct buf *out, const struct addr *source, const struct addr *destination);

#endif
