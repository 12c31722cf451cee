/*
 * admin/passage — a call answered by another admin server, byte for byte
 *
 *   Control passes on what the relay answers. Nothing is parsed, and no more than a window is in
 *   memory: a slow operator slows the other server down. An answer that does not begin, or stops
 *   for two minutes, ends the call with a reason.
 */
#ifndef WAYPOST_ADMIN_PASSAGE_H
#define WAYPOST_ADMIN_PASSAGE_H

#include "gateway/admin/server.h"

/* Sends the request to the UNIX socket at `path` and its answer to the call, which it ends. */
void passage_open(struct loop *loop, const char *path, struct call *call,
                  const struct request *request);

/* A connected socket, non-blocking and close-on-exec. RC_CLOSED: nobody answers there. */
enum rc passage_connect(const char *path, int *fd_r, struct err *err);

#endif
