#include "gateway/dns/upstream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/dns/channel.h"
#include "gateway/io/timer.h"

enum { SERVERS_MAX = 8, ARENA_BLOCK = 4096 };

struct upstream {
    struct loop *loop;
    struct channel *channels[SERVERS_MAX];
    size_t count, preferred;
    unsigned tries;
    int64_t timeout_ms;
    struct list asks;  /* all */
    struct list ended; /* callbacks due: in this turn's tasks */
    struct loop_task deliver;
    uint64_t queries, failures, timeouts;
};

/* An ask lives until it has told its result and c-ares has let go of it. */
struct ask {
    struct upstream *upstream;
    struct list node;  /* upstream.asks */
    struct list ended; /* upstream.ended */
    struct timer total;
    char *name;
    uint16_t type;
    size_t first, sent; /* server asked first, questions sent so far */
    bool in_flight;     /* c-ares holds a pointer to us */
    bool lacked;        /* some server could not be asked: RC_AGAIN */
    ask_fn *fn;         /* NULL: told, or dropped */
    void *arg;
    struct arena *arena;
    struct dns_answer answer;
    struct ask_result result;
};

static void ask_free(struct ask *ask)
{
    list_del(&ask->node);
    list_del(&ask->ended);
    timer_stop(ask->upstream->loop, &ask->total);
    arena_free(&ask->arena);
    free(ask->name);
    free(ask);
}

static void end_ask(struct ask *ask, enum rc rc)
{
    ask->result.rc = rc != RC_OK && ask->lacked ? RC_AGAIN : rc;
    ask->result.answer = rc == RC_OK ? &ask->answer : NULL;
    timer_stop(ask->upstream->loop, &ask->total);
    list_push_back(&ask->upstream->ended, &ask->ended);
    loop_task_schedule(ask->upstream->loop, &ask->upstream->deliver);
}

static void on_deliver(struct loop_task *task)
{
    struct upstream *u = CONTAINER_OF(task, struct upstream, deliver);
    for (struct list *node; (node = list_pop_front(&u->ended));) {
        struct ask *ask = CONTAINER_OF(node, struct ask, ended);
        ask_fn *fn = ask->fn;
        ask->fn = NULL;
        if (fn)
            fn(ask->arg, &ask->result);
        if (!ask->in_flight)
            ask_free(ask);
    }
}

static void send_next(struct ask *ask);

static size_t server_of(const struct ask *ask, size_t sent)
{
    return (ask->first + sent) % ask->upstream->count;
}

/* Notes what was wrong with the server just asked, or with us, and asks the next one. */
static void server_failed(struct ask *ask, enum rc rc, const char *what)
{
    struct upstream *u = ask->upstream;
    char text[ADDR_TEXT_MAX];
    const struct channel *channel = u->channels[server_of(ask, ask->sent - 1)];
    u->timeouts += rc == RC_TIMEOUT;
    u->failures += rc == RC_IO;
    ask->lacked = ask->lacked || rc == RC_AGAIN;
    snprintf(ask->result.text, sizeof ask->result.text, "%s from %s", what,
             addr_text(channel_server(channel), text));
    if (ask->sent < u->count * u->tries)
        send_next(ask);
    else
        end_ask(ask, rc);
}

static const char *rcode_text(uint8_t rcode, char text[16])
{
    static const char *const names[] = { "NOERROR",  "FORMERR", "SERVFAIL",
                                         "NXDOMAIN", "NOTIMP",  "REFUSED" };
    if (rcode < sizeof names / sizeof names[0])
        return names[rcode];
    snprintf(text, 16, "RCODE %u", (unsigned)rcode);
    return text;
}

static void on_packet(struct ask *ask, const unsigned char *packet, size_t n)
{
    char text[16];
    arena_reset(ask->arena);
    if (answer_parse(packet, n, ask->arena, &ask->answer) != RC_OK) {
        server_failed(ask, RC_IO, "malformed answer");
    } else if (ask->answer.rcode != DNS_NOERROR && ask->answer.rcode != DNS_NAME_ERROR) {
        server_failed(ask, RC_IO, rcode_text(ask->answer.rcode, text));
    } else {
        ask->upstream->preferred = server_of(ask, ask->sent - 1);
        end_ask(ask, RC_OK);
    }
}

