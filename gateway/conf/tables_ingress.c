/*
 * conf/tables_ingress — the keys about who may hand in mail, and what each section can get wrong
 */
#include <string.h>

#include "gateway/conf/schema.h"

const char *const conf_listen_tls_names[] = { "none", "opportunistic", "required", "implicit",
                                              NULL };
const char *const conf_listen_auth_names[] = { "none", "optional", "required", NULL };

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define KIB (1ull << 10)
#define MIB (1ull << 20)
#define TIB (1ull << 40)

/* The place of a key in a map, or of the map. */
static struct conf_pos pos_in(const struct yaml_node *node, const char *key)
{
    const struct yaml_node *value = yaml_get(node, key);
    return value ? value->pos : node->pos;
}

static void check_listener_tls(struct conf_reader *r, const struct yaml_node *node,
                               struct conf_listener *l)
{
    bool certificate = r->conf->tls.certificate.path.n > 0;
    if (!yaml_get(node, "tls"))
        l->tls = certificate ? CONF_LISTEN_TLS_OPPORTUNISTIC : CONF_LISTEN_TLS_NONE;
    if (certificate || l->tls == CONF_LISTEN_TLS_NONE)
        return;
    if (l->tls == CONF_LISTEN_TLS_OPPORTUNISTIC)
        conf_warning(r->errors, pos_in(node, "tls"),
                     "STARTTLS is not offered: there is no tls.certificate");
    else
        conf_error(r->errors, pos_in(node, "tls"),
                   "found tls: %s, expected a certificate too (tls: { certificate, key })",
                   conf_listen_tls_names[l->tls]);
    l->tls = CONF_LISTEN_TLS_NONE;
}

static void check_listener(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    struct conf_listener *l = target;
    bool users = r->conf->users_path.n > 0, given = yaml_get(node, "auth") != NULL;
    check_listener_tls(r, node, l);
    if (!given)
        l->auth = users && l->tls != CONF_LISTEN_TLS_NONE ? CONF_AUTH_OPTIONAL : CONF_AUTH_NONE;
    if (l->auth == CONF_AUTH_NONE)
        return;
    if (l->auth == CONF_AUTH_REQUIRED && !users)
        conf_error(r->errors, pos_in(node, "auth"), "found auth: required, expected users too");
    else if (l->auth == CONF_AUTH_REQUIRED && l->tls == CONF_LISTEN_TLS_NONE)
        conf_error(
            r->errors, pos_in(node, "auth"),
            "found auth: required without TLS, expected tls: required or implicit: passwords "
            "are never taken in the clear");
    else if (!users || l->tls == CONF_LISTEN_TLS_NONE)
        conf_warning(r->errors, pos_in(node, "auth"), "AUTH is not offered: there %s",
                     users ? "is no TLS on this address" : "are no users");
    if (!users || l->tls == CONF_LISTEN_TLS_NONE)
        l->auth = CONF_AUTH_NONE;
}

static const struct conf_key listener_keys[] = {
    { "address", &type_addr_port, offsetof(struct conf_listener, address), .flags = KEY_REQUIRED,
      .help = "the address and port to listen on" },
    { "tls", &type_enum, offsetof(struct conf_listener, tls), .more = conf_listen_tls_names,
      .help =
          "none; opportunistic: STARTTLS offered; required: STARTTLS before MAIL; implicit: TLS "
          "from the first byte. Default: opportunistic with a certificate, else none" },
    { "auth", &type_enum, offsetof(struct conf_listener, auth), .more = conf_listen_auth_names,
      .help =
          "AUTH PLAIN and LOGIN, over TLS only. Default: optional with users and TLS, else none" },
    { "proxy_protocol", &type_networks, offsetof(struct conf_listener, proxy_protocol),
      .help = "peers in these networks must send a PROXY header (v1 or v2); others must not" },
};
const struct conf_section section_listener = {
    "listen[]",           "Where mail comes in.", sizeof(struct conf_listener),
    TABLE(listener_keys), .has_pos = true,        .check = check_listener
};

static bool pem_has(struct slice pem, const char *what)
{
    return pem.n > 0 && memmem(pem.p, pem.n, what, strlen(what)) != NULL;
}

static void check_tls(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    struct conf *c = r->conf;
    (void)target;
    bool certificate = c->tls.certificate.path.n > 0, key = c->tls.key.path.n > 0;
    if (certificate != key)
        conf_error(r->errors, node->pos, "found no \"%s\", expected both certificate and key",
                   certificate ? "key" : "certificate");
    if (c->tls.certificate.data.n &&
        !pem_has(c->tls.certificate.data, "-----BEGIN CERTIFICATE-----"))
        conf_error(r->errors, c->tls.certificate.pos,
                   "found no certificate in \"%s\", expected PEM", c->tls.certificate.path.p);
    if (c->tls.key.data.n && !pem_has(c->tls.key.data, "PRIVATE KEY-----"))
        conf_error(r->errors, c->tls.key.pos, "found no private key in \"%s\", expected PEM",
                   c->tls.key.path.p);
}

