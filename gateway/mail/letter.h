/*
 * mail/letter — a message the gateway itself writes to a person
 *
 *   Plain text from the mail system, Auto-Submitted: auto-generated (RFC 3834 section 5), for the
 *   null sender of the envelope. Every byte written is ASCII: text that is not is sent as base64.
 *
 * Pure.
 */
#ifndef WAYPOST_MAIL_LETTER_H
#define WAYPOST_MAIL_LETTER_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

struct letter {
    struct slice hostname; /* ours */
    struct slice id;       /* of the message, for Message-ID */
    struct slice to;       /* a mailbox */
    struct slice subject;  /* what is not printable ASCII becomes '?' */
    struct slice text;     /* UTF-8, lines end with LF */
    int64_t now_ms;        /* wall clock */
};

/* RC_PARSE: `to` is no mailbox; RC_DENIED: one that needs SMTPUTF8. Nothing is appended then. */
enum rc letter_put(struct buf *out, const struct letter *letter);

#endif
