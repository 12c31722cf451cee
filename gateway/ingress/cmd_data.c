/*
 * ingress/cmd_data — DATA and what follows it (RFC 5321 section 4.1.1.4)
 *
 *   A bare CR or LF never ends a line, so it never ends the data (smtp/data), and a message
 *   that has one is refused. The session goes on: what follows the one true end of the data is
 *   the client's.
 */
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"

static const char *refusal(const struct session *s)
{
    if (!s->tx)
        return "503 5.5.1 DATA comes behind MAIL and RCPT";
    if (s->tx->begun)
        return "503 5.5.1 The message was begun with BDAT";
    if (!s->tx->recipients_n)
        return "554 5.5.1 No valid recipients";
    if (s->tx->envelope.body == BODY_BINARYMIME)
        return "503 5.5.1 BODY=BINARYMIME needs BDAT";
    return NULL;
}

void cmd_data(struct session *s, struct slice args)
{
    (void)args;
    const char *reply = refusal(s);
    if (reply) {
        session_refuse(s, reply, 1);
        return;
    }
    reply = intake_gate(s->in);
    if (!reply)
        reply = pressure_at_data(s->tx);
    if (reply) {
        transaction_release(&s->tx);
        session_refuse_mail(s, reply);
        return;
    }
    intake_begin(s->tx);
    s->mode = MODE_DATA;
    session_content_begins(s);
    session_reply(s, "354 End data with <CR><LF>.<CR><LF>");
}

static void data_ended(struct session *s)
{
    s->mode = MODE_COMMAND;
    intake_end(s->tx);
    accept_message(s);
}

/* A client that goes on and on with a message that was refused long ago. */
static bool endless(const struct transaction *tx)
{
    return tx->refusal && tx->size / 2 > tx->size_max;
}

bool data_take(struct session *s, struct slice in, size_t *used_r)
{
    size_t at = 0;
    enum rc rc = RC_AGAIN;
    s->progress = true;
    while (at < in.n && rc == RC_AGAIN && s->wait == WAIT_NONE) {
        size_t used;
        struct slice span;
        rc = dot_decode(&s->tx->dots, (struct slice){ in.p + at, in.n - at }, &used, &span);
        at += used;
        if (span.n && !intake_feed(s->tx, span) && rc != RC_OK)
            session_wait(s, WAIT_SPOOL, 0);
    }
    *used_r = at;
    session_content(s, at);
    if (rc == RC_OK)
        data_ended(s);
    else if (endless(s->tx))
        session_bye(s, "552 5.3.4 Message larger than this server takes, closing");
    return rc == RC_OK;
}
