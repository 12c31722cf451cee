/*
 * daemon/control_targets — whom the link core may probe, by the configuration and databases
 *
 *   Beacons and the carriers' resolvers are named by the configuration; addresses that mail went to
 *   the core has learned itself, and here it hears whose they are when that may have changed. How
 *   many are of another group than before is logged (`addresses_regrouped`).
 *
 *   Keeps nothing; everything runs on control's loop.
 */
#ifndef WAYPOST_DAEMON_CONTROL_TARGETS_H
#define WAYPOST_DAEMON_CONTROL_TARGETS_H

#include "gateway/conf/conf.h"
#include "gateway/geo/group.h"
#include "probes/links.h"

/* The beacons and resolvers of `conf`, in place of those named before; and addresses that mail went
 * to, each in the group that it is of by `groups`. After every change of either. */
void control_targets_name(struct links *core, struct geo_cache *groups, const struct conf *conf,
                          int64_t now_ms);

#endif
