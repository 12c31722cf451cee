#include "probes/run.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/dns/ping.h"
#include "gateway/io/dial_socket.h"
#include "gateway/io/stream.h"
#include "gateway/io/timer.h"
#include "gateway/io/way.h"

enum { QUIT_LINGER_MS = 1000, GREETING_MAX = 4096 };

struct prober {
    struct loop *loop;
    struct resolver *resolver;
    probe_done_fn *done;
    void *arg;
    const struct conf *conf;
    bool *lost; /* per egress: its proxy or relay did not answer where its name was the last time */
    struct list running;
    size_t n;
};

struct run {
    struct list link;
    struct prober *prober;
    struct observation o;
    int group;
    const struct conf_egress *egress;
    struct dns_query *query;
    struct dns_ping *ping;
    struct dial *dial;
    struct stream *stream;
    struct timer timeout;
    int64_t timeout_ms, greeting_ms;
    int64_t began_us, connected_us, quit_us; /* 0: not yet */
    enum observation_result result;          /* of the greeting, once o.code is known */
};

/* ---- the end ---- */

static void run_free(struct run *r)
{
    if (r->query)
        dns_cancel(&r->query);
    dns_ping_cancel(&r->ping);
    if (r->dial)
        dial_cancel(&r->dial);
    if (r->stream)
        stream_close(&r->stream);
    timer_stop(r->prober->loop, &r->timeout);
    list_del(&r->link);
    r->prober->n--;
    free(r);
}

static void note_lost(struct run *r, const struct observation *o)
{
    bool relay = r->egress->via.kind == CONF_VIA_RELAY;
    if (o->result == OBS_PROXY_DOWN || (relay && observation_is_path_failure(o)))
        r->prober->lost[r->egress - r->prober->conf->egress.at] = true;
}

static void finish(struct run *r, enum observation_result result)
{
    struct prober *p = r->prober;
    struct observation o = r->o;
    struct stream_tcp_info tcp;
    o.result = (uint8_t)result;
    o.at_us = clock_mono_us();
    note_lost(r, &o);
    if (o.connect_us < 0)
        o.connect_us = o.at_us - r->began_us;
    if (r->stream && stream_tcp_info(r->stream, &tcp)) {
        o.rtt_us = tcp.min_rtt_us ? (int64_t)tcp.min_rtt_us : -1;
        o.segments = tcp.segments;
        o.retransmits = tcp.retransmits;
    }
    if (r->stream && r->quit_us && o.code) /* QUIT is on its way */
        stream_finish(&r->stream, QUIT_LINGER_MS);
    int group = r->group;
    run_free(r);
    p->done(p->arg, &o, group);
}

/* What a dial that failed says about the path, or about the egress. */
static enum observation_result result_of(const struct dial_result *d)
{
    const struct dial_attempt *a = &d->attempts[0];
    if (d->egress_fault && a->fault != DIAL_UNPLUMBED)
        return OBS_PROXY_DOWN;
    if (dial_lacked_ours(d))
        return OBS_UNSENT;
    switch (d->attempt_count ? a->fault : DIAL_FAILED) {
    case DIAL_REFUSED:
        return OBS_REFUSED;
    case DIAL_RESET:
        return OBS_RESET;
    case DIAL_UNREACHABLE:
    case DIAL_DENIED:
        return OBS_UNREACHABLE;
    case DIAL_UNPLUMBED:
        return OBS_UNPLUMBED;
    case DIAL_PROXY:
        return OBS_PROXY_DOWN;
    case DIAL_UNTRIED:
    case DIAL_CONNECTED:
    case DIAL_TIMED_OUT:
    case DIAL_SKIPPED:
    case DIAL_LOST:
    case DIAL_FAILED:
        break;
    }
    return OBS_TIMEOUT;
}

/* ---- the greeting ---- */

static enum observation_result code_of(struct slice line, uint16_t *code_r)
{
    unsigned code = 0;
    for (size_t i = 0; i < 3; i++) {
        if (line.n < 3 || line.p[i] < '0' || line.p[i] > '9')
            return OBS_BROKEN; /* it is there, but it is no mail server */
        code = 10 * code + (unsigned)(line.p[i] - '0');
    }
    *code_r = (uint16_t)code;
    return code < 400 ? OBS_OK : code < 500 ? OBS_REPLY_4XX : OBS_REPLY_5XX;
}

/* Who speaks before the last line of a greeting is taken for a spammer by some (postscreen). False:
 * the run is over. */