static const struct conf_key tls_keys[] = {
    { "certificate", &type_file, offsetof(struct conf, tls.certificate),
      .help = "PEM: our certificate, then its chain" },
    { "key", &type_file, offsetof(struct conf, tls.key), .flags = KEY_SECRET,
      .help = "PEM: its private key" },
};
const struct conf_section section_tls = {
    "tls", "The certificate shown to clients; read again when the files change.",
    sizeof(struct conf), TABLE(tls_keys), .check = check_tls
};

static const struct conf_key client_keys[] = {
    { "network", &type_network, offsetof(struct conf_client, network), .flags = KEY_REQUIRED,
      .help = "the clients' addresses" },
    { "name", &type_name, offsetof(struct conf_client, name),
      .help = "for rules, logs and reports" },
    { "may_set_priority", &type_bool, offsetof(struct conf_client, may_set_priority),
      .value = "false", .help = "MT-PRIORITY of these clients is taken as given" },
    { "connections", &type_uint, offsetof(struct conf_client, connections), 1, 1000000,
      .help = "connections at a time, of all its addresses together; without: "
              "limits.connections_per_client for each" },
    { "rate", &type_rate, offsetof(struct conf_client, rate),
      .help = "messages of all its addresses together; without: no limit" },
    { "urgent", &type_rate, offsetof(struct conf_client, urgent),
      .help = "messages in lane urgent, of all its addresses together; what is beyond goes in lane "
              "high. Without: no limit" },
    { "recipients", &type_patterns, offsetof(struct conf_client, recipients), .flags = KEY_NONZERO,
      .help = "may send to these only; without: to anybody" },
};
const struct conf_section section_client = {
    "clients[]", "Who may relay without AUTH. The first matching network decides; nobody else may.",
    sizeof(struct conf_client), TABLE(client_keys), .has_pos = true
};

static const struct conf_key user_keys[] = {
    { "password", &type_hash, offsetof(struct conf_user, password),
      .flags = KEY_REQUIRED | KEY_SECRET, .help = "hash from waypost hash-password" },
    { "senders", &type_patterns, offsetof(struct conf_user, senders), .flags = KEY_NONZERO,
      .help = "may send as these and as `<>` only; without: as anybody" },
    { "may_set_priority", &type_bool, offsetof(struct conf_user, may_set_priority),
      .value = "false", .help = "MT-PRIORITY of this user is taken as given" },
    { "urgent", &type_rate, offsetof(struct conf_user, urgent),
      .help = "messages in lane urgent; what is beyond goes in lane high. A quota of the `clients` "
              "entry holds too. Without: no limit" },
};
static const struct conf_key user_label = { "name", &type_string, offsetof(struct conf_user, name),
                                            .help = "the user" };
const struct conf_section section_users_file = {
    "users.yaml",     "A map of user names.", sizeof(struct conf_user),
    TABLE(user_keys), .label = &user_label,   .has_pos = true
};

#define LIMIT(field) offsetof(struct conf_limits, field)
static const struct conf_key limit_keys[] = {
    { "message_size", &type_size, LIMIT(message_size), KIB, TIB, "2GiB",
      .help = "largest message taken (SIZE)" },
    { "recipients", &type_uint, LIMIT(recipients), 1, 100000, "10000",
      .help = "RCPT of one message" },
    { "connections", &type_uint, LIMIT(connections), 1, 1000000, "5000",
      .help = "incoming connections at a time; the last tenth is kept for listed clients without "
              "`recipients` and for authenticated sessions" },
    { "connections_per_client", &type_uint, LIMIT(connections_per_client), 1, 1000000, "100",
      .help = "of these, from one address; an IPv6 /64 counts as one" },
    { "idle", &type_duration, LIMIT(idle), SECOND, HOUR, "5m",
      .help = "a client that says nothing this long is closed (RFC 5321: at least 5 minutes); one "
              "that may not send yet, after a minute. A message must come within this time and a "
              "second "
              "for every 500 bytes" },
    { "hops", &type_uint, LIMIT(hops), 1, 1000, "50",
      .help = "Received: lines after which a message is a loop" },
    { "future_release", &type_duration, LIMIT(future_release), 0, 3650ull * 24 * HOUR, "30d",
      .help = "the longest that a client may have mail held (FUTURERELEASE); 0: not offered" },
    { "memory", &type_size, LIMIT(memory), MIB, TIB, "256MiB",
      .help = "message bodies kept in memory; beyond it they are read from the spool" },
    { "queue_memory", &type_size, LIMIT(queue_memory), MIB, TIB, "1GiB",
      .help = "memory of what waits to be delivered, about 600 bytes a message; new bulk mail is "
              "refused from 70 % of it on, normal from 80, high from 90, urgent from 100" },
};
const struct conf_section section_limits = { "limits", "What one client or all of them may use.",
                                             sizeof(struct conf_limits), TABLE(limit_keys) };
