/*
 * ingress/admit — how many connections a client may have, and where its mail may go
 */
#include <sys/socket.h>
#include <unistd.h>

#include <string.h>

#include "gateway/ingress/internal.h"

bool admit_total(struct ingress *in)
{
    uint32_t before = atomic_fetch_add_explicit(&in->env.hub->connections, 1, memory_order_relaxed);
    if (before < in->rules->conf->limits.connections)
        return true;
    admit_total_release(in);
    return false;
}

void admit_total_release(struct ingress *in)
{
    atomic_fetch_sub_explicit(&in->env.hub->connections, 1, memory_order_relaxed);
}

void admit_known(struct session *s)
{
    if (s->stranger)
        atomic_fetch_sub_explicit(&s->in->env.hub->strangers, 1, memory_order_relaxed);
    s->stranger = false;
}

/* Takes a place among those that strangers may have. An entry for some recipients only may be for
 * the whole world, so it makes nobody known. */
static bool admit_unknown(struct session *s)
{
    uint32_t max = (uint32_t)s->rules->conf->limits.connections;
    s->stranger = !s->client || s->client->recipients.n;
    if (!s->stranger)
        return true;
    uint32_t before =
        atomic_fetch_add_explicit(&s->in->env.hub->strangers, 1, memory_order_relaxed);
    return before < max - max / 10;
}

const char *admit_client(struct session *s)
{
    s->client = ruleset_client(s->rules, &s->peer, &s->entry);
    if (!admit_unknown(s))
        return "421 4.3.2 Too many connections, try again later";
    s->client_hash = client_hash(&s->peer);
    uint32_t of_address = sketch_add(&s->in->env.hub->clients, s->client_hash);
    s->counted = true;
    if (s->client && s->client->connections) {
        s->admitted = s->entry;
        uint32_t before =
            atomic_fetch_add_explicit(&s->entry->connections, 1, memory_order_relaxed);
        if (before >= s->client->connections)
            return "421 4.7.0 Too many connections from your network";
        return NULL;
    }
    if (of_address > s->rules->conf->limits.connections_per_client)
        return "421 4.7.0 Too many connections from your address";
    return NULL;
}

void admit_release(struct session *s)
{
    if (s->counted)
        sketch_sub(&s->in->env.hub->clients, s->client_hash);
    s->counted = false;
    if (s->admitted)
        atomic_fetch_sub_explicit(&s->admitted->connections, 1, memory_order_relaxed);
    s->admitted = NULL;
    admit_known(s);
    admit_total_release(s->in);
}

void admit_refuse_fd(int fd, const char *line)
{
    if (line) {
        char text[128];
        size_t n = strlen(line);
        memcpy(text, line, n);
        memcpy(text + n, "\r\n", 2);
        /* A full socket buffer on a new connection does not happen; a lost refusal does no harm. */
        if (send(fd, text, n + 2, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
            shutdown(fd, SHUT_WR);
    }
    close(fd);
}

bool admit_recipient(const struct session *s, struct slice recipient)
{
    if (s->user)
        return true;
    return s->client && policies_client_may_send_to(s->rules->policies, s->client, recipient);
}

bool admit_stranger(const struct session *s)
{
    return !s->user && (!s->client || s->listener.auth == CONF_AUTH_REQUIRED);
}
