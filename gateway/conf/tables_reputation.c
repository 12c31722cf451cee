/*
 * conf/tables_reputation — blocklists, feeds, who is told
 */
#include <string.h>

#include "gateway/conf/schema.h"
#include "gateway/conf/zones.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };
#define DAY (24ull * 60 * MINUTE)

static const struct conf_key code_keys[] = {
    { "points", &type_uint, offsetof(struct conf_code, points), 0, 1000, .help = "what it counts" },
};
static const struct conf_key code_label = { "answer", &type_addr,
                                            offsetof(struct conf_code, answer),
                                            .help = "the answer" };
static const struct conf_section codes_section = { "reputation.blocklists[].codes",
                                                   "What an answer of the list means in points.",
                                                   sizeof(struct conf_code),
                                                   TABLE(code_keys),
                                                   .label = &code_label,
                                                   .single = true };

static void check_codes(struct conf_reader *r, const struct yaml_node *codes,
                        const struct conf_blocklist *list)
{
    static const struct network answers = { { .family = ADDR_V4, .bytes = { 127 } }, 8 },
                                errors = { { .family = ADDR_V4, .bytes = { 127, 255, 255 } }, 24 };
    for (size_t i = 0; i < list->codes.n; i++) {
        const struct addr *answer = &list->codes.at[i].answer;
        if (answer->family == ADDR_NONE)
            continue;
        if (!network_contains(&answers, answer))
            conf_error(r->errors, codes->entries[i].key_pos,
                       "found \"%.60s\", expected an answer in 127.0.0.0/8",
                       codes->entries[i].key.p);
        else if (network_contains(&errors, answer))
            conf_error(r->errors, codes->entries[i].key_pos,
                       "found \"%.60s\", expected an answer that lists: with those in "
                       "127.255.255.0/24 a list says that it does not answer you",
                       codes->entries[i].key.p);
    }
}

/* As the pages of those who sell access write it: the domain is copied, the key forgotten. */
static bool is_placeholder(struct slice zone)
{
    static const char *const labels[] = { "key",     "yourkey", "your_key", "your-key", "dqs_key",
                                          "dqs-key", "apikey",  "api_key",  "api-key",  NULL };
    struct slice first, rest;
    slice_cut(zone, '.', &first, &rest);
    for (const char *const *label = labels; *label; label++)
        if (slice_ieq(first, slice_of(*label)))
            return true;
    return false;
}

/* What is known of the list stands in for what the configuration leaves out. */
static void check_blocklist(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    struct conf_blocklist *list = target;
    const struct yaml_node *zone = yaml_get(node, "zone"), *codes = yaml_get(node, "codes");
    check_codes(r, codes, list);
    if (!zone || !list->zone.n)
        return;
    if (is_placeholder(list->zone)) {
        conf_error(r->errors, zone->pos, "found \"%s\", expected your own key in front",
                   list->zone.p);
        return;
    }
    const char *why = zones_refusal(zones_builtin(), list->zone);
    const struct zone *known = zones_find(zones_builtin(), list->zone);
    if (why)
        conf_error(r->errors, zone->pos, "found \"%s\", expected a list of addresses: %s",
                   list->zone.p, why);
    else if (!known && !codes)
        conf_error(r->errors, zone->pos,
                   "\"%s\" is not among the lists known here: expected \"codes\" beside it, which "
                   "say what its answers mean",
                   list->zone.p);
    if (known && !yaml_get(node, "interval"))
        list->interval = known->interval_ms;
}

#define LIST(field) offsetof(struct conf_blocklist, field)
static const struct conf_key blocklist_keys[] = {
    { "zone", &type_hostname, LIST(zone), .flags = KEY_REQUIRED, .help = "the list's domain" },
    { "codes", &type_dict, LIST(codes), .more = &codes_section,
      .help = "answer: points; other answers count nothing; needed unless the list is well known" },
    { "interval", &type_duration, LIST(interval), 10 * SECOND, DAY, "5m",
      .help = "between two checks; a well-known list has its own" },
    { "resolvers", &type_dns_servers, LIST(resolvers), .flags = KEY_NONZERO,
      .help = "at most four; without: dns.servers" },
};
static const struct conf_section blocklist_section = { "reputation.blocklists[]",
                                                       "DNS blocklists to watch.",
                                                       sizeof(struct conf_blocklist),
                                                       TABLE(blocklist_keys),
                                                       .has_pos = true,
                                                       .check = check_blocklist };

