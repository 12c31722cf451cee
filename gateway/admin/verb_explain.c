/*
 * admin/verb_explain — `waypost explain`: what would happen to this mail now, and by which rule
 *
 *   Priority and its rule, route and its rule, destination, the site's limits, and every egress
 *   with its weight and whether the route allows it. The MX set is shown when the worker asked has
 *   it in its cache; explaining sends nothing, not even a question to the DNS.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/relay_verbs.h"
#include "gateway/base/json.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"
#include "gateway/mail/domain.h"
#include "policies/client.h"
#include "policies/priority.h"
#include "policies/route.h"
#include "policies/traffic.h"

enum { HEADERS_MAX = 16 };

struct explain {
    struct relay_view *view;
    struct call *call;
    struct policies *policies; /* a reference: a reload may come in between */
    struct arena *arena;
    struct facts facts;
    struct fact_header headers[HEADERS_MAX];
    const struct conf_client *client;
    const struct conf_user *user;
    const struct conf_route *route;
    struct slice domain; /* as looked up in the DNS */
};

/* ---- the question ---- */

static struct slice keep(struct explain *x, const char *text)
{
    struct slice s = slice_of(text);
    return (struct slice){ arena_strndup(x->arena, s.p ? s.p : "", s.n), s.n };
}

static enum rc read_client(struct explain *x, const struct request *r, struct err *err)
{
    const char *text = request_get(r, "client");
    const char *user = request_get(r, "user");
    x->facts.known |= FACT_BIT(WHEN_CLIENT) | FACT_BIT(WHEN_USER);
    if (text && addr_parse(slice_of(text), &x->facts.client_addr) != RC_OK)
        return err_set(err, RC_PARSE, "--client %.60s is no address", text);
    if (text)
        x->client = policies_client(x->policies, &x->facts.client_addr);
    if (x->client)
        x->facts.client = x->client->name;
    if (!user)
        return RC_OK;
    x->facts.user = keep(x, user);
    x->user = conf_user_find(policies_conf(x->policies), x->facts.user);
    return x->user ? RC_OK : err_set(err, RC_NOT_FOUND, "there is no user \"%.60s\"", user);
}

static enum rc read_headers(struct explain *x, const struct request *r, struct err *err)
{
    x->facts.headers = x->headers;
    x->facts.known |= FACT_BIT(WHEN_HEADER);
    for (size_t i = 0; i < r->field_count; i++) {
        struct slice name, value;
        if (strcmp(r->fields[i].name, "header") != 0)
            continue;
        if (!slice_cut(keep(x, r->fields[i].value), ':', &name, &value) ||
            x->facts.header_count == HEADERS_MAX)
            return err_set(err, RC_PARSE, "--header is written 'Name: value', at most %d of them",
                           HEADERS_MAX);
        x->headers[x->facts.header_count++] =
            (struct fact_header){ slice_trim(name), slice_trim(value) };
    }
    return RC_OK;
}

static enum rc read_mail(struct explain *x, const struct request *r, struct err *err)
{
    const char *from = request_get(r, "from"), *to = request_get(r, "to");
    const char *size = request_get(r, "size");
    if (!to)
        return err_set(err, RC_PARSE, "--to ADDRESS is needed");
    if (!strchr(to, '@'))
        return err_set(err, RC_PARSE, "--to %.100s is no address", to);
    if (from && from[0] && !strchr(from, '@'))
        return err_set(err, RC_PARSE, "--from %.100s is no address", from);
    facts_set_sender(&x->facts, keep(x, from ? from : ""));
    facts_set_recipient(&x->facts, keep(x, to));
    struct domain domain;
    if (domain_to_ascii(x->facts.recipient_domain, &domain) != RC_OK)
        return err_set(err, RC_PARSE, "--to %.100s has no valid domain", to);
    x->domain = x->facts.recipient_domain = keep(x, domain.text);
    if (size && units_size(slice_of(size), &x->facts.size) != RC_OK)
        return err_set(err, RC_PARSE, "--size %.40s is no size", size);
    x->facts.known |= FACT_BIT(WHEN_SIZE) | FACT_BIT(WHEN_TIME);
    x->facts.wall_ms = loop_wall_ms(x->view->loop);
    return RC_OK;
}

/* ---- the answer ---- */

static void put_pos(struct buf *json, const char *key, const struct conf_pos *pos)
{
    json_key(json, key);
    buf_putc(json, '"');
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, "%s:%u", pos->file ? pos->file : "", pos->line);
    for (size_t i = 0; i < buf_len(&text); i++) { /* a path: quote what JSON wants quoted */
        char c = buf_slice(&text).p[i];
        if (c == '"' || c == '\\')
            buf_putc(json, '\\');
        buf_putc(json, c >= 0 && c < ' ' ? '?' : c);
    }
    buf_free(&text);
    buf_putc(json, '"');
}

static void put_permission(const struct explain *x, struct buf *json)
{
    bool relay = x->user != NULL;
    if (x->client)
        relay = relay || policies_client_may_send_to(x->policies, x->client, x->facts.recipient);
    if (x->client)
        put_pos(json, "client_rule", &x->client->pos);
    if (x->user)
        relay = relay && policies_user_may_send_as(x->policies, x->user, x->facts.sender);
    if (x->user || x->facts.client_addr.family != ADDR_NONE)
        json_bool(json, "may_relay", relay);
}

static void put_priority(struct explain *x, struct buf *json)
{
    static const char *const sources[] = { "default", "sender", "rule" };
    struct mt_priority mt = { 0 };
    struct lane_choice choice = policies_lane(x->policies, &x->facts, mt);
    json_cstr(json, "priority", lane_names[choice.lane]);
    json_cstr(json, "priority_by", sources[choice.source]);
    if (choice.source == LANE_BY_RULE)
        put_pos(json, "priority_rule", &choice.rule->pos);
    x->facts.lane = choice.lane;
    x->facts.known |= FACT_BIT(WHEN_PRIORITY);
}

