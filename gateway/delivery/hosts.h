/*
 * delivery/hosts — which hosts to try for a site, in which order (pure)
 *
 *   MX hosts by preference, shuffled among equals (RFC 5321 section 5.1); a route's own hosts in
 *   the order written. A host that is ourselves, and all with its preference or a higher one, are
 *   left out: mail for them would come back to us.
 */
#ifndef WAYPOST_DELIVERY_HOSTS_H
#define WAYPOST_DELIVERY_HOSTS_H

#include "gateway/base/rnd.h"
#include "gateway/conf/conf.h"
#include "gateway/dns/resolver.h"

struct next_host {
    struct slice name; /* a name or literal, owned by the MX set or the configuration */
    uint16_t preference;
    uint16_t port;
    bool is_addr;
    struct addr addr; /* when is_addr: with port */
};

struct hosts {
    struct mx_set *mx; /* one reference: holds the names */
    unsigned n;
    bool looped; /* hosts were left out because they are ourselves */
    struct next_host at[MX_HOSTS_MAX];
};

void hosts_of_mx(struct hosts *hosts, const struct conf *conf, struct mx_set *mx, struct rnd *rnd);
void hosts_of_route(struct hosts *hosts, const struct conf *conf, const struct conf_route *route);
void hosts_of_relay(struct hosts *hosts, const struct conf_host *relay);
void hosts_clear(struct hosts *hosts);

/* Is it an address we listen on ourselves? */
bool hosts_is_own(const struct conf *conf, const struct addr *addr);
/* hosts->at[at] turned out to be ourselves: it and all of its preference or higher are cut off.
 * Only for MX hosts. */
void hosts_cut_from(struct hosts *hosts, unsigned at);

#endif
