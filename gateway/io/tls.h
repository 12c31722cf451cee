/*
 * io/tls — TLS contexts for both directions, made from bytes in memory
 *
 *   The processes that speak TLS cannot read files: certificates, keys and CA lists come as PEM
 *   bytes. TLS 1.2 is the oldest version spoken; no renegotiation, no compression, no 0-RTT.
 *
 *   struct tls_server is immutable after creation and refcounted atomically: all workers share
 *   one, a reload makes a new one and running sessions keep theirs. Resumption is by tickets
 *   only, whose keys (struct tls_tickets, one per process, survives reloads) are random and
 *   rotate; the previous key still opens. struct tls_client belongs to one loop: it keeps the
 *   sessions to resume, keyed by the caller's identity text, and never resumes an unverified
 *   session where verification is asked.
 *
 * Errors: text a postmaster can act on ("certificate has expired", "unknown CA", "no shared
 *         cipher"). See: RFC 3207, RFC 5077, RFC 7435 (opportunistic), RFC 8446, RFC 9325.
 */
#ifndef WAYPOST_IO_TLS_H
#define WAYPOST_IO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

struct tls_tickets;
struct tls_tickets *tls_tickets_new(int64_t rotate_ms); /* e.g. 6 h; thread-safe */
void tls_tickets_free(struct tls_tickets **t);          /* after every server that uses it */

struct tls_keypair {
    struct slice certificate; /* PEM: the certificate, then its chain */
    struct slice key;         /* PEM, not encrypted */
};

struct tls_server;
/* At least one pair; one per key type (RSA and ECDSA) is served to whom it suits. `tickets` may be
 * NULL: no resumption. */
enum rc tls_server_new(const struct tls_keypair *pairs, size_t n, struct tls_tickets *tickets,
                       struct tls_server **server_r, struct err *err);
struct tls_server *tls_server_ref(struct tls_server *server);
void tls_server_unref(struct tls_server **server);

struct tls_client;
/* ca_pem: trusted certificates for verification; empty: every verification fails with "no CA". */
enum rc tls_client_new(struct slice ca_pem, size_t max_sessions, struct tls_client **client_r,
                       struct err *err);
void tls_client_free(struct tls_client **client); /* streams that use it may live on */

/* What one client handshake wants. The texts are copied. */
struct tls_target {
    const char *host; /* for SNI and for the name check; NULL or an address literal: no SNI */
    bool verify;      /* chain and name must be right, else on_error(RC_DENIED) */
    const char
        *identity; /* sessions are resumed only within it (egress|address|host); NULL: never */
};

struct tls_info {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
    int64_t handshake_ms;
    bool resumed;
    bool verified;          /* chain and name checked and right */
    char verify_error[96];  /* why not, when it was looked at; "" else */
    char peer_subject[128]; /* first common name or DNS name of the peer's certificate; "" none */
};

#endif
