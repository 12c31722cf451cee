/*
 * tests/unit/conf_fixture — loads configurations from texts, without a disk
 *
 *   A case is waypost.yaml plus, when given, policies.yaml; users.yaml, a certificate, a key, a
 *   spool key and a password file are always there.
 */
#ifndef WAYPOST_TESTS_UNIT_CONF_FIXTURE_H
#define WAYPOST_TESTS_UNIT_CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policies/policies.h"

#define BASE                                                                                       \
    "hostname: gw1.example.net\n"                                                                  \
    "listen: [ { address: \"127.0.0.1:25\" } ]\n"                                                  \
    "clients: [ { network: 127.0.0.0/8 } ]\n"

#define HASH "$y$j9T$abcdefghijklmnop$0123456789012345678901234567890123456789012"

static inline struct bundle *fixture_bundle(const char *waypost, const char *policies)
{
    struct bundle *b = bundle_new();
    bundle_put(b, "waypost.yaml", slice_of(waypost));
    if (policies)
        bundle_put(b, "policies.yaml", slice_of(policies));
    bundle_put(b, "users.yaml",
               slice_of("newsletter: { password: \"" HASH "\", senders: \"*@news.example\" }\n"
                        "app: { password: \"" HASH "\", may_set_priority: true }\n"));
    bundle_put(b, "gw1.pem", slice_of("-----BEGIN CERTIFICATE-----\n"));
    bundle_put(b, "gw1.key", slice_of("-----BEGIN PRIVATE KEY-----\n"));
    bundle_put(b, "spool.key",
               slice_of("000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n"));
    bundle_put(b, "p", slice_of("secret word\nsecond line\n"));
    bundle_put(b, "empty", slice_of(""));
    bundle_put(b, "/etc/ssl/certs/ca-certificates.crt", slice_of("-----BEGIN CERTIFICATE-----\n"));
    return b;
}

/* Loads; the text of all errors and warnings goes to *text_r (free() it). NULL when there are
 * errors. */
static inline struct policies *fixture_load_bundle(struct bundle *b, char **text_r)
{
    struct conf_errors *errors = conf_errors_new();
    struct policies *p = NULL;
    struct buf text;
    enum rc rc = policies_load(b, "waypost.yaml", &p, errors);
    assert_int_equal(rc == RC_OK, conf_errors_count(errors) == 0);
    assert_int_equal(rc == RC_OK, p != NULL);
    buf_init(&text, 1 << 20);
    conf_errors_put_text(errors, &text);
    *text_r = buf_take(&text, NULL);
    conf_errors_free(&errors);
    return p;
}

static inline struct policies *fixture_load(const char *waypost, const char *policies,
                                            char **text_r)
{
    struct bundle *b = fixture_bundle(waypost, policies);
    struct policies *p = fixture_load_bundle(b, text_r);
    bundle_free(&b);
    return p;
}

/* Must load without a word. */
static inline struct policies *fixture_good(const char *waypost, const char *policies)
{
    char *text;
    struct policies *p = fixture_load(waypost, policies, &text);
    assert_string_equal(text, "");
    assert_non_null(p);
    free(text);
    return p;
}

#endif
