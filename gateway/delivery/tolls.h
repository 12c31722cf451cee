/*
 * delivery/tolls — the limits of `traffic` as mail and sessions meet them
 *
 *   A target looks up once per egress which limits hold there (queue/site.h, policies/traffic.h)
 *   and which gauges of all workers count them (gauge.h); again when its site or the configuration
 *   changes, and the sessions that live go by the new ones (tolls_reload.c). Where no rule asks for
 *   the egress, one look-up serves all of them.
 *
 *   When they are asked:
 *   - before a mail is given to a session that is ready: messages, recipients and bytes must have
 *     something left. They are taken as MAIL is sent: one message, the recipients of this
 *     transaction, its bytes. If another was faster the mail goes back.
 *   - before a session is opened for mail of a rate: no earlier and no more of them than the rate
 *     has use for (policies/ahead.h), and together at its pace. When it is ready and there is
 *     nothing left, its mail goes back, and it rests until mail may go.
 *   - each further transaction of the same mail takes for itself, or its session waits.
 *   - a body that is streamed takes its bytes window by window, and waits between them.
 *   - a session takes a connection, and one opened for each address that it dials. Of what many
 *     sites share as much is kept for the lanes above as of a site's own slots (queue/slots.h).
 *   - Where connections are short, those at rest end at once, and others after a message when they
 *     are older than TOLLS_TURN_MS: the sites take turns.
 *
 *   A relay's sessions serve all sites: their number is held by limits of the egress alone.
 */
#ifndef WAYPOST_DELIVERY_TOLLS_H
#define WAYPOST_DELIVERY_TOLLS_H

#include "gateway/delivery/session.h"

enum { TOLLS_TURN_MS = 5000, TOLLS_LOOK_MS = 50 };

struct tolls;

/* ---- for mail ---- */

/* May one of this lane go by this egress now (EGRESS_NONE: by whichever)? If not the site's hold
 * says why, and the target looks again when it may. */
bool tolls_let_go(struct target *t, int egress, enum lane lane);
/* The same of the limits that an egress has of its own: the others were asked when it was not yet
 * chosen. */
bool tolls_let_go_by(struct target *t, int egress, enum lane lane);
/* As which lane mail asks for a token: urgent mail makes others wait for its own only when it could
 * use it. */
enum lane tolls_asks_as(const struct target *t, enum lane lane);
/* A session is ready: may this mail go by it now? */
bool tolls_may_go(struct session *s, enum lane lane);
/* Is there a limit on what goes by this egress to this site per time? */
bool tolls_rated(struct target *t, int egress);
/* For the choice of an egress: those that a limit of the egress holds back now; `ahead`, of a
 * session to be opened for later: those that tolls_run_short() does not say need one. */
void tolls_facts(struct target *t, enum lane lane, bool ahead, struct egress_facts *facts);
/* The latest choice found none. True: limits hold some back, the site's hold says which, and the
 * target looks again; connections at rest make way. */
bool tolls_hold(struct target *t, enum lane lane);
/* MAIL is about to be sent for its batch. Returns how long to wait before it; 0: it is taken. */
int64_t tolls_pay_ms(struct session *s, const struct attempt *a);
/* The recipients that a transaction may have here, and the transactions of a session, by our rules
 * and by what the next hop said (RFC 9422). UINT32_MAX, 0: no limit. */
uint32_t tolls_recipients_max(const struct session *s);
uint64_t tolls_messages_max(const struct session *s);

/* ---- for bytes that are streamed ---- */
int64_t tolls_bytes_wait_ms(const struct session *s);
void tolls_charge_bytes(const struct session *s, uint64_t n);

/* ---- for sessions that are opened for mail of a rate (tolls_ahead.c) ---- */

/* Nothing of it may go by this egress now: is it time to open a session all the same? If not, and
 * it will be, the target looks again then. */
bool tolls_run_short(struct target *t, int egress);
/* May one more be opened, by rates alone? If not as tolls_let_go(). */
bool tolls_may_open(struct target *t, int egress, enum lane lane);
/* It is about to be ready. */
void tolls_opened(struct session *s);

/* ---- for sessions ---- */

/* May one more be opened for mail of this lane? If not as tolls_let_go(). */
bool tolls_room(struct target *t, int egress, enum lane lane);
/* A session begins: takes its connection. False: another worker was faster. */
bool tolls_connect(struct session *s);
void tolls_end(struct session *s);
/* The same, but for its connection, which counts until it is closed: tolls_closed(). NULL: it
 * counts nowhere. */
struct tolls *tolls_part(struct session *s);
void tolls_closed(struct tolls **ts, bool relay);
/* It dials an address. Returns how long to wait before it; 0: it is taken. */
int64_t tolls_dial_ms(struct session *s);
/* It rests: should it end, so that another can be opened? */
bool tolls_make_way(const struct session *s);
/* It stays, at rest: looked at again while others may want its place. */
void tolls_watch(struct session *s);
void tolls_on_tick(struct timer *timer); /* of struct delivery */

/* It has moved to another site: that one's limits. */
void tolls_follow(struct session *s);
void tolls_forget(struct target *t); /* the end */
/* Another configuration, or other limits of the site: the sessions that live go by them, too. */
void tolls_renew(struct target *t);

#endif
