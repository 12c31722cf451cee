#include "gateway/delivery/egress_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/conf/conf.h"
#include "gateway/io/dial_socket.h"

static const struct stream_limits limits = { .input = 4096, .output = 4096, .low_mark = 0 };

struct egress_check {
    struct loop *loop;
    const struct conf_egress *conf;
    struct dns_query *query;
    struct dial *dial;
    struct loop_task begin;
    egress_check_fn *done;
    void *arg;
};

static void check_free(struct egress_check *c)
{
    loop_task_cancel(&c->begin);
    if (c->query)
        dns_cancel(&c->query);
    if (c->dial)
        dial_cancel(&c->dial);
    free(c);
}

static void finish(struct egress_check *c, enum egress_check_result result, const char *reason)
{
    egress_check_fn *done = c->done;
    void *arg = c->arg;
    check_free(c);
    done(arg, result, reason);
}

static void on_dialled(void *arg, const struct dial_result *r)
{
    struct egress_check *c = arg;
    struct stream *stream = r->stream;
    char text[sizeof r->text];
    enum egress_check_result result = dial_lacked_ours(r) ? CHECK_UNTRIED : CHECK_FAILED;
    c->dial = NULL;
    snprintf(text, sizeof text, "%s", r->text);
    if (stream)
        stream_close(&stream);
    finish(c, r->rc == RC_OK ? CHECK_THERE : result, text);
}

/* SOCKS5 is asked for nothing but the login; of the others only the connection is looked at. */
static void dial_it(struct egress_check *c, const struct addr *addrs, size_t n)
{
    struct dial_source source;
    struct dial_via via;
    struct addr targets[DIAL_VIA_ADDRS_MAX];
    way_source_now(c->conf, &source);
    way_via(c->conf, addrs, n, &via);
    via.check_only = true;
    size_t count = via.addr_count;
    for (size_t i = 0; i < count; i++)
        targets[i] = via.addrs[i];
    bool socks5 = via.kind == DIAL_SOCKS5;
    struct dial_plan plan = { .addrs = targets,
                              .addr_count = socks5 ? 1 : count,
                              .source = &source,
                              .via = socks5 ? &via : NULL,
                              .stagger_ms = 250,
                              .attempt_ms = WAY_PROXY_MS,
                              .total_ms = 3 * WAY_PROXY_MS,
                              .limits = limits };
    c->dial = dial_start(c->loop, &plan, on_dialled, c);
}

static void on_host(void *arg, struct host_set *set)
{
    struct egress_check *c = arg;
    c->query = NULL;
    if (set->status == DNS_OK)
        dial_it(c, set->addrs, set->count);
    else
        finish(c, set->lacked ? CHECK_UNTRIED : CHECK_FAILED, set->text);
}

static void on_begin(struct loop_task *task)
{
    struct egress_check *c = CONTAINER_OF(task, struct egress_check, begin);
    dial_it(c, &conf_via_host(&c->conf->via)->addr, 1);
}

struct egress_check *egress_check_start(struct loop *loop, struct resolver *resolver,
                                        const struct conf_egress *e, egress_check_fn *done,
                                        void *arg)
{
    struct egress_check *c = mem_zero(sizeof *c);
    const struct conf_host *host = conf_via_host(&e->via);
    c->loop = loop;
    c->conf = e;
    c->done = done;
    c->arg = arg;
    loop_task_init(&c->begin, on_begin);
    if (host->is_addr)
        loop_task_schedule(loop, &c->begin);
    else
        c->query = resolver_host_anew(resolver, host->host, on_host, c);
    return c;
}

void egress_check_cancel(struct egress_check **check)
{
    if (*check)
        check_free(*check);
    *check = NULL;
}
