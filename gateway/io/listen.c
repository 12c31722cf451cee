#include "gateway/io/listen.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/net.h"
#include "gateway/io/timer.h"

enum { ACCEPTS_PER_TURN = 32, EXHAUSTED_PAUSE_MS = 200, EXHAUSTED_TOLD_MS = 60000 };

enum rc listen_open(const struct addr *addr, int backlog, int *fd_r, struct err *err)
{
    char text[ADDR_TEXT_MAX];
    const int on = 1;
    struct sockaddr_storage ss;
    socklen_t n = net_to_sockaddr(addr, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *fd_r = -1;
    if (fd < 0)
        return err_set(err, RC_IO, "%s: %s", addr_text(addr, text), strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        (addr->family == ADDR_V6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(fd, (struct sockaddr *)&ss, n) != 0 || listen(fd, backlog) != 0) {
        err_set(err, RC_IO, "%s: %s", addr_text(addr, text), strerror(errno));
        close(fd);
        return RC_IO;
    }
    *fd_r = fd;
    return RC_OK;
}

/* Binds; a socket file that nobody answers on is left over from a process that died. */
static bool bind_unix(int fd, const struct sockaddr_un *un)
{
    const struct sockaddr *sa = (const struct sockaddr *)un;
    if (bind(fd, sa, sizeof *un) == 0)
        return true;
    int probe = errno == EADDRINUSE ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (probe < 0)
        return false;
    bool stale = connect(probe, sa, sizeof *un) != 0 && errno == ECONNREFUSED;
    close(probe);
    errno = EADDRINUSE;
    return stale && unlink(un->sun_path) == 0 && bind(fd, sa, sizeof *un) == 0;
}

enum rc listen_open_unix(const char *path, unsigned mode, int backlog, int *fd_r, struct err *err)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    size_t n = strlen(path);
    *fd_r = -1;
    if (n >= sizeof un.sun_path)
        return err_set(err, RC_LIMIT, "%s: longer than a socket path may be", path);
    memcpy(un.sun_path, path, n + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, RC_IO, "%s: %s", path, strerror(errno));
    /* The mode set before bind is the one the file is born with, less the umask. */
    if (fchmod(fd, mode) != 0 || !bind_unix(fd, &un) || chmod(path, mode) != 0 ||
        listen(fd, backlog) != 0) {
        err_set(err, RC_IO, "%s: %s", path, strerror(errno));
        close(fd);
        return RC_IO;
    }
    *fd_r = fd;
    return RC_OK;
}

struct listener {
    struct loop *loop;
    struct loop_watch *watch;
    struct timer pause; /* after running out of descriptors */
    int64_t told_ms;    /* of that, by the log; 0: never */
    struct addr local;  /* port 0: differs per connection, ask the socket */
    int fd;
    bool accepting; /* on_readable() is on the stack */
    bool freed;
    accept_fn *fn;
    void *arg;
};

static void update_watch(struct listener *l)
{
    bool on = !timer_is_set(&l->pause);
    loop_watch_set(l->watch, on ? LOOP_READ : 0);
}

static void tell_exhausted(struct listener *l, int error)
{
    int64_t now_ms = loop_now_ms(l->loop);
    if (l->told_ms && now_ms - l->told_ms < EXHAUSTED_TOLD_MS)
        return;
    l->told_ms = now_ms;
    log_warning(NULL, "accept_paused", "error", strerror(error), NULL);
}

/* False: nothing more to accept in this turn. */
static bool accept_one(struct listener *l)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t n = sizeof ss;
    struct addr peer, local = l->local;
    int fd = accept4(l->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (net_is_exhausted(errno)) {
            tell_exhausted(l, errno);
            timer_set(l->loop, &l->pause, EXHAUSTED_PAUSE_MS);
            update_watch(l);
            return false;
        }
        return errno == ECONNABORTED || errno == EINTR;
    }
    net_from_sockaddr((struct sockaddr *)&ss, &peer);
    if (!local.port)
        net_local_of(fd, &local);
    l->fn(l->arg, fd, &peer, &local);
    return true;
}

static void on_readable(void *arg, int fd, unsigned what)
{
    struct listener *l = arg;
    (void)fd;
    (void)what;
    l->accepting = true;
    for (int i = 0; i < ACCEPTS_PER_TURN && !l->freed; i++)
        if (!accept_one(l))
            break;
    l->accepting = false;
    if (l->freed)
        free(l);
}

static void on_pause_over(struct timer *timer)
{
    update_watch(CONTAINER_OF(timer, struct listener, pause));
}

struct listener *listener_new(struct loop *loop, int fd, accept_fn *fn, void *arg)
{
    struct listener *l = mem_zero(sizeof *l);
    l->loop = loop;
    l->fd = fd;
    l->fn = fn;
    l->arg = arg;
    net_local_of(fd, &l->local);
    if (addr_is_any(&l->local))
        l->local.port = 0;
    timer_init(&l->pause, on_pause_over);
    l->watch = loop_watch_new(loop, fd, LOOP_READ, on_readable, l);
    return l;
}

void listener_free(struct listener **listener)
{
    struct listener *l = *listener;
    if (!l)
        return;
    loop_watch_free(&l->watch);
    timer_stop(l->loop, &l->pause);
    close(l->fd);
    l->freed = true;
    if (!l->accepting)
        free(l);
    *listener = NULL;
}
