#include "gateway/daemon/ipc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/cursor.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"

enum { HEAD_BYTES = 8, READ_BYTES = 256 << 10, FDS_WAITING_MAX = 4 * IPC_FDS_MAX };

/* One message on its way out. */
struct outgoing {
    struct list node;
    struct buf bytes; /* head and content, less what has been sent */
    int fds[IPC_FDS_MAX];
    unsigned fd_count; /* 0 once they have gone with the first byte */
};

struct ipc {
    struct loop *loop;
    struct loop_watch *watch;
    int fd;
    struct ipc_ops ops;
    void *arg;
    struct list out;
    struct buf in;
    int fds[FDS_WAITING_MAX]; /* received, not yet claimed by a message */
    unsigned fd_count;
    bool *freed; /* set by ipc_free() while a callback runs */
    bool dead;   /* on_closed has run */
};

enum rc ipc_pair(int fds_r[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds_r) != 0)
        return err_set(err, RC_IO, "socketpair: %s", strerror(errno));
    return RC_OK;
}

static void close_all(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static void outgoing_free(struct outgoing *o)
{
    list_del(&o->node);
    close_all(o->fds, o->fd_count);
    struct slice rest = { o->bytes.mem, o->bytes.cap };
    if (rest.p)
        explicit_bzero(o->bytes.mem, rest.n);
    buf_free(&o->bytes);
    free(o);
}

static void wipe_in(struct ipc *ipc)
{
    if (ipc->in.mem)
        explicit_bzero(ipc->in.mem, ipc->in.cap);
}

void ipc_free(struct ipc **ipc_p)
{
    struct ipc *ipc = *ipc_p;
    if (!ipc)
        return;
    if (ipc->freed)
        *ipc->freed = true;
    loop_watch_free(&ipc->watch);
    LIST_EACH (node, &ipc->out)
        outgoing_free(CONTAINER_OF(node, struct outgoing, node));
    close_all(ipc->fds, ipc->fd_count);
    close(ipc->fd);
    wipe_in(ipc);
    buf_free(&ipc->in);
    free(ipc);
    *ipc_p = NULL;
}

/* ---- out ---- */

static ssize_t send_some(int fd, struct outgoing *o)
{
    struct slice s = buf_slice(&o->bytes);
    struct iovec iov = { .iov_base = o->bytes.mem + o->bytes.start, .iov_len = s.n };
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
    } control = { .space = { 0 } };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (o->fd_count) {
        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * o->fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * o->fd_count);
        memcpy(CMSG_DATA(c), o->fds, sizeof(int) * o->fd_count);
    }
    return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* A broken pipe is noticed by the reading side, which always watches. */
static void flush(struct ipc *ipc)
{
    while (!list_empty(&ipc->out)) {
        struct outgoing *o = CONTAINER_OF(ipc->out.next, struct outgoing, node);
        ssize_t n = send_some(ipc->fd, o); /* NOLINT(clang-analyzer-unix.Malloc): not freed yet */
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        close_all(o->fds, o->fd_count);
        o->fd_count = 0;
        buf_consume(&o->bytes, (size_t)n);
        if (buf_len(&o->bytes) == 0)
            outgoing_free(o);
    }
    loop_watch_set(ipc->watch, list_empty(&ipc->out) ? LOOP_READ : LOOP_READ | LOOP_WRITE);
}

void ipc_send(struct ipc *ipc, unsigned type, struct slice bytes, const int *fds, unsigned fd_count)
{
    assert(bytes.n <= IPC_BYTES_MAX && fd_count <= IPC_FDS_MAX);
    struct outgoing *o = mem_zero(sizeof *o);
    buf_init(&o->bytes, HEAD_BYTES + IPC_BYTES_MAX);
    put_u32(&o->bytes, (uint32_t)bytes.n);
    put_u16(&o->bytes, (uint16_t)type);
    put_u16(&o->bytes, (uint16_t)fd_count);
    buf_put_slice(&o->bytes, bytes);
    for (unsigned i = 0; i < fd_count; i++) {
        o->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        assert(o->fds[i] >= 0);
    }
    o->fd_count = fd_count;
    list_push_back(&ipc->out, &o->node);
    if (!ipc->dead)
        flush(ipc);
}