static bool is_https(struct slice url)
{
    return slice_istarts_with(url, "https://") || slice_istarts_with(url, "http://");
}

static void check_feed(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    const struct conf_feed *feed = target;
    const struct yaml_node *file = yaml_get(node, "file"), *url = yaml_get(node, "url");
    if ((file != NULL) == (url != NULL))
        conf_error(r->errors, node->pos, "found %s of file and url, expected exactly one",
                   file ? "both" : "none");
    if (url && feed->url.n && !is_https(feed->url))
        read_expected(r, url, "a URL that begins with https:// or http://");
}

static const char *const format_names[] = { "netset", "drop-json", "rbldnsd", "list", NULL };

#define FEED(field) offsetof(struct conf_feed, field)
static const struct conf_key feed_keys[] = {
    { "file", &type_existing, FEED(file), .help = "read again when it changes" },
    { "url", &type_string, FEED(url), .help = "fetched every interval" },
    { "format", &type_enum, FEED(format), .flags = KEY_REQUIRED, .more = format_names,
      .help = "how it is written" },
    { "interval", &type_duration, FEED(interval), MINUTE, 30 * DAY, "1h",
      .help = "between two fetches" },
    { "points", &type_uint, FEED(points), 0, 1000, "100", .help = "what being in it means" },
};
static const struct conf_section feed_section = {
    "reputation.feeds[]",     "Lists of networks to watch.",
    sizeof(struct conf_feed), TABLE(feed_keys),
    .has_pos = true,          .check = check_feed
};

/* ---- notify ---- */

static bool is_mailbox(struct slice text)
{
    struct slice local, domain;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] == 127 || text.p[i] == '<' || text.p[i] == '>')
            return false;
    return slice_cut(text, '@', &local, &domain) && local.n && domain.n &&
           !memchr(domain.p, '@', domain.n);
}

static void check_notify(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    const struct conf_notify *notify = target;
    const struct yaml_node *webhook = yaml_get(node, "webhook"), *mail = yaml_get(node, "mail");
    if (webhook && notify->webhook.n && !is_https(notify->webhook))
        read_expected(r, webhook, "a URL that begins with https:// or http://");
    if (mail && notify->mail.n && !is_mailbox(notify->mail))
        read_expected(r, mail, "a mailbox such as postmaster@example.net");
    if (!webhook && !mail)
        conf_error(r->errors, node->pos, "found neither webhook nor mail, expected one or both");
}

static const struct conf_key notify_keys[] = {
    { "webhook", &type_string, offsetof(struct conf_notify, webhook), .flags = KEY_SECRET,
      .help = "a URL: JSON is posted to it" },
    { "mail", &type_string, offsetof(struct conf_notify, mail),
      .help = "a mailbox: mail leaves by an egress that still works" },
};
static const struct conf_section notify_section = {
    "reputation.notify",
    "Who is told what needs a person: at most once an hour of each thing, "
    "ten times an hour in all.",
    sizeof(struct conf_notify), TABLE(notify_keys), .check = check_notify
};

static const char *const resort_names[] = { "hold", "send", NULL };

static const struct conf_key reputation_keys[] = {
    { "blocklists", &type_sections, offsetof(struct conf_reputation, blocklists),
      .more = &blocklist_section, .help = "DNS blocklists to watch" },
    { "feeds", &type_sections, offsetof(struct conf_reputation, feeds), .more = &feed_section,
      .help = "lists of networks to watch" },
    { "last_resort", &type_enum, offsetof(struct conf_reputation, last_resort),
      .more = resort_names, .value = "hold",
      .help =
          "mail that no address of ours is fit to carry, or whose receiver blocks all that are: "
          "wait, or leave by the least bad" },
    { "min_active", &type_uint, offsetof(struct conf_reputation, min_active), 0, 1000, "1",
      .help = "addresses of a route that soft evidence never takes away; nor more than half" },
    { "acknowledge", &type_bool, offsetof(struct conf_reputation, acknowledge), .value = "false",
      .help = "an address leaves quarantine only after `waypost egress acknowledge`" },
    { "notify", &type_section, offsetof(struct conf_reputation, notify), .more = &notify_section,
      .flags = KEY_OPTIONAL, .help = "who is told what needs a person" },
};
const struct conf_section section_reputation = { "reputation", "Watching of our addresses.",
                                                 sizeof(struct conf_reputation),
                                                 TABLE(reputation_keys) };
