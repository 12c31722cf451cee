#include "gateway/smtp/socks5.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/cursor.h"

enum {
    VERSION = 5,
    LOGIN_VERSION = 1, /* of the sub-negotiation */
    NO_LOGIN = 0x00,
    USER_PASSWORD = 0x02,
    NO_METHOD = 0xff,
    CMD_CONNECT = 1,
    TYPE_V4 = 1,
    TYPE_NAME = 3,
    TYPE_V6 = 4,
    SHORT_ANSWER = 2 /* of METHOD and LOGIN */
};

/* ---- messages ---- */

static void put_u16be(struct buf *out, uint16_t v)
{
    put_u8(out, (uint8_t)(v >> 8));
    put_u8(out, (uint8_t)(v & 0xff));
}

static void put_text8(struct buf *out, struct slice text)
{
    assert(text.n <= 255);
    put_u8(out, (uint8_t)text.n);
    buf_put_slice(out, text);
}

void socks5_put_message(struct buf *out, const struct socks5_message *m)
{
    const struct socks5_target *a = &m->address;
    put_u8(out, VERSION);
    put_u8(out, m->code);
    put_u8(out, 0);
    if (a->addr.family == ADDR_NONE) {
        put_u8(out, TYPE_NAME);
        put_text8(out, a->name);
    } else {
        put_u8(out, a->addr.family == ADDR_V6 ? TYPE_V6 : TYPE_V4);
        buf_put(out, a->addr.bytes, a->addr.family == ADDR_V6 ? 16 : 4);
    }
    put_u16be(out, a->port);
}

/* The length of the address with its port, as far as `in` tells; 0: not yet, or no such type. */
static size_t address_length(struct slice in, bool *known_r)
{
    const uint8_t *p = (const uint8_t *)in.p;
    *known_r = true;
    switch (p[3]) {
    case TYPE_V4:
        return 4 + 2;
    case TYPE_V6:
        return 16 + 2;
    case TYPE_NAME:
        return in.n > 4 ? (size_t)1 + p[4] + 2 : 0;
    default:
        *known_r = false;
        return 0;
    }
}

static void get_address(struct cursor *c, uint8_t type, struct socks5_target *a)
{
    if (type == TYPE_NAME) {
        a->name = cur_bytes(c, cur_u8(c));
    } else {
        static const char mapped[] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
        struct slice bytes = cur_bytes(c, type == TYPE_V6 ? 16 : 4);
        if (bytes.n == 16 && memcmp(bytes.p, mapped, 12) == 0) /* IPv4, as everywhere */
            bytes = slice_skip(bytes, 12);
        a->addr.family = bytes.n == 16 ? ADDR_V6 : ADDR_V4;
        memcpy(a->addr.bytes, bytes.p, bytes.n);
    }
    a->port = cur_u16be(c);
}

enum rc socks5_get_message(struct slice in, struct socks5_message *m_r, size_t *need_r)
{
    *m_r = (struct socks5_message){ .code = 0 };
    *need_r = 5; /* the shortest address has more than one byte */
    if (in.n > 0 && in.p[0] != VERSION)
        return RC_PARSE;
    if (in.n < 5)
        return RC_AGAIN;
    bool known;
    *need_r = 4 + address_length(in, &known);
    if (!known)
        return RC_PARSE;
    if (in.n < *need_r)
        return RC_AGAIN;
    struct cursor c = cur_of(in.p, *need_r);
    (void)cur_u8(&c);
    m_r->code = cur_u8(&c);
    (void)cur_u8(&c);
    get_address(&c, cur_u8(&c), &m_r->address);
    assert(!c.bad && cur_left(&c) == 0);
    return RC_OK;
}

/* ---- the dialogue ---- */

static enum socks5_state stop(struct socks5 *s, enum socks5_state state, const char *text)
{
    s->state = state;
    s->text = text;
    return state;
}

static void expect(struct socks5 *s, enum socks5_step step, size_t want)
{
    s->step = step;
    s->have = 0;
    s->want = want;
}

void socks5_start(struct socks5 *s, const struct socks5_target *target, struct slice user,
                  struct slice password, struct buf *out)
{
    *s = (struct socks5){ .user = user, .password = password, .login_only = !target };
    if (target)
        s->target = *target;
    put_u8(out, VERSION);
    put_u8(out, user.n ? 2 : 1);
    put_u8(out, NO_LOGIN);
    if (user.n)
        put_u8(out, USER_PASSWORD);
    expect(s, SOCKS5_METHOD, SHORT_ANSWER);
}

static enum socks5_state ask_to_connect(struct socks5 *s, struct buf *out)
{
    if (s->login_only)
        return stop(s, SOCKS5_READY, NULL);
    socks5_put_message(out, &(struct socks5_message){ CMD_CONNECT, s->target });
    expect(s, SOCKS5_CONNECT, 5);
    return SOCKS5_WAITING;
}

