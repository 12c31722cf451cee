/*
 * io/http — a small HTTP/1.1 server: heads in, replies out, nothing else
 *
 *   Requests have no body (one that has is refused); GET and HEAD are answered, other methods are
 *   the handler's to judge. Connections are kept; requests on one are answered in order, one at a
 *   time. A reply is sent whole (http_reply) or as a stream without an end known before
 *   (http_begin, http_write, http_end): for server-sent events.
 *
 *   Why not evhttp: version 2.1 has no limit of connections, and its time-outs begin anew with each
 *   byte, so a few slow clients can take all descriptors. A head is small: see io/http_head.h.
 *
 * Limits:    HTTP_CONNECTIONS at a time (a newcomer beyond is closed), a head of HTTP_HEAD_MAX
 *            bytes that must be whole 10 s after it began, 30 s between requests, and a client must
 *            take some bytes of a reply every 30 s. Nothing queues above HTTP_QUEUE_MAX.
 * Callbacks: the handler runs from the loop. The call lives until http_reply() or http_end(), also
 *            when its client has gone: what is written then goes nowhere and http_gone() says so.
 * See:       RFC 9110, RFC 9112.
 */
#ifndef WAYPOST_IO_HTTP_H
#define WAYPOST_IO_HTTP_H

#include "gateway/io/http_head.h"
#include "gateway/io/loop.h"

enum { HTTP_CONNECTIONS = 64, HTTP_QUEUE_MAX = 64 << 20, HTTP_FULL = 256 << 10 };

struct http_server;
struct http_call;

typedef void http_handler_fn(void *arg, struct http_call *call, const struct http_head *head);

/* Takes over fd, a listening socket. */
struct http_server *http_server_new(struct loop *loop, int fd, http_handler_fn *handler, void *arg);
/* Calls that have not ended are let go: their owners must not use them any more. */
void http_server_free(struct http_server **server);
unsigned http_connections(const struct http_server *server);

/* A header of the reply, before http_reply() or http_begin(). The value has no line breaks. */
void http_header(struct http_call *call, const char *name, const char *value);
/* Ends the call. `type` is the Content-Type. The body is copied, and left out for HEAD. */
void http_reply(struct http_call **call, int status, const char *type, struct slice body);
/* The same with memory that lives as long as the program. */
void http_reply_static(struct http_call **call, int status, const char *type, struct slice body);

/* It is a HEAD: a body would go nowhere. */
bool http_head_only(const struct http_call *call);

/* A reply that ends with the connection. */
void http_begin(struct http_call *call, int status, const char *type);
void http_write(struct http_call *call, struct slice bytes);
void http_end(struct http_call **call);
/* The client lags behind: more than HTTP_FULL and `more` bytes wait. */
bool http_full(const struct http_call *call, size_t more);
bool http_gone(const struct http_call *call);
/* Once, from the loop, when the client goes before the call has ended. */
void http_on_gone(struct http_call *call, void (*on_gone)(void *arg), void *arg);

#endif
