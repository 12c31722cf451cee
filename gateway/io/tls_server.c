/*
 * io/tls_server — server contexts: certificates and keys from memory, tickets from io/tls_tickets
 */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/io/tls_private.h"

/* Forward secrecy only (RFC 9325 section 4.2). */
static const char server_ciphers[] =
    "HIGH:!aNULL:!eNULL:!3DES:!MD5:!PSK:!SRP:!CAMELLIA:!ARIA:!kRSA";

struct tls_server {
    atomic_int refs;
    SSL_CTX *ctx;
};

static EVP_PKEY *read_key(struct slice pem, struct err *err)
{
    static char no_password[] = "";
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    assert(bio);
    /* The empty password keeps OpenSSL from asking for one on the terminal. */
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password);
    BIO_free(bio);
    if (!key)
        tls_library_error(err, RC_PARSE, "private key");
    return key;
}

static enum rc use_pair(SSL_CTX *ctx, const struct tls_keypair *pair, struct err *err)
{
    STACK_OF(X509) *chain = NULL;
    EVP_PKEY *key = NULL;
    X509 *leaf = NULL;
    enum rc rc = tls_read_certificates(pair->certificate, &chain, err);
    if (rc != RC_OK)
        return rc;
    if (pair->key.n > 1 << 20) {
        rc = err_set(err, RC_LIMIT, "private key: file too large");
        goto out;
    }
    key = read_key(pair->key, err);
    if (!key) {
        rc = RC_PARSE;
        goto out;
    }
    leaf = sk_X509_shift(chain);
    if (X509_check_private_key(leaf, key) != 1)
        rc = tls_library_error(err, RC_PARSE, "the private key does not belong to the certificate");
    else if (SSL_CTX_use_cert_and_key(ctx, leaf, key, chain, 1) != 1)
        rc = tls_library_error(err, RC_PARSE, "certificate");
out:
    X509_free(leaf);
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
    return rc;
}

enum rc tls_server_new(const struct tls_keypair *pairs, size_t n, struct tls_tickets *tickets,
                       struct tls_server **server_r, struct err *err)
{
    static const unsigned char context[] = "waypost";
    struct tls_server *server = mem_zero(sizeof *server);
    enum rc rc = n ? RC_OK : err_set(err, RC_PARSE, "no certificate");
    atomic_init(&server->refs, 1);
    server->ctx = tls_context_new(TLS_server_method(), server_ciphers);
    SSL_CTX_set_dh_auto(server->ctx, 1);
    SSL_CTX_set_session_id_context(server->ctx, context, sizeof context - 1);
    SSL_CTX_set_session_cache_mode(server->ctx, SSL_SESS_CACHE_OFF);
    if (tickets) {
        SSL_CTX_set_num_tickets(server->ctx, 1);
        tls_tickets_attach(server->ctx, tickets);
    } else {
        SSL_CTX_set_num_tickets(server->ctx, 0);
        SSL_CTX_set_options(server->ctx, SSL_OP_NO_TICKET);
    }
    for (size_t i = 0; rc == RC_OK && i < n; i++)
        rc = use_pair(server->ctx, &pairs[i], err);
    if (rc != RC_OK)
        tls_server_unref(&server);
    *server_r = server;
    return rc;
}

struct tls_server *tls_server_ref(struct tls_server *server)
{
    atomic_fetch_add_explicit(&server->refs, 1, memory_order_relaxed);
    return server;
}

void tls_server_unref(struct tls_server **server_p)
{
    struct tls_server *server = *server_p;
    *server_p = NULL;
    if (!server || atomic_fetch_sub_explicit(&server->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(server->ctx);
    free(server);
}

SSL_CTX *tls_server_context(struct tls_server *server)
{
    return server->ctx;
}
