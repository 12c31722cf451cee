/*
 * delivery/notice — makes a delivery status notification and commits it with what it is about
 *
 *   1. The start of the original is taken from memory or read from the spool (one window: at most
 *      256 KiB). With RET=FULL a message of up to ORIGINAL_MAX is returned whole, else its header.
 *   2. mail/dsn writes the message: from the null sender, NOTIFY=NEVER, so that nothing about it
 *      ever comes back.
 *   3. One spool group: the original item is done or deferred, and the notification is added.
 *   4. Committed, it goes to the queue like any other mail, in the lane of the original.
 */
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/own_mail.h"
#include "gateway/delivery/settle.h"

enum { ORIGINAL_MAX = 64 * 1024, NOTICE_MAX = 8 * 1024 * 1024 };

struct notice {
    struct settlement st;
    struct delivery *delivery;
    struct spool_reader *reader;
    struct own_mail mail;
};

static void notice_free(struct notice *n)
{
    struct delivery *d = n->delivery;
    if (n->reader)
        spool_reader_close(&n->reader);
    own_mail_free(&n->mail);
    free(n);
    d->notices--;
    delivery_check_drained(d);
}

/* ---- 4 ---- */

static void on_committed(void *arg, enum spool_rc rc, uint64_t fence)
{
    struct notice *n = arg;
    if (rc == SPOOL_OK) {
        settle_finish(&n->st);
        own_mail_submit(&n->mail, fence);
    } else {
        log_error(NULL, "notice_not_stored", "reason", spool_rc_name(rc), NULL);
        settle_untold(&n->st);
    }
    notice_free(n);
}

/* ---- 3 ---- */

static void commit(struct notice *n)
{
    struct spool_op ops[2];
    settle_op(&n->st, &ops[0]);
    own_mail_op(&n->mail, &ops[1]);
    spool_apply(n->delivery->spool, ops, 2, on_committed, n);
}

/* ---- 2 ---- */

static void write_message(struct notice *n, struct slice original)
{
    struct delivery *d = n->delivery;
    const struct attempt *a = n->st.attempt;
    char id[SPOOL_ID_TEXT + 1], about[SPOOL_ID_TEXT + 1];
    struct dsn_needs needs;
    struct buf text;
    spool_id_format(n->mail.id, id);
    spool_id_format(a->item->id, about);
    struct dsn dsn = {
        .hostname = delivery_conf(d)->hostname,
        .id = slice_of(id),
        .original_id = slice_of(about),
        .to = a->env.sender,
        .env_id = a->env.env_id,
        .boundary = rnd_u64(d->rnd),
        .now_ms = loop_wall_ms(d->loop),
        .arrival_ms = a->item->accepted_ms,
        .deliver_by_ms = a->env.by.ours ? 0 : a->env.by.at_ms,
        .hold = a->env.hold,
        .recipients = n->st.notices,
        .recipients_n = n->st.notices_n,
        .ret = a->env.ret,
        .original_facts = a->env.content,
        .original_smtputf8 = a->env.smtputf8,
        .original = original,
        .original_cut = original.n < a->item->body_size,
        .original_max = ORIGINAL_MAX,
    };
    buf_init(&text, NOTICE_MAX);
    dsn_put(&text, &dsn, &needs);
    own_mail_seal(&n->mail, buf_slice(&text), &needs.facts, needs.smtputf8);
    buf_free(&text);
    commit(n);
}

/* ---- 1 ---- */

/* A body that cannot be read does not keep its sender from being told. */
static void on_original(void *arg, enum spool_rc rc, const char *data, size_t n)
{
    struct notice *notice = arg;
    write_message(notice, (struct slice){ rc == SPOOL_OK ? data : NULL, rc == SPOOL_OK ? n : 0 });
    spool_reader_close(&notice->reader);
}

bool notice_start(const struct settlement *st)
{
    struct attempt *a = st->attempt;
    struct delivery *d = a->delivery;
    struct notice *n = mem_zero(sizeof *n);
    n->st = *st;
    n->delivery = d;
    d->notices++;
    if (!own_mail_begin(&n->mail, d, a->env.sender, (enum lane)a->item->lane)) {
        log_warning(NULL, "notice_impossible", "reason", "the sender's address has no domain",
                    NULL);
        notice_free(n);
        return false;
    }
    if (a->item->body) {
        write_message(n, body_slice(a->item->body));
        return true;
    }
    n->reader = spool_reader_open(d->spool, a->item->id);
    spool_reader_next(n->reader, on_original, n);
    return true;
}
