/*
 * ingress/cmd_rcpt — RCPT: where mail of this client may go (RFC 5321 section 4.1.1.3)
 *
 *   The gate against open relaying: a recipient is taken for an authenticated user, or for a listed
 *   client whose entry allows the address, and for nobody else.
 *
 *   One mailbox named twice is answered twice and gets the message once (transaction_add()).
 */
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"

static bool too_many(const struct session *s)
{
    uint64_t max = s->rules->conf->limits.recipients;
    return s->tx->recipients_n >= max || s->tx->recipients_n >= ENVELOPE_RECIPIENTS_MAX;
}

/* "postmaster" without a domain (RFC 5321 section 4.5.1) is ours. */
static void complete_postmaster(struct session *s, struct address *to)
{
    if (to->domain.n)
        return;
    struct slice hostname = s->rules->conf->hostname;
    char *text = arena_printf(s->tx->arena, "postmaster@%.*s", SLICE_FMT(hostname));
    address_parse(slice_of(text), to);
}

static const char *check(struct session *s, struct rcpt_args *rcpt, struct domain *domain)
{
    if (address_is_null(&rcpt->to))
        return "501 5.1.3 A recipient has an address";
    complete_postmaster(s, &rcpt->to);
    if (domain_to_ascii(rcpt->to.domain, domain) != RC_OK)
        return "553 5.1.2 The recipient's domain is not valid";
    if (!admit_recipient(s, rcpt->to.text))
        return s->client ? "550 5.7.1 Your network may not send to this address"
                         : "550 5.7.1 Relaying denied: not a client of this server";
    return NULL;
}

void cmd_rcpt(struct session *s, struct slice args)
{
    struct rcpt_args rcpt;
    struct domain domain;
    const char *reply = NULL;
    if (!s->tx || s->tx->begun)
        session_refuse(s, "503 5.5.1 RCPT comes behind MAIL", ERROR_POINTS);
    else if (too_many(s))
        session_refuse_mail(s, "452 4.5.3 Too many recipients for one message");
    else if (command_parse_rcpt(args, s->offered, s->tx->envelope.smtputf8, &rcpt, &reply) !=
                 RC_OK ||
             (reply = check(s, &rcpt, &domain)) ||
             (reply = pressure_at_rcpt(s->tx, rcpt.to.text, domain_slice(&domain))))
        session_refuse_mail(s, reply);
    else {
        transaction_add(s->tx, &rcpt, domain_slice(&domain));
        session_reply(s, "250 2.1.5 Recipient OK");
    }
}
