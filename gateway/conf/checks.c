/*
 * conf/checks — contradictions between sections, and defaults that depend on other keys
 */
#include <string.h>

#include "gateway/conf/schema.h"

static struct conf_pos pos_at(const struct conf_reader *r, const char *key)
{
    const struct yaml_node *node = yaml_get(r->root, key);
    return node ? node->pos : r->root->pos;
}

static void check_listeners(struct conf_reader *r)
{
    const struct conf *c = r->conf;
    if (c->listen.n > CONF_LISTENERS_MAX) {
        conf_error(r->errors, c->listen.at[CONF_LISTENERS_MAX].pos,
                   "found %zu addresses to listen on, expected at most %d", c->listen.n,
                   CONF_LISTENERS_MAX);
        return;
    }
    for (size_t i = 0; i < c->listen.n; i++) {
        const struct conf_listener *l = &c->listen.at[i];
        for (size_t k = 0; k < i; k++) {
            char text[ADDR_TEXT_MAX];
            if (l->address.family == ADDR_NONE || !addr_eq(&l->address, &c->listen.at[k].address))
                continue;
            conf_error(r->errors, l->pos,
                       "found %s a second time, expected it once (first at line %u)",
                       addr_text(&l->address, text), c->listen.at[k].pos.line);
            break;
        }
    }
}

static bool network_within(const struct network *inner, const struct network *outer)
{
    return inner->prefix >= outer->prefix && network_contains(outer, &inner->base);
}

/* An entry behind a wider one is never asked. */
static void check_client(struct conf_reader *r, size_t i)
{
    const struct conf_client *all = r->conf->clients.at, *client = &all[i];
    if (client->network.base.family == ADDR_NONE)
        return;
    for (size_t k = 0; k < i; k++) {
        if (all[k].network.base.family == ADDR_NONE ||
            !network_within(&client->network, &all[k].network))
            continue;
        if (client->network.prefix == all[k].network.prefix)
            conf_error(r->errors, client->pos,
                       "found the same network a second time, expected it once (first at line %u)",
                       all[k].pos.line);
        else
            conf_warning(r->errors, client->pos,
                         "this entry is never used: the wider network at line %u comes first",
                         all[k].pos.line);
        return;
    }
}

