/*
 * ingress/cmd_mail — MAIL: may this client send now, as this sender (RFC 5321 section 4.1.1.2)
 *
 *   Here everything is refused that can be known before the first recipient: a closed spool, a size
 *   over the limit, a rate used up, a sender that is not the user's.
 */
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"

/* NULL when the client may begin a message. */
static const char *refusal_of_client(const struct session *s)
{
    if (s->listener.auth == CONF_AUTH_REQUIRED && !s->user)
        return "530 5.7.0 Authentication required";
    return intake_gate(s->in);
}

/* RFC 4865 sections 4.2 and 5.2. What is held too long is told by the limit as it is now, which may
 * be shorter than what EHLO said. */
static const char *refusal_of_times(const struct session *s, const struct mail_args *mail)
{
    int64_t now = loop_wall_ms(s->in->env.loop), until = transaction_hold_until(mail, now);
    if (until == 0)
        return NULL;
    if (until <= now)
        return "501 5.5.4 HOLDUNTIL is in the past";
    if (until > now + s->rules->conf->limits.future_release)
        return "501 5.5.4 Held longer than this server does: see FUTURERELEASE";
    if (mail->by_mode != BY_NONE && until >= now + (int64_t)mail->by_s * 1000)
        return "501 5.5.4 Held until after it is to be delivered";
    return NULL;
}

/* NULL when this message may come. The rate is taken last: nothing refused uses it up. */
static const char *refusal_of_mail(const struct session *s, const struct mail_args *mail)
{
    if (mail->size > s->rules->conf->limits.message_size)
        return "552 5.3.4 Message larger than this server takes";
    const char *refusal = refusal_of_times(s, mail);
    if (refusal)
        return refusal;
    if (s->user && !policies_user_may_send_as(s->rules->policies, s->user, mail->from.text))
        return "553 5.7.1 You may not send as this address";
    if (s->client && !client_rate_take(s->entry, &s->client->rate, loop_now_ms(s->in->env.loop)))
        return "451 4.7.1 Too many messages from your network, try again later";
    return NULL;
}

static void answer(struct session *s)
{
    const struct transaction *tx = s->tx;
    int effective = mt_priority_effective(tx->priority);
    if (!tx->priority.given || effective == tx->priority.value)
        session_reply(s, "250 2.1.0 Sender OK");
    else /* RFC 6710 section 4.1: it was lowered, to 0; the number comes first */
        session_reply(s, "250 2.3.6 0 is the new priority, sender OK");
}

void cmd_mail(struct session *s, struct slice args)
{
    struct mail_args mail;
    const char *reply;
    if (s->tx) {
        session_refuse(s, "503 5.5.1 One MAIL at a time: send the message, or RSET", ERROR_POINTS);
        return;
    }
    if (!session_renew(s))
        return;
    reply = refusal_of_client(s);
    if (!reply && command_parse_mail(args, session_mail_params(s), &mail, &reply) == RC_OK)
        reply = refusal_of_mail(s, &mail);
    if (reply) {
        session_refuse_mail(s, reply);
        return;
    }
    s->tx = transaction_begin(s, &mail);
    reply = pressure_at_mail(s->tx);
    if (reply) {
        transaction_release(&s->tx);
        session_refuse_mail(s, reply);
        return;
    }
    answer(s);
}
