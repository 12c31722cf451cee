/*
 * conf/types_net — forms of value: addresses, networks, next hops
 */
#include <string.h>

#include "gateway/conf/schema.h"

#define PARSE(name)                                                                                \
    static bool name(struct conf_reader *r, const struct conf_key *key,                            \
                     const struct yaml_node *node, void *target)

PARSE(parse_addr)
{
    (void)r, (void)key;
    struct addr a;
    if (addr_parse(node->text, &a) != RC_OK || a.port != 0 || addr_is_multicast(&a))
        return false;
    *(struct addr *)target = a;
    return true;
}

static void expect_addr(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "an IP address without port such as 192.0.2.1 or 2001:db8::1");
}

static void put_addr(const struct conf_key *key, const void *value, struct buf *out)
{
    (void)key;
    const struct addr *a = value;
    if (a->family == ADDR_NONE)
        buf_puts(out, "none");
    else
        addr_put(out, a);
}

PARSE(parse_addr_port)
{
    (void)r, (void)key;
    struct addr a;
    if (addr_parse(node->text, &a) != RC_OK || a.port == 0 || addr_is_multicast(&a))
        return false;
    *(struct addr *)target = a;
    return true;
}

static void expect_addr_port(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "an IP address with port such as 192.0.2.1:25 or [2001:db8::1]:25");
}

PARSE(parse_dns_server)
{
    (void)r, (void)key;
    struct addr a;
    if (addr_parse(node->text, &a) != RC_OK || addr_is_any(&a) || addr_is_multicast(&a))
        return false;
    if (a.port == 0)
        a.port = 53;
    *(struct addr *)target = a;
    return true;
}

static void expect_dns_server(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "the IP address of a DNS server such as 127.0.0.1 or 127.0.0.1:53");
}

PARSE(parse_network)
{
    (void)r, (void)key;
    return network_parse(node->text, target) == RC_OK;
}

static void expect_network(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a network such as 10.0.0.0/8 or 2001:db8::/32 (host bits zero), or one address");
}

static void put_network(const struct conf_key *key, const void *value, struct buf *out)
{
    (void)key;
    network_put(out, value);
}

/* "host", "host:port"; false when either is no good. */
static bool parse_named(struct conf_reader *r, struct slice text, struct conf_host *host)
{
    struct slice name, port;
    uint64_t number = 0;
    if (slice_cut(text, ':', &name, &port) && (!slice_to_u64(port, 65535, &number) || number == 0))
        return false;
    if (!hostname_valid(name))
        return false;
    char *lower = arena_strndup(r->arena, name.p, name.n);
    ascii_lower_copy(lower, name.p, name.n);
    host->host = (struct slice){ lower, name.n };
    host->port = (uint16_t)number;
    return true;
}

PARSE(parse_host)
{
    (void)key;
    struct conf_host *host = target;
    struct addr a;
    if (addr_parse(node->text, &a) != RC_OK)
        return parse_named(r, node->text, host);
    char text[ADDR_TEXT_MAX];
    host->host = reader_text(r, slice_of(addr_host_text(&a, text)));
    host->port = a.port;
    host->is_addr = true;
    host->addr = a;
    return !addr_is_any(&a) && !addr_is_multicast(&a);
}

static void expect_host(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a host name or IP address, with or without port, such as mx.example.net:25, "
                  "192.0.2.1:25 or [2001:db8::1]:25");
}

static void put_host(const struct conf_key *key, const void *value, struct buf *out)
{
    (void)key;
    const struct conf_host *host = value;
    bool brackets = host->is_addr && host->addr.family == ADDR_V6 && host->port;
    if (host->host.n == 0)
        buf_puts(out, "none");
    buf_printf(out, "%s%s%s", brackets ? "[" : "", host->host.n ? host->host.p : "",
               brackets ? "]" : "");
    if (host->port)
        buf_printf(out, ":%u", (unsigned)host->port);
}

#define TYPE(id, doc, c_type, put_fn)                                                              \
    const struct conf_type type_##id = { .name = (doc),                                            \
                                         .parse = parse_##id,                                      \
                                         .expected = expect_##id,                                  \
                                         .put = (put_fn),                                          \
                                         .size = sizeof(c_type) }
TYPE(addr, "IP address", struct addr, put_addr);
TYPE(addr_port, "address:port", struct addr, put_addr);
TYPE(dns_server, "address, address:port", struct addr, put_addr);
TYPE(network, "network", struct network, put_network);
TYPE(host, "host, host:port", struct conf_host, put_host);

const struct conf_type type_addrs = { .name = "IP address or list", .element = &type_addr };
const struct conf_type type_dns_servers = { .name = "address or list",
                                            .element = &type_dns_server };
const struct conf_type type_networks = { .name = "network or list", .element = &type_network };
const struct conf_type type_hosts = { .name = "host:port or list", .element = &type_host };
