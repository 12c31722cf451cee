/*
 * delivery/pick — a session that could carry a mail
 *
 *   One that rests, or one that can take a transaction behind the running one. Which is asked for,
 *   and when another one is opened instead, is dispatch's business.
 */
#ifndef WAYPOST_DELIVERY_PICK_H
#define WAYPOST_DELIVERY_PICK_H

#include "gateway/delivery/session.h"

/* What a mail asks of a session. */
struct need {
    enum sched_for what;
    const struct conf_route *route;
    struct item *item;
    struct way_out way;
    bool any; /* not only way.egress: any that may carry it */
};

/* It goes by the egress of its earlier try, or by none. */
bool pick_is_sticky(const struct delivery *d, const struct item *item);

struct session *pick_idle(struct target *t, const struct need *need);
/* `late`: only as the reply to the running transaction becomes due; the target looks again then. */
struct session *pick_behind(struct target *t, const struct need *need, bool late);

#endif
