/*
 * delivery/handshake — from the greeting to a session that may carry mail
 *
 *     greeting -> EHLO -> [STARTTLS -> TLS -> EHLO] -> [AUTH] -> open
 *                   `-> HELO when EHLO is not known
 *
 *   TLS by the level of the route (or relay): none never asks; opportunistic asks when it is
 *   offered, goes on in plain text when it is refused, and connects again in plain text at once
 *   when it breaks (and remembers that); required and verify give the host up. A password is only
 *   sent over TLS, or to our own machine. See: RFC 3207, 4954, 7435.
 */
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/peers.h"
#include "gateway/delivery/race.h"
#include "gateway/delivery/sense.h"
#include "gateway/io/stream.h"
#include "gateway/mail/domain.h"
#include "gateway/smtp/auth.h"

static bool good(const struct reply *reply)
{
    return reply->code / 100 == 2;
}

static void refused(struct session *s, enum where where, const struct reply *reply)
{
    struct finding f = session_finding(s, where, reply);
    open_failed(s, &f);
}

static void unfit(struct session *s, enum where where, struct enhanced status, const char *text)
{
    struct finding f = {
        .where = (uint8_t)where, .fault = FAULT_OURS, .status = status, .text = slice_of(text)
    };
    open_failed(s, &f);
}

/* Adds the time since the last call to a stage, and returns it. */
static int64_t stage_done(struct session *s, enum delivery_stage stage)
{
    int64_t now = clock_mono_us();
    if (s->stage_us[stage] < 0)
        s->stage_us[stage] = 0;
    int64_t took = now - s->stage_at_us;
    s->stage_us[stage] += took;
    s->stage_at_us = now;
    return took;
}

static void say_hello(struct session *s, enum step step)
{
    const struct conf *conf = policies_conf(s->policies);
    session_command(s, step, step == STEP_EHLO ? "EHLO " : "HELO ",
                    conf->egress.at[s->egress].ehlo);
}

void reply_greeting(struct session *s, struct expected *e, const struct reply *reply)
{
    (void)e;
    s->greeting_us = stage_done(s, STAGE_GREETING);
    if (!good(reply)) {
        refused(s, WHERE_GREETING, reply);
        return;
    }
    race_won(s);
    say_hello(s, STEP_EHLO);
}

/* ---- AUTH ---- */

bool session_hides_passwords(const struct session *s)
{
    bool direct = !s->via || s->relay;
    return s->tls[0] || (direct && addr_is_loopback(&s->address));
}

static void start_auth(struct session *s)
{
    if (!session_hides_passwords(s)) {
        unfit(s, WHERE_AUTH, (struct enhanced){ 4, 7, 4 }, "no TLS: the password is not sent");
    } else if (s->caps.auth & AUTH_PLAIN) {
        struct buf line;
        buf_init(&line, 4096);
        auth_put_plain(&line, s->terms.user, s->terms.password);
        session_command(s, STEP_AUTH_PLAIN, "AUTH PLAIN ", buf_slice(&line));
        auth_wipe(&s->out);
        auth_wipe(&line);
        buf_free(&line);
    } else if (s->caps.auth & AUTH_LOGIN) {
        session_command(s, STEP_AUTH_LOGIN, "AUTH LOGIN", SLICE_LIT(""));
    } else {
        unfit(s, WHERE_AUTH, (struct enhanced){ 4, 7, 0 }, "it offers no AUTH PLAIN or LOGIN");
    }
}

static void answer_login(struct session *s, enum step step, struct slice value)
{
    struct buf line;
    buf_init(&line, 4096);
    auth_put_login(&line, value);
    session_command(s, step, "", buf_slice(&line));
    auth_wipe(&s->out);
    auth_wipe(&line);
    buf_free(&line);
}

void reply_auth(struct session *s, struct expected *e, const struct reply *reply)
{
    if (reply->code == 235) {
        s->authed = true;
        session_opened(s);
    } else if (reply->code == 334 && e->step == STEP_AUTH_LOGIN) {
        answer_login(s, STEP_AUTH_USER, s->terms.user);
    } else if (reply->code == 334 && e->step == STEP_AUTH_USER) {
        answer_login(s, STEP_AUTH_PASSWORD, s->terms.password);
    } else {
        refused(s, WHERE_AUTH, reply);
    }
}

