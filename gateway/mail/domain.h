/*
 * mail/domain — domain names of mail: syntax, comparing form, A-labels
 *
 *   One form for keys, DNS and the wire: lower case, A-labels (RFC 5890, 5891), no final dot.
 *   Syntax is RFC 5321 section 4.1.2 with the underscore of real life let in; U-labels (UTF-8) only
 *   where the caller allows them. Pure ASCII never touches the IDNA tables.
 */
#ifndef WAYPOST_MAIL_DOMAIN_H
#define WAYPOST_MAIL_DOMAIN_H

#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

enum { DOMAIN_MAX = 255 };

struct domain {
    char text[DOMAIN_MAX + 1]; /* NUL-terminated */
    uint8_t n;
};

/* Is it well-formed as written? RC_PARSE or RC_LIMIT (over 255 bytes, a label over 63). */
enum rc domain_check(struct slice text, bool allow_utf8);
/* The comparing form. RC_PARSE: not a domain, or not allowed by IDNA; RC_LIMIT: too long as
 * A-labels. An address literal ("[192.0.2.1]") is taken over in lower case. */
enum rc domain_to_ascii(struct slice text, struct domain *domain_r);
struct slice domain_slice(const struct domain *domain);

#endif