static enum socks5_state on_method(struct socks5 *s, struct buf *out)
{
    if (s->in[0] != VERSION)
        return stop(s, SOCKS5_FAILED, "the proxy does not speak SOCKS5");
    if (s->in[1] == NO_LOGIN)
        return ask_to_connect(s, out);
    if (s->in[1] == USER_PASSWORD && s->user.n) {
        put_u8(out, LOGIN_VERSION);
        put_text8(out, s->user);
        put_text8(out, s->password);
        expect(s, SOCKS5_LOGIN, SHORT_ANSWER);
        return SOCKS5_WAITING;
    }
    if (s->in[1] == NO_METHOD)
        return stop(s, SOCKS5_FAILED,
                    s->user.n ? "the proxy takes no user and password"
                              : "the proxy asks for user and password");
    return stop(s, SOCKS5_FAILED, "the proxy chose a method that was not offered");
}

/* RFC 1929: a failure is anything but 0. Some servers answer with the version of SOCKS. */
static enum socks5_state on_login(struct socks5 *s, struct buf *out)
{
    if (s->in[0] != LOGIN_VERSION && s->in[0] != VERSION)
        return stop(s, SOCKS5_FAILED, "the proxy's answer to the login makes no sense");
    if (s->in[1] != 0)
        return stop(s, SOCKS5_FAILED, "the proxy refuses user and password");
    return ask_to_connect(s, out);
}

static enum socks5_state on_reply(struct socks5 *s, const struct socks5_message *m)
{
    static const struct {
        enum socks5_state state;
        const char *text;
    } table[] = {
        [SOCKS5_SUCCEEDED] = { SOCKS5_READY, NULL },
        [SOCKS5_GENERAL_FAILURE] = { SOCKS5_FAILED, "proxy: general failure" },
        [SOCKS5_NOT_ALLOWED] = { SOCKS5_FAILED, "proxy: not allowed by its rules" },
        [SOCKS5_NETWORK_UNREACHABLE] = { SOCKS5_UNREACHABLE, "proxy: network unreachable" },
        [SOCKS5_HOST_UNREACHABLE] = { SOCKS5_UNREACHABLE, "proxy: host unreachable" },
        [SOCKS5_REFUSED] = { SOCKS5_UNREACHABLE, "proxy: connection refused" },
        [SOCKS5_TTL_EXPIRED] = { SOCKS5_UNREACHABLE, "proxy: timed out" },
        [SOCKS5_COMMAND_UNSUPPORTED] = { SOCKS5_FAILED, "proxy: CONNECT is not supported" },
        [SOCKS5_TYPE_UNSUPPORTED] = { SOCKS5_UNREACHABLE,
                                      "proxy: addresses of this family are not supported" },
    };
    s->reply = m->code;
    s->source = m->address.addr;
    s->source.port = m->address.port;
    if (addr_is_any(&s->source))
        s->source = (struct addr){ .family = ADDR_NONE };
    if (m->code >= sizeof table / sizeof table[0])
        return stop(s, SOCKS5_FAILED, "the proxy's answer has an unknown code");
    return stop(s, table[m->code].state, table[m->code].text);
}

/* The answer to CONNECT: its length shows only once a part of it is there. A refusal is believed
 * by its code alone, whatever address it comes with. */
static enum socks5_state on_connect(struct socks5 *s)
{
    struct socks5_message m;
    size_t need;
    enum rc rc = socks5_get_message((struct slice){ (const char *)s->in, s->have }, &m, &need);
    if (s->in[0] == VERSION && s->in[1] != SOCKS5_SUCCEEDED) {
        m.code = s->in[1];
        return on_reply(s, &m);
    }
    if (rc == RC_AGAIN) {
        assert(need > s->have && need <= sizeof s->in);
        s->want = need;
        return SOCKS5_WAITING;
    }
    if (rc != RC_OK)
        return stop(s, SOCKS5_FAILED, "the proxy's answer makes no sense");
    return on_reply(s, &m);
}

size_t socks5_wants(const struct socks5 *s)
{
    return s->state == SOCKS5_WAITING ? s->want - s->have : 0;
}

enum socks5_state socks5_take(struct socks5 *s, const void *p, size_t n, struct buf *out)
{
    assert(n <= socks5_wants(s));
    memcpy(s->in + s->have, p, n);
    s->have += n;
    if (s->state != SOCKS5_WAITING || s->have < s->want)
        return s->state;
    switch (s->step) {
    case SOCKS5_METHOD:
        return on_method(s, out);
    case SOCKS5_LOGIN:
        return on_login(s, out);
    case SOCKS5_CONNECT:
        break;
    }
    return on_connect(s);
}

/* Some proxies send no more of a refusal than its code. */
enum socks5_state socks5_end(struct socks5 *s)
{
    if (s->state != SOCKS5_WAITING)
        return s->state;
    if (s->step == SOCKS5_CONNECT && s->have >= 2)
        (void)on_connect(s);
    if (s->state != SOCKS5_WAITING)
        return s->state;
    return stop(s, SOCKS5_FAILED, "the proxy closed the connection");
}
