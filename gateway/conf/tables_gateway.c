/*
 * conf/tables_gateway — the keys of waypost.yaml about storing and delivering, and its root
 */
#include "gateway/conf/schema.h"

const char *const conf_tls_out_names[] = { "none", "opportunistic", "required", "verify", NULL };

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define DAY (24ull * HOUR)
#define GIB (1ull << 30)
#define TIB (1ull << 40)

static const struct conf_key encryption_keys[] = {
    { "key_file", &type_file, offsetof(struct conf_spool, key_file),
      .flags = KEY_REQUIRED | KEY_SECRET, .help = "32 bytes, or 64 hexadecimal digits" },
};
static const struct conf_section encryption_section = { "spool.encryption",
                                                        "Seals stored messages with AES-256-GCM.",
                                                        sizeof(struct conf_spool),
                                                        TABLE(encryption_keys) };
static const struct conf_key tier_keys[] = {
    { "path", &type_path, offsetof(struct conf_tier, path), .flags = KEY_REQUIRED,
      .help = "the folder" },
    { "size", &type_size, offsetof(struct conf_tier, size), GIB, 1024 * TIB,
      .help = "how much to keep there; only the last tier may do without" },
};
static const struct conf_section tier_section = {
    "spool.tiers[]", "Disks, the fastest first; old deferred mail moves down by itself.",
    sizeof(struct conf_tier), TABLE(tier_keys), .has_pos = true
};
static const struct conf_key spool_keys[] = {
    { "encryption", &type_section, 0, .more = &encryption_section, .flags = KEY_OPTIONAL,
      .help = "without: messages are stored as they are" },
    { "tiers", &type_sections, offsetof(struct conf_spool, tiers), .more = &tier_section,
      .flags = KEY_NONZERO, .help = "without: one, `spool` in the state folder" },
    { "min_free", &type_size, offsetof(struct conf_spool, min_free), 0, TIB, "1GiB",
      .help = "less free disk than this: mail is refused with 452. With less than 64MiB the spool "
              "may lack what it needs to remove delivered mail" },
};
static const struct conf_section spool_section = {
    "spool", "Where accepted mail is kept until it is delivered.", sizeof(struct conf_spool),
    TABLE(spool_keys)
};

static const struct conf_key dns_keys[] = {
    { "servers", &type_dns_servers, offsetof(struct conf_dns, servers), .flags = KEY_NONZERO,
      .help = "without: those of /etc/resolv.conf. Port 53 when none is given" },
    { "timeout", &type_duration, offsetof(struct conf_dns, timeout), 100, MINUTE, "3s",
      .help = "for one question, all tries together" },
};
static const struct conf_section dns_section = { "dns", "How names are looked up.",
                                                 sizeof(struct conf_dns), TABLE(dns_keys) };

#define TIMEOUT(field) offsetof(struct conf_timeouts, field)
static const struct conf_key timeout_keys[] = {
    { "connect", &type_duration, TIMEOUT(connect), 100, HOUR, "30s", .help = "TCP connection" },
    { "greeting", &type_duration, TIMEOUT(greeting), 100, HOUR, "2m", .help = "220 greeting" },
    { "command", &type_duration, TIMEOUT(command), 100, HOUR, "5m",
      .help = "reply to EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA" },
    { "data", &type_duration, TIMEOUT(data), 100, HOUR, "5m",
      .help = "the other side takes no more of the message" },
    { "final", &type_duration, TIMEOUT(final), 100, HOUR, "10m",
      .help = "reply to the end of the message" },
};
static const struct conf_section timeouts_section = {
    "delivery.timeouts", "How long the other side may take (RFC 5321 section 4.5.3.2).",
    sizeof(struct conf_timeouts), TABLE(timeout_keys)
};

