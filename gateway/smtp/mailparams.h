/*
 * smtp/mailparams — MAIL and RCPT for a next hop, and what that hop lacks for this message
 *
 *   A message may ask for more than the next hop offers. mailparams_plan() decides for the message:
 *   parameters to send, or a permanent failure with its enhanced code; nothing is converted, bytes
 *   stay as received.
 *
 *     8BITMIME     named when the body has 8-bit bytes; absent there: 5.6.3, when the client
 *                  declared 8BITMIME. Undeclared 8-bit text passes as it came.
 *     BINARYMIME   with BDAT only; else sent as 8-bit or 7-bit when the content allows, or 5.6.3
 *     SMTPUTF8     only when an address or the header needs it; a domain alone goes as A-labels;
 *                  else 5.6.7
 *     SIZE         5.3.4 when over the declared maximum
 *     DSN          absent: parameters dropped; NOTIFY=SUCCESS then wants a `relayed` notification
 *                  from us
 *     MT-PRIORITY  forwarded when given and offered
 *     DELIVERBY    forwarded with the seconds that are left (RFC 2852 section 4.1.4). To a hop
 *                  without it no mail with mode R goes (5.3.3), nor to one that wants more time
 *                  than is left (5.4.7): both only when it was the client who asked. With mode N
 *                  it goes; then a `relayed` notification is ours to make, and the hop is asked
 *                  for one when it is delayed.
 */
#ifndef WAYPOST_SMTP_MAILPARAMS_H
#define WAYPOST_SMTP_MAILPARAMS_H

#include "gateway/mail/envelope.h"
#include "gateway/smtp/ehlo.h"

struct mail_plan {
    unsigned ext;      /* extensions of the hop that this transaction uses (enum smtp_ext) */
    uint8_t body;      /* enum body_kind to name, when ext has 8BITMIME or BINARYMIME */
    bool smtputf8;     /* SMTPUTF8 on MAIL; addresses go as they are */
    bool need_bdat;    /* must be sent by BDAT */
    bool tell_relayed; /* `relayed` notifications are due whatever NOTIFY says, but NEVER */
    bool ask_delay;    /* NOTIFY gets DELAY */
};

struct hop_refusal { /* why a message or recipient cannot go through this hop */
    uint16_t code;
    struct enhanced status;
    const char *text;
};

/* RC_OK or RC_DENIED with *refusal_r. Wall clock, here and below. */
enum rc mailparams_plan(const struct envelope *envelope, const struct ehlo_caps *caps,
                        int64_t now_ms, struct mail_plan *plan_r, struct hop_refusal *refusal_r);
/* Can this recipient be named on this hop? RC_DENIED (5.6.7) when its local part needs SMTPUTF8. */
enum rc mailparams_check_rcpt(const struct mail_plan *plan, const struct recipient *recipient,
                              struct hop_refusal *refusal_r);
/* Append the command lines with CRLF. The recipient must have passed mailparams_check_rcpt(). */
void mailparams_put_mail(struct buf *out, const struct envelope *envelope,
                         const struct mail_plan *plan, int64_t now_ms);
void mailparams_put_rcpt(struct buf *out, const struct recipient *recipient,
                         const struct mail_plan *plan);
/* After delivery: is a `relayed` DSN ours to make for this recipient? */
bool mailparams_relayed_dsn(const struct mail_plan *plan, const struct recipient *recipient);

#endif
