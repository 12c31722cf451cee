/*
 * conf/tables_rules — the keys of policies.yaml
 */
#include <stdio.h>
#include <string.h>

#include "gateway/conf/schema.h"

const char *const lane_names[LANE_COUNT + 1] = { "urgent", "high", "normal", "bulk", NULL };
const char *const reply_class_names[REPLY_CLASSES + 1] = {
    "none",     "ip-blocked", "ip-throttled", "domain-blocked", "content", "mailbox",
    "greylist", "auth",       "tls",          "temp",           NULL
};
static const char *const late_names[] = { "return", "notify", NULL };
static const char *const fallback_names[] = { "none", "any", NULL };

enum { SECOND = 1000, HOUR = 3600 * SECOND };
#define DAY (24ull * HOUR)

static const struct conf_key priority_keys[] = {
    { "when", &type_when, offsetof(struct conf_priority, when),
      .help = "which mail; without: all" },
    { "priority", &type_enum, offsetof(struct conf_priority, lane), .flags = KEY_REQUIRED,
      .more = lane_names, .help = "the lane it goes in" },
    { "deliver_by", &type_duration, offsetof(struct conf_priority, deliver_by), SECOND, 365 * DAY,
      .help = "deadline, from when it may leave; one that the client asks for (BY) wins. Next hops "
              "are told when they know DELIVERBY" },
    { "late", &type_enum, offsetof(struct conf_priority, late), .value = "return",
      .more = late_names,
      .help = "past the deadline; return: the mail goes back to its sender; notify: the sender is "
              "told, and it is tried on" },
    { "hold_for", &type_duration, offsetof(struct conf_priority, hold_for), SECOND, 365 * DAY,
      .help = "it may leave no sooner; what the client asks for (HOLDFOR, HOLDUNTIL) wins" },
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

/* "*" holds whatever the fact; but a header must be there (policies/when_compile). */
static bool is_always(const struct conf_term *term)
{
    bool any = false;
    for (size_t i = 0; term->key != WHEN_HEADER && i < term->patterns.n; i++)
        any = any || slice_eq_str(term->patterns.at[i].text, "*");
    return any;
}

/* A limit is one of connections and of what goes over them; one mail's own facts come too late. */
static void warn_of_mail(struct conf_reader *r, const struct conf_when *when)
{
    static const unsigned known = 1u << WHEN_MX | 1u << WHEN_SITE | 1u << WHEN_PROVIDER |
                                  1u << WHEN_RECIPIENT | 1u << WHEN_RECIPIENT_DOMAIN |
                                  1u << WHEN_CARRIER | 1u << WHEN_REGION | 1u << WHEN_EGRESS;
    for (size_t i = 0; i < when->terms.n; i++) {
        const struct conf_term *term = &when->terms.at[i];
        if (!(known >> term->key & 1) && !is_always(term))
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

/* `where`: "retry" or "retry.urgent". */
static void check_times(struct conf_reader *r, struct conf_pos pos, const char *where,
                        const struct conf_retry *t)
{
    if (t->first > t->max)
        conf_error(r->errors, pos, "found %s.first longer than %s.max, expected at most as long",
                   where, where);
    if (t->max > t->expire)
        conf_error(r->errors, pos, "found %s.max longer than %s.expire, expected at most as long",
                   where, where);
    if (t->delay_notice >= t->expire)
        conf_warning(r->errors, pos,
                     "no delay notice is ever sent: %s.delay_notice is not before %s.expire", where,
                     where);
}

#define WAIT(field) offsetof(struct conf_retry, field)
#define RETRY_KEYS(base, value_of)                                                                 \
    { "first",                                                                                     \
      &type_duration,                                                                              \
      (base) + WAIT(first),                                                                        \
      SECOND,                                                                                      \
      DAY,                                                                                         \
      value_of("5m"),                                                                              \
      .help = "wait after the first deferral; doubles each time, +-20 %" },                        \
        { "max",    &type_duration, (base) + WAIT(max),    SECOND,                                 \
          30 * DAY, value_of("4h"), .help = "longest wait" },                                      \
        { "expire",                                                                                \
          &type_duration,                                                                          \
          (base) + WAIT(expire),                                                                   \
          SECOND,                                                                                  \
          365 * DAY,                                                                               \
          value_of("5d"),                                                                          \
          .help = "mail this old is returned to its sender" },                                     \
        { "delay_notice",                                                                          \
          &type_duration,                                                                          \
          (base) + WAIT(delay_notice),                                                             \
          0,                                                                                       \
          365 * DAY,                                                                               \
          value_of("4h"),                                                                          \
          .help = "the sender is told when mail is this late; 0: never" },                         \
        { "greylist",                                                                              \
          &type_duration,                                                                          \
          (base) + WAIT(greylist),                                                                 \
          SECOND,                                                                                  \
          DAY,                                                                                     \
          value_of("5m"),                                                                          \
          .help = "first wait when the other side asks for patience" },                            \
        { "dns",                                                                                   \
          &type_duration,                                                                          \
          (base) + WAIT(dns),                                                                      \
          SECOND,                                                                                  \
          DAY,                                                                                     \
          value_of("1m"),                                                                          \
          .help = "first wait when the name could not be looked up" },                             \
        { "throttled",                                                                             \
          &type_duration,                                                                          \
          (base) + WAIT(throttled),                                                                \
          SECOND,                                                                                  \
          DAY,                                                                                     \
          value_of("15m"),                                                                         \
          .help = "first wait when the other side says too much, too fast" },                      \
    {                                                                                              \
        "tls", &type_duration, (base) + WAIT(tls), SECOND, DAY, value_of("30m"),                   \
            .help = "first wait when required TLS fails"                                           \
    }
#define AS_IS(value) value
#define NO_VALUE(value) NULL

static const struct conf_key lane_retry_keys[] = { RETRY_KEYS(0, NO_VALUE) };
static const struct conf_section lane_retry_section = {
    "retry.urgent, retry.high, retry.normal, retry.bulk",
    "The same for mail of one lane. What is not given is as in `retry`, and no longer than the "
    "lane's own `expire`.",
    sizeof(struct conf_retry), TABLE(lane_retry_keys)
};

/* What the lane does not say comes from `all`, cut to fit what it does say. */
static void lane_times(struct conf_reader *r, const struct yaml_node *node, enum lane lane,
                       struct conf_retries *t)
{
    const struct conf_retry *given = &t->given[lane];
    struct conf_retry *is = &t->lane[lane];
    char where[32];
    *is = t->all;
    if (!node || node->kind != NODE_MAP)
        return;
    for (size_t i = 0; i < sizeof lane_retry_keys / sizeof lane_retry_keys[0]; i++) {
        size_t at = lane_retry_keys[i].at;
        if (yaml_get(node, lane_retry_keys[i].name))
            memcpy((char *)is + at, (const char *)given + at, sizeof(int64_t));
    }
    int64_t *const waits[] = { &is->max, &is->first,     &is->greylist,
                               &is->dns, &is->throttled, &is->tls };
    const int64_t said[] = { given->max, given->first,     given->greylist,
                             given->dns, given->throttled, given->tls };
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        int64_t most = i == 0 ? is->expire : is->max;
        if (!said[i] && *waits[i] > most)
            *waits[i] = most;
    }
    if (!yaml_get(node, "delay_notice") && is->delay_notice >= is->expire)
        is->delay_notice = 0;
    snprintf(where, sizeof where, "retry.%s", lane_names[lane]);
    check_times(r, node->pos, where, is);
}

static void check_retry(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    struct conf_retries *t = target;
    check_times(r, node->pos, "retry", &t->all);
    for (int lane = 0; lane < LANE_COUNT; lane++)
        lane_times(r, yaml_get(node, lane_names[lane]), (enum lane)lane, t);
}

#define RETRY(field) offsetof(struct conf_retries, field)
static const struct conf_key retry_keys[] = {
    RETRY_KEYS(RETRY(all), AS_IS),
    { "urgent", &type_section, RETRY(given[LANE_URGENT]), .more = &lane_retry_section,
      .flags = KEY_OPTIONAL, .help = "for lane urgent alone" },
    { "high", &type_section, RETRY(given[LANE_HIGH]), .more = &lane_retry_section,
      .flags = KEY_OPTIONAL, .help = "for lane high alone" },
    { "normal", &type_section, RETRY(given[LANE_NORMAL]), .more = &lane_retry_section,
      .flags = KEY_OPTIONAL, .help = "for lane normal alone" },
    { "bulk", &type_section, RETRY(given[LANE_BULK]), .more = &lane_retry_section,
      .flags = KEY_OPTIONAL, .help = "for lane bulk alone" },
};
static const struct conf_section retry_section = { "retry", "When deferred mail is tried again.",
                                                   sizeof(struct conf_retries), TABLE(retry_keys),
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
