/*
 * ingress/proxy — reads the PROXY header before there is a session
 *
 *   The header is taken from the socket byte-exactly: looked at first (MSG_PEEK), then read as far
 *   as it belongs to the header. So what follows it, a TLS handshake for example, is untouched, and
 *   the session begins as if the client had connected itself.
 *
 *   Listed peers must send a header, others cannot: for them it is an unknown command.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/ingress/internal.h"
#include "gateway/io/timer.h"
#include "gateway/smtp/proxy.h"

struct proxy {
    struct list node;
    struct ingress *in;
    int fd;
    struct loop_watch *watch;
    struct timer timer;
    struct listener_rules rules;
    struct addr peer;
    size_t n;
    char header[PROXY_V2_MAX];
};

bool proxy_expected(const struct conf_listener *listener, const struct addr *peer)
{
    for (size_t i = 0; i < listener->proxy_protocol.n; i++)
        if (network_contains(&listener->proxy_protocol.at[i], peer))
            return true;
    return false;
}

/* Takes the descriptor out; -1 when it was closed here. */
static int proxy_free(struct proxy *p, bool close_fd)
{
    struct ingress *in = p->in;
    int fd = p->fd;
    loop_watch_free(&p->watch);
    timer_stop(in->env.loop, &p->timer);
    list_del(&p->node);
    in->proxies_n--;
    free(p);
    if (!close_fd)
        return fd;
    close(fd);
    admit_total_release(in);
    loop_task_schedule(in->env.loop, &in->tidy);
    return -1;
}

static void proxy_refuse(struct proxy *p, const char *why)
{
    char peer[ADDR_TEXT_MAX];
    log_warning(NULL, "proxy_header_refused", "peer", addr_host_text(&p->peer, peer), "reason", why,
                NULL);
    counter_add(p->in->counters, COUNTER_CONNECTIONS_REFUSED, 1);
    proxy_free(p, true);
}

static void proxy_done(struct proxy *p, const struct proxy_header *header)
{
    struct ingress *in = p->in;
    struct listener_rules rules = p->rules;
    struct addr peer = header->has_addresses ? header->source : p->peer;
    int fd = proxy_free(p, false);
    session_begin(in, fd, rules, &peer);
}

static void on_readable(void *arg, int fd, unsigned what)
{
    struct proxy *p = arg;
    (void)what;
    ssize_t seen = recv(fd, p->header + p->n, sizeof p->header - p->n, MSG_PEEK);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (seen <= 0) {
        proxy_free(p, true);
        return;
    }
    struct proxy_header header;
    size_t used = 0, have = p->n + (size_t)seen;
    enum rc rc = proxy_parse((struct slice){ p->header, have }, &header, &used);
    if (rc == RC_AGAIN)
        used = have; /* all of it is header */
    else if (rc != RC_OK)
        used = p->n;
    size_t take = used - p->n;
    if (take && recv(fd, p->header + p->n, take, 0) != (ssize_t)take)
        rc = RC_IO;
    p->n = used;
    if (rc == RC_OK)
        proxy_done(p, &header);
    else if (rc != RC_AGAIN)
        proxy_refuse(p, "no valid header");
    else if (p->n == sizeof p->header)
        proxy_refuse(p, "header too long");
}

static void on_timeout(struct timer *timer)
{
    proxy_refuse(CONTAINER_OF(timer, struct proxy, timer), "no header in time");
}

void proxy_wait(struct ingress *in, int fd, struct listener_rules rules, const struct addr *peer)
{
    struct proxy *p = mem_zero(sizeof *p);
    p->in = in;
    p->fd = fd;
    p->rules = rules;
    p->peer = *peer;
    list_push_back(&in->proxies, &p->node);
    in->proxies_n++;
    timer_init(&p->timer, on_timeout);
    timer_set(in->env.loop, &p->timer, PROXY_HEADER_MS);
    p->watch = loop_watch_new(in->env.loop, fd, LOOP_READ, on_readable, p);
}

void proxy_drop_all(struct ingress *in)
{
    LIST_EACH (node, &in->proxies)
        proxy_free(CONTAINER_OF(node, struct proxy, node), true);
}
