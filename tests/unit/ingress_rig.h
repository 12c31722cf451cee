/*
 * ingress_rig — the SMTP server over a socketpair, with a spool and a queue that only remember
 *
 *   Defines spool_*() and queue_submit() themselves, so the program that includes this links them
 *   instead of the real ones. Commits are answered in the next turn of the loop, or when the test
 *   says so (rig.hold).
 */
#ifndef WAYPOST_TESTS_UNIT_INGRESS_RIG_H
#define WAYPOST_TESTS_UNIT_INGRESS_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/ingress/ingress.h"
#include "gateway/mail/envelope.h"

#define RIG_FN static __attribute__((unused))

/* Whatever must hold for a test to mean anything; not assert(), which a build may leave out. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

enum { RIG_MESSAGES = 64, RIG_ITEMS = 8 };

/* One message as it was committed; freed by rig_stop(). */
struct rig_message {
    struct buf body; /* head and data */
    unsigned items;
    char dest[RIG_ITEMS][128];
    unsigned lane[RIG_ITEMS];
    size_t recipients[RIG_ITEMS];
    struct envelope envelope; /* of the first item; points into `env` */
    struct buf env;
    bool streamed;
};

struct spool_writer {
    struct buf head, data;
    spool_drain_fn *drain;
    void *arg;
};

struct rig_commit {
    spool_commit_fn *cb;
    void *arg;
};

static struct rig {
    struct loop *loop;
    struct ingress_hub *hub;
    struct ingress *ingress;
    struct policies *policies;
    struct tls_server *tls;
    struct delivery_log *log;
    struct delivery_writer *writer;
    struct counters counters;
    struct reasons reasons;
    struct arena *arena;
    struct spool_id_gen ids;
    enum spool_gate gate;
    struct spool_fill fill;
    enum spool_rc answer;
    bool hold;  /* commits wait for rig_answer() */
    bool choke; /* a writer says "no more" after each piece, until rig_drain() */
    unsigned pieces, aborted, items, queued;
    struct spool_writer *open;
    struct loop_task answers;
    struct rig_commit waiting[RIG_MESSAGES];
    unsigned waiting_n;
    struct rig_message messages[RIG_MESSAGES];
    unsigned n;
} rig;

/* ---- the spool ---- */

enum spool_gate spool_gate(const struct spool *spool)
{
    (void)spool;
    return rig.gate;
}

void spool_get_fill(const struct spool *spool, struct spool_fill *fill_r)
{
    (void)spool;
    *fill_r = rig.fill;
}

struct spool_id spool_new_id(struct spool_port *port)
{
    (void)port;
    return spool_id_next(&rig.ids, 1700000000000);
}

RIG_FN void rig_answer(void)
{
    unsigned n = rig.waiting_n;
    rig.waiting_n = 0;
    for (unsigned i = 0; i < n; i++)
        rig.waiting[i].cb(rig.waiting[i].arg, rig.answer, 77);
}

static void answers_due(struct loop_task *task)
{
    (void)task;
    rig_answer();
}

static void rig_remember(struct slice head, struct slice data, bool streamed,
                         const struct spool_item *items, unsigned n)
{
    struct rig_message *m = &rig.messages[rig.n++ % RIG_MESSAGES];
    buf_free(&m->body);
    buf_free(&m->env);
    buf_init(&m->body, SIZE_MAX / 2);
    buf_init(&m->env, SPOOL_ENV_MAX);
    buf_put_slice(&m->body, head);
    buf_put_slice(&m->body, data);
    buf_put_slice(&m->env, items[0].env);
    m->items = n;
    rig.items += n;
    m->streamed = streamed;
    for (unsigned i = 0; i < n && i < RIG_ITEMS; i++) {
        struct envelope e;
        memset(m->dest[i], 0, sizeof m->dest[i]);
        memcpy(m->dest[i], items[i].dest.p, items[i].dest.n);
        m->lane[i] = items[i].lane;
        MUST(envelope_unpack(items[i].env, rig.arena, &e) == RC_OK);
        m->recipients[i] = e.recipients_n;
    }
    MUST(envelope_unpack(buf_slice(&m->env), rig.arena, &m->envelope) == RC_OK);
}