#define DELIVERY(field) offsetof(struct conf_delivery, field)
static const struct conf_key delivery_keys[] = {
    { "port", &type_uint, DELIVERY(port), 1, 65535, "25",
      .help = "of MX hosts, and of route hosts without one" },
    { "tls", &type_enum, DELIVERY(tls), .value = "opportunistic", .more = conf_tls_out_names,
      .help = "none; opportunistic: when offered; required; verify: required, with a valid "
              "certificate for the host. Routes may say otherwise" },
    { "ca_file", &type_file, DELIVERY(ca_file), .value = "/etc/ssl/certs/ca-certificates.crt",
      .help = "PEM: whom tls: verify trusts" },
    { "timeouts", &type_section, DELIVERY(timeouts), .more = &timeouts_section,
      .help = "how long the other side may take" },
    { "connections", &type_uint, DELIVERY(connections), 1, 100000, "20",
      .help =
          "connections at a time to one site, some of them kept for urgent mail; `traffic` may say "
          "less or more" },
    { "connections_total", &type_uint, DELIVERY(connections_total), 1, 1000000, "5000",
      .help = "outgoing connections at a time to all sites, shared out among the workers (one each "
              "at least); some are kept for urgent and high mail, as of those to one site" },
    { "messages_per_connection", &type_uint, DELIVERY(messages_per_connection), 1, 1000000, "100",
      .help = "then the session ends; `traffic` may say less or more" },
    { "recipients_per_message", &type_uint, DELIVERY(recipients_per_message), 1, 10000, "100",
      .help = "RCPT of one transaction" },
    { "idle", &type_duration, DELIVERY(idle), 0, HOUR, "10s",
      .help = "how long a session waits for the next message" },
    { "session_time", &type_duration, DELIVERY(session_time), SECOND, DAY, "5m",
      .help = "a session this old ends after the message under way" },
};
static const struct conf_section delivery_section = { "delivery", "How mail goes out.",
                                                      sizeof(struct conf_delivery),
                                                      TABLE(delivery_keys) };

static const struct conf_key log_keys[] = {
    { "level", &type_level, offsetof(struct conf_log, level), .value = "info",
      .help = "of the daemon's log on stderr: debug info warning error" },
    { "deliveries", &type_path_or_none, offsetof(struct conf_log, deliveries),
      .help = "the delivery log, JSON lines; \"\": none. Default: `deliveries.jsonl` in the state "
              "folder" },
};
static const struct conf_section log_section = { "log", "What is written down.",
                                                 sizeof(struct conf_log), TABLE(log_keys) };

#define ROOT(field) offsetof(struct conf, field)
static const struct conf_key root_keys[] = {
    { "hostname", &type_hostname, ROOT(hostname), .flags = KEY_REQUIRED,
      .help = "our name in the greeting, EHLO and Received" },
    { "state", &type_path, ROOT(state), .value = "/var/lib/waypost",
      .help = "folder of the spool, sockets, history" },
    { "user", &type_name, ROOT(user), .value = "waypost",
      .help =
          "system user of the unprivileged processes when started by root; `nobody` when there is "
          "no user waypost" },
    { "workers", &type_workers, ROOT(workers), 1, CONF_WORKERS_MAX, "auto",
      .help = "threads of the mail path; auto: one per core" },
    { "tls", &type_section, 0, .more = &section_tls, .help = "our certificate" },
    { "users", &type_path, ROOT(users_path), .help = "file of users that may relay after AUTH" },
    { "listen", &type_sections, ROOT(listen), .more = &section_listener,
      .flags = KEY_REQUIRED | KEY_NONZERO, .help = "where mail comes in" },
    { "clients", &type_sections, ROOT(clients), .more = &section_client,
      .help = "who may relay without AUTH" },
    { "limits", &type_section, ROOT(limits), .more = &section_limits,
      .help = "what clients may use" },
    { "spool", &type_section, ROOT(spool), .more = &spool_section, .help = "where mail is kept" },
    { "dns", &type_section, ROOT(dns), .more = &dns_section, .help = "how names are looked up" },
    { "delivery", &type_section, ROOT(delivery), .more = &delivery_section,
      .help = "how mail goes out" },
    { "egress", &type_sections, ROOT(egress), .more = &section_egress, .flags = KEY_NONZERO,
      .help = "ways out, at most 256; without: one, the system's own choice of address" },
    { "policies", &type_path, ROOT(policies_path), .help = "file of rules; without: any egress" },
    { "log", &type_section, ROOT(log), .more = &log_section, .help = "what is written down" },
    { "geo", &type_section, ROOT(geo), .more = &section_geo,
      .help = "carriers and regions of addresses" },
    { "probes", &type_section, ROOT(probes), .more = &section_probes,
      .help = "measuring of paths" },
    { "reputation", &type_section, ROOT(reputation), .more = &section_reputation,
      .help = "watching of our addresses" },
    { "report", &type_section, ROOT(report), .more = &section_report,
      .help = "web page and metrics" },
};
const struct conf_section section_root = { "waypost.yaml", "The main file.", sizeof(struct conf),
                                           TABLE(root_keys) };
