/*
 * admin/explain_place — where a destination is, as far as a worker knows without asking the DNS
 *
 *   Rules may ask for MX names, carrier and region. The worker packs what its caches hold, on its
 *   own thread; explain takes the first answer that holds something into its facts.
 */
#ifndef WAYPOST_ADMIN_EXPLAIN_PLACE_H
#define WAYPOST_ADMIN_EXPLAIN_PLACE_H

#include "gateway/admin/fanout.h"
#include "gateway/base/mem.h"
#include "policies/facts.h"

void explain_place_put(const struct fanout_worker *worker, struct slice domain, struct buf *out);
/* False: the worker knew nothing. Texts are copied to the arena. */
bool explain_place_take(struct slice answer, struct arena *arena, struct facts *facts);

#endif
