/*
 * io/tls_private — what the TLS files of io/ share: OpenSSL inside
 *
 *   Contexts are configured in one place for both directions; errors are put into words in one
 *   place.
 */
#ifndef WAYPOST_IO_TLS_PRIVATE_H
#define WAYPOST_IO_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "gateway/io/tls.h"

/* TLS 1.2 and up, no renegotiation, no compression; `ciphers` is for TLS 1.2 only. */
SSL_CTX *tls_context_new(const SSL_METHOD *method, const char *ciphers);

/* The newest OpenSSL error as "what: reason"; empties the queue. Returns `code`. */
enum rc tls_library_error(struct err *err, enum rc code, const char *what);
/* Why a handshake or transfer on `ssl` failed, for a postmaster. */
enum rc tls_session_error(SSL *ssl, struct err *err);

/* Reads every certificate of a PEM text. At least one, or RC_PARSE. */
enum rc tls_read_certificates(struct slice pem, STACK_OF(X509) * *chain_r, struct err *err);

void tls_tickets_attach(SSL_CTX *ctx, struct tls_tickets *tickets);

SSL_CTX *tls_server_context(struct tls_server *server);

SSL_CTX *tls_client_context(struct tls_client *client);
bool tls_client_has_ca(const struct tls_client *client);
struct tls_client *tls_client_hold(struct tls_client *client); /* same thread as the client */
void tls_client_let_go(struct tls_client **client);
/* The session kept under `key`, NULL none; borrowed. */
SSL_SESSION *tls_client_session(struct tls_client *client, const char *key);

#endif
