/*
 * io/tls_tickets — keys for session tickets: random, rotated, shared by all workers
 *
 *   Two keys are alive: tickets are made with the current one; one made with the previous one
 *   still opens and is renewed. The mutex is taken once per handshake, for the copy of a key. See
 *   RFC 5077 section 4; the ticket itself is OpenSSL's (AES-256-CBC, HMAC-SHA-256).
 */
#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/io/tls_private.h"

enum { NAME_LEN = 16, KEY_LEN = 32 };

struct ticket_key {
    unsigned char name[NAME_LEN], cipher[KEY_LEN], mac[KEY_LEN];
};

struct tls_tickets {
    pthread_mutex_t lock;
    struct ticket_key current, previous;
    int64_t rotate_ms, next_ms; /* monotonic */
};

static void make_key(struct ticket_key *key)
{
    int ok = RAND_bytes(key->name, NAME_LEN) == 1 && RAND_priv_bytes(key->cipher, KEY_LEN) == 1 &&
             RAND_priv_bytes(key->mac, KEY_LEN) == 1;
    assert(ok);
    (void)ok;
}

struct tls_tickets *tls_tickets_new(int64_t rotate_ms)
{
    struct tls_tickets *t = mem_zero(sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    t->rotate_ms = rotate_ms;
    t->next_ms = clock_mono_ms() + rotate_ms;
    make_key(&t->current);
    make_key(&t->previous);
    return t;
}

void tls_tickets_free(struct tls_tickets **t)
{
    if (!*t)
        return;
    pthread_mutex_destroy(&(*t)->lock);
    OPENSSL_cleanse(*t, sizeof **t);
    free(*t);
    *t = NULL;
}

/* After a pause longer than one period both keys are stale, and both are replaced. */
static void rotate(struct tls_tickets *t, int64_t now_ms)
{
    if (now_ms < t->next_ms)
        return;
    if (now_ms < t->next_ms + t->rotate_ms)
        t->previous = t->current;
    else
        make_key(&t->previous);
    make_key(&t->current);
    t->next_ms = now_ms + t->rotate_ms;
}

/* Copies the key to use. Returns 0 unknown name, 1 current, 2 previous: what OpenSSL expects. */
static int choose_key(struct tls_tickets *t, const unsigned char *name, struct ticket_key *key_r)
{
    int found = 0;
    pthread_mutex_lock(&t->lock);
    rotate(t, clock_mono_ms());
    if (!name || memcmp(name, t->current.name, NAME_LEN) == 0)
        found = 1;
    else if (memcmp(name, t->previous.name, NAME_LEN) == 0)
        found = 2;
    *key_r = found == 2 ? t->previous : t->current;
    pthread_mutex_unlock(&t->lock);
    return found;
}

static int set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, KEY_LEN),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params);
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int making)
{
    struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    int found = choose_key(t, making ? NULL : name, &key);
    if (making) {
        memcpy(name, key.name, NAME_LEN);
        if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
            found = -1;
    }
    if (found > 0 &&
        (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, making) != 1 ||
         set_mac(mac, &key) != 1))
        found = -1;
    OPENSSL_cleanse(&key, sizeof key);
    /* TLS 1.3 clients use a ticket once: with each they need a new one. */
    return found == 1 && !making && SSL_version(ssl) >= TLS1_3_VERSION ? 2 : found;
}

void tls_tickets_attach(SSL_CTX *ctx, struct tls_tickets *tickets)
{
    SSL_CTX_set_app_data(ctx, tickets);
    SSL_CTX_set_timeout(ctx, (long)(tickets->rotate_ms / 1000));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
