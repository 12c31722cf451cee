/*
 * tests/support/certs — certificates made on the spot
 *
 *   One CA per call of certs_ca(); leaves signed by it for a DNS name, valid from `from_s` to
 *   `to_s` seconds from now. PEM texts, to be freed with certs_free().
 */
#ifndef WAYPOST_TESTS_SUPPORT_CERTS_H
#define WAYPOST_TESTS_SUPPORT_CERTS_H

#include <stdbool.h>

struct cert {
    char *certificate, *key; /* PEM */
};

enum cert_kind { CERT_ECDSA, CERT_RSA };

void certs_ca(struct cert *ca_r);
void certs_leaf(const struct cert *ca, const char *dns_name, enum cert_kind kind, long from_s,
                long to_s, struct cert *leaf_r);
void certs_free(struct cert *cert);

#endif
