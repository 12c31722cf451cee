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

struct conf_via {
    unsigned kind;                         /* enum conf_via_kind */
    struct conf_host socks5, proxy, relay; /* the one of `kind` is filled */
    struct addr source;                    /* proxy: the address told to it */
    bool source_given;
    unsigned tls; /* relay: enum conf_tls_out */
    struct slice user, password;
    struct conf_file password_file;
};

/* One way out. Without addresses: the system's own choice of source address. */
struct conf_egress {
    struct conf_pos pos;
    struct slice name; /* unique */
    struct {
        struct addr *at; /* source addresses, port 0 */
        size_t n;
    } addresses;
    struct slice ehlo;   /* conf.hostname when the egress says nothing */
    uint64_t weight;     /* 0: only when nothing else is left */
    bool usable;         /* false: needs `via`, which is not in effect yet; never choose it */
    struct conf_via via; /* later */
    struct slice carrier, region, congestion; /* later */
    int64_t cost;                             /* later; milliseconds */
    int64_t warmup_start;                     /* later; Unix time in ms, 0: none */
};

struct conf_geo {
    struct slice asn_database, city_database;
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

struct conf_reputation {
    struct {
        struct conf_blocklist *at;
        size_t n;
    } blocklists;
    struct {
        struct conf_feed *at;
        size_t n;
    } feeds;
};

struct conf_report {
    struct addr listen;
    bool listen_given;
    struct slice token_path;
    int64_t history;
};

#endif