static void rig_commit(spool_commit_fn *cb, void *arg)
{
    rig.waiting[rig.waiting_n++ % RIG_MESSAGES] = (struct rig_commit){ cb, arg };
    if (!rig.hold)
        loop_task_schedule(rig.loop, &rig.answers);
}

void spool_commit(struct spool_port *port, struct spool_id id, struct body *body,
                  const struct spool_item *items, unsigned n, spool_commit_fn *cb, void *arg)
{
    (void)port;
    (void)id;
    if (rig.answer == SPOOL_OK)
        rig_remember((struct slice){ NULL, 0 }, body_slice(body), false, items, n);
    rig_commit(cb, arg);
}

struct spool_writer *spool_writer_begin(struct spool_port *port, struct spool_id id,
                                        spool_drain_fn *drain, void *arg)
{
    struct spool_writer *w = mem_zero(sizeof *w);
    (void)port;
    (void)id;
    buf_init(&w->head, 65536);
    buf_init(&w->data, SIZE_MAX / 2);
    w->drain = drain;
    w->arg = arg;
    rig.open = w;
    return w;
}

bool spool_writer_append(struct spool_writer *w, const void *data, size_t n)
{
    buf_put(&w->data, data, n);
    rig.pieces++;
    return !rig.choke;
}

RIG_FN void rig_drain(void)
{
    rig.open->drain(rig.open->arg);
}

void spool_writer_prepend(struct spool_writer *w, const void *data, size_t n)
{
    MUST(buf_len(&w->head) == 0);
    buf_put(&w->head, data, n);
}

uint64_t spool_writer_size(const struct spool_writer *w)
{
    return buf_len(&w->head) + buf_len(&w->data);
}

static void rig_writer_free(struct spool_writer **w)
{
    buf_free(&(*w)->head);
    buf_free(&(*w)->data);
    free(*w);
    *w = NULL;
    rig.open = NULL;
}

void spool_writer_commit(struct spool_writer **w, const struct spool_item *items, unsigned n,
                         spool_commit_fn *cb, void *arg)
{
    if (rig.answer == SPOOL_OK)
        rig_remember(buf_slice(&(*w)->head), buf_slice(&(*w)->data), true, items, n);
    rig_writer_free(w);
    rig_commit(cb, arg);
}

void spool_writer_abort(struct spool_writer **w)
{
    rig.aborted++;
    rig_writer_free(w);
}

void queue_submit(struct queue *queue, struct item *item)
{
    (void)queue;
    MUST(item->fence == 77);
    rig.queued++;
    item_free(&item);
}

/* ---- the server ---- */

/* Policies of these texts. `users` may be NULL. */
RIG_FN struct policies *rig_policies(const char *conf, const char *rules, const char *users,
                                     const char *pem, const char *key)
{
    struct bundle *bundle = bundle_new();
    struct conf_errors *errors = conf_errors_new();
    struct policies *policies = NULL;
    struct buf text;
    buf_init(&text, 65536);
    bundle_put(bundle, "/w/waypost.yaml", slice_of(conf));
    bundle_put(bundle, "/w/policies.yaml", slice_of(rules));
    bundle_put(bundle, "/w/users.yaml", slice_of(users));
    bundle_put(bundle, "/w/w.pem", slice_of(pem));
    bundle_put(bundle, "/w/w.key", slice_of(key));
    if (policies_load(bundle, "/w/waypost.yaml", &policies, errors) != RC_OK) {
        conf_errors_put_text(errors, &text);
        (void)!write(2, buf_slice(&text).p, buf_len(&text));
        abort();
    }
    buf_free(&text);
    conf_errors_free(&errors);
    bundle_free(&bundle);
    return policies;
}

/* Takes the reference of `policies`. */
RIG_FN void rig_start(struct policies *policies)
{
    rig.loop = loop_new();
    rig.hub = ingress_hub_new(1);
    rig.policies = policies;
    rig.log = delivery_log_new();
    rig.writer = delivery_writer_new(rig.log, rig.loop, &rig.counters, &rig.reasons);
    rig.arena = arena_new(65536);
    spool_id_gen_init(&rig.ids, 1, 1, 1);
    loop_task_init(&rig.answers, answers_due);
    const struct conf *conf = policies_conf(policies);
    struct tls_keypair pair = { conf->tls.certificate.data, conf->tls.key.data };
    struct err err = { 0 };
    if (pair.certificate.n)
        MUST(tls_server_new(&pair, 1, NULL, &rig.tls, &err) == RC_OK);
    struct ingress_env env = { .loop = rig.loop,
                               .hub = rig.hub,
                               .policies = policies,
                               .tls = rig.tls,
                               .log = rig.writer,
                               .inline_max = 4096 };
    rig.ingress = ingress_new(&env);
}

