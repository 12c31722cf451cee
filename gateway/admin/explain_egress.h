/*
 * admin/explain_egress — every egress as explain shows it: state, terms of its cost, the reason
 *
 *   The figures are those of the choice itself (policies/choose), nothing is computed again.
 */
#ifndef WAYPOST_ADMIN_EXPLAIN_EGRESS_H
#define WAYPOST_ADMIN_EXPLAIN_EGRESS_H

#include "gateway/conf/conf.h"
#include "gateway/delivery/delivery.h"
#include "policies/choose.h"

/* "egress":[...] with one object for each of the configuration. choice NULL: none could be made,
 * because a reload is under way. The delivery is that of the worker that made it. */
void explain_put_egresses(struct buf *json, const struct conf *conf, struct egress_set fallback,
                          const struct choice *choice, const struct delivery *delivery);

#endif