static bool take_greeting(struct run *r, struct slice line)
{
    r->result = code_of(line, &r->o.code);
    if (r->result != OBS_BROKEN && line.n > 3 && line.p[3] == '-')
        return true;
    r->quit_us = clock_mono_us();
    r->o.greeting_us = r->quit_us - r->connected_us;
    stream_write(r->stream, "QUIT\r\n", 6);
    if (r->result != OBS_BROKEN && way_is_proxied(r->egress)) {
        timer_set(r->prober->loop, &r->timeout, QUIT_LINGER_MS);
        return true;
    }
    finish(r, r->result);
    return false;
}

/* The answer to QUIT has come all the way, and took no thinking: the round trip of both legs. */
static bool take_answer(struct run *r)
{
    r->o.app_rtt_us = clock_mono_us() - r->quit_us;
    finish(r, r->result);
    return false;
}

static void on_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    struct run *r = arg;
    const char *at = p, *end;
    bool goes_on = true;
    while (goes_on && (end = memchr(at, '\n', n - (size_t)(at - p)))) {
        struct slice line = { at, (size_t)(end - at) };
        at = end + 1;
        goes_on = r->quit_us ? take_answer(r) : take_greeting(r, line);
    }
    *used_r = (size_t)(at - p);
}

/* Something was said before that: it is there. */
static void on_eof(void *arg)
{
    struct run *r = arg;
    finish(r, r->o.code ? r->result : OBS_RESET);
}

static void on_error(void *arg, const struct err *err)
{
    struct run *r = arg;
    (void)err;
    r->quit_us = 0; /* nothing can be sent any more */
    finish(r, r->o.code ? r->result : OBS_RESET);
}

/* Is it the destination that has taken the connection? */
static bool stands(const struct run *r)
{
    enum conf_via_kind via = r->egress->via.kind;
    return via == CONF_VIA_NONE || via == CONF_VIA_SOCKS5;
}

static void on_timeout(struct timer *timer)
{
    struct run *r = CONTAINER_OF(timer, struct run, timeout);
    bool reached = r->stream && r->o.kind == OBS_BEACON && !r->o.proxied;
    if (r->o.code)
        finish(r, r->result);
    else if (r->o.kind == OBS_PROBE && r->stream)
        finish(r, OBS_SILENT);
    else
        finish(r, reached ? OBS_OK : OBS_TIMEOUT);
}

/* ---- the connection ---- */

static void tell_connected(struct run *r)
{
    struct observation o = r->o;
    o.result = OBS_CONNECTED;
    o.at_us = r->connected_us;
    r->prober->done(r->prober->arg, &o, r->group);
}

static void on_dialled(void *arg, const struct dial_result *result)
{
    static const struct stream_limits limits = { GREETING_MAX, GREETING_MAX, 0 };
    static const struct stream_ops ops = { .on_data = on_data,
                                           .on_eof = on_eof,
                                           .on_error = on_error };
    struct run *r = arg;
    r->dial = NULL;
    if (result->rc != RC_OK) {
        enum observation_result why = result_of(result);
        bool family = why == OBS_UNPLUMBED && way_has_source(r->egress); /* only of this one */
        finish(r, family ? OBS_UNREACHABLE : why);
        return;
    }
    r->stream = result->stream;
    r->connected_us = clock_mono_us();
    r->o.connect_us = r->connected_us - r->began_us;
    r->o.longest_us = dial_longest_us(result);
    stream_set_limits(r->stream, &limits);
    stream_set_ops(r->stream, &ops, r);
    if (r->o.kind == OBS_PROBE)
        timer_set(r->prober->loop, &r->timeout, r->greeting_ms);
    if (r->o.kind == OBS_PROBE && stands(r))
        tell_connected(r);
}

static void dial(struct run *r, const struct addr *to, const struct dial_via *via)
{
    struct dial_source source;
    int64_t left = r->timeout_ms;
    way_source_now(r->egress, &source);
    struct dial_plan plan = { .addrs = to,
                              .addr_count = 1,
                              .source = &source,
                              .via = via,
                              .stagger_ms = left,
                              .attempt_ms = left,
                              .total_ms = left,
                              .limits = { GREETING_MAX, GREETING_MAX, 0 } };
    r->began_us = clock_mono_us();
    timer_set(r->prober->loop, &r->timeout, left);
    r->dial = dial_start(r->prober->loop, &plan, on_dialled, r);
}

