/*
 * daemon/relay_admin — the relay's end of the admin protocol: queue, explain, deliveries
 *
 *   Runs on the relay's main thread. What lives on the workers is asked of them by mailbox.
 */
#ifndef WAYPOST_DAEMON_RELAY_ADMIN_H
#define WAYPOST_DAEMON_RELAY_ADMIN_H

#include "gateway/daemon/worker.h"

struct relay_admin_env {
    struct loop *loop;
    int fd; /* the listening socket; taken over */
    struct workers *workers;
    struct spool *spool;
};

struct relay_admin;
struct relay_admin *relay_admin_new(const struct relay_admin_env *env, struct policies *policies);
void relay_admin_reconfigure(struct relay_admin *admin, struct policies *policies);
void relay_admin_free(struct relay_admin **admin); /* the workers have stopped */

#endif
