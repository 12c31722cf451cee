/*
 * base/addr — IP addresses, ports and networks as values
 *
 *   struct addr is 20 bytes, comparable, without padding tricks: unused bytes are zero, the port
 *   is in host order, 0 when there is none. An IPv4-mapped IPv6 address is always held as IPv4,
 *   so one peer has one form. Scope ids (fe80::1%eth0) are refused. Names are not addresses:
 *   nothing here looks anything up. The conversion to sockaddr lives in io/net.h.
 */
#ifndef WAYPOST_BASE_ADDR_H
#define WAYPOST_BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum addr_family { ADDR_NONE = 0, ADDR_V4 = 4, ADDR_V6 = 6 };

struct addr {
    uint8_t family;    /* enum addr_family; ADDR_NONE: no address, any, or unknown */
    uint8_t bytes[16]; /* network order; IPv4 in the first four */
    uint16_t port;     /* host order */
};

enum { ADDR_TEXT_MAX = 56 }; /* "[" 45 characters "]:65535" and NUL fit */

/* "192.0.2.1", "192.0.2.1:25", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:25". RC_PARSE else.
 */
enum rc addr_parse(struct slice text, struct addr *addr_r);

/* Writes the address with its port ("[::1]:25"), or bare when the port is 0 ("::1"). */
void addr_put(struct buf *b, const struct addr *a);
const char *addr_text(const struct addr *a, char text[ADDR_TEXT_MAX]); /* returns text */
/* The address alone, whatever the port: "192.0.2.1", "2001:db8::1"; "" for ADDR_NONE. */
const char *addr_host_text(const struct addr *a, char text[ADDR_TEXT_MAX]);

int addr_cmp(const struct addr *a, const struct addr *b);        /* total order; the port counts */
bool addr_eq(const struct addr *a, const struct addr *b);        /* the port counts */
bool addr_same_host(const struct addr *a, const struct addr *b); /* the port does not */

bool addr_is_any(const struct addr *a);      /* 0.0.0.0, ::, ADDR_NONE */
bool addr_is_loopback(const struct addr *a); /* 127/8, ::1 */
/* Of a network of one's own: RFC 1918, 6598, 3927, 4193, 4291 link-local; loopback too. */
bool addr_is_private(const struct addr *a);
bool addr_is_multicast(const struct addr *a); /* 224/4, ff00::/8, 255.255.255.255 */
unsigned addr_bits(const struct addr *a);     /* 32, 128, or 0 */

struct network {
    struct addr base; /* host bits are zero, no port */
    uint8_t prefix;
};

/* "10.0.0.0/8", "2001:db8::/32", or one address. Host bits set ("10.0.0.1/8") are RC_PARSE. */
enum rc network_parse(struct slice text, struct network *network_r);
bool network_contains(const struct network *n, const struct addr *a);
void network_put(struct buf *b, const struct network *n); /* always with the prefix */

#endif
