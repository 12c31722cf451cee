#include "gateway/daemon/control_lists_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/cursor.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/feed_read.h"
#include "gateway/dns/channel.h"

enum { PER_SECOND = 100 }; /* questions to all resolvers together */

static const struct conf *conf_of(const struct control_lists *c)
{
    return policies_conf(c->policies);
}

/* ---- what comes out ---- */

static void log_listing(const struct listing *l, struct slice egress, enum log_level level)
{
    char address[ADDR_TEXT_MAX], source[256], name[128];
    snprintf(source, sizeof source, "%.*s", SLICE_FMT(l->source));
    snprintf(name, sizeof name, "%.*s", SLICE_FMT(egress));
    if (!log_enabled(level))
        return;
    log_write(level, NULL, "listing", "source", source, "address",
              addr_host_text(&l->address, address), "egress", name, "state",
              listing_state_names[l->state], "kind", zone_kind_names[l->kind], "points",
              LOG_INT(l->points), "what", l->what, "text", l->text, "link", l->link, NULL);
}

/* Of an egress whose addresses were learned, which is judged as one. */
struct comparison {
    const struct control_lists *lists;
    const struct conf_egress *egress;
    const struct listing *with;
    bool outweighed;
};

static void compare(void *arg, const struct listing *l)
{
    struct comparison *c = arg;
    const struct listing *with = c->with;
    if (l->state != LIST_LISTED || l->dead || !slice_eq(l->source, with->source) ||
        (with->state == LIST_LISTED && l->points <= with->points))
        return;
    for (size_t i = 0; i < c->lists->owned_n; i++) {
        const struct owned *o = &c->lists->owned[i];
        c->outweighed =
            c->outweighed || (o->egress == c->egress && addr_same_host(&o->address, &l->address));
    }
}

/* The list has another address of the same egress, and for more. */
static bool is_outweighed(const struct control_lists *c, const struct owned *o,
                          const struct listing *l)
{
    struct comparison comparison = { c, o->egress, l, false };
    if (o->learned && !l->dead) {
        dnsbl_each(run_dnsbl_core(c->dnsbl), compare, &comparison);
        run_feeds_each(c->feeds, compare, &comparison);
    }
    return comparison.outweighed;
}

static void on_listing(void *arg, const struct listing *l)
{
    struct control_lists *c = arg;
    enum log_level level = l->state == LIST_LISTED ? LOG_WARNING : LOG_INFO;
    if (l->state == LIST_CLEAR && l->was == LIST_UNKNOWN)
        level = LOG_DEBUG; /* nobody lists us, and nobody did */
    for (size_t i = 0; i < c->owned_n; i++) {
        const struct owned *o = &c->owned[i];
        if (!addr_same_host(&o->address, &l->address))
            continue;
        if (l->changed)
            log_listing(l, o->egress->name, level);
        if (c->hooks.listing)
            c->hooks.listing(c->hooks.arg, o->egress->name, l, !is_outweighed(c, o, l));
    }
}

static void on_fault(void *arg, struct slice source, enum list_fault fault, const char *text)
{
    const struct control_lists *c = arg;
    char name[256];
    snprintf(name, sizeof name, "%.*s", SLICE_FMT(source));
    if (fault != LIST_FINE)
        log_warning(NULL, "reputation_alarm", "source", name, "fault", list_fault_names[fault],
                    "text", text, NULL);
    else if (text[0])
        log_info(NULL, "reputation_fine", "source", name, "text", text, NULL);
    if (c->hooks.fault)
        c->hooks.fault(c->hooks.arg, source, fault, text);
}

static void log_hygiene(const struct owned *o, const struct hygiene *h)
{
    char address[ADDR_TEXT_MAX], egress[128];
    bool fine = h->reverse == HYGIENE_OK && h->ehlo == HYGIENE_OK;
    snprintf(egress, sizeof egress, "%.*s", SLICE_FMT(o->egress->name));
    log_write(fine ? LOG_INFO : LOG_WARNING, NULL, "hygiene", "address",
              addr_host_text(&h->address, address), "egress", egress, "reverse",
              hygiene_state_names[h->reverse], "ehlo", hygiene_state_names[h->ehlo], "name",
              h->name, "why", h->why, NULL);
}

static void on_hygiene(void *arg, size_t index, const struct hygiene *h)
{
    struct control_lists *c = arg;
    struct owned *o = &c->owned[index];
    if (o->checked_ms == 0 || o->hygiene.reverse != h->reverse || o->hygiene.ehlo != h->ehlo)
        log_hygiene(o, h);
    o->hygiene = *h;
    o->checked_ms = loop_now_ms(c->loop);
    if (c->hooks.hygiene)
        c->hooks.hygiene(c->hooks.arg, o->egress->name, h);
}

/* ---- configuration: our addresses ---- */

static void own(struct control_lists *c, const struct conf_egress *egress, struct addr address)
{
    address.port = 0;
    c->owned = mem_grow(c->owned, c->owned_n + 1, sizeof *c->owned);
    c->owned[c->owned_n++] = (struct owned){ .address = address, .egress = egress };
}

