#include "gateway/dns/ping.h"

#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/dns/channel.h"

enum { TYPE_NS = 2 };

struct dns_ping {
    struct loop *loop;
    struct channel *channel; /* NULL: could not be made */
    struct loop_task over;   /* c-ares must be off the stack before the channel goes */
    int64_t began_us, took_us;
    enum rc rc;
    bool answered;
    dns_ping_fn *fn;
    void *arg;
};

static void ping_free(struct dns_ping *p)
{
    loop_task_cancel(&p->over);
    channel_free(&p->channel);
    free(p);
}

static void on_over(struct loop_task *task)
{
    struct dns_ping *p = CONTAINER_OF(task, struct dns_ping, over);
    dns_ping_fn *fn = p->fn;
    void *arg = p->arg;
    enum rc rc = p->rc;
    int64_t took_us = p->took_us;
    ping_free(p);
    fn(arg, rc, took_us);
}

static void end(struct dns_ping *p, enum rc rc)
{
    p->answered = true;
    p->rc = rc;
    p->took_us = clock_mono_us() - p->began_us;
    loop_task_schedule(p->loop, &p->over);
}

static void on_answer(void *arg, enum rc rc, const unsigned char *packet, size_t n)
{
    struct dns_ping *p = arg;
    (void)packet;
    (void)n;
    if (rc != RC_CLOSED && !p->answered)
        end(p, rc);
}

struct dns_ping *dns_ping_start(struct loop *loop, const struct addr *server,
                                const struct dial_source *source, int64_t timeout_ms,
                                dns_ping_fn *fn, void *arg)
{
    struct dns_ping *p = mem_zero(sizeof *p);
    struct err err;
    p->loop = loop;
    p->fn = fn;
    p->arg = arg;
    p->began_us = clock_mono_us();
    loop_task_init(&p->over, on_over);
    if (channel_new(loop, server, timeout_ms, &p->channel, &err) != RC_OK) {
        end(p, RC_IO);
        return p;
    }
    channel_leave_by(p->channel, source);
    channel_send(p->channel, ".", TYPE_NS, on_answer, p);
    return p;
}

void dns_ping_cancel(struct dns_ping **ping)
{
    if (*ping)
        ping_free(*ping);
    *ping = NULL;
}
