/*
 * ingress/shared — the inside of struct ingress_hub, for ingress/ only
 *
 *   Everything but the list of entries and the quotas is atomic and may be touched by any worker at
 *   any time; the list only grows, under its lock, when a configuration is loaded.
 */
#ifndef WAYPOST_INGRESS_SHARED_H
#define WAYPOST_INGRESS_SHARED_H

#include <pthread.h>

#include "gateway/ingress/auth_pool.h"
#include "gateway/ingress/hub.h"
#include "gateway/ingress/limits.h"
#include "gateway/ingress/quotas.h"

struct ingress_hub {
    _Atomic uint32_t connections;
    _Atomic uint32_t strangers; /* of these */
    struct sketch clients;      /* connections by client address */
    struct penalties penalties; /* wrong passwords by client address */
    struct auth_pool *auth;
    pthread_mutex_t entries_lock; /* reconfiguration only */
    struct client_counter *entries;
    struct quotas quotas; /* of urgent mail */
};

/* The counter of this `clients` entry: the same for all workers, and before and after a reload. */
struct client_counter *hub_client_counter(struct ingress_hub *hub, const struct network *network);

#endif
