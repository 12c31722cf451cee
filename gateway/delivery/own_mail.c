#include "gateway/delivery/own_mail.h"

#include "gateway/conf/conf.h"
#include "gateway/mail/address.h"
#include "gateway/mail/envelope.h"
#include "policies/priority.h"
#include "policies/retry.h"
#include "policies/route.h"

/* The destination key: "route/domain", or "route" for one with hosts of its own (queue/item). */
static void put_key(struct own_mail *m)
{
    struct delivery *d = m->delivery;
    struct facts f = { .lane = (enum lane)m->lane,
                       .final = true,
                       .wall_ms = loop_wall_ms(d->loop) };
    facts_set_sender(&f, (struct slice){ "", 0 });
    facts_set_recipient(&f, m->to);
    f.recipient_domain = domain_slice(&m->domain);
    f.known |= FACT_BIT(WHEN_CLIENT) | FACT_BIT(WHEN_USER) | FACT_BIT(WHEN_HEADER) |
               FACT_BIT(WHEN_PRIORITY) | FACT_BIT(WHEN_TIME);
    const struct conf_route *route = policies_route(d->policies, &f).route;
    buf_put_slice(&m->key, route->name);
    if (route->hosts.n == 0) {
        buf_putc(&m->key, '/');
        buf_put_slice(&m->key, domain_slice(&m->domain));
    }
}

bool own_mail_begin(struct own_mail *m, struct delivery *d, struct slice to, enum lane lane)
{
    struct address address;
    *m = (struct own_mail){ .delivery = d, .to = to, .lane = (uint8_t)lane };
    buf_init(&m->key, SPOOL_DEST_MAX);
    buf_init(&m->env, SPOOL_ENV_MAX);
    if (address_parse(to, &address) != RC_OK ||
        domain_to_ascii(address.domain, &m->domain) != RC_OK)
        return false;
    m->id = spool_new_id(d->spool);
    put_key(m);
    return !m->key.full;
}

void own_mail_seal(struct own_mail *m, struct slice text, const struct content_facts *facts,
                   bool smtputf8)
{
    struct delivery *d = m->delivery;
    int64_t now = loop_wall_ms(d->loop);
    struct recipient to = { .address = m->to, .notify = NOTIFY_NEVER };
    struct envelope env = {
        .body = facts->has_8bit ? BODY_8BITMIME : BODY_7BIT,
        .smtputf8 = smtputf8,
        .mt_priority = (int8_t)mt_priority_in_lane(0, (enum lane)m->lane),
        .mt_priority_given = m->lane != LANE_NORMAL, /* RFC 6710 section 4.6 */
        .content = *facts,
        .size = text.n,
        .received_ms = now,
        .recipients = &to,
        .recipients_n = 1,
    };
    m->body = body_new(text.n);
    body_append(m->body, text);
    envelope_pack(&env, &m->env);
    m->item = (struct spool_item){
        .id = m->id,
        .count = 1,
        .lane = m->lane,
        .accepted_ms = now,
        .due_ms = now,
        .expire_ms = retry_expiry(&delivery_conf(d)->rules.retry.lane[m->lane], now),
        .body_size = body_size(m->body),
        .dest = buf_slice(&m->key),
        .env = buf_slice(&m->env),
    };
}

void own_mail_op(struct own_mail *m, struct spool_op *op_r)
{
    *op_r = (struct spool_op){ .kind = SPOOL_ADD,
                               .item = m->item,
                               .add_body = m->body,
                               .add_items = &m->item,
                               .add_count = 1 };
}

void own_mail_submit(struct own_mail *m, uint64_t fence)
{
    m->item.fence = fence;
    struct item *item = item_new(&m->item);
    item->body = body_ref(m->body);
    queue_submit(m->delivery->queue, item);
}

void own_mail_free(struct own_mail *m)
{
    buf_free(&m->key);
    buf_free(&m->env);
    body_unref(&m->body);
}
