/*
 * io/tls_common — what server and client contexts share: protocol rules, PEM, errors in words
 */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "gateway/io/tls_private.h"

SSL_CTX *tls_context_new(const SSL_METHOD *method, const char *ciphers)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    assert(ctx);
    SSL_CTX_set_cipher_list(ctx, ciphers);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

enum rc tls_library_error(struct err *err, enum rc code, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    err_set(err, code, "%s: %s", what, reason ? reason : "unknown error");
    ERR_clear_error();
    return code;
}

static bool is_not_tls(int reason)
{
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_HTTPS_PROXY_REQUEST ||
           reason == SSL_R_BAD_RECORD_TYPE || reason == SSL_R_UNEXPECTED_MESSAGE;
}

enum rc tls_session_error(SSL *ssl, struct err *err)
{
    unsigned long e = ERR_peek_last_error();
    int reason = ERR_GET_REASON(e);
    long verify = SSL_get_verify_result(ssl);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        ERR_clear_error();
        return err_set(err, RC_DENIED, "certificate refused: %s",
                       X509_verify_cert_error_string(verify));
    }
    return tls_library_error(err, is_not_tls(reason) ? RC_PARSE : RC_IO, "TLS");
}

enum rc tls_read_certificates(struct slice pem, STACK_OF(X509) * *chain_r, struct err *err)
{
    if (pem.n > (size_t)64 << 20)
        return err_set(err, RC_LIMIT, "certificates: file too large");
    STACK_OF(X509) *chain = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    assert(chain && bio);
    for (X509 *x; (x = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL));)
        sk_X509_push(chain, x);
    BIO_free(bio);
    unsigned long e = ERR_peek_last_error();
    bool at_end = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
    if (!at_end || sk_X509_num(chain) == 0) {
        sk_X509_pop_free(chain, X509_free);
        if (!at_end)
            return tls_library_error(err, RC_PARSE, "certificate");
        ERR_clear_error();
        return err_set(err, RC_PARSE, "certificate: no PEM certificate found");
    }
    ERR_clear_error();
    *chain_r = chain;
    return RC_OK;
}
