/*
 * admin/verb_explain — `waypost explain`: what would happen to this mail now, and by which rule
 *
 *   Priority and its rule, route and its rule, destination, the site's limits, and every egress
 *   with the state of its path, all terms of its cost, and why it would be taken or not: the answer
 *   of the very function that chooses, on the worker that delivers there. The MX set is shown when
 *   that has it in its cache; explaining sends nothing, not even a question to the DNS.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/explain_egress.h"
#include "gateway/admin/explain_limits.h"
#include "gateway/admin/explain_place.h"
#include "gateway/admin/relay_verbs.h"
#include "gateway/base/json.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"
#include "gateway/mail/address.h"
#include "gateway/queue/inspect.h"
#include "policies/client.h"
#include "policies/priority.h"
#include "policies/route.h"

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
    struct lane_choice lane;
    uint64_t urgent_left; /* of the quotas of client and user; UINT64_MAX: there is none */
    const struct conf_route *route;
    bool undecided;      /* another route may turn out to be the one */
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
    struct address address;
    if (!to)
        return err_set(err, RC_PARSE, "--to ADDRESS is needed");
    if (address_parse(slice_of(to), &address) != RC_OK)
        return err_set(err, RC_PARSE, "--to %.100s is no address", to);
    if (from && from[0] && address_parse(slice_of(from), &address) != RC_OK)
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

/* Lane and route: what the rules say. */
static void decide(struct explain *x)
{
    struct mt_priority mt = { 0 };
    x->lane = policies_lane(x->policies, &x->facts, mt);
    x->urgent_left =
        ingress_hub_urgent_left(x->view->hub, x->client, x->user, loop_now_ms(x->view->loop));
    if (x->lane.lane == LANE_URGENT && x->urgent_left == 0) {
        x->lane.lane = (enum lane)LANE_OVER_QUOTA;
        x->lane.source = LANE_BY_QUOTA;
    }
    x->facts.lane = x->lane.lane;
    x->facts.known |= FACT_BIT(WHEN_PRIORITY);
    struct route_choice choice = policies_route(x->policies, &x->facts);
    x->route = choice.route;
    x->undecided = choice.undecided;
}

/* ---- the answer ---- */

static void put_permission(const struct explain *x, struct buf *json)
{
    bool relay = x->user != NULL;
    if (x->client)
        relay = relay || policies_client_may_send_to(x->policies, x->client, x->facts.recipient);
    if (x->client)
        explain_put_pos(json, "client_rule", &x->client->pos);
    if (x->user)
        relay = relay && policies_user_may_send_as(x->policies, x->user, x->facts.sender);
    if (x->user || x->facts.client_addr.family != ADDR_NONE)
        json_bool(json, "may_relay", relay);
}

static void put_span(struct buf *json, const char *key, int64_t ms)
{
    json_key(json, key);
    buf_putc(json, '"');
    units_put_duration(json, ms);
    buf_putc(json, '"');
}

/* What the rule says of times, and how long the lane's mail is tried. */
static void put_times(const struct explain *x, struct buf *json)
{
    const struct conf_retry *retry = &policies_conf(x->policies)->rules.retry.lane[x->lane.lane];
    const struct conf_priority *rule = x->lane.rule;
    if (rule && rule->hold_for)
        put_span(json, "hold_for", rule->hold_for);
    if (rule && rule->deliver_by) {
        put_span(json, "deliver_by", rule->deliver_by);
        json_cstr(json, "when_late", rule->late == CONF_LATE_RETURN ? "return" : "notify");
    }
    json_key(json, "retry");
    json_open(json, '{');
    put_span(json, "first", retry->first);
    put_span(json, "max", retry->max);
    put_span(json, "expire", retry->expire);
    json_close(json, '}');
}

