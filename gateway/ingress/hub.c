#include "gateway/ingress/hub.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/conf/conf.h"
#include "gateway/ingress/shared.h"

struct ingress_hub *ingress_hub_new(unsigned auth_threads)
{
    struct ingress_hub *hub = mem_zero(sizeof *hub);
    hub->auth = auth_pool_new(auth_threads ? auth_threads : 2);
    pthread_mutex_init(&hub->entries_lock, NULL);
    quotas_init(&hub->quotas);
    return hub;
}

void ingress_hub_free(struct ingress_hub **hub)
{
    if (!*hub)
        return;
    auth_pool_free(&(*hub)->auth);
    for (struct client_counter *c = (*hub)->entries, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    pthread_mutex_destroy(&(*hub)->entries_lock);
    quotas_done(&(*hub)->quotas);
    free(*hub);
    *hub = NULL;
}

size_t ingress_hub_connections(const struct ingress_hub *hub)
{
    return atomic_load_explicit(&hub->connections, memory_order_relaxed);
}

uint64_t ingress_hub_urgent_left(struct ingress_hub *hub, const struct conf_client *client,
                                 const struct conf_user *user, int64_t now_ms)
{
    uint64_t left = UINT64_MAX, of_user = UINT64_MAX;
    if (client && client->urgent.count)
        left = quotas_left_of_client(&hub->quotas, &client->network, now_ms);
    if (user && user->urgent.count)
        of_user = quotas_left_of_user(&hub->quotas, user->name, now_ms);
    return of_user < left ? of_user : left;
}

struct client_counter *hub_client_counter(struct ingress_hub *hub, const struct network *network)
{
    pthread_mutex_lock(&hub->entries_lock);
    struct client_counter *c = hub->entries;
    while (c &&
           !(c->network.prefix == network->prefix && addr_eq(&c->network.base, &network->base)))
        c = c->next;
    if (!c) {
        c = mem_zero(sizeof *c);
        c->network = *network;
        c->next = hub->entries;
        hub->entries = c;
    }
    pthread_mutex_unlock(&hub->entries_lock);
    return c;
}
