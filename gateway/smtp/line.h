/*
 * smtp/line — command lines out of a stream of bytes (RFC 5321 section 2.3.8)
 *
 *   A line ends with CRLF and with nothing else. A bare CR, a bare LF or a NUL makes the line
 * RC_PARSE; it is still consumed as a whole up to its LF, so the session can answer 500 and go on
 * (or hang up).
 */
#ifndef WAYPOST_SMTP_LINE_H
#define WAYPOST_SMTP_LINE_H

#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

struct line_reader {
    bool skipping; /* inside a line that was too long; zeroed at the start */
};

/* Takes one line from the front of `in`. *used_r is always set: bytes to drop from the front.
 *   RC_OK     *line_r without CRLF, a part of `in`
 *   RC_AGAIN  no complete line (while skipping, *used_r > 0 all the same)
 *   RC_PARSE  a line with a bare CR, a bare LF or a NUL was dropped
 *   RC_LIMIT  longer than `max` bytes with CRLF; reported once, the rest of the line is skipped */
enum rc line_next(struct line_reader *reader, struct slice in, size_t max, struct slice *line_r,
                  size_t *used_r);

#endif
