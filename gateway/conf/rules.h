/*
 * conf/rules — the contents of policies.yaml: typed, checked, not yet compiled for matching
 *
 *   Part of struct conf and with its lifetime. policies/ compiles the `when` conditions; here they
 * are the keys and patterns as written, each with its place in the file. Slices are NUL-terminated.
 */
#ifndef WAYPOST_CONF_RULES_H
#define WAYPOST_CONF_RULES_H

#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/units.h"
#include "gateway/conf/errors.h"

/* In this order an urgent message goes first. */
enum lane { LANE_URGENT, LANE_HIGH, LANE_NORMAL, LANE_BULK, LANE_COUNT };
extern const char *const lane_names[LANE_COUNT + 1]; /* "urgent" ..., ends with NULL */

/* How an outgoing session uses TLS: verify also checks the certificate and the host name. */
enum conf_tls_out { CONF_TLS_NONE, CONF_TLS_OPPORTUNISTIC, CONF_TLS_REQUIRED, CONF_TLS_VERIFY };
extern const char *const conf_tls_out_names[];

/* What a remote reply means for the router, not for the mail alone. */
enum reply_class {
    REPLY_NONE,           /* says nothing about anybody */
    REPLY_IP_BLOCKED,     /* this address, its name or its network is refused: try another egress */
    REPLY_IP_THROTTLED,   /* this address is deferred or limited: slow down */
    REPLY_DOMAIN_BLOCKED, /* the sender's identity is refused or limited */
    REPLY_CONTENT,        /* this message is refused: spam, virus, size, a rule of the receiver */
    REPLY_MAILBOX,        /* the recipient: unknown, disabled, full, receiving too fast */
    REPLY_GREYLIST,       /* come back later from the same address */
    REPLY_AUTH,           /* SPF, DKIM, DMARC, SMTP AUTH, relaying */
    REPLY_TLS,            /* TLS demanded, or not to be had */
    REPLY_TEMP,           /* the receiver's own trouble */
    REPLY_CLASSES
};
extern const char *const reply_class_names[REPLY_CLASSES + 1]; /* "none" ..., ends with NULL */

enum when_key {
    WHEN_SENDER,
    WHEN_RECIPIENT,
    WHEN_SENDER_DOMAIN,
    WHEN_RECIPIENT_DOMAIN,
    WHEN_CLIENT,
    WHEN_USER,
    WHEN_HEADER,
    WHEN_SIZE,
    WHEN_MX,
    WHEN_SITE,
    WHEN_CARRIER, /* recipient_carrier */
    WHEN_REGION,  /* recipient_region */
    WHEN_PRIORITY,
    WHEN_TIME,
    WHEN_PROVIDER, /* whose the MX hosts are; in `traffic` only, as is the next */
    WHEN_EGRESS,   /* that the mail leaves by */
    WHEN_TEXT,     /* of a remote reply; in `replies` only */
    WHEN_KEYS
};
extern const char *const when_key_names[WHEN_KEYS + 1];

enum {
    CONF_HEADERS_MAX = 64,    /* different header names in all `when` together */
    CONF_HEADER_NAME_MAX = 63 /* bytes of such a name */
};

struct conf_text {
    struct slice text;
    struct conf_pos pos;
};

struct conf_texts {
    struct conf_text *at;
    size_t n;
};

/* One key of a `when`: true when any of the patterns matches. */
struct conf_term {
    enum when_key key;
    struct slice header; /* WHEN_HEADER: the header's name */
    struct conf_texts patterns;
    struct conf_pos pos;
};

/* All terms must hold and `negated` (when not NULL) must not. No terms: always true. */
struct conf_when {
    struct {
        struct conf_term *at;
        size_t n;
    } terms;
    struct conf_when *negated;
};

/* What becomes of mail that is not delivered by its deadline. */
enum conf_late { CONF_LATE_RETURN, CONF_LATE_NOTIFY };

struct conf_priority {
    struct conf_pos pos;
    struct conf_when when;
    unsigned lane;      /* enum lane */
    int64_t deliver_by; /* from when it may leave; 0: no deadline */
    unsigned late;      /* enum conf_late, with deliver_by */
    int64_t hold_for;   /* before it may leave; 0: none */
};

/* A next hop as written: a name or an address literal, and a port. */
struct conf_host {
    struct slice host; /* lower case, without brackets */
    uint16_t port;     /* 0: none given */
    bool is_addr;
    struct addr addr; /* when is_addr, with the port */
};

struct conf_hosts {
    struct conf_host *at;
    size_t n;
};

/* A file the configuration names, with what is in it. No path: not configured. */
struct conf_file {
    struct slice path; /* resolved */
    struct slice data;
    struct conf_pos pos;
};

enum conf_fallback { CONF_FALLBACK_NONE, CONF_FALLBACK_ANY };

struct conf_route {
    struct conf_pos pos;
    struct slice name; /* never empty, unique */
    struct conf_when when;
    struct conf_hosts hosts; /* tried in this order; none: the MX of the recipient's domain */
    unsigned tls;            /* enum conf_tls_out; delivery.tls when the route says nothing */
    struct slice user;       /* AUTH at the hosts; empty: none */
    struct conf_file password_file;
    struct slice password;    /* first line of password_file */
    struct conf_texts egress; /* names and globs; ["*"] when the route says nothing */
    unsigned fallback;        /* enum conf_fallback: what when none of `egress` is usable */
};

struct conf_traffic {
    struct conf_pos pos;
    struct conf_when when;
    uint64_t connections;             /* 0: says nothing */
    uint64_t messages_per_connection; /* 0: says nothing */
    uint64_t recipients_per_message;  /* 0: says nothing */
    /* count 0: says nothing */
    struct rate rate; /* messages */
    struct rate connection_rate, recipient_rate, byte_rate;
};

/* Milliseconds. The first wait for each kind of refusal; it doubles up to `max`. */
struct conf_retry {
    int64_t first, max, expire;
    int64_t delay_notice; /* 0: never */
    int64_t greylist, dns, throttled, tls;
};

/* What a lane does not say is as `all` says, but no wait is longer than its lane's `expire`. */
struct conf_retries {
    struct conf_retry all;
    struct conf_retry given[LANE_COUNT]; /* as written; 0: nothing */
    struct conf_retry lane[LANE_COUNT];  /* what holds */
};

struct conf_reply_rule {
    struct conf_pos pos;
    struct conf_when when;
    unsigned class; /* enum reply_class */
};

struct conf_rules {
    struct {
        struct conf_priority *at;
        size_t n;
    } priorities;
    struct {
        struct conf_route
            *at; /* at least one: the last is added ("default") when none matches all */
        size_t n;
    } routes;
    struct {
        struct conf_traffic *at;
        size_t n;
    } traffic;
    struct conf_retries retry;
    struct {
        struct conf_reply_rule *at;
        size_t n;
    } replies;
};

#endif
