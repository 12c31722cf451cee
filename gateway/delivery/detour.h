/*
 * delivery/detour — mail goes on by another egress, and no attempt is counted
 *
 *   What fails on the way from an egress to a site must not be taken for the site's fault: as long
 *   as another egress is left the mail tries that at once, at most ITEM_TRIED_MAX more. Only then
 *   the site backs off. What the site itself answered is its answer, by whatever way.
 *   A failing proxy or relay is its egress's fault alone: that goes out, its mail goes elsewhere.
 *   Each detour is written to the delivery log ("rerouted"). All but detour_take() end the session.
 */
#ifndef WAYPOST_DELIVERY_DETOUR_H
#define WAYPOST_DELIVERY_DETOUR_H

#include "gateway/delivery/session.h"

/* The session's mail failed so. True: it is to try another egress; kill the session without a
 * finding. */
bool detour_take(struct session *s, const struct finding *finding);
/* The connection of a transaction under way broke. True: as above. */
bool detour_broken(struct session *s, const struct finding *finding);
/* The connection ended without a word, whatever it was doing: the proxy or relay of its egress may
 * have gone, and until somebody looks mail that has another session to go by notices nothing. */
void detour_suspect(const struct session *s);
/* Its bytes do not arrive. True: as above. */
bool detour_stalled(struct session *s);
/* The dial said that the egress is to blame. */
void detour_dial(struct session *s, const struct dial_result *result);
/* The name of the proxy leads nowhere. */
void detour_proxy_lost(struct session *s, const char *text);
/* No address of the relay would do: s->trouble. */
void detour_relay(struct session *s);

#endif
