/*
 * io/tls_client — client contexts and the sessions they keep for resumption
 *
 *   Belongs to one loop, so the map of sessions needs no lock. Connections hold the client:
 *   freeing it while some live is safe, it goes with the last of them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/map.h"
#include "gateway/base/mem.h"
#include "gateway/io/tls_private.h"

/* Static RSA stays for old receivers: the alternative would be plain text (RFC 7435). */
static const char client_ciphers[] = "HIGH:!aNULL:!eNULL:!3DES:!MD5:!PSK:!SRP:!CAMELLIA:!ARIA";

struct tls_client {
    size_t refs;
    SSL_CTX *ctx;
    struct map *sessions; /* key → SSL_SESSION */
    size_t max_sessions;
    bool has_ca;
};

static void free_session(void *value)
{
    SSL_SESSION_free(value);
}

static bool first_key(void *arg, struct slice key, void *value)
{
    struct slice *key_r = arg;
    (void)value;
    *key_r = key;
    return false;
}

/* Makes room by forgetting the identity that has been known for longest. */
static void evict_oldest(struct tls_client *client)
{
    struct slice key = { NULL, 0 };
    map_each(client->sessions, first_key, &key);
    free_session(map_del(client->sessions, key));
}

/* A new session: TLS 1.3 servers send theirs some time after the handshake. Returns 1: kept. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_client *client = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *key = SSL_get_app_data(ssl);
    if (!key || !client->max_sessions)
        return 0;
    SSL_SESSION *old = map_put(client->sessions, slice_of(key), session);
    SSL_SESSION_free(old);
    if (map_count(client->sessions) > client->max_sessions)
        evict_oldest(client);
    return 1;
}

static enum rc trust(SSL_CTX *ctx, struct slice ca_pem, struct err *err)
{
    STACK_OF(X509) *list = NULL;
    enum rc rc = tls_read_certificates(ca_pem, &list, err);
    if (rc != RC_OK)
        return rc;
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    for (int i = 0; i < sk_X509_num(list); i++)
        X509_STORE_add_cert(store, sk_X509_value(list, i));
    sk_X509_pop_free(list, X509_free);
    return RC_OK;
}

enum rc tls_client_new(struct slice ca_pem, size_t max_sessions, struct tls_client **client_r,
                       struct err *err)
{
    struct tls_client *client = mem_zero(sizeof *client);
    client->refs = 1;
    client->max_sessions = max_sessions;
    client->sessions = map_new();
    client->has_ca = ca_pem.n > 0;
    client->ctx = tls_context_new(TLS_client_method(), client_ciphers);
    SSL_CTX_set_app_data(client->ctx, client);
    SSL_CTX_set_session_cache_mode(client->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client->ctx, on_session);
    enum rc rc = client->has_ca ? trust(client->ctx, ca_pem, err) : RC_OK;
    if (rc != RC_OK)
        tls_client_let_go(&client);
    *client_r = client;
    return rc;
}

void tls_client_free(struct tls_client **client)
{
    tls_client_let_go(client);
}

struct tls_client *tls_client_hold(struct tls_client *client)
{
    client->refs++;
    return client;
}

void tls_client_let_go(struct tls_client **client_p)
{
    struct tls_client *client = *client_p;
    *client_p = NULL;
    if (!client || --client->refs)
        return;
    map_free(&client->sessions, free_session);
    SSL_CTX_free(client->ctx);
    free(client);
}

SSL_CTX *tls_client_context(struct tls_client *client)
{
    return client->ctx;
}

bool tls_client_has_ca(const struct tls_client *client)
{
    return client->has_ca;
}

SSL_SESSION *tls_client_session(struct tls_client *client, const char *key)
{
    return map_get(client->sessions, slice_of(key));
}
