/*
 * ingress/accept — from the end of the data to the 250
 *
 *   1. trace header in front of the body (RFC 5321 section 4.4)
 *   2. recipients into items; their lane is known now: is it taken (pressure.c)?
 *   3. body and items to the spool, in one atomic commit
 *   4. on SPOOL_OK: items to the queue with the body in memory, a line in the delivery log, 250;
 *      else 451 or 452, and nothing is kept
 *
 *   Between 3 and 4 the client may go. Step 4 happens all the same, without the reply.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/ingress/transaction.h"
#include "gateway/mail/trace.h"

/* The header goes through the scratch buffer into body or writer. */
static void put_trace(struct transaction *tx, struct slice client_address)
{
    const struct session *s = tx->session;
    char id[SPOOL_ID_TEXT + 1];
    spool_id_format(tx->id, id);
    struct trace trace = {
        .helo = slice_of(s->helo),
        .client_address = client_address,
        .by = s->rules->conf->hostname,
        .id = { id, SPOOL_ID_TEXT },
        .recipient = tx->recipients_n == 1 ? tx->first->as.address : (struct slice){ 0 },
        .tls = tx->envelope.origin.tls,
        .esmtp = s->esmtp,
        .authenticated = s->user != NULL,
        .smtputf8 = tx->envelope.smtputf8,
        .priority_given = tx->priority.given,
        .priority = tx->envelope.mt_priority,
        .received_ms = tx->envelope.received_ms,
    };
    struct buf *b = &tx->in->scratch;
    buf_clear(b);
    trace_put_received(b, &trace);
    if (tx->content.starts_blank)
        buf_puts(b, "\r\n"); /* else the client could write on in our field */
    struct slice head = buf_slice(b);
    if (tx->writer)
        spool_writer_prepend(tx->writer, head.p, head.n);
    else
        body_prepend(tx->body, head);
}

/* All that the items and the log must know of the session, which may go before them. */
static void complete_envelope(struct transaction *tx)
{
    const struct session *s = tx->session;
    struct envelope *e = &tx->envelope;
    char address[ADDR_TEXT_MAX];
    addr_host_text(&s->peer, address);
    size_t n = strlen(address), helo = strlen(s->helo), tls = s->tls ? strlen(s->tls) : 0;
    e->received_ms = loop_wall_ms(tx->in->env.loop);
    transaction_renew_times(tx);
    e->content = tx->content.facts;
    e->origin = (struct origin){
        .address = { arena_strndup(tx->arena, address, n), n },
        .name = s->client ? s->client->name : (struct slice){ 0 },
        .helo = { arena_strndup(tx->arena, s->helo, helo), helo },
        .user = s->user ? s->user->name : (struct slice){ 0 },
        .tls = { tls ? arena_strndup(tx->arena, s->tls, tls) : NULL, tls },
    };
    tx->client = s->peer;
    put_trace(tx, e->origin.address);
    e->size = tx->writer ? spool_writer_size(tx->writer) : body_size(tx->body);
}

static void log_received(const struct transaction *tx)
{
    struct delivery_event e;
    delivery_event_init(&e, EVENT_RECEIVED);
    e.id = tx->id;
    e.has_id = e.has_sender = true;
    e.sender = tx->envelope.sender;
    e.recipient = tx->first->as.address;
    e.recipients = (uint32_t)tx->recipients_n;
    e.size = tx->envelope.size;
    e.lane = (enum lane)tx->items[0]->lane;
    if (tx->by != LANE_BY_DEFAULT)
        e.priority_by = slice_of(lane_source_names[tx->by]);
    e.mt_priority_given = tx->priority.given;
    e.mt_priority = (int8_t)tx->priority.value;
    e.next_attempt_ms = tx->items[0]->release_ms;
    e.client = tx->client;
    e.user = tx->envelope.origin.user;
    e.route = tx->route;
    e.tls = tx->envelope.origin.tls;
    delivery_log_write(tx->in->env.log, &e);
}

static void submit_items(struct transaction *tx, uint64_t fence)
{
    int64_t now = loop_wall_ms(tx->in->env.loop);
    int64_t by_ms = transaction_renew_times(tx); /* while the spool wrote it */
    for (unsigned i = 0; i < tx->items_n; i++) {
        struct item *item = tx->items[i];
        item->fence = fence;
        item->body = tx->body ? body_ref(tx->body) : NULL;
        if (by_ms)
            item_clock_set(item, now - by_ms, now);
        queue_submit(tx->in->env.queue, item);
    }
    tx->items_n = 0;
    if (tx->urgent == URGENT_GRANTED)
        tx->urgent = URGENT_ACCEPTED;
}

/* RFC 6710 section 4.1: a priority that a rule or a quota has changed since MAIL is told here. */
static void answer_ok(struct session *s, const struct transaction *tx)
{
    char id[SPOOL_ID_TEXT + 1], line[96];
    spool_id_format(tx->id, id);
    if (tx->priority.given && tx->final_priority != tx->envelope.mt_priority)
        snprintf(line, sizeof line, "250 2.3.6 %d is the new priority. Accepted as %s",
                 tx->final_priority, id);
    else
        snprintf(line, sizeof line, "250 2.0.0 Accepted as %s", id);
    session_answer(s, line);
}

static void committed(void *arg, enum spool_rc rc, uint64_t fence)
{
    struct transaction *tx = arg;
    struct session *s = tx->session;
    struct ingress *in = tx->in;
    in->committing--;
    if (s) {
        s->tx = NULL;
        s->wait = WAIT_NONE;
    }
    if (rc == SPOOL_OK) {
        if (s)
            answer_ok(s, tx);
        log_received(tx);
        submit_items(tx, fence);
    } else if (s) {
        const char *closed = intake_gate(in);
        session_answer(s, closed ? closed : "451 4.3.0 The message could not be stored");
    }
    transaction_release(&tx);
    if (s && !session_ended(s))
        session_go_on(s);
    loop_task_schedule(in->env.loop, &in->tidy);
}

static void commit(struct transaction *tx)
{
    struct ingress *in = tx->in;
    struct spool_item *records = arena_alloc(tx->arena, tx->items_n * sizeof *records);
    for (unsigned i = 0; i < tx->items_n; i++)
        item_record(tx->items[i], &records[i]);
    in->committing++;
    if (tx->writer)
        spool_writer_commit(&tx->writer, records, tx->items_n, committed, tx);
    else
        spool_commit(in->env.port, tx->id, tx->body, records, tx->items_n, committed, tx);
}

void accept_message(struct session *s)
{
    struct transaction *tx = s->tx;
    if (!tx->refusal) {
        complete_envelope(tx);
        if (items_make(tx) != RC_OK)
            tx->refusal = "452 4.5.3 Too many destinations in one message";
        else
            tx->refusal = pressure_at_end(tx);
    }
    if (tx->refusal) {
        const char *reply = tx->refusal;
        transaction_release(&s->tx);
        session_answer(s, reply);
        return;
    }
    session_wait(s, WAIT_COMMIT, 0);
    commit(tx);
}