static void on_channel(void *arg, enum rc rc, const unsigned char *packet, size_t n)
{
    struct ask *ask = arg;
    ask->in_flight = false;
    if (!ask->fn) {
        ask_free(ask); /* told already (its time was up), or dropped */
        return;
    }
    if (!list_empty(&ask->ended))
        return; /* its time was up in this very turn: about to be told */
    if (rc == RC_OK)
        on_packet(ask, packet, n);
    else if (rc == RC_TIMEOUT)
        server_failed(ask, rc, "no answer");
    else if (rc == RC_IO)
        server_failed(ask, rc, "no connection");
    else if (rc == RC_AGAIN)
        server_failed(ask, rc, "no descriptor or memory left for a question, so no answer");
}

static void send_next(struct ask *ask)
{
    struct upstream *u = ask->upstream;
    struct channel *channel = u->channels[server_of(ask, ask->sent)];
    u->queries++;
    ask->sent++;
    ask->in_flight = true;
    channel_send(channel, ask->name, ask->type, on_channel, ask);
}

static void on_total(struct timer *timer)
{
    struct ask *ask = CONTAINER_OF(timer, struct ask, total);
    if (!ask->result.text[0])
        snprintf(ask->result.text, sizeof ask->result.text, "no answer within the time allowed");
    end_ask(ask, RC_TIMEOUT);
}

struct ask *upstream_ask(struct upstream *u, const char *name, uint16_t type, ask_fn *fn, void *arg)
{
    struct ask *ask = mem_zero(sizeof *ask);
    ask->upstream = u;
    ask->arena = arena_new(ARENA_BLOCK);
    ask->type = type;
    ask->first = u->preferred;
    ask->fn = fn;
    ask->arg = arg;
    list_init(&ask->ended);
    list_push_back(&u->asks, &ask->node);
    timer_init(&ask->total, on_total);
    timer_set(u->loop, &ask->total, u->timeout_ms);
    ask->name = mem_strdup(name);
    send_next(ask);
    return ask;
}

void upstream_drop(struct ask **ask_p)
{
    struct ask *ask = *ask_p;
    *ask_p = NULL;
    if (!ask)
        return;
    ask->fn = NULL;
    timer_stop(ask->upstream->loop, &ask->total);
    if (!ask->in_flight && list_empty(&ask->ended))
        ask_free(ask);
}

static enum rc open_channels(struct upstream *u, const struct resolver_conf *conf, struct err *err)
{
    struct addr system[SERVERS_MAX];
    const struct addr *servers = conf->servers;
    size_t n = conf->server_count;
    if (n == 0) {
        n = channel_system_servers(system, SERVERS_MAX);
        servers = system;
    }
    enum rc rc = n ? RC_OK : err_set(err, RC_NOT_FOUND, "no DNS server is configured");
    for (size_t i = 0; i < n && i < SERVERS_MAX && rc == RC_OK; i++) {
        struct addr server = servers[i];
        if (!server.port)
            server.port = 53;
        rc = channel_new(u->loop, &server, conf->try_ms, &u->channels[i], err);
        u->count += rc == RC_OK;
        if (rc == RC_OK && conf->source)
            channel_leave_by(u->channels[i], conf->source);
    }
    return rc;
}

enum rc upstream_new(struct loop *loop, const struct resolver_conf *conf,
                     struct upstream **upstream_r, struct err *err)
{
    struct upstream *u = mem_zero(sizeof *u);
    u->loop = loop;
    u->tries = conf->tries ? conf->tries : 1;
    u->timeout_ms = conf->timeout_ms;
    list_init(&u->asks);
    list_init(&u->ended);
    loop_task_init(&u->deliver, on_deliver);
    enum rc rc = open_channels(u, conf, err);
    if (rc != RC_OK)
        upstream_free(&u);
    *upstream_r = u;
    return rc;
}

void upstream_free(struct upstream **upstream)
{
    struct upstream *u = *upstream;
    if (!u)
        return;
    LIST_EACH (node, &u->asks)
        CONTAINER_OF(node, struct ask, node)->fn = NULL;
    for (size_t i = 0; i < SERVERS_MAX; i++)
        channel_free(&u->channels[i]);
    while (!list_empty(&u->asks))
        ask_free(CONTAINER_OF(u->asks.next, struct ask, node));
    loop_task_cancel(&u->deliver);
    free(u);
    *upstream = NULL;
}

void upstream_stats(const struct upstream *u, struct resolver_stats *stats)
{
    stats->queries += u->queries;
    stats->server_failures += u->failures;
    stats->timeouts += u->timeouts;
}
