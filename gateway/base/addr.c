#include "gateway/base/addr.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_mapped(const uint8_t *v6)
{
    static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
    return memcmp(v6, prefix, sizeof prefix) == 0;
}

/* One bare address, NUL-terminated, into *a (port 0). */
static enum rc parse_host(const char *text, bool bracketed, struct addr *a)
{
    uint8_t v6[16];
    *a = (struct addr){ 0 };
    if (!bracketed && inet_pton(AF_INET, text, a->bytes) == 1) {
        a->family = ADDR_V4;
        return RC_OK;
    }
    if (inet_pton(AF_INET6, text, v6) != 1)
        return RC_PARSE;
    if (is_mapped(v6)) {
        a->family = ADDR_V4;
        memcpy(a->bytes, v6 + 12, 4);
    } else {
        a->family = ADDR_V6;
        memcpy(a->bytes, v6, 16);
    }
    return RC_OK;
}

/* Splits "[h]:p", "[h]", "v4:p"; more than one colon outside brackets is a bare IPv6 address. */
static enum rc split(struct slice text, struct slice *host_r, struct slice *port_r, bool *bracket_r)
{
    struct slice rest;
    *port_r = (struct slice){ NULL, 0 };
    *host_r = text;
    *bracket_r = text.n && text.p[0] == '[';
    if (*bracket_r) {
        struct slice inner = { text.p + 1, text.n - 1 };
        if (!slice_cut(inner, ']', host_r, &rest))
            return RC_PARSE;
        if (!rest.n)
            return RC_OK;
        if (rest.p[0] != ':' || rest.n == 1)
            return RC_PARSE;
        *port_r = (struct slice){ rest.p + 1, rest.n - 1 };
        return RC_OK;
    }
    struct slice head, tail;
    if (slice_cut(text, ':', &head, &tail) && !(tail.n && memchr(tail.p, ':', tail.n))) {
        *host_r = head;
        *port_r = tail;
        return tail.n ? RC_OK : RC_PARSE;
    }
    return RC_OK;
}

enum rc addr_parse(struct slice text, struct addr *addr_r)
{
    struct slice host, port;
    bool bracketed;
    uint64_t number = 0;
    char buf[INET6_ADDRSTRLEN];
    if (split(text, &host, &port, &bracketed) != RC_OK || host.n == 0 || host.n >= sizeof buf)
        return RC_PARSE;
    memcpy(buf, host.p, host.n);
    buf[host.n] = '\0';
    if (memchr(buf, '\0', host.n) || parse_host(buf, bracketed, addr_r) != RC_OK)
        return RC_PARSE;
    if (port.n && !slice_to_u64(port, 65535, &number))
        return RC_PARSE;
    addr_r->port = (uint16_t)number;
    return RC_OK;
}

static char *put_number(char *at, unsigned n)
{
    char digits[10];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    memcpy(at, digits + i, sizeof digits - i);
    return at + (sizeof digits - i);
}

/* inet_ntop() of IPv4 is a printf; every message has such an address in it. Returns the end. */
static char *put_host(const struct addr *a, char text[ADDR_TEXT_MAX])
{
    char *at = text;
    *at = '\0';
    if (a->family == ADDR_V6)
        return inet_ntop(AF_INET6, a->bytes, text, ADDR_TEXT_MAX) ? text + strlen(text) : text;
    for (size_t i = 0; a->family == ADDR_V4 && i < 4; i++) {
        at = put_number(at, a->bytes[i]);
        *at++ = i < 3 ? '.' : '\0';
    }
    return at > text ? at - 1 : text;
}

const char *addr_host_text(const struct addr *a, char text[ADDR_TEXT_MAX])
{
    put_host(a, text);
    return text;
}

