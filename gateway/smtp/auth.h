/*
 * smtp/auth — SASL PLAIN (RFC 4616) and LOGIN, both sides, as texts of the AUTH command (RFC 4954)
 *
 *   Decoding gives slices into `store`, which holds the password: wipe it with auth_wipe() when
 * done.
 */
#ifndef WAYPOST_SMTP_AUTH_H
#define WAYPOST_SMTP_AUTH_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

struct credentials {
    struct slice user, password;
    struct slice authorize; /* identity to act as; empty or equal to user, else refuse */
};

/* `store` must be empty, its limit bounds the decoded size. RC_PARSE: not base64, not PLAIN, or a
 * NUL, a control byte or bad UTF-8 where none may be. RC_LIMIT: larger than the store. */
enum rc auth_decode_plain(struct slice base64, struct buf *store,
                          struct credentials *credentials_r);
enum rc auth_decode_login(struct slice base64, struct buf *store, struct slice *value_r);
/* Base64 for the client: the PLAIN response, one LOGIN answer. */
void auth_put_plain(struct buf *out, struct slice user, struct slice password);
void auth_put_login(struct buf *out, struct slice value);
void auth_wipe(struct buf *store); /* overwrites and empties */

extern const char AUTH_LOGIN_USERNAME[]; /* "334 VXNlcm5hbWU6" */
extern const char AUTH_LOGIN_PASSWORD[]; /* "334 UGFzc3dvcmQ6" */

#endif
