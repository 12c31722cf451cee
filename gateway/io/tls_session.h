/*
 * io/tls_session — one TLS connection as a filter: no socket, no callbacks
 *
 *   Cipher text from the peer is fed in, plain text read out; plain text written in, cipher text
 *   for the peer collected in tls_session_out(). After tls_session_feed() the fed bytes must be
 *   used up (handshake and read until RC_AGAIN) before the memory they are in goes away.
 *
 * Errors: RC_AGAIN needs more from the peer; RC_CLOSED the peer said close_notify; else as
 *         io/stream.
 */
#ifndef WAYPOST_IO_TLS_SESSION_H
#define WAYPOST_IO_TLS_SESSION_H

#include "gateway/base/buf.h"
#include "gateway/io/tls.h"

struct tls_session;

enum rc tls_session_server(struct tls_server *server, struct tls_session **t_r, struct err *err);
enum rc tls_session_client(struct tls_client *client, const struct tls_target *target,
                           struct tls_session **t_r, struct err *err);
void tls_session_free(struct tls_session **t);

void tls_session_feed(struct tls_session *t, const char *p, size_t n);
enum rc tls_session_handshake(struct tls_session *t, struct err *err); /* RC_OK: done */
enum rc tls_session_read(struct tls_session *t, char *p, size_t cap, size_t *n_r, struct err *err);
enum rc tls_session_write(struct tls_session *t, const char *p, size_t n, struct err *err);
void tls_session_shutdown(struct tls_session *t); /* close_notify into the output */
struct buf *tls_session_out(struct tls_session *t);

/* Valid after the handshake; handshake_ms is the caller's to fill in. */
struct tls_info *tls_session_info(struct tls_session *t);

#endif
