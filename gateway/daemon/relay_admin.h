/*
 * daemon/relay_admin — the relay's end of the admin protocol: queue, explain, deliveries
 *
 *   Runs on the relay's main thread. What lives on the workers is asked of them by mailbox.
 */
#ifndef WAYPOST_DAEMON_RELAY_ADMIN_H
#define WAYPOST_DAEMON_RELAY_ADMIN_H

#include "gateway/daemon/relay_links.h"
#include "gateway/daemon/worker.h"

struct relay_admin_env {
    struct loop *loop;
    int fd; /* the listening socket; taken over */
    struct workers *workers;
    struct spool *spool;
    struct relay_links *links;
};

struct relay_admin;
/* Answers nobody before relay_admin_open(): whoever asks meanwhile waits in the socket. */
struct relay_admin *relay_admin_new(const struct relay_admin_env *env, struct policies *policies);
/* Once the queue holds all that the spool does: "retry" must not miss what is still being read. */
void relay_admin_open(struct relay_admin *admin);
void relay_admin_reconfigure(struct relay_admin *admin, struct policies *policies);
void relay_admin_free(struct relay_admin **admin); /* the workers have stopped */

#endif
