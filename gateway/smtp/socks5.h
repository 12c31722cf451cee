/*
 * smtp/socks5 — the client's side of SOCKS5 (RFC 1928) with user and password (RFC 1929)
 *
 *   A dialogue of up to three questions: which method, who we are, connect us to the target. The
 *   caller moves the bytes: it reads at most socks5_wants() of them, so nothing of what the target
 *   says behind the last answer is ever taken, and hands them over as they come, in pieces of any
 *   size; what is to be sent next is appended to `out`.
 *
 *       struct socks5 s;
 *       socks5_start(&s, &target, user, password, &out);
 *       while (state == SOCKS5_WAITING)
 *           ... send out, read n <= socks5_wants(&s) bytes ...
 *           state = socks5_take(&s, p, n, &out);
 *
 * Errors: SOCKS5_FAILED is the proxy's own fault: it spoke nonsense, wants another method, refuses
 *         the login or will not serve us. SOCKS5_UNREACHABLE is what it says about the way from it
 *         to the target. socks5_text() says it for people.
 */
#ifndef WAYPOST_SMTP_SOCKS5_H
#define WAYPOST_SMTP_SOCKS5_H

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"

enum { SOCKS5_ANSWER_MAX = 4 + 1 + 255 + 2, SOCKS5_NAME_MAX = 255, SOCKS5_LOGIN_MAX = 255 };

/* REP of RFC 1928 section 6. */
enum socks5_reply {
    SOCKS5_SUCCEEDED,
    SOCKS5_GENERAL_FAILURE,
    SOCKS5_NOT_ALLOWED,
    SOCKS5_NETWORK_UNREACHABLE,
    SOCKS5_HOST_UNREACHABLE,
    SOCKS5_REFUSED,
    SOCKS5_TTL_EXPIRED,
    SOCKS5_COMMAND_UNSUPPORTED,
    SOCKS5_TYPE_UNSUPPORTED
};

enum socks5_state { SOCKS5_WAITING, SOCKS5_READY, SOCKS5_UNREACHABLE, SOCKS5_FAILED };

enum socks5_step { SOCKS5_METHOD, SOCKS5_LOGIN, SOCKS5_CONNECT };

/* An address, or a name for the proxy to look up; with a port either way. */
struct socks5_target {
    struct addr addr;  /* ADDR_NONE: by name */
    struct slice name; /* at most SOCKS5_NAME_MAX */
    uint16_t port;
};

struct socks5 {
    enum socks5_step step;
    enum socks5_state state;
    struct socks5_target target;
    struct slice user, password; /* not copied */
    bool login_only;
    uint8_t in[SOCKS5_ANSWER_MAX]; /* of the answer under way */
    size_t have, want;
    uint8_t reply;      /* enum socks5_reply, once it was read; other values are the proxy's */
    const char *text;   /* FAILED, UNREACHABLE: why */
    struct addr source; /* READY: whence the proxy connects; ADDR_NONE: it does not tell */
};

/* `target` NULL: ready after the login, to see whether the proxy would serve us. `user` empty:
 * without login; both at most SOCKS5_LOGIN_MAX. The texts must live as long as the dialogue. */
void socks5_start(struct socks5 *s, const struct socks5_target *target, struct slice user,
                  struct slice password, struct buf *out);
/* The most bytes that may be read now; 0 unless SOCKS5_WAITING. */
size_t socks5_wants(const struct socks5 *s);
enum socks5_state socks5_take(struct socks5 *s, const void *p, size_t n, struct buf *out);
/* The proxy closed the connection while an answer was due. */
enum socks5_state socks5_end(struct socks5 *s);

/* The messages themselves. Reading: RC_AGAIN more bytes are needed, *need_r in all at least. */
struct socks5_message {
    uint8_t code; /* CMD or REP */
    struct socks5_target address;
};
void socks5_put_message(struct buf *out, const struct socks5_message *m);
enum rc socks5_get_message(struct slice in, struct socks5_message *m_r, size_t *need_r);

#endif
