#include "gateway/io/dial_via.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/io/net.h"
#include "gateway/smtp/auth.h"
#include "gateway/smtp/proxy.h"
#include "gateway/smtp/socks5.h"

enum { OUT_MAX = 1024 };

struct via_talk {
    enum dial_via_kind kind;
    int fd;
    struct socks5 socks;
    struct buf out;
    bool closed; /* by the proxy, in the middle of it */
    int error;
    int64_t asked_us; /* 0: not yet */
};

bool via_suits(const struct dial_via *via, const struct addr *target)
{
    return via->kind != DIAL_PROXY_V2 || via->source.family == ADDR_NONE ||
           via->source.family == target->family;
}

/* Both addresses of a header are of one family. When ours is of the other, the target is what
 * counts. */
static void put_header(struct via_talk *t, const struct dial_via *via, const struct addr *target)
{
    struct addr source = via->source;
    if (source.family == ADDR_NONE)
        net_local_of(t->fd, &source);
    if (source.family != target->family)
        source = (struct addr){ .family = target->family };
    proxy_put_v2(&t->out, &source, target);
}

struct via_talk *via_talk_new(const struct dial_via *via, const struct addr *target, int fd)
{
    struct via_talk *t = mem_zero(sizeof *t);
    t->kind = via->kind;
    t->fd = fd;
    buf_init(&t->out, OUT_MAX);
    if (via->kind == DIAL_PROXY_V2) {
        put_header(t, via, target);
    } else {
        struct socks5_target to = { .addr = *target, .port = target->port };
        socks5_start(&t->socks, via->check_only ? NULL : &to, via->user, via->password, &t->out);
    }
    return t;
}

void via_talk_free(struct via_talk **talk)
{
    struct via_talk *t = *talk;
    if (!t)
        return;
    auth_wipe(&t->out);
    buf_free(&t->out);
    free(t);
    *talk = NULL;
}

/* False: the connection is broken. */
static bool send_out(struct via_talk *t)
{
    while (buf_len(&t->out) > 0) {
        struct slice bytes = buf_slice(&t->out);
        ssize_t n = send(t->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            t->error = errno;
            return errno == EAGAIN;
        }
        buf_consume(&t->out, (size_t)n);
    }
    return true;
}

/* One read. False: nothing came, the talk has not changed. */
static bool read_some(struct via_talk *t)
{
    char piece[SOCKS5_ANSWER_MAX];
    ssize_t n = recv(t->fd, piece, socks5_wants(&t->socks), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n > 0) {
        socks5_take(&t->socks, piece, (size_t)n, &t->out);
        return true;
    }
    t->error = n < 0 ? errno : 0;
    t->closed = true;
    socks5_end(&t->socks);
    return true;
}

/* What a refusal says about the way from the proxy to the target. */
static enum dial_fault fault_of_reply(uint8_t reply)
{
    switch (reply) {
    case SOCKS5_REFUSED:
        return DIAL_REFUSED;
    case SOCKS5_TTL_EXPIRED:
        return DIAL_TIMED_OUT;
    default:
        return DIAL_UNREACHABLE;
    }
}

/* A proxy that took the question and then has no proper answer may have trouble with this target
 * only: some say "general failure" for everything, some just hang up. */
static enum dial_fault fault_of(const struct via_talk *t)
{
    const struct socks5 *s = &t->socks;
    if (s->state == SOCKS5_READY)
        return DIAL_CONNECTED;
    if (s->state == SOCKS5_UNREACHABLE)
        return fault_of_reply(s->reply);
    if (s->step != SOCKS5_CONNECT || s->reply == SOCKS5_COMMAND_UNSUPPORTED)
        return DIAL_PROXY;
    return t->closed || s->reply != SOCKS5_SUCCEEDED ? DIAL_DENIED : DIAL_PROXY;
}

enum dial_fault via_talk_run(struct via_talk *t, unsigned *watch_r, int *error_r,
                             const char **text_r)
{
    for (;;) {
        if (!send_out(t)) {
            *error_r = t->error;
            return t->asked_us ? DIAL_DENIED : DIAL_PROXY;
        }
        *watch_r = LOOP_WRITE;
        if (buf_len(&t->out) > 0)
            return DIAL_UNTRIED;
        if (t->kind == DIAL_PROXY_V2)
            return DIAL_CONNECTED;
        if (t->socks.step == SOCKS5_CONNECT && !t->asked_us)
            t->asked_us = clock_mono_us();
        if (t->socks.state != SOCKS5_WAITING)
            break;
        *watch_r = LOOP_READ;
        if (!read_some(t))
            return DIAL_UNTRIED;
    }
    *error_r = t->error;
    *text_r = t->socks.text;
    return fault_of(t);
}

int64_t via_talk_beyond_us(const struct via_talk *t)
{
    return t->asked_us ? clock_mono_us() - t->asked_us : -1;
}

const struct addr *via_talk_source(const struct via_talk *t)
{
    return &t->socks.source;
}
