/*
 * delivery/own_mail — a message of ours to one recipient, on its way into spool and queue
 *
 *   From the null sender, NOTIFY=NEVER: nothing about it ever comes back. It takes the route that
 *   any mail to its recipient takes.
 *
 *     own_mail_begin() ─ the message is written, with `id` in it ─► own_mail_seal()
 *       ─► own_mail_op() into a spool group ─► committed: own_mail_submit() ─► own_mail_free()
 */
#ifndef WAYPOST_DELIVERY_OWN_MAIL_H
#define WAYPOST_DELIVERY_OWN_MAIL_H

#include "gateway/delivery/engine.h"
#include "gateway/mail/body.h"
#include "gateway/mail/content.h"
#include "gateway/mail/domain.h"

struct own_mail {
    struct delivery *delivery;
    struct spool_id id;
    struct domain domain; /* of the recipient */
    struct slice to;      /* borrowed until own_mail_seal() */
    struct buf key, env;
    struct body *body;
    struct spool_item item;
    uint8_t lane;
};

/* False: the recipient's address has no domain. own_mail_free() follows in any case. */
bool own_mail_begin(struct own_mail *mail, struct delivery *d, struct slice to, enum lane lane);
/* `text` is the whole message; it is copied. */
void own_mail_seal(struct own_mail *mail, struct slice text, const struct content_facts *facts,
                   bool smtputf8);
void own_mail_op(struct own_mail *mail, struct spool_op *op_r);
void own_mail_submit(struct own_mail *mail, uint64_t fence);
void own_mail_free(struct own_mail *mail);

#endif