/* "host:port": where the mail goes, whether or not the route names the port. */
static void put_host(const struct explain *x, const struct conf_host *host, struct buf *json)
{
    uint64_t port = host->port ? host->port : policies_conf(x->policies)->delivery.port;
    bool v6 = host->is_addr && host->addr.family == ADDR_V6;
    char *text = arena_printf(x->arena, "%s%.*s%s:%" PRIu64, v6 ? "[" : "", SLICE_FMT(host->host),
                              v6 ? "]" : "", port);
    json_cstr(json, NULL, text);
}

static void put_route(struct explain *x, struct buf *json)
{
    struct route_choice choice = policies_route(x->policies, &x->facts);
    x->route = choice.route;
    json_str(json, "route", choice.route->name);
    put_pos(json, "route_rule", &choice.route->pos);
    json_bool(json, "route_may_change", choice.undecided);
    json_cstr(json, "tls", conf_tls_out_names[choice.route->tls]);
    if (choice.route->hosts.n) {
        json_key(json, "hosts");
        json_open(json, '[');
        for (size_t i = 0; i < choice.route->hosts.n; i++)
            put_host(x, &choice.route->hosts.at[i], json);
        json_close(json, ']');
    }
}

static void put_limits(const struct explain *x, struct buf *json)
{
    struct traffic_limits limits;
    policies_traffic(x->policies, &x->facts, &limits);
    json_key(json, "limits");
    json_open(json, '{');
    json_int(json, "connections", (int64_t)limits.connections);
    json_int(json, "messages_per_connection", (int64_t)limits.messages_per_connection);
    json_int(json, "recipients_per_message", (int64_t)limits.recipients_per_message);
    if (limits.rate.count) {
        json_key(json, "rate");
        buf_putc(json, '"');
        units_put_rate(json, limits.rate);
        buf_putc(json, '"');
    }
    json_close(json, '}');
}

static bool in_set(struct egress_set set, size_t egress)
{
    for (size_t i = 0; i < set.n; i++) {
        if (set.at[i] == egress)
            return true;
    }
    return false;
}

static void put_egresses(const struct explain *x, struct buf *json)
{
    const struct conf *conf = policies_conf(x->policies);
    struct egress_set allowed = policies_route_egress(x->policies, x->route);
    struct egress_set fallback = policies_route_fallback(x->policies, x->route);
    json_key(json, "egress");
    json_open(json, '[');
    for (size_t i = 0; i < conf->egress.n; i++) {
        const struct conf_egress *e = &conf->egress.at[i];
        const char *why = "the route does not allow it";
        if (!e->usable)
            why = "its `via` is not in effect in this version";
        else if (in_set(allowed, i))
            why = "by weight among those the route allows";
        else if (in_set(fallback, i))
            why = "only when none that the route names is usable";
        json_open(json, '{');
        json_str(json, "name", e->name);
        json_int(json, "weight", (int64_t)e->weight);
        json_bool(json, "allowed", e->usable && in_set(allowed, i));
        json_cstr(json, "reason", why);
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* ---- the site, from the cache of the worker that knows it ---- */

static void look_up(void *arg, const struct fanout_worker *worker, struct buf *out)
{
    struct explain *x = arg;
    const struct mx_set *set = resolver_mx_cached(worker->resolver, x->domain);
    if (!set)
        return;
    json_open(out, '{');
    json_cstr(out, "status", dns_status_name(set->status));
    if (set->text[0])
        json_cstr(out, "text", set->text);
    json_key(out, "mx");
    json_open(out, '[');
    for (size_t i = 0; i < set->count; i++)
        json_cstr(out, NULL, set->hosts[i].name);
    json_close(out, ']');
    json_close(out, '}');
}

static void explain_free(struct explain *x)
{
    policies_unref(&x->policies);
    arena_free(&x->arena);
    free(x);
}

static void on_answers(void *arg, struct buf *answers, unsigned n)
{
    struct explain *x = arg;
    struct buf json;
    buf_init(&json, 256 << 10);
    json_open(&json, '{');
    json_str(&json, "from", x->facts.sender);
    json_str(&json, "to", x->facts.recipient);
    put_permission(x, &json);
    put_priority(x, &json);
    put_route(x, &json);
    json_str(&json, "domain", x->domain);
    for (unsigned i = 0; i < n && !x->route->hosts.n; i++) {
        if (!buf_len(&answers[i]))
            continue;
        json_key(&json, "site");
        buf_put_slice(&json, buf_slice(&answers[i]));
        break;
    }
    put_limits(x, &json);
    put_egresses(x, &json);
    json_close(&json, '}');
    call_row(x->call, buf_slice(&json));
    buf_free(&json);
    call_end(&x->call, true, slice_of(""));
    explain_free(x);
}

void verb_explain(void *arg, struct call *call, const struct request *request)
{
    struct relay_view *view = arg;
    struct err err;
    struct explain *x = mem_zero(sizeof *x);
    x->view = view;
    x->call = call;
    x->policies = policies_ref(view->policies);
    x->arena = arena_new(2048);
    enum rc rc = read_mail(x, request, &err);
    if (rc == RC_OK)
        rc = read_client(x, request, &err);
    if (rc == RC_OK)
        rc = read_headers(x, request, &err);
    if (rc != RC_OK) {
        call_end(&call, false, slice_of(err.text));
        explain_free(x);
        return;
    }
    fanout_run(&view->workers, look_up, on_answers, x);
}
