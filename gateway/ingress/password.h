/*
 * ingress/password — password hashes of crypt(5)
 *
 *   The only user of libcrypt. Both calls take tens of milliseconds and much memory by design:
 *   never call them from a loop. Thread-safe.
 */
#ifndef WAYPOST_INGRESS_PASSWORD_H
#define WAYPOST_INGRESS_PASSWORD_H

#include <stdbool.h>

#include "gateway/base/rc.h"

enum { PASSWORD_HASH_MAX = 384, PASSWORD_MAX = 512 };

/* Is it the password of this hash? Compares in constant time; false for a hash that nobody can
 * have. */
bool password_check(const char *hash, const char *password);

/* A fresh yescrypt hash. RC_LIMIT: longer than PASSWORD_MAX; RC_IO: no random bytes. */
enum rc password_hash(const char *password, char hash_r[PASSWORD_HASH_MAX], struct err *err);

/* A valid hash that no password has: checked for users that do not exist, so that both take equally
 * long. */
extern const char PASSWORD_NOBODY[];

#endif
