/*
 * io/net — between base/addr and the socket interface
 *
 *   Conversions cannot fail; what the system does not tell becomes ADDR_NONE.
 */
#ifndef WAYPOST_IO_NET_H
#define WAYPOST_IO_NET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "gateway/base/addr.h"

/* Returns the length; `a` must not be ADDR_NONE. */
socklen_t net_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss_r);
/* Mapped IPv6 becomes IPv4; other families (UNIX) ADDR_NONE. */
void net_from_sockaddr(const struct sockaddr *sa, struct addr *addr_r);
void net_peer_of(int fd, struct addr *addr_r);
void net_local_of(int fd, struct addr *addr_r);
void net_set_nodelay(int fd);     /* harmless on what is not TCP */
bool net_is_exhausted(int error); /* errno: are we out of descriptors or memory? */

#endif
