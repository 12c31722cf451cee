/*
 * io/way — how an egress of the configuration makes its connections
 *
 *   Between conf_egress and what io/dial takes. Mail and probes go through here, so that a probe
 *   leaves exactly as mail does. Names of proxies are the caller's to look up. Everything points
 *   into the configuration.
 */
#ifndef WAYPOST_IO_WAY_H
#define WAYPOST_IO_WAY_H

#include "gateway/conf/plan.h"
#include "gateway/io/dial.h"

enum { FAMILY_V4 = 1, FAMILY_V6 = 2 }; /* sets of families are bits */

unsigned way_family(const struct addr *a);
/* Is a proxy between us and whom we speak to? A relay is not: it is whom we speak to. */
bool way_is_proxied(const struct conf_egress *e);

/* Has the system this source (NULL: no address), interface and mark? Sends nothing. */
bool way_source_ours(const struct conf_egress *e, const struct addr *address);
/* Has the system its congestion control, and may this process use it? Without it connections are
 * made all the same. */
bool way_congestion_works(const struct conf_egress *e);
/* Addresses of a family take turns. `gone`: those to leave out, one per address; NULL: none.
 * `rather_not`: those to leave out while another of the family is not. */
void way_source(const struct conf_egress *e, unsigned turn, const bool *gone,
                const bool *rather_not, struct dial_source *source_r);
/* The first address of each family that the system has now, else the first of the family. */
void way_source_now(const struct conf_egress *e, struct dial_source *source_r);
bool way_has_source(const struct conf_egress *e); /* has the system any of them now? */
/* The families of destinations that can be reached; addresses that are gone do not count. */
unsigned way_families(const struct conf_egress *e, const bool *gone);

enum { WAY_PROXY_MS = 5000 }; /* the most a proxy may take for its own part */

/* For way_is_proxied() only; `proxy`: its addresses, at least one; their ports do not matter. */
void way_via(const struct conf_egress *e, const struct addr *proxy, size_t n,
             struct dial_via *via_r);

#endif
