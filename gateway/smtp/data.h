/*
 * smtp/data — the dots of DATA: decoding as a server, encoding as a client (RFC 5321 section 4.5.2)
 *
 *   The end of data is CRLF "." CRLF and nothing else; at the very start "." CRLF is enough. A bare
 * CR or a bare LF anywhere is remembered in `bad_eol` and the message must be refused at its end
 * (no SMTP smuggling in any variant): a bare CR or LF never makes a line start, so it never makes
 * an end.
 *
 *   Both directions hand out spans of the caller's bytes and copy nothing.
 */
#ifndef WAYPOST_SMTP_DATA_H
#define WAYPOST_SMTP_DATA_H

#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

struct dot_decoder {
    uint8_t state; /* zeroed struct: at the start of the data */
    bool bad_eol;  /* a bare CR or LF was in it */
};

/* Takes a prefix of `in`. *span_r: decoded bytes, a part of `in`, maybe empty; *used_r always set.
 * RC_OK: the end of data was taken, bytes behind it belong to the next command.
 * RC_AGAIN: go on with the rest of `in`, or with more input when all was used. At least one byte is
 * used when `in` is not empty. */
enum rc dot_decode(struct dot_decoder *decoder, struct slice in, size_t *used_r,
                   struct slice *span_r);

struct dot_encoder {
    uint8_t last[2]; /* last two bytes given out; zeroed struct: at the start */
    bool started;
    bool stuff; /* the dot at the front of the rest was given out once already */
};

/* Next span of `in` to send, false when `in` is used up. Moves `in` forward. A dot at a line start
 * ends one span and begins the next, so it is sent twice; without such dots there is one span. */
bool dot_encode(struct dot_encoder *encoder, struct slice *in, struct slice *span_r);
/* What ends the data: ".\r\n", with "\r\n" before it when the last line was not ended. */
struct slice dot_encode_end(const struct dot_encoder *encoder);

#endif
