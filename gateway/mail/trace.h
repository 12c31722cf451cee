/*
 * mail/trace — our Received: field (RFC 5321 section 4.4)
 *
 *   Protocol keywords of RFC 3848 and RFC 6531 (ESMTP, ESMTPS, ESMTPA, ESMTPSA, UTF8SMTP..., SMTP),
 *   the TLS session as a comment, `for` only when there is one recipient. What a client said is
 *   cleaned first: no control byte, blank or parenthesis of its goes into the field, and no bytes
 *   above 127 unless the message is SMTPUTF8. The user's name stays out of it.
 */
#ifndef WAYPOST_MAIL_TRACE_H
#define WAYPOST_MAIL_TRACE_H

#include "gateway/base/buf.h"

struct trace {
    struct slice helo;           /* what the client called itself */
    struct slice client_name;    /* its verified DNS name; may be empty */
    struct slice client_address; /* "192.0.2.1", "2001:db8::1"; empty: local */
    struct slice by;             /* our hostname */
    struct slice id;             /* message id in the spool */
    struct slice recipient;      /* mailbox, only when it is the only one; else empty */
    struct slice tls;            /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: plain */
    bool esmtp, authenticated, smtputf8;
    bool priority_given;
    int priority; /* RFC 6710 section 4.1: what the message came with, as far as it may */
    int64_t received_ms;
};

/* Appends the folded field with its final CRLF. */
void trace_put_received(struct buf *out, const struct trace *trace);

#endif