/* ---- EHLO and TLS ---- */

static bool tls_optional(const struct session *s)
{
    return s->terms.tls == CONF_TLS_OPPORTUNISTIC;
}

static bool wants_tls(const struct session *s)
{
    const struct delivery *d = s->delivery;
    if (s->tls[0] || s->terms.tls == CONF_TLS_NONE || !(s->caps.ext & EXT_STARTTLS))
        return false;
    return !tls_optional(s) ||
           !peers_tls_broken(d->peers, session_egress(s), &s->address, loop_now_ms(d->loop));
}

/* Plain or encrypted, this is the connection mail will use. */
static void secured(struct session *s)
{
    if (!s->tls[0] && s->terms.tls >= CONF_TLS_REQUIRED)
        unfit(s, WHERE_TLS, (struct enhanced){ 4, 7, 4 }, "TLS is required and not offered");
    else if (s->terms.user.n)
        start_auth(s);
    else
        session_opened(s);
}

void reply_ehlo(struct session *s, struct expected *e, const struct reply *reply)
{
    (void)e;
    sense_answer(s, stage_done(s, STAGE_EHLO));
    if (reply->code / 100 == 5 && !s->tls[0] && s->terms.tls <= CONF_TLS_OPPORTUNISTIC) {
        say_hello(s, STEP_HELO);
        return;
    }
    if (!good(reply)) {
        refused(s, WHERE_EHLO, reply);
        return;
    }
    s->esmtp = true;
    ehlo_parse(reply->text, &s->caps);
    if (wants_tls(s))
        session_command(s, STEP_STARTTLS, "STARTTLS", SLICE_LIT(""));
    else
        secured(s);
}

void reply_helo(struct session *s, struct expected *e, const struct reply *reply)
{
    (void)e;
    sense_answer(s, stage_done(s, STAGE_EHLO));
    s->caps = (struct ehlo_caps){ .ext = 0 };
    if (good(reply))
        secured(s);
    else
        refused(s, WHERE_EHLO, reply);
}

static void start_tls(struct session *s)
{
    char identity[ADDR_TEXT_MAX + 320], address[ADDR_TEXT_MAX], host[DOMAIN_MAX + 1];
    struct slice mx = session_mx(s);
    struct err err;
    snprintf(host, sizeof host, "%.*s", SLICE_FMT(mx));
    snprintf(identity, sizeof identity, "%d|%s|%s", s->egress, addr_text(&s->address, address),
             host);
    struct tls_target target = { .host = host,
                                 .verify = s->terms.tls == CONF_TLS_VERIFY,
                                 .identity = identity };
    s->tls_under_way = true;
    if (stream_start_tls_client(s->stream, s->delivery->tls, &target, &err) != RC_OK)
        handshake_tls_failed(s, err.text);
}

void reply_starttls(struct session *s, struct expected *e, const struct reply *reply)
{
    (void)e;
    if (reply->code == 220)
        start_tls(s);
    else if (tls_optional(s))
        secured(s);
    else
        refused(s, WHERE_TLS, reply);
}

void handshake_on_tls(struct session *s)
{
    const struct tls_info *info = stream_tls_info(s->stream);
    s->tls_under_way = false;
    stage_done(s, STAGE_TLS);
    snprintf(s->tls, sizeof s->tls, "%s %s", info->version, info->cipher);
    s->caps =
        (struct ehlo_caps){ .ext = 0 }; /* RFC 3207 section 4.2: forget what was said before */
    reply_parser_reset(&s->parser);
    say_hello(s, STEP_EHLO);
}

void handshake_tls_failed(struct session *s, const char *text)
{
    struct delivery *d = s->delivery;
    s->tls_under_way = false;
    if (tls_optional(s)) {
        peers_tls_broke(d->peers, session_egress(s), &s->address, loop_now_ms(d->loop));
        open_again_plain(s);
    } else {
        unfit(s, WHERE_TLS, (struct enhanced){ 4, 7, 5 }, text);
    }
}
