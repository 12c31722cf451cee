#include "reputation/run_dnsbl.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/dns/answer.h"
#include "gateway/dns/channel.h"
#include "gateway/io/timer.h"

enum { ARENA_BLOCK = 4096 };

struct server {
    struct addr addr;
    struct channel *channel;
    bool wanted; /* by the configuration being made */
};

struct run_dnsbl {
    struct loop *loop;
    struct run_dnsbl_hooks hooks;
    struct dnsbl *core;
    struct server *servers;
    size_t server_n;
    struct arena *arena; /* of one answer */
    struct timer tick;
    struct rnd rnd;
};

/* A question under way. */
struct asked {
    struct run_dnsbl *run;
    uint64_t ticket;
    bool text;
    char name[DNSBL_NAME_MAX];
};

/* ---- answers ---- */

static const char *rcode_name(uint8_t rcode)
{
    static const char *const names[] = {
        [DNS_FORMERR] = "FORMERR", [DNS_SERVFAIL] = "SERVFAIL", [4] = "NOTIMP", [5] = "REFUSED"
    };
    bool named = rcode < sizeof names / sizeof names[0] && names[rcode];
    return named ? names[rcode] : "an error of the name server";
}

static void take_records(const struct asked *q, const struct dns_answer *a,
                         struct dnsbl_answer *out)
{
    uint16_t type = q->text ? DNS_TXT : DNS_A;
    struct dns_found found = answer_find(a, q->name, type);
    if (found.looped) {
        out->why = "its CNAME records form a loop";
        return;
    }
    if (found.followed && !found.count) { /* there is an entry, and it cannot be read */
        out->why = "its CNAME leads nowhere";
        return;
    }
    out->state = found.count ? LIST_LISTED : LIST_CLEAR;
    out->ttl_s = found.count ? found.ttl : a->has_negative_ttl ? a->negative_ttl : 0;
    const struct dns_record *r = NULL;
    while (out->n < DNSBL_ADDRS_MAX && (r = answer_next(a, &found, type, r))) {
        if (q->text && !out->text.n)
            out->text = r->text;
        else if (!q->text)
            out->addrs[out->n++] = r->addr;
    }
}

static void read_packet(const struct asked *q, const unsigned char *packet, size_t n,
                        struct dnsbl_answer *out)
{
    struct dns_answer a;
    uint16_t type = q->text ? DNS_TXT : DNS_A;
    if (answer_parse(packet, n, q->run->arena, &a) != RC_OK || a.truncated)
        out->why = "a malformed answer";
    else if (!a.has_question || a.question_type != type || strcmp(a.question, q->name) != 0)
        out->why = "an answer to another question";
    else if (a.rcode != DNS_NOERROR && a.rcode != DNS_NAME_ERROR)
        out->why = rcode_name(a.rcode);
    else
        take_records(q, &a, out);
}

static void on_channel(void *arg, enum rc rc, const unsigned char *packet, size_t n)
{
    struct asked *q = arg;
    struct dnsbl_answer answer = { .why = rc == RC_TIMEOUT ? "no answer"
                                          : rc == RC_AGAIN ? "no descriptor left to ask with"
                                                           : "no connection" };
    arena_reset(q->run->arena);
    if (rc == RC_OK)
        read_packet(q, packet, n, &answer);
    if (rc != RC_CLOSED)
        dnsbl_answered(q->run->core, q->ticket, &answer);
    free(q);
}

/* ---- questions ---- */

static struct server *server_of(const struct run_dnsbl *run, const struct addr *addr)
{
    for (size_t i = 0; i < run->server_n; i++)
        if (addr_eq(&run->servers[i].addr, addr))
            return &run->servers[i];
    return NULL;
}

static void on_ask(void *arg, const struct dnsbl_question *question)
{
    struct run_dnsbl *run = arg;
    const struct server *server = server_of(run, question->resolver);
    if (!server || !server->channel) {
        struct dnsbl_answer none = { .why = "the resolver cannot be used" };
        dnsbl_answered(run->core, question->ticket, &none);
        return;
    }
    struct asked *q = mem_zero(sizeof *q);
    *q = (struct asked){ .run = run, .ticket = question->ticket, .text = question->text };
    ascii_lower_copy(q->name, question->name, strlen(question->name) + 1);
    channel_send(server->channel, q->name, q->text ? DNS_TXT : DNS_A, on_channel, q);
}

static void on_listing(void *arg, const struct listing *listing)
{
    const struct run_dnsbl *run = arg;
    run->hooks.listing(run->hooks.arg, listing);
}

static void on_fault(void *arg, struct slice zone, enum list_fault fault, const char *text)
{
    const struct run_dnsbl *run = arg;
    run->hooks.fault(run->hooks.arg, zone, fault, text);
}

static void on_tick(struct timer *timer)
{
    struct run_dnsbl *run = CONTAINER_OF(timer, struct run_dnsbl, tick);
    timer_set(run->loop, timer, DNSBL_TICK_MS);
    dnsbl_tick(run->core, loop_now_ms(run->loop), &run->rnd);
}

/* ---- configuration ---- */

static void want(struct run_dnsbl *run, const struct addr *addr)
{
    struct server *server = server_of(run, addr);
    if (!server) {
        run->servers = mem_grow(run->servers, run->server_n + 1, sizeof *run->servers);
        server = &run->servers[run->server_n++];
        *server = (struct server){ .addr = *addr };
        if (channel_new(run->loop, addr, DNSBL_TRY_MS, &server->channel, NULL) != RC_OK)
            server->channel = NULL;
    }
    server->wanted = true;
}

void run_dnsbl_configure(struct run_dnsbl *run, const struct dnsbl_config *config)
{
    for (size_t i = 0; i < run->server_n; i++)
        run->servers[i].wanted = false;
    for (size_t i = 0; i < config->zone_n; i++)
        for (size_t k = 0; k < config->zones[i].resolver_n; k++)
            want(run, &config->zones[i].resolvers[k]);
    dnsbl_configure(run->core, config, loop_now_ms(run->loop));
    size_t kept = 0;
    for (size_t i = 0; i < run->server_n; i++) {
        if (run->servers[i].wanted)
            run->servers[kept++] = run->servers[i];
        else
            channel_free(&run->servers[i].channel);
    }
    run->server_n = kept;
    if (config->zone_n)
        timer_set(run->loop, &run->tick, 0);
    else
        timer_stop(run->loop, &run->tick);
}

struct dnsbl *run_dnsbl_core(struct run_dnsbl *run)
{
    return run->core;
}

/* ---- life ---- */

struct run_dnsbl *run_dnsbl_new(struct loop *loop, const struct run_dnsbl_hooks *hooks)
{
    struct run_dnsbl *run = mem_zero(sizeof *run);
    struct dnsbl_hooks core = { on_ask, on_listing, on_fault, run };
    run->loop = loop;
    run->hooks = *hooks;
    run->core = dnsbl_new(&core);
    run->arena = arena_new(ARENA_BLOCK);
    rnd_seed_system(&run->rnd);
    timer_init(&run->tick, on_tick);
    return run;
}

void run_dnsbl_free(struct run_dnsbl **run_p)
{
    struct run_dnsbl *run = *run_p;
    if (!run)
        return;
    timer_stop(run->loop, &run->tick);
    for (size_t i = 0; i < run->server_n; i++)
        channel_free(&run->servers[i].channel);
    free(run->servers);
    dnsbl_free(&run->core);
    arena_free(&run->arena);
    free(run);
    *run_p = NULL;
}
