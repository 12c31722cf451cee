/*
 * delivery/steps — the dialogue of a session: commands out, replies to the step that waits for them
 *
 *   Every command that is sent puts its step in the queue of expected replies; the reply in front
 *   belongs to it. A 421 ends the session wherever it comes (RFC 5321 section 3.8), a minute later
 *   at most when the peer has all of the message (farewell.c); a reply that nobody waits for ends
 *   it too. The deadline is that of the step in front.
 */
#include <assert.h>
#include <stdio.h>

#include "gateway/conf/conf.h"
#include "gateway/delivery/crowd.h"
#include "gateway/delivery/detour.h"
#include "gateway/delivery/repute.h"
#include "gateway/io/stream.h"

const struct step_ops step_table[STEPS] = {
    [STEP_GREETING] = { "greeting", WHERE_GREETING, reply_greeting },
    [STEP_EHLO] = { "EHLO", WHERE_EHLO, reply_ehlo },
    [STEP_HELO] = { "HELO", WHERE_EHLO, reply_helo },
    [STEP_STARTTLS] = { "STARTTLS", WHERE_TLS, reply_starttls },
    [STEP_AUTH_PLAIN] = { "AUTH PLAIN", WHERE_AUTH, reply_auth },
    [STEP_AUTH_LOGIN] = { "AUTH LOGIN", WHERE_AUTH, reply_auth },
    [STEP_AUTH_USER] = { "AUTH user name", WHERE_AUTH, reply_auth },
    [STEP_AUTH_PASSWORD] = { "AUTH password", WHERE_AUTH, reply_auth },
    [STEP_RSET] = { "RSET", WHERE_MAIL, reply_rset },
    [STEP_MAIL] = { "MAIL", WHERE_MAIL, reply_mail },
    [STEP_RCPT] = { "RCPT", WHERE_RCPT, reply_rcpt },
    [STEP_DATA] = { "DATA", WHERE_DATA, reply_data },
    [STEP_FINAL] = { "end of data", WHERE_FINAL, reply_final },
};

/* ---- commands ---- */

void session_expect(struct session *s, enum step step, uint32_t count, struct attempt *a)
{
    assert(s->expected_n < EXPECTED_MAX);
    unsigned at = (s->expected_at + s->expected_n++) % EXPECTED_MAX;
    s->expected[at] = (struct expected){ (uint8_t)step, count, a };
}

void session_command(struct session *s, enum step step, const char *verb, struct slice argument)
{
    buf_puts(&s->out, verb);
    buf_put_slice(&s->out, argument);
    buf_puts(&s->out, "\r\n");
    session_expect(s, step, 1, NULL);
    session_flush_out(s);
    session_set_deadline(s);
}

void session_flush_out(struct session *s)
{
    struct slice bytes = buf_slice(&s->out);
    if (bytes.n)
        stream_write(s->stream, bytes.p, bytes.n);
    buf_clear(&s->out);
}

/* ---- deadlines (RFC 5321 section 4.5.3.2) ---- */

/* Who means 421 closes the connection; who goes on may look at the message first. */
enum { FAREWELL_MS = 60000 };

static int64_t patience(const struct session *s)
{
    const struct conf_delivery *conf = &policies_conf(s->policies)->delivery;
    if (s->state == SESSION_IDLE)
        return conf->idle;
    if (s->tls_under_way)
        return conf->timeouts.greeting;
    if (transact_farewell_of(s))
        return conf->timeouts.final < FAREWELL_MS ? conf->timeouts.final : FAREWELL_MS;
    if (!s->expected_n) /* sending a body: between two pieces of it */
        return conf->timeouts.data;
    switch ((enum step)s->expected[s->expected_at].step) {
    case STEP_GREETING:
        return conf->timeouts.greeting;
    case STEP_DATA:
        return conf->timeouts.data;
    case STEP_FINAL:
        return conf->timeouts.final;
    case STEP_EHLO:
    case STEP_HELO:
    case STEP_STARTTLS:
    case STEP_AUTH_PLAIN:
    case STEP_AUTH_LOGIN:
    case STEP_AUTH_USER:
    case STEP_AUTH_PASSWORD:
    case STEP_RSET:
    case STEP_MAIL:
    case STEP_RCPT:
    case STEPS:
        break;
    }
    return conf->timeouts.command;
}

void session_set_deadline(struct session *s)
{
    if (s->stream)
        stream_set_deadline(s->stream, patience(s));
}

/* ---- replies ---- */

struct finding session_finding(const struct session *s, enum where where, const struct reply *reply)
{
    struct finding f = { .where = (uint8_t)where,
                         .fault = FAULT_NONE,
                         .code = reply->code,
                         .status = reply->enhanced,
                         .text = reply->text };
    repute_judge(s, &f);
    return f;
}

