/*
 * policies/choose_internal — the parts of choose()
 *
 *   Private to policies/. eligible: who may carry the mail at all; rank: which of them does.
 */
#ifndef WAYPOST_POLICIES_CHOOSE_INTERNAL_H
#define WAYPOST_POLICIES_CHOOSE_INTERNAL_H

#include "policies/choose.h"

/* In the running: neither ruled out nor chosen yet. */
static inline bool is_open(const struct candidate *c)
{
    return c->reason == NOT_CHEAPEST;
}

static inline bool choice_is_limited(const struct choice_request *q, const struct candidate *c)
{
    return q->facts[c->egress].receiver == RECEIVER_LIMITS;
}

/* Weighted rendezvous: the least of all has the mail of these correspondents, and losing one moves
 * only that one's. */
double choice_score(const struct choice_request *q, const struct candidate *c);

/* The candidate of this egress when it is open, else -1. */
int choice_open_egress(const struct choice *choice, int egress);

/* Fills choice->at with the sets of the route and rules out whom nothing can justify. */
void choice_collect(const struct choice_request *q, struct choice *choice);
/* Picks among the open ones by cost; false when there are no measurements to go by. */
bool choice_rank(const struct choice_request *q, struct rnd *rnd, struct choice *choice);

#endif
