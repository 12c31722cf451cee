#include "gateway/io/tls_session.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/addr.h"
#include "gateway/base/mem.h"
#include "gateway/io/tls_private.h"

enum { OUT_MAX = 8 << 20, KEY_MAX = 600 };

struct tls_session {
    SSL *ssl;
    struct slice in; /* fed and not yet taken by OpenSSL */
    struct buf out;
    struct tls_server *server; /* one of the two is held */
    struct tls_client *client;
    char *key;       /* under which the client keeps sessions; NULL: not */
    bool name_asked; /* a host name was there to compare the certificate with */
    struct tls_info info;
};

static BIO_METHOD *filter_method;
static pthread_once_t filter_once = PTHREAD_ONCE_INIT;

static int filter_read(BIO *bio, char *p, int cap)
{
    struct tls_session *t = BIO_get_data(bio);
    size_t n = t->in.n < (size_t)cap ? t->in.n : (size_t)cap;
    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(p, t->in.p, n);
    t->in = (struct slice){ t->in.p + n, t->in.n - n };
    return (int)n;
}

static int filter_write(BIO *bio, const char *p, int n)
{
    struct tls_session *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_put(&t->out, p, (size_t)n);
    return t->out.full ? -1 : n;
}

static long filter_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static void make_filter_method(void)
{
    filter_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "waypost");
    assert(filter_method);
    BIO_meth_set_read(filter_method, filter_read);
    BIO_meth_set_write(filter_method, filter_write);
    BIO_meth_set_ctrl(filter_method, filter_ctrl);
}

static struct tls_session *session_new(SSL_CTX *ctx)
{
    struct tls_session *t = mem_zero(sizeof *t);
    pthread_once(&filter_once, make_filter_method);
    BIO *bio = BIO_new(filter_method);
    t->ssl = SSL_new(ctx);
    assert(bio && t->ssl);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    buf_init(&t->out, OUT_MAX);
    return t;
}

enum rc tls_session_server(struct tls_server *server, struct tls_session **t_r, struct err *err)
{
    (void)err;
    *t_r = session_new(tls_server_context(server));
    (*t_r)->server = tls_server_ref(server);
    SSL_set_accept_state((*t_r)->ssl);
    return RC_OK;
}

static bool is_literal(const char *host)
{
    struct addr addr;
    return addr_parse(slice_of(host), &addr) == RC_OK;
}

/* The name the certificate must show, and the SNI. */
static bool set_host(struct tls_session *t, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    t->name_asked = true;
    if (is_literal(host))
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    char *name = mem_strdup(host); /* the macro wants it writable */
    bool ok = X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
              SSL_set_tlsext_host_name(t->ssl, name) == 1;
    free(name);
    return ok;
}

/* What was once accepted unverified is never resumed where verification is asked. */
static void resume(struct tls_session *t, const struct tls_target *target)
{
    char key[KEY_MAX];
    int n = snprintf(key, sizeof key, "%c|%s|%s", target->verify ? 'v' : '-',
                     target->host ? target->host : "", target->identity);
    if (n < 0 || (size_t)n >= sizeof key)
        return;
    t->key = mem_strdup(key);
    SSL_set_app_data(t->ssl, t->key);
    SSL_SESSION *old = tls_client_session(t->client, t->key);
    if (old && SSL_SESSION_is_resumable(old))
        SSL_set_session(t->ssl, old);
}