/* The proxy or relay has this address. */
static void go_through(struct run *r, struct addr next)
{
    struct dial_via via;
    next.port = conf_via_host(&r->egress->via)->port;
    if (way_is_proxied(r->egress)) {
        way_via(r->egress, &next, 1, &via);
        dial(r, &r->o.address, &via);
    } else {
        dial(r, &next, NULL);
    }
}

static void on_host(void *arg, struct host_set *set)
{
    struct run *r = arg;
    r->query = NULL;
    if (set->status == DNS_OK)
        go_through(r, set->addrs[0]);
    else if (set->lacked)
        finish(r, OBS_UNSENT);
    else /* a relay without a name: mail finds out, and back */
        finish(r, way_is_proxied(r->egress) ? OBS_PROXY_DOWN : OBS_UNREACHABLE);
}

static void on_pinged(void *arg, enum rc rc, int64_t took_us)
{
    struct run *r = arg;
    r->ping = NULL;
    r->o.connect_us = took_us;
    if (rc == RC_OK)
        r->o.rtt_us = r->o.app_rtt_us = took_us;
    enum observation_result failed = rc == RC_AGAIN ? OBS_UNSENT : OBS_UNREACHABLE;
    finish(r, rc == RC_OK ? OBS_OK : rc == RC_TIMEOUT ? OBS_TIMEOUT : failed);
}

static void ping(struct run *r)
{
    struct dial_source source;
    way_source_now(r->egress, &source);
    r->ping = dns_ping_start(r->prober->loop, &r->o.address, &source, r->timeout_ms, on_pinged, r);
}

static void look_up(struct run *r, struct slice host)
{
    struct prober *p = r->prober;
    bool *lost = &p->lost[r->egress - p->conf->egress.at];
    timer_set(p->loop, &r->timeout, r->timeout_ms);
    r->query = *lost ? resolver_host_anew(p->resolver, host, on_host, r)
                     : resolver_host(p->resolver, host, on_host, r);
    *lost = false;
}

static void begin(struct run *r)
{
    if (r->o.kind == OBS_RESOLVER) {
        ping(r);
        return;
    }
    const struct conf_host *next = conf_via_host(&r->egress->via);
    if (r->egress->via.kind == CONF_VIA_NONE) {
        dial(r, &r->o.address, NULL);
    } else if (next->is_addr) {
        go_through(r, next->addr);
    } else {
        look_up(r, next->host);
    }
}

bool prober_run(struct prober *p, const struct links_probe *probe)
{
    if (!p->conf || probe->egress >= p->conf->egress.n || p->n == PROBES_AT_ONCE)
        return false;
    const struct conf_egress *egress = &p->conf->egress.at[probe->egress];
    struct run *r = mem_zero(sizeof *r);
    r->prober = p;
    r->o = (struct observation){ .kind = probe->kind,
                                 .egress = probe->egress_hash,
                                 .address = probe->address,
                                 .proxied = egress->via.kind != CONF_VIA_NONE,
                                 .connect_us = -1,
                                 .longest_us = -1,
                                 .greeting_us = -1,
                                 .rtt_us = -1,
                                 .app_rtt_us = -1,
                                 .final_us = -1 };
    r->group = probe->group;
    r->egress = egress;
    r->timeout_ms = probe->timeout_ms;
    r->greeting_ms = probe->greeting_ms;
    timer_init(&r->timeout, on_timeout);
    list_push_back(&p->running, &r->link);
    p->n++;
    begin(r);
    return true;
}

/* ---- life ---- */

struct prober *prober_new(struct loop *loop, struct resolver *resolver, probe_done_fn *done,
                          void *arg)
{
    struct prober *p = mem_zero(sizeof *p);
    p->loop = loop;
    p->resolver = resolver;
    p->done = done;
    p->arg = arg;
    list_init(&p->running);
    return p;
}

static void end_all(struct prober *p)
{
    LIST_EACH (at, &p->running)
        run_free(CONTAINER_OF(at, struct run, link));
}

void prober_free(struct prober **prober)
{
    struct prober *p = *prober;
    if (!p)
        return;
    end_all(p);
    free(p->lost);
    free(p);
    *prober = NULL;
}

void prober_configure(struct prober *p, const struct conf *conf)
{
    end_all(p);
    p->conf = conf;
    free(p->lost);
    p->lost = mem_array(conf->egress.n, sizeof *p->lost);
}

size_t prober_running(const struct prober *p)
{
    return p->n;
}
