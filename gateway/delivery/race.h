/*
 * delivery/race — a connection that takes too long: it is reported, and another egress tries, too
 *
 *   A dial that is overdue for its path is told to control, long before it has timed out. When it
 *   does not stand a second later, another session, the rival, is opened by the best other egress;
 *   at once when the path was doubtful already, and then a late greeting counts, too. Whichever is
 *   greeted first gets the mail, whose line in the log says in `previous` and `reason` whom it
 *   beat; the other is closed before it says EHLO. A rival that is late has
 *   a rival of its own: there are two at a time, and each egress gets its turn once.
 *
 *   A connection that stands may stand nowhere: some proxies say yes before they have asked, and
 *   carriers have boxes that answer for everybody. When the greeting takes four times as long as
 *   opening a session here usually does (3 to 10 s; 10 s where nothing is known) a rival is opened,
 *   too: a single one unless the usual time is known, since hosts that let everybody wait would
 *   only be asked from everywhere. One that such a rival beats is told to control as a path that
 *   failed, unless other sessions by the same egress work there.
 */
#ifndef WAYPOST_DELIVERY_RACE_H
#define WAYPOST_DELIVERY_RACE_H

#include "gateway/delivery/session.h"

/* When the second egress is tried, in ms from the start of the dial, where choice_race_ms() is
 * `ms`: through a proxy later, as its own dialogue comes on top. */
int64_t race_wait_ms(bool via, int64_t ms);
/* Where the mail goes is known now, before the first dial. False: another egress suits better; the
 * session is dead and its mail back in the queue. */
bool race_place(struct session *s);
/* A dial of this session begins; it failed. */
void race_watch(struct session *s);
void race_unwatch(struct session *s);
void race_connected(struct session *s); /* it stands; the greeting is to come */
void race_on_late(struct timer *timer); /* of struct session */
/* It was greeted: the mail is its. */
void race_won(struct session *s);
/* It found no host. True: the rival goes on with the mail, if there is any; the session is dead. */
bool race_lost(struct session *s);
/* It is about to die. */
void race_leave(struct session *s);

#endif