enum rc tls_session_client(struct tls_client *client, const struct tls_target *target,
                           struct tls_session **t_r, struct err *err)
{
    *t_r = NULL;
    if (target->verify && !tls_client_has_ca(client))
        return err_set(err, RC_DENIED, "certificate refused: no trusted CA is configured");
    if (target->verify && !target->host)
        return err_set(err, RC_DENIED, "certificate refused: no host name to check it against");
    struct tls_session *t = session_new(tls_client_context(client));
    t->client = tls_client_hold(client);
    SSL_set_connect_state(t->ssl);
    SSL_set_verify(t->ssl, target->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    /* Unverified TLS is still better than none (RFC 7435): old keys are no reason to fall back. */
    SSL_set_security_level(t->ssl, target->verify ? 2 : 1);
    if (target->host && !set_host(t, target->host)) {
        tls_session_free(&t);
        return tls_library_error(err, RC_DENIED, "host name");
    }
    if (target->identity)
        resume(t, target);
    *t_r = t;
    return RC_OK;
}

void tls_session_free(struct tls_session **t_p)
{
    struct tls_session *t = *t_p;
    if (!t)
        return;
    /* Without this a connection that ended abruptly would take its session from the cache. */
    SSL_set_quiet_shutdown(t->ssl, 1);
    SSL_shutdown(t->ssl);
    ERR_clear_error();
    SSL_free(t->ssl);
    tls_server_unref(&t->server);
    tls_client_let_go(&t->client);
    buf_free(&t->out);
    free(t->key);
    free(t);
    *t_p = NULL;
}

void tls_session_feed(struct tls_session *t, const char *p, size_t n)
{
    assert(t->in.n == 0);
    t->in = (struct slice){ p, n };
}

/* One line of the peer's certificate for the log; other bytes than printable ASCII become '?'. */
static void describe_peer(struct tls_session *t, X509 *cert)
{
    char *out = t->info.peer_subject;
    if (X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out,
                                  sizeof t->info.peer_subject) < 0)
        out[0] = '\0';
    for (; *out; out++)
        if (*out < ' ' || *out > '~')
            *out = '?';
}

static void fill_info(struct tls_session *t)
{
    struct tls_info *info = &t->info;
    info->version = SSL_get_version(t->ssl);
    info->cipher = SSL_get_cipher_name(t->ssl);
    info->resumed = SSL_session_reused(t->ssl);
    X509 *cert = t->client ? SSL_get0_peer_certificate(t->ssl) : NULL;
    if (!cert)
        return;
    long verify = SSL_get_verify_result(t->ssl);
    info->verified = verify == X509_V_OK && t->name_asked;
    if (verify != X509_V_OK)
        snprintf(info->verify_error, sizeof info->verify_error, "%s",
                 X509_verify_cert_error_string(verify));
    describe_peer(t, cert);
}

/* Puts what SSL_get_error() says about a failed call into RC terms. */
static enum rc outcome(struct tls_session *t, int result, struct err *err)
{
    int why = SSL_get_error(t->ssl, result);
    if (why == SSL_ERROR_WANT_READ)
        return RC_AGAIN;
    if (why == SSL_ERROR_ZERO_RETURN)
        return RC_CLOSED;
    return tls_session_error(t->ssl, err);
}

enum rc tls_session_handshake(struct tls_session *t, struct err *err)
{
    ERR_clear_error();
    int result = SSL_do_handshake(t->ssl);
    if (result != 1)
        return outcome(t, result, err);
    fill_info(t);
    return RC_OK;
}

enum rc tls_session_read(struct tls_session *t, char *p, size_t cap, size_t *n_r, struct err *err)
{
    *n_r = 0;
    ERR_clear_error();
    int result = SSL_read_ex(t->ssl, p, cap, n_r);
    return result == 1 ? RC_OK : outcome(t, result, err);
}

enum rc tls_session_write(struct tls_session *t, const char *p, size_t n, struct err *err)
{
    while (n) {
        size_t done = 0;
        ERR_clear_error();
        int result = SSL_write_ex(t->ssl, p, n, &done);
        if (result != 1)
            return outcome(t, result, err);
        p += done;
        n -= done;
    }
    return RC_OK;
}

void tls_session_shutdown(struct tls_session *t)
{
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}

struct buf *tls_session_out(struct tls_session *t)
{
    return &t->out;
}

struct tls_info *tls_session_info(struct tls_session *t)
{
    return &t->info;
}
