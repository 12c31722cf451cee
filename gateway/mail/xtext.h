/*
 * mail/xtext — the encoding of ENVID, ORCPT and AUTH= values (RFC 3461 section 4, RFC 6533 section
 * 3)
 *
 *   xtext: "!" to "~" except "+" and "="; any other byte as "+" and two upper-case hex digits.
 *   utf-8-addr-xtext (ORCPT=utf-8;...): code points as "\x{HEX}".
 */
#ifndef WAYPOST_MAIL_XTEXT_H
#define WAYPOST_MAIL_XTEXT_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

bool xtext_is_valid(struct slice s);                   /* well-formed xtext, not empty */
enum rc xtext_decode(struct slice s, struct buf *out); /* RC_PARSE leaves a part in `out` */
/* ORCPT value: "type;xtext" (type an atom). utf-8 type: raw UTF-8 or \x{...} too. */
bool orcpt_is_valid(struct slice s);
/* Appends what Original-Recipient shows, "type;decoded"; bytes unfit for a header field become '?'.
 */
void orcpt_put_decoded(struct slice orcpt, struct buf *out);
/* Appends the 7-bit form for a hop without SMTPUTF8: code points above ASCII as \x{HEX}. */
void orcpt_put_ascii(struct slice orcpt, struct buf *out);

#endif