static void put_priority(const struct explain *x, struct buf *json)
{
    json_cstr(json, "priority", lane_names[x->lane.lane]);
    json_cstr(json, "priority_by", lane_source_names[x->lane.source]);
    if (x->lane.rule)
        explain_put_pos(json, "priority_rule", &x->lane.rule->pos);
    if (x->urgent_left != UINT64_MAX)
        json_int(json, "urgent_left", (int64_t)x->urgent_left);
    put_times(x, json);
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

static void put_route(const struct explain *x, struct buf *json)
{
    json_str(json, "route", x->route->name);
    explain_put_pos(json, "route_rule", &x->route->pos);
    json_bool(json, "route_may_change", x->undecided);
    json_cstr(json, "tls", conf_tls_out_names[x->route->tls]);
    if (x->route->hosts.n) {
        json_key(json, "hosts");
        json_open(json, '[');
        for (size_t i = 0; i < x->route->hosts.n; i++)
            put_host(x, &x->route->hosts.at[i], json);
        json_close(json, ']');
    }
}

/* ---- the site, from the cache of the worker that knows it ---- */

static void put_site(const struct mx_set *set, struct buf *json)
{
    json_key(json, "site");
    json_open(json, '{');
    json_cstr(json, "status", dns_status_name(set->status));
    if (set->text[0])
        json_cstr(json, "text", set->text);
    json_key(json, "mx");
    json_open(json, '[');
    for (size_t i = 0; i < set->count; i++)
        json_cstr(json, NULL, set->hosts[i].name);
    json_close(json, ']');
    json_close(json, '}');
}

static void put_place(const struct fanout_worker *worker, const struct addr *address,
                      struct buf *json)
{
    char text[ADDR_TEXT_MAX];
    if (address->family == ADDR_NONE)
        return;
    json_cstr(json, "address", addr_host_text(address, text));
    if (!worker->geo || !geo_cache_state(worker->geo))
        return;
    const struct geo_group *group = geo_group(worker->geo, address);
    json_str(json, "carrier", group->carrier);
    json_str(json, "region", group->region);
}

/* What rules ask of the destination, as far as this worker knows it, and of the chosen egress. What
 * one mail alone has (its sender, lane and so on) no limit knows: see queue/limits. */
static void put_limits(const struct explain *x, const struct fanout_worker *worker,
                       const struct mx_set *set, const struct addr *address, int egress,
                       struct buf *json)
{
    struct queue_limits_question q = {
        .mx = set, .route = x->route->name, .domain = x->domain, .recipient = x->facts.recipient
    };
    if (address->family != ADDR_NONE && worker->geo && geo_cache_state(worker->geo))
        q.place = geo_group(worker->geo, address);
    if (egress != EGRESS_NONE)
        q.egress = policies_conf(x->policies)->egress.at[egress].name;
    explain_put_limits(json, worker->queue, &q);
}

/* A worker's answer: an object, and behind it how much it knows in one character. */
enum { KNOWS_NOTHING = '0', KNOWS_HOSTS, DELIVERS_THERE };

static void look_up(void *arg, const struct fanout_worker *worker, struct buf *out)
{
    struct explain *x = arg;
    bool fixed = x->route->hosts.n > 0, delivers = false;
    const struct mx_set *set = fixed ? NULL : resolver_mx_cached(worker->resolver, x->domain);
    struct addr address = { .family = ADDR_NONE };
    struct delivery_question q = { .policies = x->policies,
                                   .route = x->route,
                                   .mx = set,
                                   .sender = x->facts.sender,
                                   .recipient = x->facts.recipient,
                                   .bytes = x->facts.size,
                                   .lane = x->facts.lane };
    const struct choice *choice = delivery_explain(worker->delivery, &q, &address, &delivers);
    json_open(out, '{');
    if (set)
        put_site(set, out);
    put_place(worker, &address, out);
    put_limits(x, worker, set, &address, choice ? choice->egress : EGRESS_NONE, out);
    json_bool(out, "destination_suspect", choice && choice->destination_suspect);
    explain_put_egresses(out, policies_conf(x->policies),
                         policies_route_fallback(x->policies, x->route), choice, worker->delivery);
    json_close(out, '}');
    buf_putc(out, delivers ? DELIVERS_THERE : set ? KNOWS_HOSTS : KNOWS_NOTHING);
}

/* Of the workers the one that delivers there knows best. */
static struct slice best_answer(struct buf *answers, unsigned n)
{
    struct slice best = { NULL, 0 };
    for (unsigned i = 0; i < n; i++) {
        struct slice s = buf_slice(&answers[i]);
        if (s.n && (!best.n || s.p[s.n - 1] > best.p[best.n - 1]))
            best = s;
    }
    return (struct slice){ best.p, best.n - 1 };
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
    struct slice answer = slice_skip(best_answer(answers, n), 1); /* behind the bracket */
    buf_putc(&json, ',');
    buf_put_slice(&json, answer);
    call_row(x->call, buf_slice(&json));
    buf_free(&json);
    call_end(&x->call, true, slice_of(""));
    explain_free(x);
}

/* ---- rules that ask where the destination is ---- */

static void find_place(void *arg, const struct fanout_worker *worker, struct buf *out)
{
    const struct explain *x = arg;
    explain_place_put(worker, x->domain, out);
}

static void on_places(void *arg, struct buf *answers, unsigned n)
{
    struct explain *x = arg;
    for (unsigned i = 0; i < n; i++)
        if (explain_place_take(buf_slice(&answers[i]), x->arena, &x->facts))
            break;
    decide(x);
    fanout_run(&x->view->workers, look_up, on_answers, x);
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
    decide(x);
    if (x->undecided)
        fanout_run(&view->workers, find_place, on_places, x);
    else
        fanout_run(&view->workers, look_up, on_answers, x);
}
