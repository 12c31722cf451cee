#include "gateway/daemon/sockets.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/listen.h"

enum { BACKLOG = 4096, OPEN_TRIES = 20, OPEN_WAIT_US = 100000 };

struct entry {
    struct addr address;
    int fds[WORKERS_MAX];
};

struct sockets {
    unsigned workers;
    size_t n;
    struct entry *at;
};

static const struct entry *find(const struct sockets *s, const struct addr *address)
{
    for (size_t i = 0; s && i < s->n; i++) {
        if (addr_eq(&s->at[i].address, address))
            return &s->at[i];
    }
    return NULL;
}

/* A predecessor that was killed may take a moment to let go of the port. */
static enum rc open_patiently(const struct addr *address, int *fd_r, struct err *err)
{
    enum rc rc = RC_IO;
    for (int i = 0; i < OPEN_TRIES && rc != RC_OK; i++) {
        if (i)
            usleep(OPEN_WAIT_US);
        rc = listen_open(address, BACKLOG, fd_r, err);
    }
    return rc;
}

static enum rc open_entry(struct entry *e, unsigned workers, const struct sockets *old,
                          struct err *err)
{
    const struct entry *same = find(old, &e->address);
    for (unsigned w = 0; w < workers; w++) {
        if (same) {
            e->fds[w] = fcntl(same->fds[w], F_DUPFD_CLOEXEC, 0);
            assert(e->fds[w] >= 0);
            continue;
        }
        enum rc rc = old ? listen_open(&e->address, BACKLOG, &e->fds[w], err)
                         : open_patiently(&e->address, &e->fds[w], err);
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
    s->at = mem_array(conf->listen.n, sizeof *s->at);
    enum rc rc = RC_OK;
    for (size_t i = 0; i < conf->listen.n && rc == RC_OK; i++) {
        struct entry *e = &s->at[s->n++];
        for (unsigned w = 0; w < workers; w++)
            e->fds[w] = -1;
        e->address = conf->listen.at[i].address;
        rc = open_entry(e, workers, old, err);
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

enum rc sockets_open_admin(const char *state, const char *name, int *fd_r, struct err *err)
{
    char path[512];
    if ((size_t)snprintf(path, sizeof path, "%s/run/%s", state, name) >= sizeof path)
        return err_set(err, RC_LIMIT, "%s: path too long for a socket", state);
    return listen_open_unix(path, 0600, 128, fd_r, err);
}
