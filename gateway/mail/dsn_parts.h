/*
 * mail/dsn_parts — the pieces of a notification (private to mail/dsn*.c)
 *
 *   Each appends one body part, without the boundary lines. `global`: the SMTPUTF8 form of
 *   RFC 6533; without it every byte written is ASCII, but for a message returned whole.
 */
#ifndef WAYPOST_MAIL_DSN_PARTS_H
#define WAYPOST_MAIL_DSN_PARTS_H

#include "gateway/mail/dsn.h"

void dsn_put_text_part(struct buf *out, const struct dsn *dsn, bool global);
void dsn_put_status_part(struct buf *out, const struct dsn *dsn, bool global);
void dsn_put_original_part(struct buf *out, const struct dsn *dsn, bool global);

/* The effective status of a recipient: given, or made from code and action. */
struct enhanced dsn_status(const struct dsn_recipient *r);
/* A mailbox: as it is in the global form, else with A-labels. */
void dsn_put_mailbox(struct buf *out, struct slice address, bool global);
/* Text from outside, wrapped at about 76 columns; `indent` starts each further line. Control bytes
 * become blanks; bytes above 127 '?' unless they may stay. `column`: where the line stands now. */
void dsn_put_wrapped(struct buf *out, struct slice text, size_t column, const char *indent,
                     bool utf8);

#endif
