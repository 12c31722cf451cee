#include "tests/support/certs.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

static char *bio_text(BIO *bio)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);
    char *text = mem_strndup(p, (size_t)n);
    BIO_free(bio);
    return text;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static void set_name(X509_NAME *name, const char *cn)
{
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
}

static X509 *new_certificate(const char *cn, EVP_PKEY *key, long from_s, long to_s)
{
    static long serial = 1;
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), to_s);
    X509_set_pubkey(x, key);
    set_name(X509_get_subject_name(x), cn);
    return x;
}

static void to_pem(X509 *x, EVP_PKEY *key, struct cert *out)
{
    BIO *cert = BIO_new(BIO_s_mem()), *priv = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(cert, x);
    PEM_write_bio_PrivateKey(priv, key, NULL, NULL, 0, NULL, NULL);
    out->certificate = bio_text(cert);
    out->key = bio_text(priv);
}

void certs_ca(struct cert *ca_r)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = new_certificate("Waypost test CA", key, -86400, 864000);
    set_name(X509_get_issuer_name(x), "Waypost test CA");
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(x, key, EVP_sha256());
    to_pem(x, key, ca_r);
    X509_free(x);
    EVP_PKEY_free(key);
}

void certs_leaf(const struct cert *ca, const char *dns_name, enum cert_kind kind, long from_s,
                long to_s, struct cert *leaf_r)
{
    char san[300];
    EVP_PKEY *ca_key = read_key(ca->key);
    EVP_PKEY *key = kind == CERT_ECDSA ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
    X509 *x = new_certificate(dns_name, key, from_s, to_s);
    set_name(X509_get_issuer_name(x), "Waypost test CA");
    snprintf(san, sizeof san, "DNS:%s", dns_name);
    add_extension(x, NID_subject_alt_name, san);
    X509_sign(x, ca_key, EVP_sha256());
    to_pem(x, key, leaf_r);
    X509_free(x);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
}

void certs_free(struct cert *cert)
{
    free(cert->certificate);
    free(cert->key);
    *cert = (struct cert){ 0 };
}