const char *addr_text(const struct addr *a, char text[ADDR_TEXT_MAX])
{
    char *at = put_host(a, text);
    if (!a->port)
        return text;
    if (a->family == ADDR_V6) {
        memmove(text + 1, text, (size_t)(at - text));
        text[0] = '[';
        at[1] = ']';
        at += 2;
    }
    *at++ = ':';
    *put_number(at, a->port) = '\0';
    return text;
}

void addr_put(struct buf *b, const struct addr *a)
{
    char text[ADDR_TEXT_MAX];
    buf_puts(b, addr_text(a, text));
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    int order = memcmp(a->bytes, b->bytes, sizeof a->bytes);
    if (order)
        return order;
    return a->port == b->port ? 0 : a->port < b->port ? -1 : 1;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    return addr_cmp(a, b) == 0;
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool addr_is_any(const struct addr *a)
{
    static const uint8_t zero[16];
    return a->family == ADDR_NONE || memcmp(a->bytes, zero, sizeof zero) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t one[16] = { [15] = 1 };
    if (a->family == ADDR_V4)
        return a->bytes[0] == 127;
    return a->family == ADDR_V6 && memcmp(a->bytes, one, sizeof one) == 0;
}

bool addr_is_private(const struct addr *a)
{
    static const struct network own[] = {
        { { .family = ADDR_V4, .bytes = { 10 } }, 8 },
        { { .family = ADDR_V4, .bytes = { 172, 16 } }, 12 },
        { { .family = ADDR_V4, .bytes = { 192, 168 } }, 16 },
        { { .family = ADDR_V4, .bytes = { 100, 64 } }, 10 },
        { { .family = ADDR_V4, .bytes = { 169, 254 } }, 16 },
        { { .family = ADDR_V6, .bytes = { 0xfc } }, 7 },
        { { .family = ADDR_V6, .bytes = { 0xfe, 0x80 } }, 10 },
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (network_contains(&own[i], a))
            return true;
    return addr_is_loopback(a);
}

bool addr_is_multicast(const struct addr *a)
{
    static const uint8_t all[4] = { 255, 255, 255, 255 };
    if (a->family == ADDR_V4)
        return (a->bytes[0] & 0xf0) == 0xe0 || memcmp(a->bytes, all, sizeof all) == 0;
    return a->family == ADDR_V6 && a->bytes[0] == 0xff;
}

unsigned addr_bits(const struct addr *a)
{
    return a->family == ADDR_V4 ? 32 : a->family == ADDR_V6 ? 128 : 0;
}

/* Are the first `prefix` bits equal? */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned prefix)
{
    unsigned whole = prefix / 8, rest = prefix % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return !rest || ((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

static bool host_bits_zero(const uint8_t *bytes, unsigned prefix, unsigned bits)
{
    for (unsigned i = prefix; i < bits; i++)
        if (bytes[i / 8] & (0x80u >> (i % 8)))
            return false;
    return true;
}

enum rc network_parse(struct slice text, struct network *network_r)
{
    struct slice host, tail;
    uint64_t prefix = 0;
    bool given = slice_cut(text, '/', &host, &tail);
    if (host.n && (host.p[0] == '[' || addr_parse(host, &network_r->base) != RC_OK))
        return RC_PARSE;
    if (!host.n || network_r->base.port)
        return RC_PARSE;
    unsigned bits = addr_bits(&network_r->base);
    if (given && !slice_to_u64(tail, bits, &prefix))
        return RC_PARSE;
    network_r->prefix = (uint8_t)(given ? prefix : bits);
    return host_bits_zero(network_r->base.bytes, network_r->prefix, bits) ? RC_OK : RC_PARSE;
}

bool network_contains(const struct network *n, const struct addr *a)
{
    return n->base.family == a->family && same_prefix(n->base.bytes, a->bytes, n->prefix);
}

void network_put(struct buf *b, const struct network *n)
{
    char text[ADDR_TEXT_MAX];
    buf_printf(b, "%s/%u", addr_host_text(&n->base, text), (unsigned)n->prefix);
}
