/*
 * mail/dsn — delivery status notifications: who gets one, and the whole message (RFC 3464, 3461,
 * 6533)
 *
 *   dsn_wanted() holds the rules; dsn_put() writes a complete message, header and body, as
 *   multipart/report (RFC 6522): a text for people, message/delivery-status for programs, and the
 *   original message or its header. Pure: time, ids and the boundary come from the caller.
 *
 *   The caller sends it with the null sender, to dsn->to, NOTIFY=NEVER, and with the body kind and
 *   SMTPUTF8 need that dsn_put() returns. Never a DSN about a message from the null sender.
 *   Bytes above 127 appear only in the SMTPUTF8 form, or inside the returned message.
 */
#ifndef WAYPOST_MAIL_DSN_H
#define WAYPOST_MAIL_DSN_H

#include "gateway/mail/envelope.h"

enum dsn_action {
    DSN_FAILED,    /* refused for good, or expired */
    DSN_DELAYED,   /* still being tried */
    DSN_DELIVERED, /* final delivery; a relay says this only when the next hop is known to be final
                    */
    DSN_RELAYED    /* handed to a next hop that does not do DSN (RFC 3461 section 5.2.2) */
};

struct dsn_recipient {
    struct slice address; /* mailbox */
    struct slice orcpt;   /* as given to RCPT, or empty */
    enum dsn_action action;
    bool expired;                /* DSN_FAILED because the time was up */
    uint16_t code;               /* remote reply, 0: the finding is ours */
    struct enhanced status;      /* class 0: made from `code`, `action` */
    struct slice reply;          /* remote text (lines by '\n') or our own words */
    struct slice remote_mta;     /* who said it; empty: nobody did */
    int64_t last_attempt_ms;     /* 0: leave out */
    int64_t will_retry_until_ms; /* DSN_DELAYED only; 0: leave out */
};

struct dsn {
    struct slice hostname;    /* ours: Reporting-MTA, From, Message-ID */
    struct slice id;          /* unique, for the Message-ID: the spool id of this notification */
    struct slice original_id; /* spool id of the message it is about, for people; may be empty */
    struct slice to;          /* sender of the original */
    struct slice env_id;      /* as given (xtext); may be empty */
    uint64_t boundary;        /* random */
    int64_t now_ms, arrival_ms;
    int64_t deliver_by_ms; /* as asked by the client, RFC 2852 section 5; 0: not */
    struct mail_hold hold; /* likewise, RFC 4865 section 5.1.2 */
    const struct dsn_recipient *recipients;
    size_t recipients_n;
    uint8_t ret; /* enum dsn_ret of the original */
    struct content_facts original_facts;
    bool original_smtputf8;
    struct slice original; /* whole message or a first part of it; at least the header */
    bool original_cut;     /* `original` is not the whole message */
    size_t original_max;   /* a larger one is returned as its header only */
};

struct dsn_needs {
    struct content_facts facts; /* of the notification itself */
    bool smtputf8;
};

enum { DSN_HEADER_MAX = 64 * 1024 }; /* header sections longer than this are cut */

/* Is a notification due for this recipient? `sender` empty: never. NOTIFY absent means FAILURE and
 * DELAY (RFC 3461 section 4.1). DSN_DELIVERED and DSN_RELAYED only for NOTIFY=SUCCESS. */
bool dsn_wanted(struct slice sender, unsigned notify, enum dsn_action action);
/* Appends the message with CRLF line ends. */
void dsn_put(struct buf *out, const struct dsn *dsn, struct dsn_needs *needs_r);

#endif
