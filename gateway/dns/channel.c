#include "gateway/dns/channel.h"

#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/base/rnd.h"
#include "gateway/dns/answer.h"
#include "gateway/io/dial_socket.h"
#include "gateway/io/net.h"
#include "gateway/io/timer.h"

enum { WATCHES = 8, TICK_MS = 50, UDP_MAX = 1232, IDS = 128 };

struct channel {
    struct loop *loop;
    ares_channel ares;
    struct addr server;
    struct dial_source source; /* once channel_leave_by() was called */
    char interface[IF_NAMESIZE];
    struct timer tick;
    struct {
        struct loop_watch *watch;
        int fd;
    } watches[WATCHES];
    size_t open; /* questions under way */
    bool plain;  /* the server does not know EDNS */
    bool closing;
    bool lacked;       /* there was no socket to be had for what is being sent */
    uint16_t ids[IDS]; /* random, from the system: ids must not be predictable */
    size_t ids_left;
};

struct question {
    struct channel *channel;
    channel_fn *fn;
    void *arg;
    char *name;
    uint16_t type;
    bool plain; /* as it was sent */
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    int rc = ares_library_init(ARES_LIB_INIT_ALL);
    assert(rc == ARES_SUCCESS);
    (void)rc;
}

/* ---- sockets: our own, as c-ares does not tell why it could get none ---- */

static ares_socket_t open_socket(int family, int type, int protocol, void *arg)
{
    struct channel *c = arg;
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    c->lacked = c->lacked || (fd < 0 && net_is_exhausted(errno));
    if (fd >= 0 && type == SOCK_STREAM) /* c-ares does it only to sockets of its own */
        net_set_nodelay(fd);
    return fd;
}

static int close_socket(ares_socket_t fd, void *arg)
{
    (void)arg;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t n, void *arg)
{
    (void)arg;
    return connect(fd, to, n);
}

static ares_ssize_t receive(ares_socket_t fd, void *p, size_t n, int flags, struct sockaddr *from,
                            ares_socklen_t *from_n, void *arg)
{
    (void)arg;
    return recvfrom(fd, p, n, flags, from, from_n);
}

static ares_ssize_t send_pieces(ares_socket_t fd, const struct iovec *at, int n, void *arg)
{
    (void)arg;
    return writev(fd, at, n);
}

static const struct ares_socket_functions socket_functions = {
    open_socket, close_socket, connect_socket, receive, send_pieces,
};

/* ---- events ---- */

static void on_ready(void *arg, int fd, unsigned what)
{
    struct channel *c = arg;
    c->lacked = false;
    ares_process_fd(c->ares, what & LOOP_READ ? fd : ARES_SOCKET_BAD,
                    what & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
}

/* c-ares wants other events on fd, or (none) is about to close it. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct channel *c = arg;
    unsigned what = (readable ? LOOP_READ : 0u) | (writable ? LOOP_WRITE : 0u);
    size_t i = 0, spare = WATCHES;
    for (; i < WATCHES && !(c->watches[i].watch && c->watches[i].fd == fd); i++)
        if (!c->watches[i].watch)
            spare = i;
    if (i < WATCHES && what) {
        loop_watch_set(c->watches[i].watch, what);
    } else if (i < WATCHES) {
        loop_watch_free(&c->watches[i].watch);
    } else if (what && spare < WATCHES) {
        c->watches[spare].fd = fd;
        c->watches[spare].watch = loop_watch_new(c->loop, fd, what, on_ready, c);
    }
}

static void on_tick(struct timer *timer)
{
    struct channel *c = CONTAINER_OF(timer, struct channel, tick);
    timer_set(c->loop, timer, TICK_MS);
    c->lacked = false;
    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (c->open == 0)
        timer_stop(c->loop, timer);
}

static enum rc set_server(struct channel *c, struct err *err)
{
    struct ares_addr_port_node node = { .udp_port = c->server.port, .tcp_port = c->server.port };
    bool v4 = c->server.family == ADDR_V4;
    node.family = v4 ? AF_INET : AF_INET6;
    memcpy(v4 ? (void *)&node.addr.addr4 : (void *)&node.addr.addr6, c->server.bytes, v4 ? 4 : 16);
    int status = ares_set_servers_ports(c->ares, &node);
    if (status == ARES_SUCCESS)
        return RC_OK;
    return err_set(err, RC_IO, "DNS server: %s", ares_strerror(status));
}

enum rc channel_new(struct loop *loop, const struct addr *server, int64_t try_ms,
                    struct channel **channel_r, struct err *err)
{
    static char lookups[] = "b";
    struct channel *c = mem_zero(sizeof *c);
    /* Everything is given, so that c-ares reads no file: the relay may not. */
    struct ares_options o = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS,
        .timeout = (int)try_ms,
        .tries = 1,
        .ndots = 1,
        .lookups = lookups,
        .ednspsz = UDP_MAX,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = c,
    };
    const int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                      ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB |
                      ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_SERVERS;
    pthread_once(&library_once, library_init);
    c->loop = loop;
    c->server = *server;
    timer_init(&c->tick, on_tick);
    int status = ares_init_options(&c->ares, &o, given);
    enum rc rc = RC_OK;
    if (status != ARES_SUCCESS) {
        rc = err_set(err, RC_IO, "DNS: %s", ares_strerror(status));
        free(c);
        return rc;
    }
    ares_set_socket_functions(c->ares, &socket_functions, c);
    rc = set_server(c, err);
    if (rc != RC_OK)
        channel_free(&c);
    *channel_r = c;
    return rc;
}

