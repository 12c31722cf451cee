/*
 * ingress/ingress — the SMTP server of one worker
 *
 *   Sessions run on the worker's loop from ingress_accept() on: PROXY header, TLS, commands, AUTH,
 *   message content into memory or into the spool, commit, 250, and the items go to the worker's
 *   queue. Listening sockets are the caller's. What the workers of a process share (connection
 *   counts, rates, penalties, password threads) is in struct ingress_hub (ingress/hub.h).
 *
 * Guarantees: 250 after the end of data only when spool_commit() said SPOOL_OK. A message whose
 *             end of data was read is committed and delivered even when its client is gone.
 *             Relaying only for listed clients and authenticated users.
 * Errors:     none to the caller: whatever goes wrong is a reply, a closed connection, a counter.
 * See:        RFC 5321, 1870, 2034, 2920, 3030, 3207, 3461, 4954, 6152, 6531, 6710, 9422
 */
#ifndef WAYPOST_INGRESS_INGRESS_H
#define WAYPOST_INGRESS_INGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/ingress/hub.h"
#include "gateway/io/loop.h"
#include "gateway/io/tls.h"
#include "gateway/queue/queue.h"
#include "gateway/report/delivery_log.h"
#include "gateway/spool/spool.h"
#include "policies/policies.h"

struct ingress;

/* Everything must outlive the ingress, but for what it takes a reference of. */
struct ingress_env {
    struct loop *loop;
    struct ingress_hub *hub;     /* shared by all workers */
    struct policies *policies;   /* a reference is taken */
    struct tls_server *tls;      /* a reference is taken; NULL: no certificate */
    struct spool *spool;         /* for its gate */
    struct spool_port *port;     /* the worker's */
    struct queue *queue;         /* the worker's */
    struct delivery_writer *log; /* the worker's; its counters are used too */
    size_t inline_max;           /* larger bodies stream into the spool; 0: 256 KiB */
};

struct ingress *ingress_new(const struct ingress_env *env);
/* Drops the sessions that are left, without a word, and turns the loop until the commits and
 * password checks under way have ended: call it before the spool port, the queue and the loop go,
 * and never from a callback. */
void ingress_free(struct ingress **ingress);

/* Takes over fd, as an accept_fn does. `listener` is an index into conf->listen of the policies in
 * force now. */
void ingress_accept(struct ingress *ingress, int fd, unsigned listener, const struct addr *peer,
                    const struct addr *local);

/* New connections and the next transaction of every session follow the new rules; a transaction
 * ends as it began. */
void ingress_reconfigure(struct ingress *ingress, struct policies *policies,
                         struct tls_server *tls);

/* Ends the service: 421 to whoever is not sending a message; a message under way is taken and its
 * session ended behind its reply. `done` runs once, when no session and no commit is left, never
 * from inside this call. New connections get 421. No limit of time: the caller may free earlier. */
void ingress_drain(struct ingress *ingress, void (*done)(void *arg), void *arg);

struct ingress_stats {
    size_t sessions;   /* open now, those waiting for a PROXY header included */
    size_t receiving;  /* of which sending a message */
    size_t committing; /* messages waiting for the spool */
};
void ingress_get_stats(const struct ingress *ingress, struct ingress_stats *stats_r);

#endif