bool ipc_idle(const struct ipc *ipc)
{
    return list_empty(&ipc->out);
}

/* ---- in ---- */

static void closed(struct ipc *ipc, const char *why)
{
    loop_watch_set(ipc->watch, 0);
    ipc->dead = true;
    ipc->ops.on_closed(ipc->arg, why);
}

/* Keeps descriptors that came along; those beyond the limit are closed and false returned. */
static bool take_fds(struct ipc *ipc, struct msghdr *msg)
{
    bool all = !(msg->msg_flags & MSG_CTRUNC);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        int got[IPC_FDS_MAX];
        assert(n <= IPC_FDS_MAX);
        memcpy(got, CMSG_DATA(c), n * sizeof(int));
        if (ipc->fd_count + n > FDS_WAITING_MAX) {
            close_all(got, n);
            all = false;
            continue;
        }
        memcpy(ipc->fds + ipc->fd_count, got, n * sizeof(int));
        ipc->fd_count += n;
    }
    return all;
}

/* >0 bytes read, 0 nothing for now, <0 the end (*why_r says which). */
static ssize_t receive(struct ipc *ipc, const char **why_r)
{
    struct iovec iov = { .iov_base = buf_reserve(&ipc->in, READ_BYTES), .iov_len = READ_BYTES };
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
    } control;
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.space,
                          .msg_controllen = sizeof control.space };
    ssize_t n = recvmsg(ipc->fd, &msg, MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        *why_r = n < 0 ? strerror(errno) : "closed by the other side";
        return -1;
    }
    buf_commit(&ipc->in, (size_t)n);
    if (!take_fds(ipc, &msg)) {
        *why_r = "too many descriptors";
        return -1;
    }
    return n;
}

/* Hands out the first whole message. False: none there, or the end. */
static bool hand_out(struct ipc *ipc, const bool *gone)
{
    struct slice s = buf_slice(&ipc->in);
    struct cursor c = cur_of(s.p, s.n);
    size_t length = cur_u32(&c);
    struct ipc_message m = { .type = cur_u16(&c) };
    m.fd_count = cur_u16(&c);
    if (c.bad)
        return false;
    if (length > IPC_BYTES_MAX || m.fd_count > IPC_FDS_MAX) {
        closed(ipc, "malformed message");
        return false;
    }
    if (s.n < HEAD_BYTES + length || ipc->fd_count < m.fd_count)
        return false;
    int fds[IPC_FDS_MAX];
    memcpy(fds, ipc->fds, m.fd_count * sizeof(int));
    ipc->fd_count -= m.fd_count;
    memmove(ipc->fds, ipc->fds + m.fd_count, ipc->fd_count * sizeof(int));
    m.bytes = (struct slice){ s.p + HEAD_BYTES, length };
    m.fds = fds;
    ipc->ops.on_message(ipc->arg, &m);
    close_all(fds, m.fd_count);
    if (*gone)
        return false;
    buf_consume(&ipc->in, HEAD_BYTES + length);
    if (buf_len(&ipc->in) == 0) {
        wipe_in(ipc);
        buf_shrink(&ipc->in);
    }
    return true;
}

static void on_ready(void *arg, int fd, unsigned what)
{
    struct ipc *ipc = arg;
    (void)fd;
    if (what & LOOP_WRITE)
        flush(ipc);
    if (!(what & LOOP_READ))
        return;
    const char *why = NULL;
    bool gone = false;
    ipc->freed = &gone;
    ssize_t n = receive(ipc, &why);
    while (n > 0 && hand_out(ipc, &gone)) {
    }
    if (!gone && n < 0)
        closed(ipc, why);
    if (!gone)
        ipc->freed = NULL;
}

struct ipc *ipc_new(struct loop *loop, int fd, const struct ipc_ops *ops, void *arg)
{
    struct ipc *ipc = mem_zero(sizeof *ipc);
    ipc->loop = loop;
    ipc->fd = fd;
    ipc->ops = *ops;
    ipc->arg = arg;
    list_init(&ipc->out);
    buf_init(&ipc->in, HEAD_BYTES + (size_t)IPC_BYTES_MAX + READ_BYTES);
    ipc->watch = loop_watch_new(loop, fd, LOOP_READ, on_ready, ipc);
    return ipc;
}
