/*
 * smtp/reply — replies: reading them as a client, writing them as a server (RFC 5321 section 4.2)
 *
 *   The parser is a push machine: bytes in, in pieces of any size with the same result. It forgives
 * a bare LF, a missing text and an enhanced code on some lines only; it does not forgive a line
 * without a code, a code that changes between lines, or more than the limits of smtp/limits.h.
 */
#ifndef WAYPOST_SMTP_REPLY_H
#define WAYPOST_SMTP_REPLY_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"
#include "gateway/mail/status.h"

struct reply {
    uint16_t code;            /* 200..599 */
    struct enhanced enhanced; /* first one found at the start of a line; its class fits the code */
    struct slice text; /* lines without code, joined by '\n', first SMTP_REPLY_KEEP_MAX bytes */
};

struct reply_parser {
    struct buf text;
    size_t bytes; /* of this reply so far */
    unsigned lines;
    uint16_t code;
    uint8_t at; /* characters of the line's prefix read: 0..3 digits, 4 separator seen */
    uint16_t line_code;
    bool last; /* the line being read is the reply's last */
    bool after_cr;
    bool complete; /* a reply was handed out; the next feed starts afresh */
    enum rc failed;
};

void reply_parser_init(struct reply_parser *parser);
void reply_parser_reset(struct reply_parser *parser); /* for a new connection */
void reply_parser_free(struct reply_parser *parser);

/* RC_OK: one reply in *reply_r, its text valid until the next call; feed the rest of `data` again.
 * RC_AGAIN: all taken, more needed. RC_PARSE, RC_LIMIT: not SMTP; stays so until reset.
 * *used_r is always set. */
enum rc reply_parser_feed(struct reply_parser *parser, struct slice data, size_t *used_r,
                          struct reply *reply_r);

/* Server side: "<code> <enhanced> text", for replies with something in them. `text` must have no CR
 * or LF. */
void reply_put_text(struct buf *out, unsigned code, const char *enhanced, struct slice text);

#endif
