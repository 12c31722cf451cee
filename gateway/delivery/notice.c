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
#include "gateway/delivery/settle.h"
#include "gateway/mail/address.h"
#include "policies/retry.h"
#include "policies/route.h"

enum { ORIGINAL_MAX = 64 * 1024, NOTICE_MAX = 8 * 1024 * 1024 };

struct notice {
    struct settlement st;
    struct delivery *delivery;
    struct spool_reader *reader;
    struct spool_id id;
    struct domain domain; /* of the original's sender */
    struct buf key, env;
    struct body *body;
    struct spool_item item;
};

static void notice_free(struct notice *n)
{
    struct delivery *d = n->delivery;
    if (n->reader)
        spool_reader_close(&n->reader);
    buf_free(&n->key);
    buf_free(&n->env);
    body_unref(&n->body);
    free(n);
    d->notices--;
    delivery_check_drained(d);
}

/* ---- 4 ---- */

static void on_committed(void *arg, enum spool_rc rc, uint64_t fence)
{
    struct notice *n = arg;
    if (rc == SPOOL_OK) {
        n->item.fence = fence;
        struct item *item = item_new(&n->item);
        item->body = body_ref(n->body);
        settle_finish(&n->st);
        queue_submit(n->delivery->queue, item);
    } else {
        log_error(NULL, "notice_not_stored", "reason", spool_rc_name(rc), NULL);
        settle_untold(&n->st);
    }
    notice_free(n);
}

/* ---- 3 ---- */

static void put_envelope(struct notice *n, const struct dsn_needs *needs, int64_t now)
{
    struct recipient to = { .address = n->st.attempt->env.sender, .notify = NOTIFY_NEVER };
    struct envelope env = {
        .body = needs->facts.has_8bit ? BODY_8BITMIME : BODY_7BIT,
        .smtputf8 = needs->smtputf8,
        .content = needs->facts,
        .size = body_size(n->body),
        .received_ms = now,
        .recipients = &to,
        .recipients_n = 1,
    };
    envelope_pack(&env, &n->env);
}

static void commit(struct notice *n, const struct dsn_needs *needs)
{
    struct delivery *d = n->delivery;
    const struct item *about = n->st.attempt->item;
    int64_t now = loop_wall_ms(d->loop);
    struct spool_op ops[2];
    put_envelope(n, needs, now);
    n->item = (struct spool_item){
        .id = n->id,
        .count = 1,
        .lane = about->lane,
        .accepted_ms = now,
        .due_ms = now,
        .expire_ms = retry_expiry(&delivery_conf(d)->rules.retry, now),
        .body_size = body_size(n->body),
        .dest = buf_slice(&n->key),
        .env = buf_slice(&n->env),
    };
    settle_op(&n->st, &ops[0]);
    ops[1] = (struct spool_op){ .kind = SPOOL_ADD,
                                .item = n->item,
                                .add_body = n->body,
                                .add_items = &n->item,
                                .add_count = 1 };
    spool_apply(d->spool, ops, 2, on_committed, n);
}

/* ---- 2 ---- */

static void write_message(struct notice *n, struct slice original)
{
    struct delivery *d = n->delivery;
    const struct attempt *a = n->st.attempt;
    char id[SPOOL_ID_TEXT + 1], about[SPOOL_ID_TEXT + 1];
    struct dsn_needs needs;
    struct buf text;
    n->id = spool_new_id(d->spool);
    spool_id_format(n->id, id);
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
    n->body = body_new(buf_len(&text));
    body_append(n->body, buf_slice(&text));
    buf_free(&text);
    commit(n, &needs);
}

/* ---- 1 ---- */

/* A body that cannot be read does not keep its sender from being told. */
static void on_original(void *arg, enum spool_rc rc, const char *data, size_t n)
{
    struct notice *notice = arg;
    write_message(notice, (struct slice){ rc == SPOOL_OK ? data : NULL, rc == SPOOL_OK ? n : 0 });
    spool_reader_close(&notice->reader);
}

/* The destination key: "route/domain", or "route" for one with hosts of its own (queue/item). */
static bool find_way(struct notice *n)
{
    struct delivery *d = n->delivery;
    struct slice sender = n->st.attempt->env.sender;
    struct address to;
    struct facts f = { .lane = (enum lane)n->st.attempt->item->lane,
                       .final = true,
                       .wall_ms = loop_wall_ms(d->loop) };
    if (address_parse(sender, &to) != RC_OK || domain_to_ascii(to.domain, &n->domain) != RC_OK)
        return false;
    facts_set_sender(&f, (struct slice){ "", 0 });
    facts_set_recipient(&f, sender);
    f.recipient_domain = domain_slice(&n->domain);
    f.known |= FACT_BIT(WHEN_CLIENT) | FACT_BIT(WHEN_USER) | FACT_BIT(WHEN_HEADER) |
               FACT_BIT(WHEN_PRIORITY) | FACT_BIT(WHEN_TIME);
    const struct conf_route *route = policies_route(d->policies, &f).route;
    buf_init(&n->key, SPOOL_DEST_MAX);
    buf_put_slice(&n->key, route->name);
    if (route->hosts.n == 0) {
        buf_putc(&n->key, '/');
        buf_put_slice(&n->key, domain_slice(&n->domain));
    }
    return !n->key.full;
}

bool notice_start(const struct settlement *st)
{
    struct attempt *a = st->attempt;
    struct delivery *d = a->delivery;
    struct notice *n = mem_zero(sizeof *n);
    n->st = *st;
    n->delivery = d;
    d->notices++;
    buf_init(&n->env, SPOOL_ENV_MAX);
    if (!find_way(n)) {
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
