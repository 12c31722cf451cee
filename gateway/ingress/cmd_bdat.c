/*
 * ingress/cmd_bdat — BDAT (RFC 3030)
 *
 *   A chunk is read whatever is wrong with it: its bytes must not pass for commands. What is
 *   wrong is answered behind it and ends the transaction; the chunks that were sent after it
 *   are then refused the same way. Only a BDAT without a readable size ends the session.
 */
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"

static const char *refusal(const struct session *s)
{
    if (!s->tx)
        return "503 5.5.1 BDAT comes behind MAIL and RCPT";
    if (!s->tx->recipients_n)
        return "503 5.5.1 No valid recipients";
    if (s->tx->begun)
        return s->tx->refusal;
    const char *closed = intake_gate(s->in);
    return closed ? closed : pressure_at_data(s->tx);
}

static void chunk_ended(struct session *s)
{
    s->mode = MODE_COMMAND;
    if (s->bdat_refusal) {
        const char *reply = s->bdat_refusal;
        s->bdat_refusal = NULL;
        transaction_release(&s->tx);
        session_answer(s, reply);
    } else if (s->bdat.last) {
        intake_end(s->tx);
        accept_message(s);
    } else if (s->tx->refusal) {
        const char *reply = s->tx->refusal;
        transaction_release(&s->tx);
        session_answer(s, reply);
    } else {
        session_reply(s, "250 2.0.0 Chunk OK");
    }
}

void cmd_bdat(struct session *s, struct slice args)
{
    struct bdat_args bdat;
    const char *reply;
    if (command_parse_bdat(args, &bdat, &reply) != RC_OK) {
        session_bye(s, reply);
        return;
    }
    s->bdat_refusal = refusal(s);
    uint64_t max = s->rules->conf->limits.message_size;
    if (bdat.size > max) {
        session_bye(s, "552 5.3.4 Chunk larger than a message may be, closing");
        return;
    }
    if (!s->tx || !s->tx->begun) {
        s->bdat = (struct bdat){ 0 };
        session_content_begins(s);
    }
    if (!s->bdat_refusal && !s->tx->begun)
        intake_begin(s->tx);
    if (bdat_begin(&s->bdat, bdat.size, bdat.last, max) != RC_OK && !s->bdat_refusal)
        s->bdat_refusal = "552 5.3.4 Message larger than this server takes";
    if (bdat.size == 0)
        chunk_ended(s);
    else
        s->mode = MODE_BDAT;
}

bool bdat_take_input(struct session *s, struct slice in, size_t *used_r)
{
    struct slice span;
    enum rc rc = bdat_take(&s->bdat, in, &span);
    s->progress = true;
    *used_r = span.n;
    session_content(s, span.n);
    bool room = s->bdat_refusal || intake_feed(s->tx, span);
    if (rc == RC_OK)
        chunk_ended(s);
    else if (!room)
        session_wait(s, WAIT_SPOOL, 0);
    return rc == RC_OK;
}
