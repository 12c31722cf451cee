/*
 * io/seal — authenticated encryption of stored records (XAES-256-GCM)
 *
 *   AES-256-GCM under a key derived for each record from the spool's key and half of a random
 *   192-bit nonce (the C2SP XAES-256-GCM construction): random nonces stay safe for any number of
 *   records under one key, so no counter has to survive a crash or a restored backup.
 *
 *   A sealed record is nonce (24) | ciphertext | tag (16). The additional data is not stored: it
 *   ties the record to its place, so that records cannot be exchanged for one another.
 *
 *   Ownership: a struct seal belongs to one thread; make one each from the same key.
 */
#ifndef WAYPOST_IO_SEAL_H
#define WAYPOST_IO_SEAL_H

#include <stddef.h>

#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

struct seal;

enum { SEAL_KEY = 32, SEAL_NONCE = 24, SEAL_TAG = 16, SEAL_OVERHEAD = SEAL_NONCE + SEAL_TAG };

struct seal *seal_new(const unsigned char key[SEAL_KEY]);
void seal_free(struct seal **seal); /* wipes the key */

/* Writes plain.n + SEAL_OVERHEAD bytes to `out`, which must not overlap the input. */
void seal_close(struct seal *seal, struct slice aad, struct slice plain, char *out);

/* Writes sealed.n - SEAL_OVERHEAD bytes to `out`; RC_CORRUPT when the record is too short, was
 * altered, belongs to another place, or to another key: `out` then holds nothing of use. */
enum rc seal_open(struct seal *seal, struct slice aad, struct slice sealed, char *out);

/* seal_close() with a given nonce; for test vectors only. */
void seal_close_nonce(struct seal *seal, const unsigned char nonce[SEAL_NONCE], struct slice aad,
                      struct slice plain, char *out);

#endif
