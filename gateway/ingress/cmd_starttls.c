/*
 * ingress/cmd_starttls — STARTTLS (RFC 3207)
 *
 *   Nothing is carried over the handshake: what was said before it is forgotten, and bytes that
 *   came behind the command in plain text end the session.
 */
#include "gateway/ingress/internal.h"

static const char *refusal(const struct session *s)
{
    if (s->tls)
        return "503 5.5.1 TLS is on already";
    if (s->listener.tls != CONF_LISTEN_TLS_OPPORTUNISTIC &&
        s->listener.tls != CONF_LISTEN_TLS_REQUIRED)
        return "502 5.5.1 STARTTLS is not offered here";
    if (!s->in->tls)
        return "454 4.7.0 TLS is not available now";
    return NULL;
}

void cmd_starttls(struct session *s, struct slice args)
{
    (void)args;
    struct err err;
    const char *reply = refusal(s);
    if (reply) {
        session_refuse(s, reply, ERROR_POINTS);
        return;
    }
    if (s->behind) {
        session_bye(s, "501 5.5.4 Nothing may follow STARTTLS before its reply");
        return;
    }
    session_forget(s);
    session_reply(s, "220 2.0.0 Ready to start TLS");
    s->wait = WAIT_TLS;
    stream_set_deadline(s->stream, HANDSHAKE_MS);
    if (stream_start_tls_server(s->stream, s->in->tls, &err) != RC_OK) {
        log_warning(NULL, "tls_not_started", "error", err.text, NULL);
        session_drop(s);
    }
}
