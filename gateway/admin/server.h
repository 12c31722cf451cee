/*
 * admin/server — answers requests on a UNIX socket (the protocol is in admin/request.h)
 *
 *   One request a connection. A verb answers through its struct call, at once or later from the
 *   loop: rows, then one end. Rows are whole JSON objects. A client that reads slowly is not waited
 *   for with unbounded memory: call_full() says when to stop, `on_room` when to go on.
 *
 *   The call lives until call_end(), also when its client has gone: rows then go nowhere and
 *   call_gone() says so. At most 32 connections; a request must come within 10 s.
 */
#ifndef WAYPOST_ADMIN_SERVER_H
#define WAYPOST_ADMIN_SERVER_H

#include "gateway/admin/request.h"
#include "gateway/io/loop.h"

struct call;

struct admin_verb {
    const char *name; /* NULL: takes every verb that is not named before it */
    void (*run)(void *arg, struct call *call, const struct request *request);
};

struct admin_server;
/* Takes fd over. `verbs` must outlive the server and ends with an entry without `run`. */
struct admin_server *admin_server_new(struct loop *loop, int fd, const struct admin_verb *verbs,
                                      void *arg);
/* Calls that have not ended are let go: their owners must not use them any more. */
void admin_server_free(struct admin_server **server);

void call_row(struct call *call, struct slice json);  /* {"row":json} */
void call_raw(struct call *call, struct slice bytes); /* lines from another server, as they are */
void call_end(struct call **call, bool ok, struct slice text); /* status 0 or 1 */
void call_end_status(struct call **call, int status, struct slice text);
void call_end_raw(struct call **call); /* after call_raw() has passed on an end */
bool call_gone(const struct call *call);
bool call_full(const struct call *call);
/* For verbs that go on talking: what the client sends after its request, as it comes. No bytes: the
 * client will send no more, or is gone. Never from inside this call. */
void call_on_input(struct call *call, void (*on_input)(void *arg, struct slice bytes), void *arg);
/* The next time there is room again, or the client is gone. Never from inside this call. */
void call_on_room(struct call *call, void (*on_room)(void *arg), void *arg);

#endif
