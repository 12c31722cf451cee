/*
 * ingress/session — a connection: its input, what it waits for, its end
 *
 *   Input goes to the mode the session is in (modes[]). What ends or delays a session is done here
 *   and only here: session_end() behind the replies, session_drop() at once, session_wait() and
 *   session_go_on() around everything that takes its time. The struct of an ended session lives
 *   until the end of the turn, so that the callers up the stack can see that it has ended.
 *
 *   Patience: any progress gives a client limits.idle anew. Within a message that alone would let a
 *   byte a minute hold a place for days, so the whole content also has a time of its own,
 *   limits.idle and a second for every CONTENT_RATE_MIN bytes. What the spool makes it wait is not
 *   counted against it.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"
#include "gateway/smtp/limits.h"

static const struct stream_limits stream_sizes = { .input = INPUT_MAX,
                                                   .output = OUTPUT_MAX,
                                                   .low_mark = REPLIES_MAX / 4 };

static bool take_command(struct session *s, struct slice in, size_t *used_r)
{
    struct slice line;
    enum rc rc = line_next(&s->lines, in, SMTP_COMMAND_MAX, &line, used_r);
    if (rc == RC_AGAIN)
        return false;
    s->progress = true;
    s->behind = in.n - *used_r;
    if (rc == RC_OK)
        verbs_run(s, line);
    else if (rc == RC_LIMIT)
        session_refuse(s, "500 5.5.6 Line too long", ERROR_POINTS);
    else
        session_bye(s, "500 5.5.2 Lines end with CRLF: no bare CR or LF, and no NUL");
    return true;
}

static const struct {
    const char *name;
    bool (*take)(struct session *s, struct slice in, size_t *used_r);
} modes[MODE_COUNT] = {
    [MODE_COMMAND] = { "command", take_command },
    [MODE_AUTH] = { "auth", auth_take },
    [MODE_DATA] = { "data", data_take },
    [MODE_BDAT] = { "bdat", bdat_take_input },
};

/* How long the content under way may still take; INT64_MAX: there is none. */
static int64_t content_left_ms(const struct session *s)
{
    const struct pace *p = &s->pace;
    if (s->mode != MODE_DATA && s->mode != MODE_BDAT && !(s->tx && s->tx->begun))
        return INT64_MAX;
    return p->since_ms + s->rules->conf->limits.idle +
           (int64_t)(p->bytes * 1000 / CONTENT_RATE_MIN) - loop_now_ms(s->in->env.loop);
}

static void arm_idle(struct session *s)
{
    int64_t idle = s->rules->conf->limits.idle;
    if (admit_stranger(s) && idle > STRANGER_IDLE_MS)
        idle = STRANGER_IDLE_MS;
    int64_t left = content_left_ms(s);
    if (left < idle)
        idle = left > 0 ? left : 1;
    stream_set_deadline(s->stream, idle);
}

void session_content_begins(struct session *s)
{
    s->pace = (struct pace){ .since_ms = loop_now_ms(s->in->env.loop) };
}

void session_content(struct session *s, size_t n)
{
    s->pace.bytes += n;
}

static void on_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    struct session *s = arg;
    unsigned turns = 0;
    s->progress = false;
    while (*used_r < n && s->wait == WAIT_NONE && s->stream) {
        size_t used = 0;
        bool more = modes[s->mode].take(s, (struct slice){ p + *used_r, n - *used_r }, &used);
        *used_r += used;
        if (!more || !s->stream)
            break;
        if (stream_queued(s->stream) > REPLIES_MAX && s->wait == WAIT_NONE)
            session_wait(s, WAIT_REPLIES, s->rules->conf->limits.idle);
        if (++turns == TURN_COMMANDS && s->wait == WAIT_NONE) {
            stream_pause(s->stream);
            stream_resume(s->stream);
            break;
        }
    }
    if (s->stream && s->progress && s->wait == WAIT_NONE)
        arm_idle(s);
}

static void on_eof(void *arg)
{
    session_end(arg);
}

static void on_error(void *arg, const struct err *err)
{
    struct session *s = arg;
    char peer[ADDR_TEXT_MAX];
    log_debug(NULL, "session_failed", "client", addr_host_text(&s->peer, peer), "error", err->text,
              NULL);
    session_drop(s);
}

static void on_drain(void *arg)
{
    struct session *s = arg;
    if (s->wait == WAIT_REPLIES)
        session_go_on(s);
}

static void on_timeout(void *arg)
{
    struct session *s = arg;
    switch ((enum session_wait)s->wait) {
    case WAIT_NONE:
        if (content_left_ms(s) <= 0)
            session_bye(s, "421 4.4.2 The message comes too slowly, closing");
        else
            session_bye(s, "421 4.4.2 Idle for too long, closing");
        break;
    case WAIT_PENALTY:
        auth_penalty_over(s);
        break;
    case WAIT_TLS:
    case WAIT_REPLIES:
        session_drop(s);
        break;
    case WAIT_COMMIT:
    case WAIT_SPOOL:
    case WAIT_PASSWORD:
        break; /* ours to end, not the client's: no deadline is set */
    }
}

static void greet(struct session *s)
{
    struct buf *b = &s->in->scratch;
    buf_clear(b);
    buf_puts(b, "220 ");
    buf_put_slice(b, s->rules->conf->hostname);
    buf_puts(b, " ESMTP Waypost\r\n");
    stream_write(s->stream, buf_slice(b).p, buf_len(b));
    s->greeted = true;
}

