/*
 * conf/plan — egresses, and the parts of the configuration whose behaviour comes later
 *
 *   Part of struct conf (conf.h has the conventions).
 */
#ifndef WAYPOST_CONF_PLAN_H
#define WAYPOST_CONF_PLAN_H

#include "gateway/conf/rules.h"

struct conf_names {
    struct slice *at;
    size_t n;
};

enum conf_via_kind { CONF_VIA_NONE, CONF_VIA_SOCKS5, CONF_VIA_PROXY, CONF_VIA_RELAY };
extern const char *const conf_via_names[]; /* NULL for CONF_VIA_NONE; the keys */

/* A way out that begins elsewhere. Through socks5 and proxy we speak to the destination itself; a
 * relay takes the mail instead of the destination and passes it on. */
struct conf_via {
    unsigned kind;                         /* enum conf_via_kind */
    struct conf_host socks5, proxy, relay; /* the one of `kind` is filled, with its port */
    struct addr source;                    /* proxy: the address told to it; ADDR_NONE: our own */
    unsigned tls;                          /* relay: enum conf_tls_out */
    struct slice user, password;           /* socks5, relay; empty: no login */
    struct conf_file password_file;
};

struct conf_addrs {
    struct addr *at;
    size_t n;
};

/* One way out. Without addresses: the system's own choice of source address. */
struct conf_egress {
    struct conf_pos pos;
    struct slice name;           /* unique */
    struct conf_addrs addresses; /* source addresses, port 0; none with `via` */
    struct slice interface;      /* connections are bound to it; empty: any */
    uint64_t mark;               /* SO_MARK of connections; 0: none */
    struct slice ehlo;           /* conf.hostname when the egress says nothing */
    uint64_t weight;             /* 0: only when nothing else is left */
    bool usable;                 /* false: never choose it */
    struct conf_via via;
    struct slice carrier, region;
    struct slice congestion;     /* TCP congestion control; empty: the system's */
    int64_t cost;                /* milliseconds it must be faster to be preferred */
    struct conf_addrs resolvers; /* the carrier's, with ports: to be asked from this egress */
    int64_t warmup_start;        /* later; Unix time in ms, 0: none */
};

/* The proxy or relay, whichever it is. Not for CONF_VIA_NONE. */
const struct conf_host *conf_via_host(const struct conf_via *via);

struct conf_geo {
    struct conf_file asn_database, city_database; /* without their bytes */
    struct {
        struct conf_carrier {
            struct slice name;
            struct conf_names asns;
        } * at;
        size_t n;
    } carriers;
    struct {
        struct conf_region {
            struct slice name;
            struct conf_names codes;
        } * at;
        size_t n;
    } regions;
    struct {
        struct conf_geo_network {
            struct conf_pos pos;
            struct network network;
            struct slice carrier, region;
        } * at;
        size_t n;
    } networks;
};

struct conf_probes {
    int64_t interval;
    struct rate per_egress, total;
    struct {
        struct conf_beacon {
            struct conf_pos pos;
            struct addr address;
            struct slice carrier, region;
        } * at;
        size_t n;
    } beacons;
};

struct conf_blocklist {
    struct conf_pos pos;
    struct slice zone;
    struct {
        struct conf_code {
            struct addr answer;
            uint64_t points;
        } * at;
        size_t n;
    } codes;
    int64_t interval;
    struct {
        struct addr *at;
        size_t n;
    } resolvers;
};

struct conf_feed {
    struct conf_pos pos;
    struct slice file, url; /* exactly one */
    unsigned format;
    int64_t interval;
    uint64_t points;
};

/* What becomes of mail when no address of ours is fit to carry it. */
enum conf_last_resort { CONF_HOLD, CONF_SEND };

/* Who is told what needs a person; empty: nobody. */
struct conf_notify {
    struct slice webhook; /* URL */
    struct slice mail;    /* mailbox */
};

struct conf_reputation {
    struct {
        struct conf_blocklist *at;
        size_t n;
    } blocklists;
    struct {
        struct conf_feed *at;
        size_t n;
    } feeds;
    unsigned last_resort; /* enum conf_last_resort */
    uint64_t min_active;
    bool acknowledge;
    struct conf_notify notify;
};

struct conf_report {
    struct addr listen;      /* ADDR_NONE: nothing is served */
    struct conf_names names; /* of ours, beside hostname and addresses, for the Host field */
    struct conf_file token_file;
    struct slice token; /* its first line; empty: nothing can be changed over HTTP */
    int64_t history;
};

#endif
