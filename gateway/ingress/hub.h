/*
 * ingress/hub — what the SMTP servers of all workers of a process share
 *
 *   Counts of connections (in all, by client address, by `clients` entry), the message rates of the
 *   entries, penalties for wrong passwords, and the threads that check passwords. Sharing is by
 *   atomics and mailboxes only: no call locks or waits, except for urgent mail of those who have a
 *   quota of it, which is counted under a lock.
 *
 *   Made before the workers, freed after them.
 */
#ifndef WAYPOST_INGRESS_HUB_H
#define WAYPOST_INGRESS_HUB_H

#include <stddef.h>
#include <stdint.h>

struct conf_client;
struct conf_user;
struct ingress_hub;

/* `auth_threads`: threads that compute password hashes; 0: 2. */
struct ingress_hub *ingress_hub_new(unsigned auth_threads);
void ingress_hub_free(struct ingress_hub **hub);
size_t ingress_hub_connections(const struct ingress_hub *hub); /* open now, all workers */
/* How many messages of both could be urgent now; each may be NULL. UINT64_MAX: any number. */
uint64_t ingress_hub_urgent_left(struct ingress_hub *hub, const struct conf_client *client,
                                 const struct conf_user *user, int64_t now_ms);

#endif
