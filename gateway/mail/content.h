/*
 * mail/content — what the bytes of a message demand of the next hop
 *
 *   A scanner over streamed bytes, in pieces of any size with the same result. CR and LF count as
 *   bare when not part of CRLF. Facts are about the body as received, without our trace header.
 */
#ifndef WAYPOST_MAIL_CONTENT_H
#define WAYPOST_MAIL_CONTENT_H

#include <stdint.h>

#include "gateway/base/slice.h"

struct content_facts {
    uint32_t longest_line; /* bytes without the line end; saturates */
    bool has_8bit;         /* a byte above 127 anywhere */
    bool has_nul;
    bool has_bare_eol;    /* a CR or LF outside CRLF: needs BINARYMIME */
    bool lacks_final_eol; /* does not end with CRLF (an empty message does not lack it) */
    bool header_8bit;     /* set by whoever ran mail/header over it; the scanner leaves it */
};

struct content_scan {
    struct content_facts facts; /* complete after content_scan_end() */
    uint64_t size;              /* bytes fed so far */
    uint64_t line;              /* bytes of the line being read */
    bool after_cr;
    bool starts_blank; /* the first byte is a blank or tab: it would fold into a field in front */
};

void content_scan_init(struct content_scan *scan);
void content_scan_feed(struct content_scan *scan, struct slice data);
void content_scan_end(struct content_scan *scan);

#endif
