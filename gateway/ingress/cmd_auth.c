/*
 * ingress/cmd_auth — AUTH PLAIN and LOGIN (RFC 4954, RFC 4616)
 *
 *   Only over TLS. The hash is computed by the password threads (auth_pool) with the session
 *   paused; an unknown user costs the same time as a known one. A wrong password is answered
 *   late: 1 s, doubling with each wrong one of the client's address, and ends the session at
 *   the fifth.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"
#include "gateway/smtp/auth.h"
#include "gateway/smtp/limits.h"

enum { WRONG_PASSWORDS_MAX = 5, CREDENTIALS_MAX = 1024 };

enum auth_step { AUTH_PLAIN_RESPONSE, AUTH_LOGIN_USER, AUTH_LOGIN_SECRET };

struct auth_exchange {
    enum auth_step step;
    struct buf user, secret; /* PLAIN: all of it in `secret` */
    const struct conf_user *found;
    struct auth_job *job; /* with the threads; its owner is the session */
};

void auth_abandon(struct session *s)
{
    struct auth_exchange *a = s->auth;
    if (!a)
        return;
    if (a->job)
        a->job->owner = NULL;
    auth_wipe(&a->user);
    auth_wipe(&a->secret);
    buf_free(&a->user);
    buf_free(&a->secret);
    free(a);
    s->auth = NULL;
}

static void fail(struct session *s, const char *reply)
{
    auth_abandon(s);
    s->mode = MODE_COMMAND;
    session_refuse(s, reply, ERROR_POINTS);
}

static void wrong_password(struct session *s)
{
    int64_t now = loop_now_ms(s->in->env.loop);
    unsigned count = penalty_add(&s->in->env.hub->penalties, s->client_hash, now);
    counter_add(s->in->counters, COUNTER_AUTH_FAILED, 1);
    char peer[ADDR_TEXT_MAX];
    log_info(NULL, "authentication_failed", "client", addr_host_text(&s->peer, peer), "lately",
             LOG_INT(count), NULL);
    s->wrong_passwords++;
    session_wait(s, WAIT_PENALTY, penalty_delay_ms(count));
}

void auth_penalty_over(struct session *s)
{
    if (s->wrong_passwords >= WRONG_PASSWORDS_MAX) {
        session_bye(s, "421 4.7.0 Too many wrong passwords, closing");
        return;
    }
    session_refuse(s, "535 5.7.8 User or password is wrong", 1);
    if (!session_ended(s))
        session_go_on(s);
}

static void checked(struct auth_job *job)
{
    struct session *s = job->owner;
    bool right = job->right;
    ((struct ingress *)job->asker)->checking--;
    auth_job_free(&job);
    if (!s)
        return;
    const struct conf_user *user = s->auth->found;
    s->auth->job = NULL;
    auth_abandon(s);
    if (!right || !user) {
        wrong_password(s);
        return;
    }
    s->user = user;
    admit_known(s);
    session_reply(s, "235 2.7.0 Authentication succeeded");
    session_go_on(s);
}

/* Hands the credentials to the threads; the answer comes to checked(). */
static void check(struct session *s, struct slice user, struct slice password)
{
    struct auth_exchange *a = s->auth;
    struct ingress *in = s->in;
    a->found = conf_user_find(s->rules->conf, user);
    struct auth_job *job =
        auth_job_new(a->found ? a->found->password : (struct slice){ 0 }, password);
    job->asker = in;
    job->owner = s;
    job->done = checked;
    job->back = loop_mailbox(in->env.loop);
    if (!auth_pool_check(in->env.hub->auth, job)) {
        auth_job_free(&job);
        fail(s, "454 4.7.0 Too many logins at this moment, try again");
        return;
    }
    a->job = job;
    in->checking++;
    s->mode = MODE_COMMAND;
    session_wait(s, WAIT_PASSWORD, 0);
}

static void take_plain(struct session *s, struct slice base64)
{
    struct credentials c;
    if (auth_decode_plain(base64, &s->auth->secret, &c) != RC_OK)
        fail(s, "501 5.5.2 Not a PLAIN response");
    else if (c.authorize.n && !slice_eq(c.authorize, c.user))
        fail(s, "535 5.7.8 Acting as somebody else is not offered");
    else
        check(s, c.user, c.password);
}

static void take_login_user(struct session *s, struct slice base64)
{
    struct slice user;
    if (auth_decode_login(base64, &s->auth->user, &user) != RC_OK) {
        fail(s, "501 5.5.2 Not a LOGIN response");
        return;
    }
    s->auth->step = AUTH_LOGIN_SECRET;
    session_reply(s, AUTH_LOGIN_PASSWORD);
}

static void take_login_secret(struct session *s, struct slice base64)
{
    struct slice password;
    if (auth_decode_login(base64, &s->auth->secret, &password) != RC_OK)
        fail(s, "501 5.5.2 Not a LOGIN response");
    else
        check(s, buf_slice(&s->auth->user), password);
}

static void take_response(struct session *s, struct slice line)
{
    static void (*const steps[])(struct session *, struct slice) = {
        [AUTH_PLAIN_RESPONSE] = take_plain,
        [AUTH_LOGIN_USER] = take_login_user,
        [AUTH_LOGIN_SECRET] = take_login_secret,
    };
    if (slice_eq_str(line, "*"))
        fail(s, "501 5.7.0 Authentication cancelled");
    else
        steps[s->auth->step](s, line);
}

bool auth_take(struct session *s, struct slice in, size_t *used_r)
{
    struct slice line;
    enum rc rc = line_next(&s->lines, in, SMTP_AUTH_LINE_MAX, &line, used_r);
    if (rc == RC_AGAIN)
        return false;
    s->progress = true;
    if (rc == RC_OK)
        take_response(s, line);
    else
        session_bye(s, "500 5.5.6 Not a line of an AUTH exchange");
    return true;
}

static const char *refusal(const struct session *s)
{
    if (s->listener.auth == CONF_AUTH_NONE)
        return "502 5.5.1 AUTH is not offered here";
    if (!s->tls)
        return "538 5.7.11 Encryption required: use STARTTLS first";
    if (s->user)
        return "503 5.5.1 Authenticated already";
    if (s->tx)
        return "503 5.5.1 AUTH may not come inside a message";
    return NULL;
}

void cmd_auth(struct session *s, struct slice args)
{
    struct auth_args auth;
    const char *reply = refusal(s);
    if (reply || command_parse_auth(args, &auth, &reply) != RC_OK) {
        session_refuse(s, reply, ERROR_POINTS);
        return;
    }
    bool plain = slice_ieq_str(auth.mechanism, "PLAIN");
    if (!plain && !slice_ieq_str(auth.mechanism, "LOGIN")) {
        session_refuse(s, "504 5.5.4 Mechanisms are PLAIN and LOGIN", ERROR_POINTS);
        return;
    }
    s->auth = mem_zero(sizeof *s->auth);
    s->auth->step = plain ? AUTH_PLAIN_RESPONSE : AUTH_LOGIN_USER;
    buf_init(&s->auth->user, CREDENTIALS_MAX);
    buf_init(&s->auth->secret, CREDENTIALS_MAX);
    s->mode = MODE_AUTH;
    if (auth.initial_given)
        take_response(s, auth.initial);
    else
        session_reply(s, plain ? "334 " : AUTH_LOGIN_USERNAME);
}
