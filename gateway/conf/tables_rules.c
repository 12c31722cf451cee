/*
 * conf/tables_rules — the keys of policies.yaml
 */
#include "gateway/conf/schema.h"

const char *const lane_names[LANE_COUNT + 1] = { "urgent", "high", "normal", "bulk", NULL };
const char *const reply_class_names[REPLY_CLASSES + 1] = {
    "none",     "ip-blocked", "ip-throttled", "domain-blocked", "content", "mailbox",
    "greylist", "auth",       "tls",          "temp",           NULL
};
static const char *const fallback_names[] = { "none", "any", NULL };

enum { SECOND = 1000, HOUR = 3600 * SECOND };
#define DAY (24ull * HOUR)

static const struct conf_key priority_keys[] = {
    { "when", &type_when, offsetof(struct conf_priority, when),
      .help = "which mail; without: all" },
    { "priority", &type_enum, offsetof(struct conf_priority, lane), .flags = KEY_REQUIRED,
      .more = lane_names, .help = "the lane it goes in" },
};
static const struct conf_section priority_section = { "priorities[]", "The first match wins.",
                                                      sizeof(struct conf_priority),
                                                      TABLE(priority_keys), .has_pos = true };

static void check_route(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    struct conf_route *route = target;
    if (!yaml_get(node, "tls"))
        route->tls = r->conf->delivery.tls;
    check_login(r, node, &route->user, &route->password_file, &route->password);
    if (route->user.n > 0 && route->hosts.n == 0)
        conf_error(r->errors, node->pos,
                   "found user without hosts, expected the hosts to log in to");
    else if (route->user.n > 0 && route->tls < CONF_TLS_REQUIRED)
        conf_warning(r->errors, node->pos,
                     "route \"%s\" may send its password in the clear: tls is %s",
                     route->name.n ? route->name.p : "", conf_tls_out_names[route->tls]);
}

#define ROUTE(field) offsetof(struct conf_route, field)
static const struct conf_key route_keys[] = {
    { "name", &type_name, ROUTE(name), .flags = KEY_REQUIRED, .help = "for logs and reports" },
    { "when", &type_when, ROUTE(when), .help = "which mail; without: all" },
    { "hosts", &type_hosts, ROUTE(hosts), .flags = KEY_NONZERO,
      .help = "next hops in this order; without: the MX of the recipient's domain" },
    { "tls", &type_enum, ROUTE(tls), .more = conf_tls_out_names, .help = "without: delivery.tls" },
    { "user", &type_string, ROUTE(user), .help = "login at the hosts" },
    { "password_file", &type_file, ROUTE(password_file), .flags = KEY_SECRET,
      .help = "its password is the first line" },
    { "egress", &type_patterns, ROUTE(egress), .value = "*", .flags = KEY_NONZERO,
      .help = "names of egresses, or patterns of them" },
    { "fallback", &type_enum, ROUTE(fallback), .value = "none", .more = fallback_names,
      .help = "any: when none of `egress` is usable, take another; none: wait" },
};
static const struct conf_section route_section = {
    "routes[]",        "The first match wins.", sizeof(struct conf_route),
    TABLE(route_keys), .has_pos = true,         .check = check_route
};

/* A limit is one of connections and of what goes over them; one mail's own facts come too late. */
static void warn_of_mail(struct conf_reader *r, const struct conf_when *when)
{
    static const unsigned known = 1u << WHEN_MX | 1u << WHEN_SITE | 1u << WHEN_PROVIDER |
                                  1u << WHEN_RECIPIENT | 1u << WHEN_RECIPIENT_DOMAIN |
                                  1u << WHEN_CARRIER | 1u << WHEN_REGION | 1u << WHEN_EGRESS;
    for (size_t i = 0; i < when->terms.n; i++) {
        const struct conf_term *term = &when->terms.at[i];
        if (!(known >> term->key & 1))
            conf_warning(r->errors, term->pos,
                         "this traffic rule never applies: limits know mx, site, provider, "
                         "recipient_domain, recipient_carrier, recipient_region and egress, not %s",
                         when_key_names[term->key]);
    }
    if (when->negated)
        warn_of_mail(r, when->negated);
}

static void check_traffic(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    const struct conf_traffic *t = target;
    if (!t->connections && !t->messages_per_connection && !t->recipients_per_message &&
        !t->rate.count && !t->connection_rate.count && !t->recipient_rate.count &&
        !t->byte_rate.count)
        conf_warning(r->errors, node->pos, "this traffic rule limits nothing");
    warn_of_mail(r, &t->when);
}

