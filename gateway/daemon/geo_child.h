/*
 * daemon/geo_child — the databases as a child of the supervisor sees them
 *
 *   MSG_GEO says where they are; with the configuration that makes a struct geo. Opening is a
 *   matter of microseconds: the supervisor has checked every byte.
 */
#ifndef WAYPOST_DAEMON_GEO_CHILD_H
#define WAYPOST_DAEMON_GEO_CHILD_H

#include "gateway/conf/conf.h"
#include "gateway/geo/group.h"

struct geo_child {
    char *asn, *city; /* NULL: none */
};

/* The content of MSG_GEO. RC_PARSE: nothing changed. */
enum rc geo_child_take(struct geo_child *g, struct slice bytes, struct err *err);
void geo_child_free(struct geo_child *g);

/* One reference. NULL: the configuration knows nothing of places. Databases that cannot be opened
 * are left out, with an error in the log: mail goes on. */
struct geo *geo_child_make(const struct geo_child *g, const struct conf *conf);

#endif