static void on_closing(struct session *s, const struct reply *reply)
{
    enum where where = step_table[s->expected[s->expected_at].step].where;
    struct finding f = session_finding(s, where, reply);
    if (s->state == SESSION_OPENING) {
        open_failed(s, &f);
        return;
    }
    crowd_judge(s, &f);
    session_kill(s, &f);
}

void session_on_reply(struct session *s, const struct reply *reply)
{
    if (s->state == SESSION_IDLE) {
        session_kill(s, NULL);
        return;
    }
    if (!s->expected_n) {
        transact_interrupted(s, reply);
        return;
    }
    struct expected *head = &s->expected[s->expected_at];
    if (reply->code == 421 && !transact_farewell(s)) {
        on_closing(s, reply);
        return;
    }
    struct expected e = *head;
    if (--head->count == 0) {
        s->expected_at = (uint8_t)((s->expected_at + 1) % EXPECTED_MAX);
        s->expected_n--;
    }
    step_table[e.step].reply(s, &e, reply);
}

/* Where the transaction was: once the end of data is out, the mail may have been taken. */
static enum where where_of(const struct session *s)
{
    if (s->front && s->state == SESSION_WORKING) {
        if (s->front->step == ATTEMPT_FINAL)
            return WHERE_FINAL;
        if (s->front->step == ATTEMPT_SENDING)
            return WHERE_DATA;
    }
    if (s->tls_under_way)
        return WHERE_TLS;
    return s->expected_n ? step_table[s->expected[s->expected_at].step].where : WHERE_MAIL;
}

/* What we were waiting for, so that a postmaster need not guess. */
static const char *awaited(const struct session *s)
{
    if (s->expected_n)
        return step_table[s->expected[s->expected_at].step].name;
    return s->front && s->front->step == ATTEMPT_SENDING ? "body" : "session";
}

void session_on_broken(struct session *s, enum fault fault, const char *text)
{
    char whole[200];
    const struct finding *farewell = transact_farewell_of(s);
    if (farewell) {
        struct finding said = *farewell;
        session_kill(s, &said);
        return;
    }
    snprintf(whole, sizeof whole, "%s (%s)", text, awaited(s));
    struct finding f = { .where = (uint8_t)where_of(s),
                         .fault = (uint8_t)fault,
                         .text = slice_of(whole) };
    if (s->state == SESSION_OPENING) {
        open_failed(s, &f);
        return;
    }
    if (fault == FAULT_CLOSED)
        detour_suspect(s);
    session_kill(s, s->state == SESSION_IDLE ? NULL : &f);
}

/* ---- the stream's callbacks; each ends by giving what is free new work ---- */

static void on_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    struct session *s = arg;
    struct target *target = s->target;
    struct stream *stream = s->stream;
    bool answered = false;
    size_t at = 0;
    while (at < n && s->stream == stream && !s->tls_under_way) {
        struct reply reply;
        size_t used;
        enum rc rc = reply_parser_feed(&s->parser, (struct slice){ p + at, n - at }, &used, &reply);
        at += used;
        if (rc == RC_AGAIN)
            break;
        answered = true;
        if (rc == RC_OK)
            session_on_reply(s, &reply);
        else
            session_on_broken(s, FAULT_PROTOCOL, "the reply is not SMTP");
    }
    *used_r = s->stream == stream && s->tls_under_way ? at : n;
    if (answered && s->stream == stream) /* a reply that drips in gains no time by that */
        session_set_deadline(s);
    target_run(target);
}

static void on_eof(void *arg)
{
    struct session *s = arg;
    struct target *target = s->target;
    session_on_broken(s, FAULT_CLOSED, "the connection was closed");
    target_run(target);
}

static void on_error(void *arg, const struct err *err)
{
    struct session *s = arg;
    struct target *target = s->target;
    if (s->tls_under_way)
        handshake_tls_failed(s, err->text);
    else
        session_on_broken(s, FAULT_CLOSED, err->text);
    target_run(target);
}

static void on_timeout(void *arg)
{
    struct session *s = arg;
    struct target *target = s->target;
    if (s->state == SESSION_IDLE)
        session_quit(s);
    else if (s->tls_under_way)
        handshake_tls_failed(s, "the TLS handshake took too long");
    else
        session_on_broken(s, FAULT_TIMEOUT, "no answer in time");
    target_run(target);
}

static void on_tls(void *arg)
{
    struct session *s = arg;
    struct target *target = s->target;
    handshake_on_tls(s);
    target_run(target);
}

const struct stream_ops session_stream_ops = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_error = on_error,
    .on_timeout = on_timeout,
    .on_tls = on_tls,
};
