#include "gateway/ingress/transaction.h"

#include <stdlib.h>

#include "gateway/base/mem.h"

enum { KNOWN_FIRST = 8 };

static struct transaction *take_idle(struct ingress *in)
{
    struct list *node = list_pop_front(&in->idle_transactions);
    if (node) {
        in->idle_transactions_n--;
        return CONTAINER_OF(node, struct transaction, node);
    }
    struct transaction *tx = mem_zero(sizeof *tx);
    list_init(&tx->node);
    tx->in = in;
    tx->arena = arena_new(4096);
    header_scan_init(&tx->header, NULL, 0, HEADER_BYTES_MAX);
    return tx;
}

static struct slice keep(struct arena *arena, struct slice s)
{
    return s.n ? (struct slice){ arena_strndup(arena, s.p, s.n), s.n } : (struct slice){ 0 };
}

static bool may_set_priority(const struct session *s)
{
    return s->user ? s->user->may_set_priority : s->client && s->client->may_set_priority;
}

int64_t transaction_hold_until(const struct mail_args *mail, int64_t now_ms)
{
    return mail->hold_for_s ? now_ms + (int64_t)mail->hold_for_s * 1000 : mail->hold_until_ms;
}

/* From MAIL on (RFC 2852 section 4). */
static void take_times(struct envelope *e, const struct mail_args *mail, int64_t now_ms)
{
    e->hold = (struct mail_hold){ transaction_hold_until(mail, now_ms), mail->hold_for_s };
    if (mail->by_mode != BY_NONE)
        e->by = (struct deliver_by){ .mode = mail->by_mode,
                                     .trace = mail->by_trace,
                                     .told = mail->by_s <= 0, /* by an earlier hop */
                                     .at_ms = now_ms + (int64_t)mail->by_s * 1000 };
}

static int64_t clock_ahead_ms(struct loop *loop)
{
    return loop_wall_ms(loop) - loop_now_ms(loop);
}

int64_t transaction_renew_times(struct transaction *tx)
{
    struct envelope *e = &tx->envelope;
    int64_t by_ms = clock_ahead_ms(tx->in->env.loop) - tx->clock_ms;
    tx->clock_ms += by_ms;
    if (e->hold.until_ms && !e->hold.for_s) /* HOLDUNTIL: a time, and what counts from it */
        return by_ms;
    e->hold.until_ms += e->hold.until_ms ? by_ms : 0;
    e->by.at_ms += e->by.mode != BY_NONE ? by_ms : 0;
    return by_ms;
}

struct transaction *transaction_begin(struct session *s, const struct mail_args *mail)
{
    struct transaction *tx = take_idle(s->in);
    tx->session = s;
    tx->rules = ruleset_ref(s->rules);
    tx->first = NULL;
    tx->last = &tx->first;
    tx->recipients_n = 0;
    tx->lane = LANE_BULK;
    tx->known = NULL;
    tx->begun = false;
    tx->refusal = NULL;
    tx->items = NULL;
    tx->items_n = 0;
    tx->urgent = URGENT_NOT_ASKED;
    tx->declared_size = mail->size_given ? mail->size : 0;
    tx->priority = (struct mt_priority){ .given = mail->mt_priority_given,
                                         .allowed = may_set_priority(s),
                                         .value = mail->mt_priority };
    tx->envelope = (struct envelope){
        .sender = keep(tx->arena, mail->from.text),
        .env_id = keep(tx->arena, mail->env_id),
        .body = mail->body,
        .ret = mail->ret,
        .smtputf8 = mail->smtputf8,
        .mt_priority_given = mail->mt_priority_given,
        .mt_priority = (int8_t)mt_priority_effective(tx->priority),
    };
    take_times(&tx->envelope, mail, loop_wall_ms(s->in->env.loop));
    tx->clock_ms = clock_ahead_ms(s->in->env.loop);
    return tx;
}

void transaction_facts(const struct transaction *tx, int64_t now_ms, struct facts *f)
{
    const struct session *s = tx->session;
    f->client = s->client ? s->client->name : (struct slice){ 0 };
    f->client_addr = s->peer;
    f->user = s->user ? s->user->name : (struct slice){ 0 };
    f->wall_ms = now_ms;
    f->known |= FACT_BIT(WHEN_CLIENT) | FACT_BIT(WHEN_USER) | FACT_BIT(WHEN_TIME);
    facts_set_sender(f, tx->envelope.sender);
}

/* The slot of a key, in a table that has room for one more. */
static struct tx_recipient **slot_of(struct transaction *tx, struct slice key)
{
    if (!tx->known || tx->recipients_n > tx->known_mask) {
        size_t size = tx->known ? 4 * (tx->known_mask + 1) : KNOWN_FIRST;
        tx->known = arena_alloc(tx->arena, size * sizeof(struct tx_recipient *));
        tx->known_mask = size - 1;
        for (struct tx_recipient *r = tx->first; r; r = r->next) {
            struct tx_recipient **slot = &tx->known[slice_hash(r->key) & tx->known_mask];
            r->near = *slot;
            *slot = r;
        }
    }
    return &tx->known[slice_hash(key) & tx->known_mask];
}

void transaction_add(struct transaction *tx, const struct rcpt_args *rcpt, struct slice domain)
{
    struct buf *b = &tx->in->scratch;
    buf_clear(b);
    address_put_key(b, &rcpt->to);
    struct slice key = buf_slice(b);
    struct tx_recipient **slot = slot_of(tx, key);
    for (const struct tx_recipient *r = *slot; r; r = r->near)
        if (slice_eq(r->key, key))
            return;
    struct tx_recipient *r = arena_alloc(tx->arena, sizeof *r);
    r->as.address = keep(tx->arena, rcpt->to.text);
    r->as.orcpt = keep(tx->arena, rcpt->orcpt);
    r->as.notify = rcpt->notify;
    r->domain = keep(tx->arena, domain);
    r->key = slice_eq(key, r->as.address) ? r->as.address : keep(tx->arena, key);
    r->near = *slot;
    *slot = r;
    *tx->last = r;
    tx->last = &r->next;
    tx->recipients_n++;
}

static void transaction_free(struct transaction *tx)
{
    arena_free(&tx->arena);
    header_scan_free(&tx->header);
    free(tx);
}

void transaction_release(struct transaction **txp)
{
    struct transaction *tx = *txp;
    *txp = NULL;
    if (!tx)
        return;
    struct ingress *in = tx->in;
    if (tx->begun)
        in->receiving--;
    if (tx->writer)
        spool_writer_abort(&tx->writer);
    body_unref(&tx->body);
    for (unsigned i = 0; i < tx->items_n; i++)
        item_free(&tx->items[i]);
    if (tx->urgent == URGENT_GRANTED)
        ruleset_give_back_urgent(tx->rules, &tx->place, loop_now_ms(in->env.loop));
    ruleset_unref(&tx->rules);
    tx->session = NULL;
    if (in->idle_transactions_n == TRANSACTIONS_KEPT) {
        transaction_free(tx);
        return;
    }
    arena_reset(tx->arena);
    list_push_front(&in->idle_transactions, &tx->node);
    in->idle_transactions_n++;
}

void transactions_free_idle(struct ingress *in)
{
    for (struct list *node; (node = list_pop_front(&in->idle_transactions));)
        transaction_free(CONTAINER_OF(node, struct transaction, node));
    in->idle_transactions_n = 0;
}