static void check_clients(struct conf_reader *r)
{
    const struct conf *c = r->conf;
    if (c->clients.n == 0 && c->users_path.n == 0)
        conf_error(r->errors, pos_at(r, "clients"),
                   "found neither clients nor users, expected one of them: nobody could send");
    for (size_t i = 0; i < c->clients.n; i++)
        check_client(r, i);
    for (size_t i = 0; i < c->clients.n; i++) {
        const struct conf_client *client = &c->clients.at[i];
        if (client->network.base.family != ADDR_NONE && client->network.prefix == 0 &&
            client->recipients.n == 0)
            conf_warning(r->errors, client->pos,
                         "anybody may send to anybody: this is an open relay");
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    int lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool parse_hex_key(struct slice s, uint8_t key[CONF_SPOOL_KEY_SIZE])
{
    while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    s = slice_trim(s);
    if (s.n != (size_t)2 * CONF_SPOOL_KEY_SIZE)
        return false;
    for (size_t i = 0; i < CONF_SPOOL_KEY_SIZE; i++) {
        int high = hex_value(s.p[2 * i]), low = hex_value(s.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void check_spool_key(struct conf_reader *r)
{
    struct conf_spool *s = &r->conf->spool;
    if (!s->key_file.data.p)
        return;
    s->sealed = true;
    if (s->key_file.data.n == CONF_SPOOL_KEY_SIZE)
        memcpy(s->key, s->key_file.data.p, CONF_SPOOL_KEY_SIZE);
    else if (!parse_hex_key(s->key_file.data, s->key))
        conf_error(r->errors, s->key_file.pos,
                   "found %zu bytes in \"%s\", expected 32 bytes or 64 hexadecimal digits",
                   s->key_file.data.n, s->key_file.path.p);
}

static struct slice in_state(struct conf_reader *r, const char *name)
{
    const char *state = r->conf->state.p ? r->conf->state.p : "";
    return slice_of(arena_printf(r->arena, "%s/%s", state, name));
}

static void check_tiers(struct conf_reader *r)
{
    struct conf_spool *s = &r->conf->spool;
    if (s->tiers.n == 0) {
        struct conf_tier *tier = list_alloc(r, &s->tiers, 1, sizeof *tier);
        *tier = (struct conf_tier){ .pos = r->root->pos, .path = in_state(r, "spool") };
        return;
    }
    for (size_t i = 0; i < s->tiers.n; i++) {
        const struct conf_tier *tier = &s->tiers.at[i];
        if (i + 1 < s->tiers.n && tier->size == 0)
            conf_error(r->errors, tier->pos,
                       "found no \"size\", expected one in all but the last tier");
        for (size_t k = 0; k < i; k++)
            if (tier->path.n && slice_eq(tier->path, s->tiers.at[k].path))
                conf_error(r->errors, tier->pos, "found \"%s\" a second time, expected it once",
                           tier->path.p);
    }
}

static void check_log(struct conf_reader *r)
{
    const struct yaml_node *log = yaml_get(r->root, "log");
    if (!log || !yaml_get(log, "deliveries"))
        r->conf->log.deliveries = in_state(r, "deliveries.jsonl");
}

static void check_egresses(struct conf_reader *r)
{
    struct conf *c = r->conf;
    if (c->egress.n == 0) {
        struct conf_egress *e = list_alloc(r, &c->egress, 1, sizeof *e);
        *e = (struct conf_egress){ .pos = r->root->pos,
                                   .name = slice_of("default"),
                                   .ehlo = c->hostname,
                                   .weight = 1,
                                   .usable = true };
    }
    for (size_t i = 0; i < c->egress.n; i++) {
        const struct conf_egress *e = &c->egress.at[i];
        for (size_t k = 0; e->name.n && k < i; k++)
            if (slice_eq(e->name, c->egress.at[k].name))
                conf_error(r->errors, e->pos,
                           "found egress \"%s\" a second time, expected it once (first at line %u)",
                           e->name.p, c->egress.at[k].pos.line);
    }
    if (c->egress.n > CONF_EGRESSES_MAX)
        conf_error(r->errors, pos_at(r, "egress"), "found %zu egresses, expected at most %d",
                   c->egress.n, CONF_EGRESSES_MAX);
}

static bool matches_all(const struct conf_route *route)
{
    return route->when.terms.n == 0 && !route->when.negated;
}

static bool route_named(const struct conf_rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->routes.n; i++)
        if (slice_eq_str(rules->routes.at[i].name, name))
            return true;
    return false;
}

/* One route: any egress. Added when mail could otherwise match none. */
static void add_default_route(struct conf_reader *r)
{
    struct conf_rules *rules = &r->conf->rules;
    size_t n = rules->routes.n;
    if (n > 0 && matches_all(&rules->routes.at[n - 1]))
        return;
    const struct conf_route *old = rules->routes.at;
    const char *name = route_named(rules, "default") ? "default-route" : "default";
    struct conf_route *routes = list_alloc(r, &rules->routes, n + 1, sizeof *routes);
    if (n > 0)
        memcpy(routes, old, n * sizeof *routes);
    struct conf_text *any = arena_alloc(r->arena, sizeof *any);
    any->text = slice_of("*");
    any->pos = r->root->pos;
    routes[n] = (struct conf_route){ .pos = r->root->pos,
                                     .name = slice_of(name),
                                     .tls = r->conf->delivery.tls,
                                     .egress = { any, 1 } };
}

static void check_routes(struct conf_reader *r)
{
    const struct conf_rules *rules = &r->conf->rules;
    const struct conf_route *last = NULL; /* the one that matches all */
    for (size_t i = 0; i < rules->routes.n; i++) {
        const struct conf_route *route = &rules->routes.at[i];
        if (last)
            conf_warning(r->errors, route->pos,
                         "this route is never used: \"%s\" at line %u matches all mail",
                         last->name.n ? last->name.p : "", last->pos.line);
        else if (matches_all(route))
            last = route;
        for (size_t k = 0; route->name.n && k < i; k++)
            if (slice_eq(route->name, rules->routes.at[k].name))
                conf_error(r->errors, route->pos,
                           "found route \"%s\" a second time, expected it once (first at line %u)",
                           route->name.p, rules->routes.at[k].pos.line);
    }
}

/* The names of header terms met so far: what the header of a message is searched for. */
struct header_names {
    struct slice at[CONF_HEADERS_MAX];
    size_t n;
    bool told;
};

static void take_header(struct conf_reader *r, struct header_names *names,
                        const struct conf_term *term)
{
    for (size_t i = 0; i < names->n; i++)
        if (slice_ieq(names->at[i], term->header))
            return;
    if (names->n < CONF_HEADERS_MAX) {
        names->at[names->n++] = term->header;
        return;
    }
    if (!names->told)
        conf_error(r->errors, term->pos,
                   "found one more header name, expected at most %d different ones in all rules",
                   CONF_HEADERS_MAX);
    names->told = true;
}

static void take_headers(struct conf_reader *r, struct header_names *names,
                         const struct conf_when *when)
{
    for (; when; when = when->negated)
        for (size_t i = 0; i < when->terms.n; i++)
            if (when->terms.at[i].key == WHEN_HEADER)
                take_header(r, names, &when->terms.at[i]);
}

static void check_headers(struct conf_reader *r)
{
    const struct conf_rules *rules = &r->conf->rules;
    struct header_names names = { .n = 0 };
    for (size_t i = 0; i < rules->priorities.n; i++)
        take_headers(r, &names, &rules->priorities.at[i].when);
    for (size_t i = 0; i < rules->routes.n; i++)
        take_headers(r, &names, &rules->routes.at[i].when);
}

static void check_trust(struct conf_reader *r)
{
    const struct conf *c = r->conf;
    if (c->delivery.ca_file.data.n > 0)
        return;
    bool verifies = c->delivery.tls == CONF_TLS_VERIFY;
    for (size_t i = 0; i < c->rules.routes.n; i++)
        verifies = verifies || c->rules.routes.at[i].tls == CONF_TLS_VERIFY;
    for (size_t i = 0; i < c->egress.n; i++)
        verifies = verifies || c->egress.at[i].via.tls == CONF_TLS_VERIFY;
    if (verifies)
        conf_error(
            r->errors, pos_at(r, "delivery"),
            "found tls: verify and nothing in delivery.ca_file (\"%s\"), expected certificates "
            "to trust",
            c->delivery.ca_file.path.n ? c->delivery.ca_file.path.p : "");
}

static void check_limits(struct conf_reader *r)
{
    const struct conf_limits *l = &r->conf->limits;
    if (l->connections && l->connections_per_client > l->connections)
        conf_warning(
            r->errors, pos_at(r, "limits"),
            "one client may take all connections: connections_per_client is above connections");
}

static void check_lists(struct conf_reader *r)
{
    const struct conf_reputation *c = &r->conf->reputation;
    for (size_t i = 0; i < c->blocklists.n; i++)
        for (size_t k = 0; c->blocklists.at[i].zone.n && k < i; k++)
            if (slice_ieq(c->blocklists.at[i].zone, c->blocklists.at[k].zone))
                conf_error(r->errors, c->blocklists.at[i].pos,
                           "found \"%s\" a second time, expected it once (first at line %u)",
                           c->blocklists.at[i].zone.p, c->blocklists.at[k].pos.line);
    for (size_t i = 0; i < c->feeds.n; i++) {
        const struct conf_feed *f = &c->feeds.at[i];
        for (size_t k = 0; (f->file.n || f->url.n) && k < i; k++)
            if (slice_eq(f->file, c->feeds.at[k].file) && slice_eq(f->url, c->feeds.at[k].url))
                conf_error(r->errors, f->pos,
                           "found the same feed a second time, expected it once (first at line %u)",
                           c->feeds.at[k].pos.line);
    }
}

static void check_min_active(struct conf_reader *r)
{
    const struct yaml_node *reputation = yaml_get(r->root, "reputation");
    const struct yaml_node *least = reputation ? yaml_get(reputation, "min_active") : NULL;
    size_t addresses = 0;
    for (size_t i = 0; i < r->conf->egress.n; i++)
        addresses += r->conf->egress.at[i].addresses.n ? r->conf->egress.at[i].addresses.n : 1;
    if (least && r->conf->reputation.min_active > addresses)
        conf_error(r->errors, least->pos,
                   "found %llu, expected at most %zu, as many as there are addresses",
                   (unsigned long long)r->conf->reputation.min_active, addresses);
}

void checks_run(struct conf_reader *r)
{
    check_listeners(r);
    check_clients(r);
    check_spool_key(r);
    check_tiers(r);
    check_log(r);
    check_egresses(r);
    check_routes(r);
    add_default_route(r);
    check_headers(r);
    check_trust(r);
    check_limits(r);
    check_lists(r);
    check_min_active(r);
}
