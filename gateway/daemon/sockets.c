#include "gateway/daemon/sockets.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/listen.h"
#include "gateway/io/net.h"

enum { BACKLOG = 4096, OPEN_TRIES = 20, OPEN_WAIT_US = 100000 };

struct entry {
    struct addr address;
    int fds[WORKERS_MAX];
};

struct sockets {
    unsigned workers;
    size_t n;
    struct entry *at;
    struct entry web; /* one descriptor; -1: none */
};

static const struct entry *find(const struct sockets *s, const struct addr *address)
{
    for (size_t i = 0; s && i < s->n; i++) {
        if (addr_eq(&s->at[i].address, address))
            return &s->at[i];
    }
    return NULL;
}

/* SO_REUSEPORT would let two gateways share a port and each get some of the connections. So a
 * socket without it is tried first. */
static enum rc probe(const struct addr *address, struct err *err)
{
    struct sockaddr_storage ss;
    char text[ADDR_TEXT_MAX];
    int on = 1;
    socklen_t n = net_to_sockaddr(address, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (ss.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    bool in_use = bind(fd, (struct sockaddr *)&ss, n) != 0 && errno == EADDRINUSE;
    close(fd);
    if (in_use)
        return err_set(err, RC_IO, "%s: in use by another process", addr_text(address, text));
    return RC_OK;
}

static enum rc open_new(const struct addr *address, unsigned worker, int *fd_r, struct err *err)
{
    enum rc rc = worker == 0 ? probe(address, err) : RC_OK;
    return rc == RC_OK ? listen_open(address, BACKLOG, fd_r, err) : rc;
}

/* A predecessor that was killed may take a moment to let go of the port. */
static enum rc open_patiently(const struct addr *address, unsigned worker, int *fd_r,
                              struct err *err)
{
    enum rc rc = RC_IO;
    for (int i = 0; i < OPEN_TRIES && rc != RC_OK; i++) {
        if (i)
            usleep(OPEN_WAIT_US);
        rc = open_new(address, worker, fd_r, err);
    }
    return rc;
}

/* `same`: an open entry of this address, or NULL. `first`: nothing of ours is open yet. */
static enum rc open_entry(struct entry *e, unsigned workers, const struct entry *same, bool first,
                          struct err *err)
{
    for (unsigned w = 0; w < workers; w++) {
        if (same) {
            e->fds[w] = fcntl(same->fds[w], F_DUPFD_CLOEXEC, 0);
            assert(e->fds[w] >= 0);
            continue;
        }
        enum rc rc = first ? open_patiently(&e->address, w, &e->fds[w], err)
                           : open_new(&e->address, w, &e->fds[w], err);
        if (rc != RC_OK)
            return rc;
    }
    char text[ADDR_TEXT_MAX];
    if (!same)
        log_info(NULL, "listener_opened", "address", addr_text(&e->address, text), NULL);
    return RC_OK;
}

enum rc sockets_open(const struct conf *conf, unsigned workers, const struct sockets *old,
                     struct sockets **sockets_r, struct err *err)
{
    assert(workers > 0 && workers <= WORKERS_MAX && (!old || old->workers == workers));
    struct sockets *s = mem_zero(sizeof *s);
    s->workers = workers;
    s->web.fds[0] = -1;
    s->at = mem_array(conf->listen.n, sizeof *s->at);
    enum rc rc = RC_OK;
    for (size_t i = 0; i < conf->listen.n && rc == RC_OK; i++) {
        struct entry *e = &s->at[s->n++];
        for (unsigned w = 0; w < workers; w++)
            e->fds[w] = -1;
        e->address = conf->listen.at[i].address;
        rc = open_entry(e, workers, find(old, &e->address), !old, err);
    }
    s->web.address = conf->report.listen;
    if (rc == RC_OK && s->web.address.family != ADDR_NONE) {
        bool same = old && old->web.fds[0] >= 0 && addr_eq(&old->web.address, &s->web.address);
        rc = open_entry(&s->web, 1, same ? &old->web : NULL, !old, err);
    }
    if (rc == RC_OK) {
        *sockets_r = s;
        s = NULL;
    }
    sockets_free(&s);
    return rc;
}

void sockets_free(struct sockets **s_p)
{
    struct sockets *s = *s_p;
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        for (unsigned w = 0; w < s->workers; w++) {
            if (s->at[i].fds[w] >= 0)
                close(s->at[i].fds[w]);
        }
    }
    if (s->web.fds[0] >= 0)
        close(s->web.fds[0]);
    free(s->at);
    free(s);
    *s_p = NULL;
}

size_t sockets_count(const struct sockets *s)
{
    return s->n;
}

const int *sockets_fds(const struct sockets *s, size_t listener)
{
    return s->at[listener].fds;
}

int sockets_web(const struct sockets *s)
{
    return s->web.fds[0];
}

enum rc sockets_open_admin(const char *state, const char *name, int *fd_r, struct err *err)
{
    char path[512];
    if ((size_t)snprintf(path, sizeof path, "%s/run/%s", state, name) >= sizeof path)
        return err_set(err, RC_LIMIT, "%s: path too long for a socket", state);
    return listen_open_unix(path, 0600, 128, fd_r, err);
}
