/*
 * policies/choose — one egress out of those a route allows
 *
 *   Today: by weight among the usable. An egress of weight 0 is taken only when no other is usable.
 *   The measured choice (cost of each path) comes here, over the same facts.
 */
#ifndef WAYPOST_POLICIES_CHOOSE_H
#define WAYPOST_POLICIES_CHOOSE_H

#include "gateway/base/rnd.h"
#include "policies/route.h"

/* What is known about an egress now, one per egress of the configuration, in its order. */
struct egress_facts {
    bool usable; /* up, and with a source address of a family the destination has */
};

enum { EGRESS_NONE = -1 };

/* An index into conf->egress, EGRESS_NONE when nothing of the set is usable. */
int choose_egress(const struct conf *conf, struct egress_set allowed,
                  const struct egress_facts *facts, struct rnd *rnd);

#endif
