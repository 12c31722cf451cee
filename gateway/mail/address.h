/*
 * mail/address — mailboxes and paths (RFC 5321 section 4.1.2, RFC 6531 section 3.3)
 *
 *   Parsing copies nothing: an address is slices into the text that was parsed and lives as long as
 *   that text. Quoted local parts, address literals (IPv4, IPv6) and UTF-8 are read; a UTF-8
 *   domain must have A-labels. A source route (`<@a,@b:u@c>`) is checked and ignored. Limits: local
 *   part 64, domain 255, mailbox 254 bytes.
 */
#ifndef WAYPOST_MAIL_ADDRESS_H
#define WAYPOST_MAIL_ADDRESS_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"
#include "gateway/mail/domain.h"

enum { ADDRESS_LOCAL_MAX = 64, ADDRESS_MAX = 254 };

struct address {
    struct slice text;   /* local@domain as written, no <>; empty: the null path `<>` */
    struct slice local;  /* as written, quotes included */
    struct slice domain; /* as written; empty for a bare `postmaster` and for the null path */
    bool literal;        /* domain is `[...]` */
    bool local_utf8, domain_utf8; /* has bytes above 127 */
};

/* A mailbox without <>, all of `text`. UTF-8 is read: the caller decides whether it is welcome. */
enum rc address_parse(struct slice text, struct address *address_r);
/* A path `<...>` at the start of `text`, what follows in *rest_r. `<>` gives the null address. A
 * bare
 * `<postmaster>` (any case) gives an address without a domain. RC_PARSE, RC_LIMIT. */
enum rc address_parse_path(struct slice text, struct address *address_r, struct slice *rest_r);

/* What follows the last '@' of an address as text, as written; empty when there is none. */
struct slice address_domain(struct slice text);
bool address_is_null(const struct address *address);
/* Can it be written in ASCII (RFC 6531 section 3.2)? Only the local part decides: a domain has
 * A-labels. */
bool address_needs_utf8(const struct address *address);
/* Appends the 7-bit form: local part as written, domain as A-labels. RC_DENIED when it needs UTF-8.
 */
enum rc address_put_ascii(struct buf *out, const struct address *address);
/* Appends the comparing form: local part without needless quotes (case kept, RFC 5321 2.4), `@`,
 * domain as in domain_to_ascii(). Two addresses are the same mailbox when their keys are equal. */
void address_put_key(struct buf *out, const struct address *address);

#endif
