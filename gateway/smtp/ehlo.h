/*
 * smtp/ehlo — service extensions: reading an EHLO reply, writing our own (RFC 5321 section 4.1.1.1)
 *
 *   Reading is forgiving: unknown keywords and broken parameters are ignored, names in any case,
 * the old `AUTH=LOGIN` form is understood. Writing is exact.
 */
#ifndef WAYPOST_SMTP_EHLO_H
#define WAYPOST_SMTP_EHLO_H

#include "gateway/base/buf.h"

enum smtp_ext {
    EXT_PIPELINING = 1 << 0,     /* RFC 2920 */
    EXT_SIZE = 1 << 1,           /* RFC 1870 */
    EXT_8BITMIME = 1 << 2,       /* RFC 6152 */
    EXT_SMTPUTF8 = 1 << 3,       /* RFC 6531 */
    EXT_ENHANCED = 1 << 4,       /* ENHANCEDSTATUSCODES, RFC 2034 */
    EXT_CHUNKING = 1 << 5,       /* RFC 3030 */
    EXT_BINARYMIME = 1 << 6,     /* RFC 3030; counts only together with CHUNKING */
    EXT_DSN = 1 << 7,            /* RFC 3461 */
    EXT_MT_PRIORITY = 1 << 8,    /* RFC 6710 */
    EXT_STARTTLS = 1 << 9,       /* RFC 3207 */
    EXT_AUTH = 1 << 10,          /* RFC 4954 */
    EXT_LIMITS = 1 << 11,        /* RFC 9422 */
    EXT_DELIVERBY = 1 << 12,     /* RFC 2852 */
    EXT_FUTURERELEASE = 1 << 13, /* RFC 4865; written only: it is between a client and its
                                    own server, and nothing is asked of a next hop */
    EXT_ALL = (1 << 14) - 1
};

enum smtp_auth { AUTH_PLAIN = 1 << 0, AUTH_LOGIN = 1 << 1 }; /* mechanisms we speak */

struct ehlo_caps {
    unsigned ext;            /* set of enum smtp_ext */
    unsigned auth;           /* set of enum smtp_auth */
    uint64_t size_max;       /* SIZE value; 0: none declared */
    uint32_t mail_max;       /* LIMITS; 0: none */
    uint32_t rcpt_max;       /* LIMITS; 0: none */
    uint32_t rcptdomain_max; /* LIMITS; 0: none */
    uint32_t by_min;         /* DELIVERBY: least seconds of BY=n;R; 0: none */
    uint32_t hold_max_s;     /* FUTURERELEASE: how long mail is held, */
    int64_t hold_until_ms;   /* and until when at most; wall clock */
};

/* `text`: the reply's lines without code, joined by '\n' (struct reply); the first one is the
 * greeting. */
void ehlo_parse(struct slice text, struct ehlo_caps *caps_r);
/* Appends the whole 250 reply of a server: greeting line with `hostname`, then what `caps` holds.
 */
void ehlo_put(struct buf *out, struct slice hostname, const struct ehlo_caps *caps);

#endif
