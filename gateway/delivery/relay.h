/*
 * delivery/relay — sessions to a relay serve every site of the worker
 *
 *   A relay takes mail for all sites, so a session that rests is moved to the site that needs one,
 *   and the sessions to it are counted together: no more than one site may have
 *   (delivery.connections, the worker's share), those being closed and those of an earlier
 *   configuration included. Sites that find none left stand in line.
 */
#ifndef WAYPOST_DELIVERY_RELAY_H
#define WAYPOST_DELIVERY_RELAY_H

#include "gateway/delivery/session.h"

/* Of each egress; part of the egress table. */
struct relay_line {
    uint32_t sessions;
    uint32_t parting;    /* connections that are being closed, not in sessions (parting.h) */
    struct list wanting; /* targets, by their `want` */
};

bool relay_is(const struct delivery *d, int egress);
/* A session of another target to this egress that rests; it is the target's now. NULL: none. */
struct session *relay_adopt(struct target *t, const struct conf_route *route,
                            const struct item *item, int egress);
/* May one more be opened? If not the target stands in line. True for all but relays. */
bool relay_has_room(struct target *t, int egress);

/* Those of the table before go on counting. */
void relay_inherit(struct relay_line *line, const struct relay_line *before);
void relay_opening(struct session *s);
void relay_ended(struct session *s);
/* It is out of all counts, and its connection is being closed: counts until relay_parted(). Returns
 * what that wants to know. */
uint32_t relay_parting(struct session *s);
void relay_parted(struct delivery *d, uint32_t egress);
void relay_rests(struct session *s); /* those in line look again, at the end of the turn */
void relay_let_in(struct delivery *d);

#endif
