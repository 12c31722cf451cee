/*
 * delivery/stall — sessions whose bytes no longer arrive
 *
 *   Mail on a warm session makes no connection, so a path that died would show only when a reply is
 *   minutes overdue, and a slow destination looks the same. The kernel knows better: what it has
 *   sent again twice without an answer did not arrive. That is told to control as a failure of the
 *   path; after STALL_CUT_MS mail whose end has not been sent goes on by another egress, if there
 *   is one. What the peer may have taken already stays: it must not come twice.
 *
 *   Looks each STALL_LOOK_MS while something is under way, and asks the kernel only about sessions
 *   that have waited for STALL_MS.
 */
#ifndef WAYPOST_DELIVERY_STALL_H
#define WAYPOST_DELIVERY_STALL_H

#include "gateway/delivery/session.h"

enum { STALL_LOOK_MS = 300, STALL_MS = 500, STALL_CUT_MS = 4000 };

void stall_watch(struct delivery *d);    /* a transaction begins; next to nothing when it runs */
void stall_on_tick(struct timer *timer); /* of struct delivery */

#endif
