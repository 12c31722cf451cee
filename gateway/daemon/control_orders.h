/*
 * daemon/control_orders — `waypost egress drain`, disable, ...: what operators order of addresses
 *
 *   An order is for all addresses of an egress, or for the one that is written after a slash:
 *   "gz-1/203.0.113.10". It is on disk before it is answered.
 */
#ifndef WAYPOST_DAEMON_CONTROL_ORDERS_H
#define WAYPOST_DAEMON_CONTROL_ORDERS_H

#include "gateway/admin/server.h"
#include "gateway/daemon/control_standing.h"

/* The action of a request; false: it is no order. */
bool control_order_find(const char *action, enum standing_order *order_r);
/* Field name. Answers with a row for each address that was meant, as they are now; status 1 with
 * the reason when there is none, or when the order changes nothing. Ends the call. */
void control_order_run(struct control_standing *standing, struct loop *loop,
                       enum standing_order order, struct call *call, const struct request *request);

#endif
