/*
 * ingress/hub — what the SMTP servers of all workers of a process share
 *
 *   Counts of connections (in all, by client address, by `clients` entry), the message rates of the
 *   entries, penalties for wrong passwords, and the threads that check passwords. Sharing is by
 *   atomics and mailboxes only: no call locks or waits.
 *
 *   Made before the workers, freed after them.
 */
#ifndef WAYPOST_INGRESS_HUB_H
#define WAYPOST_INGRESS_HUB_H

#include <stddef.h>

struct ingress_hub;

/* `auth_threads`: threads that compute password hashes; 0: 2. */
struct ingress_hub *ingress_hub_new(unsigned auth_threads);
void ingress_hub_free(struct ingress_hub **hub);
size_t ingress_hub_connections(const struct ingress_hub *hub); /* open now, all workers */

#endif
