/*
 * queue/fair — whose message is next in one lane: deficit round robin between clients, by cost
 *
 *   Every client has a line of its own, oldest first, and in front of it one for what has had its
 *   place before (fair_add_first). In each round a client may spend one grain of
 *   cost; what a message costs beyond that is taken from its next rounds, which it sits out. The
 *   rounds it sits out are not walked through: a client is filed under the round in which it has
 *   something to spend again, so taking is O(1) amortised however many clients wait. Inside a round
 *   the lines go message by message. Who has spent nothing in this round goes first in it, with one
 *   message: that of a client who sends now and then waits for none of those who send all the time.
 *
 *   Guarantees, with c the highest cost (at most FAIR_ROUNDS - 2 grains; more counts as that):
 *     - of two clients that have mail all the time, neither is given more than 2 (grain + c) above
 *       the other, over any stretch of time;
 *     - the next message of one of n clients waits for at most (n - 1)(2 grain + 2 c) of the
 *       others', and is given at once when it is alone;
 *     - a client that empties its line keeps its debt until the round has passed.
 *
 *   Nodes are the caller's (struct list, on no other list); clients are told apart by a 64-bit key.
 *   One block of memory per client with mail or debt, none per message. Pure.
 */
#ifndef WAYPOST_QUEUE_FAIR_H
#define WAYPOST_QUEUE_FAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"

enum { FAIR_ROUNDS = 32, FAIR_COMPANY = 256 };

struct fair;

struct fair *fair_new(uint64_t grain);
void fair_free(struct fair **fair); /* nodes still in it are let go, not touched again */

uint32_t fair_count(const struct fair *fair); /* nodes in all lines; NULL: none */

void fair_add(struct fair *fair, uint64_t client, struct list *node);
/* Before what stands in its line, behind what was added so before. */
void fair_add_first(struct fair *fair, uint64_t client, struct list *node);
/* It was charged and has not been used: in front of its line, and the cost is given back. */
void fair_put_back(struct fair *fair, uint64_t client, struct list *node, uint64_t cost);
/* Off its line, whether it had its turn or not; charges nothing. */
void fair_del(struct fair *fair, struct list *node);

/* The node whose turn it is, still in its line; NULL: all lines are empty. The same one until
 * something is charged, added in front or removed. */
struct list *fair_front(struct fair *fair);
/* Is the one in front a client that sends more than others do, who were served within the last
 * FAIR_COMPANY turns? What is kept for those who come is not for it. */
bool fair_front_leaves_room(struct fair *fair);
/* The client spends that much: call it for the node that is taken, before fair_del(). */
void fair_charge(struct fair *fair, uint64_t client, uint64_t cost);
/* The same for more of a node that was taken before. `fair` may be NULL. */
void fair_charge_again(struct fair *fair, uint64_t client, uint64_t cost);

/* Each line in turn, in no special order. The call may remove nodes, and add none here. Stops on
 * false, which it returns. */
bool fair_each(struct fair *fair, bool (*fn)(void *arg, struct list *line), void *arg);
/* Moves every node to the end of `to`; each still counts here until its fair_del(). */
void fair_drain(struct fair *fair, struct list *to);

#endif