RIG_FN void rig_stop(void)
{
    rig.hold = false;
    loop_task_schedule(rig.loop, &rig.answers);
    ingress_free(&rig.ingress);
    loop_task_cancel(&rig.answers);
    for (int i = 0; i < 3; i++)
        loop_turn(rig.loop, 0);
    for (unsigned i = 0; i < RIG_MESSAGES; i++) {
        buf_free(&rig.messages[i].body);
        buf_free(&rig.messages[i].env);
    }
    delivery_writer_free(&rig.writer);
    delivery_log_free(&rig.log);
    if (rig.tls)
        tls_server_unref(&rig.tls);
    policies_unref(&rig.policies);
    loop_free(&rig.loop);
    ingress_hub_free(&rig.hub);
    arena_free(&rig.arena);
    MUST(body_memory_total() == 0);
    memset(&rig, 0, sizeof rig);
}

/* ---- a client ---- */

struct rig_client {
    int fd;
    struct buf got;
    bool closed;
};

RIG_FN struct rig_client rig_connect(const char *address, unsigned listener)
{
    struct rig_client c = { 0 };
    struct addr peer, local = { 0 };
    int fds[2];
    MUST(addr_parse(slice_of(address), &peer) == RC_OK);
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    c.fd = fds[0];
    buf_init(&c.got, 1 << 24);
    ingress_accept(rig.ingress, fds[1], listener, &peer, &local);
    return c;
}

/* Turns the loop and reads what comes; true: something did. */
RIG_FN bool rig_turn(struct rig_client *c)
{
    char room[4096];
    loop_turn(rig.loop, 0);
    ssize_t n = recv(c->fd, room, sizeof room, 0);
    if (n > 0)
        buf_put(&c->got, room, (size_t)n);
    else if (n == 0 || errno == ECONNRESET)
        c->closed = true;
    return n > 0;
}

RIG_FN void rig_settle(struct rig_client *c)
{
    for (int quiet = 0; quiet < 8; quiet++)
        if (rig_turn(c))
            quiet = 0;
}

/* Sends in pieces of `step` bytes (0: as much as fits at once). */
RIG_FN void rig_send(struct rig_client *c, struct slice in, size_t step)
{
    for (int stuck = 0; in.n && stuck < 1000; stuck++) {
        size_t n = step && step < in.n ? step : in.n;
        ssize_t sent = send(c->fd, in.p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            break;
        if (sent > 0) {
            in.p += sent;
            in.n -= (size_t)sent;
            stuck = 0;
        }
        rig_turn(c);
    }
    rig_settle(c);
}

/* Sends and gives the last line that came back, "" for none. */
RIG_FN const char *ask(struct rig_client *c, const char *in)
{
    static char line[256];
    buf_clear(&c->got);
    rig_send(c, slice_of(in), 0);
    struct slice rest = buf_slice(&c->got), last = { "", 0 };
    while (rest.n)
        slice_cut(rest, '\n', &last, &rest);
    size_t n = last.n < sizeof line ? last.n : sizeof line - 1;
    memcpy(line, last.p, n);
    line[n] = '\0';
    return line;
}

#define EXPECT(client, in, prefix)                                                                 \
    do {                                                                                           \
        const char *got_ = ask(client, in);                                                        \
        if (strncmp(got_, prefix, strlen(prefix)) != 0)                                            \
            fail_msg("%s: expected %s, got %s", in, prefix, got_);                                 \
    } while (0)

/* Lines of text. */
RIG_FN void rig_fill(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' : 'x';
}

RIG_FN void rig_close(struct rig_client *c)
{
    close(c->fd);
    buf_free(&c->got);
    for (int i = 0; i < 4; i++)
        loop_turn(rig.loop, 0);
}

#endif
