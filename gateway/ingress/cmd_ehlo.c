/*
 * ingress/cmd_ehlo — EHLO and HELO (RFC 5321 section 4.1.1.1)
 *
 *   What is offered depends on the listener, on TLS and on the configuration; parameters of
 *   what was not offered are refused later (session->offered). FUTURERELEASE depends on who it is,
 *   too, and clients say EHLO before they log in: so MAIL asks who it is by then.
 */
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"

static bool take_name(struct session *s, struct slice args)
{
    struct slice name;
    const char *reply;
    if (command_parse_helo(args, &name, &reply) != RC_OK) {
        session_refuse(s, reply, ERROR_POINTS);
        return false;
    }
    transaction_release(&s->tx);
    free(s->helo);
    s->helo = mem_strndup(name.p, name.n);
    return true;
}

static bool offers_starttls(const struct session *s)
{
    return s->in->tls && !s->tls &&
           (s->listener.tls == CONF_LISTEN_TLS_OPPORTUNISTIC ||
            s->listener.tls == CONF_LISTEN_TLS_REQUIRED);
}

static bool offers_auth(const struct session *s)
{
    return s->tls && !s->user && s->listener.auth != CONF_AUTH_NONE;
}

/* RFC 4865 section 4.2: mail is held for those whose mail server we are, not for the world. */
static bool holds_for(const struct session *s)
{
    bool submits = s->user || (!admit_stranger(s) && !s->client->recipients.n);
    return submits && s->rules->conf->limits.future_release >= 1000;
}

unsigned session_mail_params(const struct session *s)
{
    unsigned others = s->offered & ~(unsigned)EXT_FUTURERELEASE;
    return s->esmtp && holds_for(s) ? others | EXT_FUTURERELEASE : others;
}

void cmd_ehlo(struct session *s, struct slice args)
{
    if (!take_name(s, args))
        return;
    const struct conf_limits *limits = &s->rules->conf->limits;
    struct ehlo_caps caps = {
        .ext = EXT_PIPELINING | EXT_SIZE | EXT_8BITMIME | EXT_SMTPUTF8 | EXT_ENHANCED |
               EXT_CHUNKING | EXT_BINARYMIME | EXT_DSN | EXT_MT_PRIORITY | EXT_LIMITS |
               EXT_DELIVERBY,
        .size_max = limits->message_size,
        .rcpt_max = limits->recipients > UINT32_MAX ? 0 : (uint32_t)limits->recipients,
    };
    if (offers_starttls(s))
        caps.ext |= EXT_STARTTLS;
    if (holds_for(s)) {
        caps.ext |= EXT_FUTURERELEASE;
        caps.hold_max_s = (uint32_t)(limits->future_release / 1000);
        caps.hold_until_ms = loop_wall_ms(s->in->env.loop) + limits->future_release;
    }
    if (offers_auth(s)) {
        caps.ext |= EXT_AUTH;
        caps.auth = AUTH_PLAIN | AUTH_LOGIN;
    }
    s->esmtp = true;
    /* AUTH= of MAIL may come from whoever has authenticated, and from nobody else. */
    s->offered = caps.ext | (s->user ? (unsigned)EXT_AUTH : 0);
    buf_clear(&s->in->scratch);
    ehlo_put(&s->in->scratch, s->rules->conf->hostname, &caps);
    stream_write(s->stream, buf_slice(&s->in->scratch).p, buf_len(&s->in->scratch));
}

void cmd_helo(struct session *s, struct slice args)
{
    if (!take_name(s, args))
        return;
    s->esmtp = false;
    s->offered = 0;
    struct buf *b = &s->in->scratch;
    buf_clear(b);
    buf_puts(b, "250 ");
    buf_put_slice(b, s->rules->conf->hostname);
    buf_puts(b, "\r\n");
    stream_write(s->stream, buf_slice(b).p, buf_len(b));
}
