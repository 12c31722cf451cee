/*
 * queue/held — the room that mail takes which its client wants held (RFC 4865), client by client
 *
 *   Items count themselves from when they are made until their release (queue/item.c), over all
 *   workers. A client is told by the hash that the scheduler knows it by (item->client). Any
 *   thread; a lock is taken for held mail only.
 */
#ifndef WAYPOST_QUEUE_HELD_H
#define WAYPOST_QUEUE_HELD_H

#include <stdint.h>

struct held {
    uint64_t memory, disk; /* bytes: of items, of bodies */
};

void held_add(uint64_t client, struct held by);
void held_sub(uint64_t client, struct held by); /* what was added */
struct held held_of(uint64_t client);

#endif
