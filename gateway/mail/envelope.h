/*
 * mail/envelope — who a message is from and for, and what was promised about it
 *
 *   The envelope of one *item*: the recipients of one message that go to one destination. Its
 * packed form is what the spool keeps with the item (opaque there): absent fields cost no byte, so
 * a usual record is about 40 bytes more than its addresses.
 *
 *   Ownership: the slices belong to the caller; unpacked ones point into the record. Texts are kept
 *   as received (ENVID and ORCPT still in xtext).
 */
#ifndef WAYPOST_MAIL_ENVELOPE_H
#define WAYPOST_MAIL_ENVELOPE_H

#include "gateway/base/buf.h"
#include "gateway/base/mem.h"
#include "gateway/base/rc.h"
#include "gateway/mail/content.h"
#include "gateway/mail/status.h"

enum body_kind { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME }; /* as declared by the client */
enum dsn_ret { DSN_RET_NONE, DSN_RET_FULL, DSN_RET_HDRS };    /* RFC 3461 section 4.3 */

/* NOTIFY of RFC 3461 section 4.1, as a set; 0: not given. NEVER stands alone. */
enum dsn_notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

enum recipient_state {
    RECIPIENT_PENDING,
    RECIPIENT_DELIVERED, /* accepted by the next hop */
    RECIPIENT_FAILED     /* permanently; `reply` or `status` says why */
};

enum { RECIPIENT_REPLY_MAX = 256, ENVELOPE_RECIPIENTS_MAX = 100000 };

struct recipient {
    struct slice address; /* mailbox without <> */
    struct slice orcpt;   /* "rfc822;user+2Bx@example" or empty */
    uint8_t notify;       /* set of enum dsn_notify */
    uint8_t state;        /* enum recipient_state */
    bool delay_notified;  /* a delay DSN went out already: one is enough */
    uint16_t code;        /* last SMTP reply code, 0: none */
    struct enhanced status;
    struct slice reply;      /* text of the last reply or of our own finding; packing cuts at
                                RECIPIENT_REPLY_MAX */
    struct slice reply_host; /* who said it; empty: we did */
};

/* Where the message came from; all may be empty. */
struct origin {
    struct slice address; /* client address, as text */
    struct slice name;    /* its name in `clients`, for rules */
    struct slice helo;
    struct slice user; /* authenticated as */
    struct slice tls;  /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: not encrypted */
};

/* RFC 2852: until when the message is to be delivered, and what then. */
enum by_mode { BY_NONE, BY_RETURN, BY_NOTIFY };

struct deliver_by {
    uint8_t mode;  /* enum by_mode; BY_NONE: all else is 0 */
    bool trace;    /* each relaying is reported */
    bool ours;     /* a rule of ours asks for it, not the client: no next hop has to know */
    bool told;     /* BY_NOTIFY: that it is late has been reported */
    int64_t at_ms; /* wall clock; the client may have asked for the past (BY_NOTIFY) */
};

/* RFC 4865: not before. */
struct mail_hold {
    int64_t until_ms; /* wall clock; 0: none */
    uint32_t for_s;   /* as asked by HOLDFOR, or by a rule of ours; 0: by HOLDUNTIL */
};

struct envelope {
    struct slice sender; /* mailbox without <>; empty: the null path */
    struct slice env_id; /* ENVID as given */
    uint8_t body;        /* enum body_kind */
    uint8_t ret;         /* enum dsn_ret */
    bool smtputf8;
    bool mt_priority_given;
    int8_t mt_priority; /* -9..9, RFC 6710 */
    struct deliver_by by;
    struct mail_hold hold;
    struct content_facts content;
    uint64_t size;       /* bytes to send, trace header included */
    int64_t received_ms; /* wall clock */
    struct origin origin;
    struct recipient *recipients;
    size_t recipients_n;
};

void envelope_pack(const struct envelope *envelope, struct buf *out);
/* Sender and first recipient alone; slices of the record, empty when it is damaged. */
void envelope_peek(struct slice record, struct slice *sender_r, struct slice *recipient_r);
/* Tells who gave us the message from others: a hash of the user, else of the client's name in
 * `clients`, else of its address; in this order a client is known best. An IPv6 /64 counts as one
 * address: a host has all of it to choose from. */
uint64_t origin_client(const struct origin *origin);
/* The same of a record. What we made ourselves, or cannot be read, is of one client. */
uint64_t envelope_client(struct slice record);
/* When it may leave and until when it is to be delivered; nothing when the record is damaged. */
void envelope_peek_times(struct slice record, struct deliver_by *by_r, struct mail_hold *hold_r);
/* The recipients array comes from the arena, texts stay in `record`. RC_CORRUPT: not a record, or
 * of a later version; nothing in *envelope_r may be used then. */
enum rc envelope_unpack(struct slice record, struct arena *arena, struct envelope *envelope_r);

const char *body_kind_name(enum body_kind kind); /* "7BIT", "8BITMIME", "BINARYMIME" */

#endif