static void own_learned(struct control_lists *c, const struct conf_egress *e)
{
    struct addr address[LEARNED_EACH];
    size_t n = c->hooks.learned ? c->hooks.learned(c->hooks.arg, e->name, address) : 0;
    for (size_t k = 0; k < n; k++) {
        own(c, e, address[k]);
        c->owned[c->owned_n - 1].learned = true;
    }
}

static void collect_addresses(struct control_lists *c)
{
    const struct conf *conf = conf_of(c);
    c->owned_n = 0;
    for (size_t i = 0; i < conf->egress.n; i++) {
        const struct conf_egress *e = &conf->egress.at[i];
        size_t before = c->owned_n;
        for (size_t k = 0; k < e->addresses.n; k++)
            own(c, e, e->addresses.at[k]);
        if (e->via.source.family != ADDR_NONE)
            own(c, e, e->via.source);
        if (c->owned_n == before)
            own_learned(c, e);
        if (c->owned_n == before && (conf->reputation.blocklists.n || conf->reputation.feeds.n))
            log_info(NULL, "egress_not_watched", "egress", e->name.p, "reason",
                     "its address is not known yet: mail tells it, or address, or source in via",
                     NULL);
    }
}

/* Each once. The caller frees them. */
static struct addr *each_address(const struct control_lists *c, size_t *n_r)
{
    struct addr *all = mem_array(c->owned_n + 1, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < c->owned_n; i++) {
        size_t k = 0;
        while (k < n && !addr_same_host(&all[k], &c->owned[i].address))
            k++;
        if (k == n)
            all[n++] = c->owned[i].address;
    }
    *n_r = n;
    return all;
}

/* ---- configuration: lists ---- */

static uint32_t host_order(const struct addr *a)
{
    return (uint32_t)a->bytes[0] << 24 | (uint32_t)a->bytes[1] << 16 | (uint32_t)a->bytes[2] << 8 |
           a->bytes[3];
}

/* The operator's codes, with what is known of them; in place of all known ones. */
static struct zone_code *operator_codes(struct arena *arena, const struct conf_blocklist *b,
                                        const struct zone *known)
{
    struct zone_code *codes = arena_alloc(arena, (b->codes.n + 1) * sizeof *codes);
    for (size_t i = 0; i < b->codes.n; i++) {
        uint32_t answer = host_order(&b->codes.at[i].answer);
        unsigned points = (unsigned)b->codes.at[i].points;
        const struct zone_code *code =
            known ? zone_code_find(known->codes, known->code_n, answer) : NULL;
        codes[i] = (struct zone_code){ answer, answer, points, listing_kind_of(points),
                                       code ? code->text : "listed" };
        if (code && points)
            codes[i].kind = code->kind;
    }
    return codes;
}

static struct dnsbl_zone_conf zone_conf(struct arena *arena, const struct conf_blocklist *b,
                                        const struct addr *servers, size_t server_n)
{
    const struct zone *known = zones_find(zones_builtin(), b->zone);
    struct dnsbl_zone_conf z = { .zone = b->zone,
                                 .link = known ? known->link : "",
                                 .v4 = !known || known->v4,
                                 .v6 = !known || known->v6,
                                 .expires = known && known->expires,
                                 .interval_ms = b->interval,
                                 .resolvers = b->resolvers.n ? b->resolvers.at : servers,
                                 .resolver_n = b->resolvers.n ? b->resolvers.n : server_n };
    if (known) {
        z.codes = known->codes;
        z.code_n = known->code_n;
        z.errors = known->errors;
        z.error_n = known->error_n;
    }
    if (b->codes.n) {
        z.codes = operator_codes(arena, b, known);
        z.code_n = b->codes.n;
    }
    return z;
}

static void configure_lists(struct control_lists *c, const struct addr *addresses, size_t n)
{
    const struct conf *conf = conf_of(c);
    size_t zones = conf->reputation.blocklists.n, server_n = conf->dns.servers.n;
    struct addr system[DNSBL_RESOLVERS_MAX];
    const struct addr *servers = conf->dns.servers.at;
    struct arena *arena = arena_new(4096);
    struct dnsbl_zone_conf *made = arena_alloc(arena, (zones + 1) * sizeof *made);
    if (!server_n) {
        server_n = channel_system_servers(system, DNSBL_RESOLVERS_MAX);
        servers = system;
    }
    for (size_t i = 0; i < zones; i++)
        made[i] = zone_conf(arena, &conf->reputation.blocklists.at[i], servers, server_n);
    struct dnsbl_config config = { made, zones, addresses, n, PER_SECOND };
    run_dnsbl_configure(c->dnsbl, &config);
    arena_free(&arena);
}

static void configure_feeds(struct control_lists *c, const struct addr *addresses, size_t n)
{
    const struct conf *conf = conf_of(c);
    struct run_feeds_config config = { .feeds = conf->reputation.feeds.at,
                                       .feed_n = conf->reputation.feeds.n,
                                       .addresses = addresses,
                                       .address_n = n,
                                       .ca = conf->delivery.ca_file.data,
                                       .resolver = c->resolver,
                                       .fetcher = c->fetcher };
    run_feeds_configure(c->feeds, &config);
}