/* c-ares would bind the address first, and go on by any interface when it may not by this one. */
static int on_socket(ares_socket_t fd, int type, void *arg)
{
    const struct channel *c = arg;
    (void)type;
    const struct addr *from = c->server.family == ADDR_V4 ? &c->source.v4 : &c->source.v6;
    return dial_socket_bind(fd, from, &c->source) ? 0 : -1;
}

void channel_leave_by(struct channel *c, const struct dial_source *source)
{
    c->source = *source;
    if (source->interface) {
        snprintf(c->interface, sizeof c->interface, "%s", source->interface);
        c->source.interface = c->interface;
    }
    ares_set_socket_configure_callback(c->ares, on_socket, c);
}

void channel_free(struct channel **channel)
{
    struct channel *c = *channel;
    if (!c)
        return;
    c->closing = true;
    ares_destroy(c->ares);
    timer_stop(c->loop, &c->tick);
    for (size_t i = 0; i < WATCHES; i++)
        loop_watch_free(&c->watches[i].watch);
    free(c);
    *channel = NULL;
}

static void send_question(struct question *q);

static void on_answer(void *arg, int status, int timeouts, unsigned char *packet, int n)
{
    struct question *q = arg;
    enum rc rc = status == ARES_ETIMEOUT ? RC_TIMEOUT : q->channel->lacked ? RC_AGAIN : RC_IO;
    (void)timeouts;
    /* With an OPT in it the server knows EDNS; c-ares would cut one off a plain question, too. */
    bool formerr = status == ARES_SUCCESS && packet && n >= 12 && (packet[3] & 15) == DNS_FORMERR &&
                   (n == 12 || !(packet[10] | packet[11])); /* a bare header has none */
    if (formerr && !q->plain && !q->channel->closing) {
        q->channel->plain = true;
        send_question(q);
        return;
    }
    q->channel->open--;
    if (q->channel->closing || status == ARES_EDESTRUCTION)
        rc = RC_CLOSED;
    else if (status == ARES_SUCCESS && packet && n > 0)
        rc = RC_OK;
    q->fn(q->arg, rc, rc == RC_OK ? packet : NULL, rc == RC_OK ? (size_t)n : 0);
    free(q->name);
    free(q);
}

static uint16_t next_id(struct channel *c)
{
    if (c->ids_left == 0) {
        rnd_system_bytes(c->ids, sizeof c->ids);
        c->ids_left = IDS;
    }
    return c->ids[--c->ids_left];
}

static void send_question(struct question *q)
{
    struct channel *c = q->channel;
    unsigned char *packet = NULL;
    int n = 0;
    q->plain = c->plain;
    int status =
        ares_create_query(q->name, 1, q->type, next_id(c), 1, &packet, &n, q->plain ? 0 : UDP_MAX);
    if (status != ARES_SUCCESS) {
        on_answer(q, status, 0, NULL, 0);
        return;
    }
    packet[3] |= 0x20; /* AD: tell us whether the answer was validated */
    if (!timer_is_set(&c->tick))
        timer_set(c->loop, &c->tick, TICK_MS);
    c->lacked = false;
    ares_send(c->ares, packet, n, on_answer, q);
    ares_free_string(packet);
}

void channel_send(struct channel *c, const char *name, uint16_t type, channel_fn *fn, void *arg)
{
    struct question *q = mem_zero(sizeof *q);
    *q = (struct question){ c, fn, arg, .name = mem_strdup(name), .type = type };
    c->open++;
    send_question(q);
}

const struct addr *channel_server(const struct channel *c)
{
    return &c->server;
}

static void node_to_addr(const struct ares_addr_port_node *node, struct addr *addr_r)
{
    bool v4 = node->family == AF_INET;
    *addr_r = (struct addr){ .family = v4 ? ADDR_V4 : ADDR_V6,
                             .port = node->udp_port ? (uint16_t)node->udp_port : 53 };
    memcpy(addr_r->bytes, v4 ? (const void *)&node->addr.addr4 : (const void *)&node->addr.addr6,
           v4 ? 4 : 16);
}

size_t channel_system_servers(struct addr *servers_r, size_t max)
{
    ares_channel ares;
    struct ares_addr_port_node *list = NULL;
    size_t n = 0;
    pthread_once(&library_once, library_init);
    if (ares_init(&ares) != ARES_SUCCESS)
        return 0;
    if (ares_get_servers_ports(ares, &list) == ARES_SUCCESS)
        for (struct ares_addr_port_node *node = list; node && n < max; node = node->next)
            node_to_addr(node, &servers_r[n++]);
    ares_free_data(list);
    ares_destroy(ares);
    return n;
}
