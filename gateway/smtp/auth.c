#include "gateway/smtp/auth.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/utf8.h"

const char AUTH_LOGIN_USERNAME[] = "334 VXNlcm5hbWU6";
const char AUTH_LOGIN_PASSWORD[] = "334 UGFzc3dvcmQ6";

static enum rc decode(struct slice base64, struct buf *store)
{
    assert(buf_len(store) == 0);
    enum rc rc = base64_decode(base64, store);
    return rc == RC_OK && store->full ? RC_LIMIT : rc;
}

/* A name: UTF-8 without control bytes. */
static bool name_is_valid(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] >= 0 && s.p[i] < ' ') || s.p[i] == 127)
            return false;
    return utf8_is_valid(s);
}

enum rc auth_decode_plain(struct slice base64, struct buf *store, struct credentials *credentials_r)
{
    struct slice authorize, user, password, rest;
    *credentials_r = (struct credentials){ .user = { NULL, 0 } };
    enum rc rc = decode(base64, store);
    if (rc)
        return rc;
    if (!slice_cut(buf_slice(store), '\0', &authorize, &rest) ||
        !slice_cut(rest, '\0', &user, &password))
        return RC_PARSE;
    if (user.n == 0 || password.n == 0 || memchr(password.p, '\0', password.n) ||
        !name_is_valid(user) || !name_is_valid(authorize))
        return RC_PARSE;
    *credentials_r = (struct credentials){ user, password, authorize };
    return RC_OK;
}

enum rc auth_decode_login(struct slice base64, struct buf *store, struct slice *value_r)
{
    *value_r = (struct slice){ NULL, 0 };
    enum rc rc = decode(base64, store);
    if (rc)
        return rc;
    struct slice value = buf_slice(store);
    if (value.n == 0 || memchr(value.p, '\0', value.n))
        return RC_PARSE;
    *value_r = value;
    return RC_OK;
}

void auth_put_plain(struct buf *out, struct slice user, struct slice password)
{
    struct buf plain;
    buf_init(&plain, user.n + password.n + 2);
    buf_reserve(&plain, user.n + password.n + 2); /* one block: no copy of it stays behind */
    buf_putc(&plain, '\0');
    buf_put_slice(&plain, user);
    buf_putc(&plain, '\0');
    buf_put_slice(&plain, password);
    base64_encode(buf_slice(&plain), out);
    auth_wipe(&plain);
    buf_free(&plain);
}

void auth_put_login(struct buf *out, struct slice value)
{
    base64_encode(value, out);
}

void auth_wipe(struct buf *store)
{
    if (store->mem)
        explicit_bzero(store->mem, store->cap);
    buf_clear(store);
}