static void configure_hygiene(struct control_lists *c)
{
    struct hygiene_subject *subjects = mem_array(c->owned_n + 1, sizeof *subjects);
    for (size_t i = 0; i < c->owned_n; i++)
        subjects[i] = (struct hygiene_subject){ c->owned[i].address, c->owned[i].egress->ehlo,
                                                c->owned[i].egress->via.kind == CONF_VIA_RELAY };
    if (c->hygiene)
        run_hygiene_configure(c->hygiene, subjects, c->owned_n);
    free(subjects);
}

/* Like the relay's, they stay as they are until the next start. */
static void open_resolvers(struct control_lists *c)
{
    const struct conf *conf = conf_of(c);
    struct resolver_conf rc = resolver_defaults;
    struct err err;
    rc.servers = conf->dns.servers.at;
    rc.server_count = conf->dns.servers.n;
    rc.timeout_ms = conf->dns.timeout;
    rc.allow_loopback = true; /* a feed may be served by this very machine */
    if (resolver_new(c->loop, &rc, &c->resolver, &err) != RC_OK ||
        run_hygiene_new(c->loop, &rc, on_hygiene, c, &c->hygiene, &err) != RC_OK)
        log_error(NULL, "reputation_without_dns", "error", err.text, NULL);
}

void control_lists_renew(struct control_lists *c)
{
    size_t n;
    collect_addresses(c);
    struct addr *addresses = each_address(c, &n);
    configure_lists(c, addresses, n);
    configure_feeds(c, addresses, n);
    configure_hygiene(c);
    free(addresses);
}

void control_lists_configure(struct control_lists *c, struct policies *policies)
{
    struct policies *old = c->policies;
    c->policies = policies_ref(policies);
    if (!old)
        open_resolvers(c);
    control_lists_renew(c);
    if (old)
        policies_unref(&old);
}

/* ---- what comes in ---- */

void control_lists_feed(struct control_lists *c, struct slice message, int fd)
{
    struct cursor cur = cur_of(message.p, message.n);
    struct slice path = cur_slice16(&cur), why = cur_slice16(&cur);
    char *text = mem_strndup(why.p, why.n);
    struct buf content;
    struct err err;
    buf_init(&content, FEED_READ_MAX);
    if (fd < 0) {
        run_feeds_take(c->feeds, path, (struct slice){ NULL, 0 }, text);
    } else {
        enum rc rc = feed_read(fd, text[0], &content, &err);
        if (rc != RC_AGAIN) /* it changes: the supervisor sends it again, when it rests */
            run_feeds_take(c->feeds, path, buf_slice(&content), rc == RC_OK ? NULL : err.text);
        else if (text[0])
            run_feeds_take(c->feeds, path, (struct slice){ NULL, 0 }, text);
    }
    buf_free(&content);
    free(text);
}

static bool is_meant(const struct owned *o, const struct control_lists_subject *subject)
{
    return subject->address.family == ADDR_NONE ? slice_eq(o->egress->name, subject->egress)
                                                : addr_same_host(&o->address, &subject->address);
}

void control_lists_believed(struct control_lists *c, const struct control_lists_subject *subject,
                            struct slice source, bool many)
{
    for (size_t i = 0; i < c->owned_n; i++) {
        if (!is_meant(&c->owned[i], subject))
            continue;
        dnsbl_believed(run_dnsbl_core(c->dnsbl), source, &c->owned[i].address, many);
        run_feeds_believed(c->feeds, source, &c->owned[i].address, many);
    }
}

void control_lists_suspect(struct control_lists *c, const struct control_lists_subject *subject,
                           bool suspect)
{
    for (size_t i = 0; i < c->owned_n; i++)
        if (is_meant(&c->owned[i], subject))
            dnsbl_suspect(run_dnsbl_core(c->dnsbl), &c->owned[i].address, suspect,
                          loop_now_ms(c->loop));
}

/* ---- life ---- */

struct control_lists *control_lists_new(struct loop *loop, const struct control_lists_hooks *hooks)
{
    struct control_lists *c = mem_zero(sizeof *c);
    struct run_dnsbl_hooks of_lists = { on_listing, on_fault, c };
    struct run_feeds_hooks of_feeds = { on_listing, on_fault, c };
    c->loop = loop;
    c->hooks = *hooks;
    c->dnsbl = run_dnsbl_new(loop, &of_lists);
    c->feeds = run_feeds_new(loop, &of_feeds);
    c->fetcher = fetcher_new(loop);
    return c;
}

void control_lists_free(struct control_lists **lists)
{
    struct control_lists *c = *lists;
    if (!c)
        return;
    run_dnsbl_free(&c->dnsbl);
    run_feeds_free(&c->feeds);
    run_hygiene_free(&c->hygiene);
    fetcher_free(&c->fetcher);
    resolver_free(&c->resolver);
    if (c->policies)
        policies_unref(&c->policies);
    free(c->owned);
    free(c);
    *lists = NULL;
}
