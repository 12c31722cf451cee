/*
 * mail/status — enhanced status codes (RFC 3463, registry of RFC 5248)
 *
 *   class.subject.detail: class 2 success, 4 persistent transient, 5 permanent; subject and detail
 *   0..999. class_ 0 means that there is none.
 */
#ifndef WAYPOST_MAIL_STATUS_H
#define WAYPOST_MAIL_STATUS_H

#include "gateway/base/buf.h"

struct enhanced {
    uint8_t class_;
    uint16_t subject, detail;
};

/* Reads a code at the start of `s`, ended by the end of text or a blank; the text behind that blank
 * in *rest_r (may be NULL). False: no code there, *rest_r is `s`. */
bool enhanced_parse(struct slice s, struct enhanced *code_r, struct slice *rest_r);
void enhanced_put(struct buf *b, struct enhanced code); /* "5.1.1"; nothing for class 0 */
/* What somebody was told, for people: "451 4.7.1 later"; what of it there is not is left out, and
 * the enhanced code is not said twice when the text begins with it, as remote ones usually do. */
void status_put_reply(struct buf *b, unsigned smtp_code, struct enhanced code, struct slice text);
/* The code itself, or x.0.0 by the first digit of the SMTP code when it is absent. */
struct enhanced enhanced_or_default(struct enhanced code, unsigned smtp_code);

#endif
