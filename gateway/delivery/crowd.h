/*
 * delivery/crowd — how many sessions an egress may hold to a site, as found out from its answers
 *
 *   A target keeps one struct crowd for each egress it has sessions by, CROWDS_MAX at most, with a
 *   policies/concurrency inside: told of every session that opens or finds no host, of mail that is
 *   refused for being too much, and of each message that goes through. It bounds what
 *   site->limit.connections allows. A session that ends its message while its egress has more than
 *   that is closed. A session knows its crowd, so that no message costs a search.
 *
 *   A refusal is one that means "too many": 421 or a reply of class ip-throttled, to the greeting,
 *   to EHLO or to MAIL; and any failure to open one more while others work. After one, the next is
 *   opened when a message has gone through, or after CROWD_WAIT_MS. Connections that are being
 *   closed (parting.h) count until they are. When nothing stands at the
 *   site, its own back-off says when to try again (site_failed), and one may always be opened.
 *
 *   Sessions to a relay serve all sites and have their own bound (relay.h): they have no crowd.
 */
#ifndef WAYPOST_DELIVERY_CROWD_H
#define WAYPOST_DELIVERY_CROWD_H

#include "gateway/delivery/session.h"

enum { CROWDS_MAX = 16, CROWD_WAIT_MS = 1000 };

/* May one more be opened by this egress? If not, and nothing of the site's own will bring the
 * target here again, its timer does. */
bool crowd_has_room(struct target *t, int egress);
void crowds_free(struct target *t);

/* ---- what sessions tell; each of those below is of no effect for a session without crowd ---- */

void crowd_opening(struct session *s); /* sets s->crowd and s->level */
void crowd_opened(struct session *s);
void crowd_ended(struct session *s); /* before its state changes; also when it goes elsewhere */
/* After that: its connection is being closed; gives what crowd_parted() wants once it is. */
uint32_t crowd_parting(const struct session *s);
void crowd_parted(struct target *t, uint32_t egress);
void crowd_taken(struct session *s); /* its MAIL command was */
/* It found no host, while others carry mail. */
void crowd_refused(struct session *s);
/* The same, if this reply says that there are too many of us: at the opening of a session, or to
 * the MAIL command of one. */
void crowd_judge(struct session *s, const struct finding *finding);
/* Is it such a reply, while there are others of this egress, if only being opened or closed: about
 * their number, not its reputation? */
bool crowd_explains(const struct session *s, const struct finding *finding);
void crowd_served(struct session *s, int64_t took_us);
/* More stand than may: this one, which has nothing to do, should end. */
bool crowd_is_over(const struct session *s);

#endif
