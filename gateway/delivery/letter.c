/*
 * delivery/letter — a message of ours to a person, committed and queued like any other mail
 */
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/own_mail.h"
#include "gateway/mail/letter.h"

enum { LETTER_MAX = 256 * 1024 };

struct writing {
    struct own_mail mail;
    struct delivery *delivery;
    delivery_letter_fn *done;
    void *arg;
};

static void end(struct writing *w, enum rc rc, const char *failure)
{
    struct delivery *d = w->delivery;
    if (failure)
        log_error(NULL, "letter_not_sent", "reason", failure, NULL);
    w->done(w->arg, rc);
    own_mail_free(&w->mail);
    free(w);
    d->notices--;
    delivery_check_drained(d);
}

static void on_committed(void *arg, enum spool_rc rc, uint64_t fence)
{
    struct writing *w = arg;
    if (rc == SPOOL_OK)
        own_mail_submit(&w->mail, fence);
    end(w, rc == SPOOL_OK ? RC_OK : RC_AGAIN, rc == SPOOL_OK ? NULL : spool_rc_name(rc));
}

static enum rc write_text(struct writing *w, struct slice subject, struct slice text)
{
    char id[SPOOL_ID_TEXT + 1];
    struct content_scan scan;
    struct buf message;
    spool_id_format(w->mail.id, id);
    struct letter letter = { .hostname = delivery_conf(w->delivery)->hostname,
                             .id = slice_of(id),
                             .to = w->mail.to,
                             .subject = subject,
                             .text = text,
                             .now_ms = loop_wall_ms(w->delivery->loop) };
    buf_init(&message, LETTER_MAX);
    enum rc rc = letter_put(&message, &letter);
    if (rc == RC_OK && message.full)
        rc = RC_LIMIT;
    content_scan_init(&scan);
    content_scan_feed(&scan, buf_slice(&message));
    content_scan_end(&scan);
    if (rc == RC_OK)
        own_mail_seal(&w->mail, buf_slice(&message), &scan.facts, false);
    buf_free(&message);
    return rc;
}

void delivery_letter(struct delivery *d, struct slice to, struct slice subject, struct slice text,
                     delivery_letter_fn *done, void *arg)
{
    struct writing *w = mem_zero(sizeof *w);
    struct spool_op op;
    w->delivery = d;
    w->done = done;
    w->arg = arg;
    d->notices++;
    enum rc rc = own_mail_begin(&w->mail, d, to, LANE_HIGH) ? RC_OK : RC_PARSE;
    if (rc == RC_OK)
        rc = write_text(w, subject, text);
    if (rc != RC_OK) {
        end(w, rc, rc_name(rc));
        return;
    }
    own_mail_op(&w->mail, &op);
    spool_apply(d->spool, &op, 1, on_committed, w);
}
