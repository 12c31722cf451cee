/*
 * delivery/parting — connections that said QUIT and are not closed yet
 *
 *   The server has them until it is done with them, so they count towards what the site may have
 *   (limit.connections), what several sites may have together (tolls.h) and what it bears
 *   (crowd.h): sessions that end together, as those do that began together and carried
 *   messages_per_connection each, are not followed by others that it would refuse for being too
 *   many. It lasts until the peer closes, two seconds at most.
 *
 *   Connections to a relay serve all sites: they count towards those that it has (relay.h), and
 *   towards what its egress may have. All count towards delivery.connections_total.
 */
#ifndef WAYPOST_DELIVERY_PARTING_H
#define WAYPOST_DELIVERY_PARTING_H

#include "gateway/delivery/session.h"

/* Takes the stream of a session that is out of all counts but `tolls` (tolls_part()); QUIT is
 * queued. When it is closed, target_run(). */
void parting_begin(struct session *s, struct tolls *tolls, int64_t linger_ms);
/* Its partings outlive the target. */
void partings_forget(struct target *t);

#endif