static void on_tls(void *arg)
{
    struct session *s = arg;
    const struct tls_info *info = stream_tls_info(s->stream);
    size_t n = strlen(info->version) + 1 + strlen(info->cipher);
    free(s->tls);
    s->tls = mem_zero(n + 1);
    memcpy(s->tls, info->version, strlen(info->version));
    s->tls[strlen(info->version)] = ' ';
    memcpy(s->tls + strlen(info->version) + 1, info->cipher, strlen(info->cipher));
    session_go_on(s);
    if (!s->greeted)
        greet(s);
}

static const struct stream_ops ops = { .on_data = on_data,
                                       .on_eof = on_eof,
                                       .on_error = on_error,
                                       .on_drain = on_drain,
                                       .on_timeout = on_timeout,
                                       .on_tls = on_tls };

/* TLS from the first byte, or the greeting. */
static void begin(struct session *s)
{
    struct err err;
    stream_set_ops(s->stream, &ops, s);
    if (s->listener.tls != CONF_LISTEN_TLS_IMPLICIT) {
        greet(s);
        arm_idle(s);
    } else if (!s->in->tls || stream_start_tls_server(s->stream, s->in->tls, &err) != RC_OK) {
        session_drop(s);
    } else {
        s->wait = WAIT_TLS;
        stream_set_deadline(s->stream, HANDSHAKE_MS);
    }
}

void session_begin(struct ingress *in, int fd, struct listener_rules rules, const struct addr *peer)
{
    struct session *s = mem_zero(sizeof *s);
    s->in = in;
    s->peer = *peer;
    s->rules = ruleset_ref(in->rules);
    s->listener = rules;
    list_push_back(&in->sessions, &s->node);
    in->sessions_n++;
    const char *refusal =
        in->draining ? "421 4.3.2 Shutting down, try again later" : admit_client(s);
    if (refusal) {
        counter_add(in->counters, COUNTER_CONNECTIONS_REFUSED, 1);
        admit_refuse_fd(fd, rules.tls == CONF_LISTEN_TLS_IMPLICIT ? NULL : refusal);
        session_drop(s);
        return;
    }
    counter_add(in->counters, COUNTER_CONNECTIONS_IN, 1);
    s->stream = stream_new(in->env.loop, fd, &stream_sizes);
    begin(s);
}

bool session_ended(const struct session *s)
{
    return !s->stream;
}

/* Everything but the stream. The memory goes at the end of the turn: callers up the stack may still
 * look whether the session has ended. */
static void let_go(struct session *s)
{
    auth_abandon(s);
    if (s->tx && s->wait == WAIT_COMMIT) {
        s->tx->session = NULL;
        s->tx = NULL;
    }
    transaction_release(&s->tx);
    admit_release(s);
    ruleset_unref(&s->rules);
    list_del(&s->node);
    list_push_back(&s->in->ended, &s->node);
    s->in->sessions_n--;
    loop_task_schedule(s->in->env.loop, &s->in->tidy);
}

void session_end(struct session *s)
{
    stream_finish(&s->stream, LINGER_MS);
    let_go(s);
}

void session_leave(struct session *s)
{
    stream_finish(&s->stream, 0);
    let_go(s);
}

void session_drop(struct session *s)
{
    stream_close(&s->stream);
    let_go(s);
}

void session_free_ended(struct ingress *in)
{
    for (struct list *node; (node = list_pop_front(&in->ended));) {
        struct session *s = CONTAINER_OF(node, struct session, node);
        free(s->helo);
        free(s->tls);
        free(s);
    }
}

void session_wait(struct session *s, enum session_wait why, int64_t delay_ms)
{
    s->wait = (uint8_t)why;
    if (why == WAIT_SPOOL)
        s->pace.stopped_ms = loop_now_ms(s->in->env.loop);
    stream_pause(s->stream);
    stream_set_deadline(s->stream, delay_ms);
}

void session_go_on(struct session *s)
{
    s->wait = WAIT_NONE;
    if (s->pace.stopped_ms)
        s->pace.since_ms += loop_now_ms(s->in->env.loop) - s->pace.stopped_ms;
    s->pace.stopped_ms = 0;
    stream_resume(s->stream);
    arm_idle(s);
}

void session_forget(struct session *s)
{
    transaction_release(&s->tx);
    free(s->helo);
    s->helo = NULL;
    s->esmtp = false;
    s->offered = 0;
    s->user = NULL;
}

void session_drain(struct session *s)
{
    if (s->wait == WAIT_COMMIT || s->mode == MODE_DATA || s->mode == MODE_BDAT)
        return; /* session_answer() ends it */
    if (s->wait == WAIT_TLS)
        session_drop(s);
    else
        session_bye(s, "421 4.3.2 Shutting down, try again later");
}

bool session_renew(struct session *s)
{
    if (s->rules == s->in->rules)
        return true;
    struct slice name = s->user ? s->user->name : (struct slice){ 0 };
    struct ruleset *before = s->rules;
    s->rules = ruleset_ref(s->in->rules);
    s->client = ruleset_client(s->rules, &s->peer, &s->entry);
    bool had_user = s->user != NULL;
    s->user = had_user ? conf_user_find(s->rules->conf, name) : NULL;
    ruleset_unref(&before);
    if (had_user && !s->user)
        session_bye(s, "421 4.7.0 This user is no longer known, closing");
    return s->stream != NULL;
}
