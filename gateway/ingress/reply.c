/*
 * ingress/reply — replies, and what a session may get wrong before it is hung up on
 *
 *   Errors count points since the last accepted message, so that a long session of a busy client is
 *   not ended by a mistake now and then.
 */
#include <string.h>

#include "gateway/ingress/internal.h"
#include "gateway/smtp/reply.h"

void session_reply(struct session *s, const char *line)
{
    stream_write(s->stream, line, strlen(line));
    stream_write(s->stream, "\r\n", 2);
}

void session_reply_text(struct session *s, unsigned code, const char *enhanced, struct slice text)
{
    struct buf *b = &s->in->scratch;
    buf_clear(b);
    reply_put_text(b, code, enhanced, text);
    stream_write(s->stream, buf_slice(b).p, buf_len(b));
}

void session_refuse(struct session *s, const char *line, unsigned points)
{
    session_reply(s, line);
    if (line[0] != '4') /* our trouble, or told to come back: no mistake of the client's */
        s->errors = (uint16_t)(s->errors + points);
    if (s->errors >= ERRORS_MAX)
        session_bye(s, "421 4.7.0 Too many errors, closing");
}

void session_refuse_mail(struct session *s, const char *line)
{
    counter_add(s->in->counters, line[0] == '5' ? COUNTER_REJECTED : COUNTER_TEMPFAILED, 1);
    char peer[ADDR_TEXT_MAX];
    log_debug(NULL, "mail_refused", "client", addr_host_text(&s->peer, peer), "reply", line, NULL);
    session_refuse(s, line, 1);
}

void session_bye(struct session *s, const char *line)
{
    session_reply(s, line);
    session_end(s);
}

void session_answer(struct session *s, const char *line)
{
    if (line[0] == '2') {
        s->errors = s->idle_commands = 0;
        session_reply(s, line);
    } else {
        session_refuse_mail(s, line);
    }
    if (s->in->draining && !session_ended(s))
        session_bye(s, "421 4.3.2 Shutting down, try again later");
}
