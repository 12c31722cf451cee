/*
 * conf/conf — waypost.yaml and the files it names as one checked, immutable value
 *
 *   conf_load() reads everything a start would read through a bundle and either gives a complete
 *   configuration or nothing; all errors are collected. A struct conf never changes after that and
 * may be read by any thread; conf_ref()/conf_unref() are atomic. Everything in it lives in one
 * arena that goes with the last reference; secrets are wiped.
 *
 *   Most callers want policies_load() (policies/policies.h): conf_load() plus the compiled rules.
 *
 *   Conventions: slices are NUL-terminated (.p is a C string) and empty when not configured; times
 * in milliseconds; sizes in bytes; lists are {at, n}. docs/CONFIG.md is printed from the same
 * tables.
 */
#ifndef WAYPOST_CONF_CONF_H
#define WAYPOST_CONF_CONF_H

#include "gateway/base/log.h"
#include "gateway/conf/bundle.h"
#include "gateway/conf/plan.h"
#include "gateway/conf/rules.h"

enum {
    CONF_WORKERS_MAX = 64, /* descriptors of one listener travel in one message */
    CONF_LISTENERS_MAX = 256,
    CONF_EGRESSES_MAX = 256 /* the table of advice has no room for more */
};

struct conf_networks {
    struct network *at;
    size_t n;
};

enum conf_listen_tls {
    CONF_LISTEN_TLS_NONE,
    CONF_LISTEN_TLS_OPPORTUNISTIC, /* STARTTLS offered */
    CONF_LISTEN_TLS_REQUIRED,      /* STARTTLS before MAIL */
    CONF_LISTEN_TLS_IMPLICIT       /* TLS from the first byte */
};
enum conf_listen_auth { CONF_AUTH_NONE, CONF_AUTH_OPTIONAL, CONF_AUTH_REQUIRED };
extern const char *const conf_listen_tls_names[];
extern const char *const conf_listen_auth_names[];

struct conf_listener {
    struct conf_pos pos;
    struct addr address; /* with its port */
    unsigned tls;        /* enum conf_listen_tls, resolved: never TLS without a certificate */
    unsigned auth;       /* enum conf_listen_auth, resolved: none without users */
    struct conf_networks proxy_protocol; /* peers that must send a PROXY header */
};

struct conf_client {
    struct conf_pos pos;
    struct network network;
    struct slice name; /* may be empty */
    bool may_set_priority;
    uint64_t connections;         /* 0: only limits.connections_per_client holds */
    struct rate rate;             /* messages; count 0: no limit */
    struct rate urgent;           /* of these in lane urgent; count 0: no limit */
    struct conf_texts recipients; /* none: any recipient */
};

struct conf_user {
    struct conf_pos pos;
    struct slice name;
    struct slice password;     /* crypt(5) hash */
    struct conf_texts senders; /* none: any sender */
    bool may_set_priority;
    struct rate urgent; /* messages in lane urgent; count 0: no limit */
};

struct conf_limits {
    uint64_t message_size;
    uint64_t recipients; /* per message */
    uint64_t connections;
    uint64_t connections_per_client; /* per client address */
    int64_t idle;
    uint64_t hops;
    int64_t future_release; /* the longest a client may have mail held; 0: not offered */
    uint64_t memory;        /* message bodies kept in memory, all workers together */
    uint64_t queue_memory;  /* of what waits, without bodies */
};

struct conf_tier {
    struct conf_pos pos;
    struct slice path;
    uint64_t size; /* 0: no limit (the last tier) */
};

enum { CONF_SPOOL_KEY_SIZE = 32 };

struct conf_spool {
    struct conf_file key_file;
    bool sealed;
    uint8_t key[CONF_SPOOL_KEY_SIZE]; /* when sealed */
    struct {
        struct conf_tier *at; /* at least one */
        size_t n;
    } tiers;
    uint64_t min_free;
};

struct conf_dns {
    struct conf_addrs servers; /* with ports; none: those of /etc/resolv.conf */
    int64_t timeout;           /* for one question, all tries together */
};

struct conf_timeouts {
    int64_t connect, greeting, command, data, final;
};

struct conf_delivery {
    uint64_t port;
    unsigned tls; /* enum conf_tls_out */
    struct conf_file ca_file;
    struct conf_timeouts timeouts;
    uint64_t connections;             /* to one site */
    uint64_t connections_total;       /* to all sites, all workers together */
    uint64_t messages_per_connection; /* then QUIT */
    uint64_t recipients_per_message;  /* RCPT of one transaction */
    int64_t idle;                     /* a kept session waits this long for the next message */
    int64_t session_time;             /* then QUIT after the message under way */
};

struct conf_log {
    enum log_level level;
    struct slice deliveries; /* path of the delivery log; empty: none */
};

struct conf {
    struct slice path; /* of waypost.yaml */
    struct slice hostname;
    struct slice state;
    struct slice user; /* the processes run as this system user when started by root */
    uint64_t workers;  /* 0: one per core */
    struct {
        struct conf_listener *at; /* at least one */
        size_t n;
    } listen;
    struct {
        struct conf_file certificate, key; /* PEM; both or neither */
    } tls;
    struct {
        struct conf_client *at;
        size_t n;
    } clients;
    struct slice users_path;
    struct {
        struct conf_user *at; /* sorted by name: conf_user_find() */
        size_t n;
    } users;
    struct conf_limits limits;
    struct conf_spool spool;
    struct conf_dns dns;
    struct conf_delivery delivery;
    struct {
        struct conf_egress *at; /* at least one */
        size_t n;
    } egress;
    struct slice policies_path;
    struct conf_rules rules;
    struct conf_log log;
    struct conf_geo geo;
    struct conf_probes probes;
    struct conf_reputation reputation;
    struct conf_report report;
};

/* RC_OK and *conf_r with one reference; or RC_PARSE and at least one entry in `errors`. Warnings
 * may be added in both cases. `path` is the name of waypost.yaml as the user gave it. */
enum rc conf_load(struct bundle *bundle, const char *path, struct conf **conf_r,
                  struct conf_errors *errors);

/* The same, but what could be read comes back also when there were errors: only to look for more of
 * them (values that were wrong are zero or empty). NULL when nothing could be read. */
struct conf *conf_read(struct bundle *bundle, const char *path, struct conf_errors *errors);

struct conf *conf_ref(struct conf *conf); /* returns conf */
void conf_unref(struct conf **conf);      /* sets NULL; the last one frees */

const struct conf_user *conf_user_find(const struct conf *conf, struct slice name);

/* What a reload from `was` to `is` would change, one human line each ("delivery.port: 25 -> 2525",
 * "egress gz-3: added"). Secrets are never shown. Returns the number of lines. */
size_t conf_diff(const struct conf *was, const struct conf *is, struct buf *out);

/* docs/CONFIG.md, from the tables. */
void conf_put_docs(struct buf *out);

#endif
