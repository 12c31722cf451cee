/*
 * daemon/sockets — the listening sockets, all opened and kept by the supervisor
 *
 *   One SO_REUSEPORT socket for each listener and worker, and one for the web. The children get
 *   duplicates; while one is dead or being replaced the kernel keeps queueing connections on ours.
 *   A reload makes a new set that takes over the sockets of unchanged addresses, so nothing is lost
 *   in their queues.
 */
#ifndef WAYPOST_DAEMON_SOCKETS_H
#define WAYPOST_DAEMON_SOCKETS_H

#include "gateway/conf/conf.h"

enum { WORKERS_MAX = CONF_WORKERS_MAX };

struct sockets;

/* `old` may be NULL; it is not changed. RC_IO: an address cannot be opened. */
enum rc sockets_open(const struct conf *conf, unsigned workers, const struct sockets *old,
                     struct sockets **sockets_r, struct err *err);
void sockets_free(struct sockets **sockets); /* closes what no other set shares */

size_t sockets_count(const struct sockets *sockets);
const int *sockets_fds(const struct sockets *sockets, size_t listener); /* one per worker */
int sockets_web(const struct sockets *sockets); /* of report.listen, for control; -1: none */

/* Opens <state>/run/<name>, for root and the owner only. */
enum rc sockets_open_admin(const char *state, const char *name, int *fd_r, struct err *err);

#endif
