#include "tests/support/fakedns.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/cursor.h"
#include "gateway/base/mem.h"
#include "gateway/io/net.h"

enum { PACKET = 4096, TRIES = 50 };

struct fakedns {
    pthread_t thread;
    int udp, tcp, stop;
    struct addr addr;
    atomic_int queries;
    struct fakedns_script script;
};

/* Reads the question; queries are never compressed. */
static bool read_query(const unsigned char *p, size_t n, struct fakedns_query *q, char name[256])
{
    struct cursor c = cur_of(p, n);
    size_t at = 0;
    q->id = cur_u16be(&c);
    for (int i = 0; i < 4; i++)
        cur_u16be(&c);
    q->has_opt = cur_u16be(&c) > 0;
    for (uint8_t len; (len = cur_u8(&c)) && !c.bad;) {
        struct slice label = cur_bytes(&c, len);
        if (c.bad || at + len + 1 > 255)
            return false;
        if (at)
            name[at++] = '.';
        ascii_lower_copy(name + at, label.p, label.n);
        at += label.n;
    }
    name[at] = '\0';
    q->name = name;
    q->type = cur_u16be(&c);
    return !c.bad;
}

/* Asks the test. False: stay silent. The packet to send is left in *w. */
static bool make_answer(struct fakedns *s, const unsigned char *p, size_t n, bool tcp,
                        struct dnswire *w)
{
    char name[256];
    struct fakedns_query q = { .tcp = tcp };
    if (!read_query(p, n, &q, name))
        return false;
    atomic_fetch_add(&s->queries, 1);
    dnswire_begin(w, q.id, FAKEDNS_FLAGS(0), q.name, q.type);
    enum fakedns_do what = s->script.answer(s->script.arg, &q, w);
    if (what == FAKEDNS_TRUNCATE && !tcp) {
        dnswire_free(w);
        dnswire_begin(w, q.id, FAKEDNS_FLAGS(0) | 0x0200, q.name, q.type);
    }
    size_t size = dnswire_end(w).n;
    if (what == FAKEDNS_WRONG_ID)
        w->buf.mem[w->buf.start] ^= 0x55;
    if (what == FAKEDNS_CUT)
        w->buf.end = w->buf.start + size / 2 + 7;
    return what != FAKEDNS_SILENT;
}

static void serve_udp(struct fakedns *s)
{
    unsigned char p[PACKET];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    struct dnswire w = { 0 };
    ssize_t n = recvfrom(s->udp, p, sizeof p, 0, (struct sockaddr *)&from, &from_len);
    if (n > 0 && make_answer(s, p, (size_t)n, false, &w)) {
        struct slice out = buf_slice(&w.buf);
        sendto(s->udp, out.p, out.n, 0, (struct sockaddr *)&from, from_len);
    }
    dnswire_free(&w);
}

static void serve_tcp(struct fakedns *s)
{
    unsigned char p[PACKET];
    struct dnswire w = { 0 };
    int fd = accept4(s->tcp, NULL, NULL, SOCK_CLOEXEC);
    struct timeval patience = { 2, 0 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    unsigned char len[2];
    if (fd >= 0 && recv(fd, len, 2, MSG_WAITALL) == 2) {
        size_t n = (size_t)len[0] << 8 | len[1];
        if (n <= sizeof p && recv(fd, p, n, MSG_WAITALL) == (ssize_t)n &&
            make_answer(s, p, n, true, &w)) {
            struct slice out = buf_slice(&w.buf);
            unsigned char head[2] = { (unsigned char)(out.n >> 8), (unsigned char)out.n };
            send(fd, head, 2, MSG_NOSIGNAL);
            send(fd, out.p, out.n, MSG_NOSIGNAL);
        }
    }
    if (fd >= 0)
        close(fd);
    dnswire_free(&w);
}

static void *serve(void *arg)
{
    struct fakedns *s = arg;
    struct pollfd p[3] = { { s->udp, POLLIN, 0 }, { s->tcp, POLLIN, 0 }, { s->stop, POLLIN, 0 } };
    while (poll(p, 3, -1) >= 0 && !p[2].revents) {
        if (p[0].revents)
            serve_udp(s);
        if (p[1].revents)
            serve_tcp(s);
    }
    return NULL;
}

/* A port that is free for both transports. */
static bool open_sockets(struct fakedns *s)
{
    struct sockaddr_storage ss;
    addr_parse(slice_of("127.0.0.1"), &s->addr);
    socklen_t n = net_to_sockaddr(&s->addr, &ss);
    s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->udp, (struct sockaddr *)&ss, n) == 0) {
        net_local_of(s->udp, &s->addr);
        n = net_to_sockaddr(&s->addr, &ss);
        if (bind(s->tcp, (struct sockaddr *)&ss, n) == 0 && listen(s->tcp, 16) == 0)
            return true;
    }
    close(s->udp);
    close(s->tcp);
    return false;
}

struct fakedns *fakedns_start(struct fakedns_script script)
{
    struct fakedns *s = mem_zero(sizeof *s);
    s->script = script;
    s->stop = eventfd(0, EFD_CLOEXEC);
    bool open = false;
    for (int i = 0; i < TRIES && !open; i++)
        open = open_sockets(s);
    assert(open);
    int rc = pthread_create(&s->thread, NULL, serve, s);
    assert(rc == 0);
    (void)rc;
    return s;
}

void fakedns_stop(struct fakedns **server)
{
    struct fakedns *s = *server;
    const uint64_t one = 1;
    if (!s)
        return;
    ssize_t n = write(s->stop, &one, sizeof one);
    (void)n;
    pthread_join(s->thread, NULL);
    close(s->udp);
    close(s->tcp);
    close(s->stop);
    free(s);
    *server = NULL;
}

struct addr fakedns_addr(const struct fakedns *s)
{
    return s->addr;
}

int fakedns_queries(const struct fakedns *s)
{
    return atomic_load(&s->queries);
}
