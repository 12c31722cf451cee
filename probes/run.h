/*
 * probes/run — carries out the probes that the link core asks for
 *
 *   OBS_PROBE and OBS_BEACON: connect from the egress (through its proxy, if it has one), wait for
 *   the end of the greeting, say QUIT, close. Never EHLO, never MAIL: a mail exchanger sees a
 *   client that looked in and left. Through a proxy the answer to QUIT is waited for, a second at
 *   most: TCP tells of the first leg only. A beacon that greets nobody is reached when it has taken
 *   the connection; of an OBS_PROBE the standing connection is told first (OBS_CONNECTED), unless
 *   it is one to an HAProxy, which takes it before the destination has; then the time for the
 *   greeting begins.
 *   An egress that is a relay is probed itself, whatever the address: what lies behind it cannot be
 *   seen from here. OBS_RESOLVER: one question to the carrier's resolver from the egress's address.
 *
 *   What came of it is an observation like those of the relay. At most PROBES_AT_ONCE run at any
 *   time; each ends with its time-out.
 *
 * Callbacks: `done` runs from the loop, never from inside a call: once, and before that perhaps
 *            with OBS_CONNECTED.
 */
#ifndef WAYPOST_PROBES_RUN_H
#define WAYPOST_PROBES_RUN_H

#include "gateway/conf/conf.h"
#include "gateway/dns/resolver.h"
#include "gateway/io/loop.h"
#include "probes/links.h"

enum { PROBES_AT_ONCE = 128 };

struct prober;

/* `group`: the one it was asked for. */
typedef void probe_done_fn(void *arg, const struct observation *observation, int group);

/* `resolver` looks up the names of proxies and relays. */
struct prober *prober_new(struct loop *loop, struct resolver *resolver, probe_done_fn *done,
                          void *arg);
void prober_free(struct prober **prober); /* probes under way end without `done` */

/* Probes leave as the egresses of `conf` say; those under way end without `done`. `conf` must live
 * until the next call. */
void prober_configure(struct prober *prober, const struct conf *conf);
/* False: there is no room, or no such egress. `probe->egress` is an index into conf->egress. */
bool prober_run(struct prober *prober, const struct links_probe *probe);
size_t prober_running(const struct prober *prober);

#endif
