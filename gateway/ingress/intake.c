/*
 * ingress/intake — the content of a message, as it comes in
 *
 *   Small bodies stay in memory and are committed in one piece. A body streams into the spool
 *   in chunks when it was announced larger than inline_max, when it grows beyond it, or when
 *   the bodies in memory have reached limits.memory; the spool then sets the pace.
 *
 *   A message with a NUL, or with a CR or LF outside of CRLF, is neither 7-bit nor 8-bit data (RFC
 *   2045 sections 2.7 and 2.8, RFC 5321 section 2.3.8). It is refused unless declared BINARYMIME:
 *   stripping would break signatures, and servers behind us read such bytes in different ways.
 */
#include "gateway/ingress/transaction.h"

const char *intake_gate(const struct ingress *in)
{
    switch (spool_gate(in->env.spool)) {
    case SPOOL_GATE_OPEN:
        return NULL;
    case SPOOL_GATE_DISK_LOW:
        return "452 4.3.1 Not enough disk space now, try again later";
    case SPOOL_GATE_BUSY:
        return "451 4.3.2 Too busy now, try again later";
    case SPOOL_GATE_SICK:
    case SPOOL_GATE_CLOSING:
        break;
    }
    return "451 4.3.0 The message store takes nothing now, try again later";
}

static void spool_drained(void *arg)
{
    struct transaction *tx = arg;
    if (tx->session && tx->session->wait == WAIT_SPOOL)
        session_go_on(tx->session);
}

static bool memory_is_full(const struct transaction *tx)
{
    return body_memory_total() > tx->rules->conf->limits.memory;
}

/* From here on the content goes to the spool, what is in memory first. */
static void start_streaming(struct transaction *tx)
{
    tx->writer = spool_writer_begin(tx->in->env.port, tx->id, spool_drained, tx);
    if (tx->body && body_size(tx->body)) {
        struct slice so_far = body_slice(tx->body);
        spool_writer_append(tx->writer, so_far.p, so_far.n);
    }
    body_unref(&tx->body);
}

void intake_begin(struct transaction *tx)
{
    tx->begun = true;
    tx->in->receiving++;
    tx->size = 0;
    tx->size_max = tx->rules->conf->limits.message_size;
    tx->id = spool_new_id(tx->in->env.port);
    tx->dots = (struct dot_decoder){ 0 };
    content_scan_init(&tx->content);
    tx->header.wanted = tx->rules->headers;
    tx->header.wanted_n = tx->rules->headers_n;
    header_scan_reset(&tx->header);
    if (tx->declared_size > tx->in->env.inline_max || memory_is_full(tx))
        start_streaming(tx);
    else
        tx->body = body_new((size_t)tx->declared_size);
}

static void refuse(struct transaction *tx, const char *reply)
{
    tx->refusal = reply;
    if (tx->writer)
        spool_writer_abort(&tx->writer);
    body_unref(&tx->body);
}

static bool store(struct transaction *tx, struct slice data)
{
    if (!tx->writer && (tx->size > tx->in->env.inline_max || memory_is_full(tx)))
        start_streaming(tx);
    if (tx->writer)
        return spool_writer_append(tx->writer, data.p, data.n);
    body_append(tx->body, data);
    return true;
}

bool intake_feed(struct transaction *tx, struct slice data)
{
    tx->size += data.n;
    if (tx->refusal)
        return true;
    if (tx->size > tx->size_max) {
        refuse(tx, "552 5.3.4 Message larger than this server takes");
        return true;
    }
    content_scan_feed(&tx->content, data);
    if (!tx->header.done && header_scan_feed(&tx->header, data) == RC_LIMIT) {
        refuse(tx, "552 5.3.4 The header of the message is too large");
        return true;
    }
    if (tx->header.received > tx->rules->conf->limits.hops) {
        refuse(tx, "554 5.4.6 Too many Received fields: the message goes round in a loop");
        return true;
    }
    return store(tx, data);
}

void intake_end(struct transaction *tx)
{
    content_scan_end(&tx->content);
    tx->content.facts.header_8bit = tx->header.has_8bit;
    if (!tx->refusal && tx->dots.bad_eol)
        refuse(tx, "550 5.6.0 The message has a bare CR or LF: lines end with CRLF");
    if (!tx->refusal && tx->content.facts.has_bare_eol && tx->envelope.body != BODY_BINARYMIME)
        refuse(tx, "550 5.6.0 The message has a bare CR or LF: send it as BODY=BINARYMIME");
    if (!tx->refusal && tx->content.facts.has_nul && tx->envelope.body != BODY_BINARYMIME)
        refuse(tx, "550 5.6.0 The message has a NUL byte: send it as BODY=BINARYMIME");
}