#define TRAFFIC(field) offsetof(struct conf_traffic, field)
static const struct conf_key traffic_keys[] = {
    { "when", &type_when, TRAFFIC(when), .more = "egress",
      .help = "also `provider` and `egress`: what is limited, each by itself; without: each site" },
    { "connections", &type_uint, TRAFFIC(connections), 1, 100000, .help = "connections at a time" },
    { "connection_rate", &type_rate, TRAFFIC(connection_rate), .help = "connections opened" },
    { "messages_per_connection", &type_uint, TRAFFIC(messages_per_connection), 1, 1000000,
      .help = "then the session ends" },
    { "recipients_per_message", &type_uint, TRAFFIC(recipients_per_message), 1, 10000,
      .help = "RCPT of one transaction" },
    { "rate", &type_rate, TRAFFIC(rate), .help = "messages" },
    { "recipient_rate", &type_rate, TRAFFIC(recipient_rate), .help = "recipients" },
    { "byte_rate", &type_byte_rate, TRAFFIC(byte_rate), .help = "bytes of messages: 10MiB/s" },
};
static const struct conf_section traffic_section = {
    "traffic[]",
    "All that match apply; the strictest number wins. A limit is that of each site; where `when` "
    "names provider, carrier, region or egress, of each of those, over all sites and workers "
    "together ([SCHEDULER.md](SCHEDULER.md)).",
    sizeof(struct conf_traffic),
    TABLE(traffic_keys),
    .has_pos = true,
    .check = check_traffic
};

static void check_retry(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    const struct conf_retry *t = target;
    if (t->first > t->max)
        conf_error(r->errors, node->pos,
                   "found retry.first longer than retry.max, expected at most "
                   "as long");
    if (t->max > t->expire)
        conf_error(r->errors, node->pos,
                   "found retry.max longer than retry.expire, expected at most "
                   "as long");
    if (t->delay_notice >= t->expire)
        conf_warning(r->errors, node->pos,
                     "no delay notice is ever sent: retry.delay_notice is not before retry.expire");
}

#define RETRY(field) offsetof(struct conf_retry, field)
static const struct conf_key retry_keys[] = {
    { "first", &type_duration, RETRY(first), SECOND, DAY, "5m",
      .help = "wait after the first deferral; doubles each time, +-20 %" },
    { "max", &type_duration, RETRY(max), SECOND, 30 * DAY, "4h", .help = "longest wait" },
    { "expire", &type_duration, RETRY(expire), SECOND, 365 * DAY, "5d",
      .help = "mail this old is returned to its sender" },
    { "delay_notice", &type_duration, RETRY(delay_notice), 0, 365 * DAY, "4h",
      .help = "the sender is told when mail is this late; 0: never" },
    { "greylist", &type_duration, RETRY(greylist), SECOND, DAY, "5m",
      .help = "first wait when the other side asks for patience" },
    { "dns", &type_duration, RETRY(dns), SECOND, DAY, "1m",
      .help = "first wait when the name could not be looked up" },
    { "throttled", &type_duration, RETRY(throttled), SECOND, DAY, "15m",
      .help = "first wait when the other side says too much, too fast" },
    { "tls", &type_duration, RETRY(tls), SECOND, DAY, "30m",
      .help = "first wait when required TLS fails" },
};
static const struct conf_section retry_section = { "retry", "When deferred mail is tried again.",
                                                   sizeof(struct conf_retry), TABLE(retry_keys),
                                                   .check = check_retry };

static const struct conf_key reply_keys[] = {
    { "when", &type_when, offsetof(struct conf_reply_rule, when), .flags = KEY_REQUIRED,
      .more = "text",
      .help = "also `text`: the remote reply, its lines joined by a blank, without codes" },
    { "class", &type_enum, offsetof(struct conf_reply_rule, class), .flags = KEY_REQUIRED,
      .more = reply_class_names, .help = "what the reply means" },
};
static const struct conf_section reply_section = {
    "replies[]", "The first match wins, before the shipped rules.", sizeof(struct conf_reply_rule),
    TABLE(reply_keys), .has_pos = true
};

#define RULES(field) offsetof(struct conf_rules, field)
static const struct conf_key rules_keys[] = {
    { "priorities", &type_sections, RULES(priorities), .more = &priority_section,
      .help = "which lane mail goes in: urgent, high, normal, bulk" },
    { "routes", &type_sections, RULES(routes), .more = &route_section,
      .help = "where mail goes and by which egress" },
    { "traffic", &type_sections, RULES(traffic), .more = &traffic_section,
      .help = "limits towards sites, providers, carriers and regions, and of egresses" },
    { "retry", &type_section, RULES(retry), .more = &retry_section,
      .help = "when deferred mail is tried again" },
    { "replies", &type_sections, RULES(replies), .more = &reply_section,
      .help = "what remote replies mean" },
};
const struct conf_section section_policies = { "policies.yaml",
                                               "Rules; edited often, applied by `waypost reload`.",
                                               sizeof(struct conf_rules), TABLE(rules_keys) };
