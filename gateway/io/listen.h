/*
 * io/listen — listening sockets and accepting from them
 *
 *   listen_open() makes a socket (the supervisor: one per worker, SO_REUSEPORT); a listener
 *   accepts from one on a loop, at most 32 connections a turn, so that a flood of connects does
 *   not starve the sessions. Out of descriptors: accepting stops for 200 ms instead of spinning.
 */
#ifndef WAYPOST_IO_LISTEN_H
#define WAYPOST_IO_LISTEN_H

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"
#include "gateway/io/loop.h"

/* Non-blocking, close-on-exec, SO_REUSEADDR and SO_REUSEPORT; IPv6 sockets are IPv6 only. */
enum rc listen_open(const struct addr *addr, int backlog, int *fd_r, struct err *err);
/* A UNIX stream socket at `path` with this mode; a stale file there is replaced, a live one
 * refused. */
enum rc listen_open_unix(const char *path, unsigned mode, int backlog, int *fd_r, struct err *err);

/* fd is non-blocking, close-on-exec, and the callee's. UNIX sockets: both addresses ADDR_NONE. */
typedef void accept_fn(void *arg, int fd, const struct addr *peer, const struct addr *local);

struct listener;
struct listener *listener_new(struct loop *loop, int fd, accept_fn *fn, void *arg); /* takes fd */
void listener_free(struct listener **l); /* closes this process's copy of fd */

#endif
