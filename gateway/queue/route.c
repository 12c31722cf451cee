/*
 * queue/route — from a destination key to a site, and to the worker that owns it
 *
 *   1. The route is looked up by name. One with fixed hosts knows its site.
 *   2. Else the domain's MX set is asked for (cache first; items for one domain wait together).
 *   3. A route that is not in the configuration (a reload took it, or "*": it depends on the MX) is
 *      decided now, with all that is known of the mail.
 *   4. The item goes to the owner: hash of the site's key modulo workers.
 */
#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/mail/address.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/internal.h"
#include "policies/route.h"

struct lookup {
    struct queue *queue;
    struct list items; /* ROUTING */
    struct dns_query *query;
    char *domain;
};

unsigned owner_of(const struct queue *q, struct slice key)
{
    return (unsigned)(slice_hash_stable(key) % q->env.count);
}

/* ---- arriving at the owner ---- */

static void arrive(struct queue *q, struct item *item, struct mx_set *mx)
{
    const struct conf *conf = policies_conf(q->env.policies);
    const struct conf_route *route = policies_route_named(q->env.policies, item_route(item));
    if (!route || (mx != NULL) == (route->hosts.n > 0)) { /* a reload came between the workers */
        route_item(q, item);
        return;
    }
    struct slice key =
        mx ? slice_of(mx->site) : slice_of(q->fixed[route - conf->rules.routes.at].key);
    struct site *site = site_get(q, key, mx, item);
    int64_t left = site->backoff_until_ms - loop_now_ms(q->env.loop);
    item->site = site;
    if (left > 0) {
        place_put_off(q, item, left);
        return;
    }
    if (item->body && body_memory_total() > conf->limits.memory)
        item_drop_body(item);
    place_ready(item, site_flow(site, route), false);
}

static void on_arrival(struct mail *mail)
{
    struct item *item = CONTAINER_OF(mail, struct item, travel.mail);
    struct queue *q = item->travel.to;
    struct mx_set *mx = item->travel.mx;
    list_init(&item->node);
    wheel_node_init(&item->wake);
    arrive(q, item, mx);
    mx_set_unref(&mx);
}

static void send_to(struct queue *q, unsigned owner, struct item *item, struct mx_set *mx)
{
    place_nowhere(q, item);
    item->state = ITEM_ROUTING;
    if (owner == q->env.index) {
        arrive(q, item, mx);
        return;
    }
    struct queue *to = q->env.all[owner];
    item->travel.to = to;
    item->travel.mx = mx ? mx_set_ref(mx) : NULL;
    item->travel.mail.fn = on_arrival;
    mailbox_post(loop_mailbox(to->env.loop), &item->travel.mail);
}

/* ---- a route decided late ---- */

static struct slice domain_of(struct slice address)
{
    for (size_t i = address.n; i-- > 0;)
        if (address.p[i] == '@')
            return (struct slice){ address.p + i + 1, address.n - i - 1 };
    return (struct slice){ NULL, 0 };
}

/* The one domain of all recipients; empty when there is none or they differ. */
static struct slice common_domain(const struct envelope *env)
{
    struct slice first = { NULL, 0 };
    for (size_t i = 0; i < env->recipients_n; i++) {
        struct slice domain = domain_of(env->recipients[i].address);
        if (i == 0)
            first = domain;
        else if (!slice_ieq(first, domain))
            return (struct slice){ NULL, 0 };
    }
    return first;
}

static void mail_facts(const struct item *item, const struct envelope *env, struct facts *f)
{
    facts_set_sender(f, env->sender);
    facts_set_recipient(f, env->recipients_n ? env->recipients[0].address : env->sender);
    f->client = env->origin.name;
    f->user = env->origin.user;
    f->size = item->body_size;
    f->lane = item->lane;
    f->wall_ms = env->received_ms;
    f->known |= FACT_BIT(WHEN_CLIENT) | FACT_BIT(WHEN_USER) | FACT_BIT(WHEN_SIZE) |
                FACT_BIT(WHEN_PRIORITY) | FACT_BIT(WHEN_TIME) | FACT_BIT(WHEN_MX);
    f->final = true;
}

static void rekey(struct item **item, const struct conf_route *route, struct slice domain)
{
    struct buf key;
    buf_init(&key, SPOOL_DEST_MAX);
    buf_put_slice(&key, route->name);
    if (!route->hosts.n) {
        buf_putc(&key, '/');
        buf_put_slice(&key, domain);
    }
    item_set_key(item, buf_slice(&key));
    buf_free(&key);
}

static const struct conf_route *decide(struct queue *q, struct item **item, struct mx_set *mx)
{
    struct arena *arena = arena_new(1024);
    struct envelope env;
    struct slice hosts[MX_HOSTS_MAX];
    struct facts f = { .mx = hosts };
    const struct conf_route *route = NULL;
    for (size_t i = 0; mx && i < mx->count; i++)
        hosts[f.mx_count++] = slice_of(mx->hosts[i].name);
    if (envelope_unpack(item_envelope(*item), arena, &env) == RC_OK) {
        mail_facts(*item, &env, &f);
        route = policies_route(q->env.policies, &f).route;
        struct slice domain = item_domain(*item).n ? item_domain(*item) : common_domain(&env);
        if (route->hosts.n || domain.n)
            rekey(item, route, domain);
        else
            route = NULL;
    }
    arena_free(&arena);
    return route;
}

/* ---- the MX set is known ---- */

static void refuse(struct queue *q, struct item *item, const struct mx_set *mx)
{
    static const enum queue_trouble why[] = {
        [DNS_OK] = TROUBLE_DNS,
        [DNS_NULL_MX] = TROUBLE_NULL_MX,
        [DNS_NXDOMAIN] = TROUBLE_NXDOMAIN,
        [DNS_NO_DATA] = TROUBLE_NXDOMAIN,
        [DNS_UNUSABLE] = TROUBLE_NO_ADDRESS,
        [DNS_TEMPORARY] = TROUBLE_DNS,
    };
    place_trouble(q, item, why[mx->status], mx->text);
}

static void send_fixed(struct queue *q, struct item *item, const struct conf_route *route)
{
    const struct conf *conf = policies_conf(q->env.policies);
    send_to(q, q->fixed[route - conf->rules.routes.at].owner, item, NULL);
}

static void routed(struct queue *q, struct item *item, struct mx_set *mx)
{
    const struct conf_route *route = policies_route_named(q->env.policies, item_route(item));
    if (!route)
        route = decide(q, &item, mx);
    if (!route)
        place_trouble(q, item, TROUBLE_ROUTE, "its route left the configuration");
    else if (route->hosts.n)
        send_fixed(q, item, route);
    else if (mx->status == DNS_OK)
        send_to(q, owner_of(q, slice_of(mx->site)), item, mx);
    else
        refuse(q, item, mx);
}

static void on_mx(void *arg, struct mx_set *mx)
{
    struct lookup *lookup = arg;
    struct queue *q = lookup->queue;
    map_del(q->lookups, slice_of(lookup->domain));
    for (struct list *node; (node = list_pop_front(&lookup->items));)
        routed(q, CONTAINER_OF(node, struct item, node), mx);
    free(lookup->domain);
    free(lookup);
}

static void ask(struct queue *q, struct item *item, struct slice domain)
{
    struct mx_set *mx = resolver_mx_cached(q->env.resolver, domain);
    if (mx) {
        mx_set_ref(mx);
        routed(q, item, mx);
        mx_set_unref(&mx);
        return;
    }
    struct lookup *lookup = map_get(q->lookups, domain);
    if (!lookup) {
        lookup = mem_zero(sizeof *lookup);
        lookup->queue = q;
        lookup->domain = mem_strndup(domain.p, domain.n);
        list_init(&lookup->items);
        map_put(q->lookups, domain, lookup);
        lookup->query = resolver_mx(q->env.resolver, domain, on_mx, lookup);
    }
    item->state = ITEM_ROUTING;
    list_push_back(&lookup->items, &item->node);
}

void route_item(struct queue *q, struct item *item)
{
    const struct conf_route *route = policies_route_named(q->env.policies, item_route(item));
    struct slice domain = item_domain(item);
    place_nowhere(q, item);
    item->site = NULL;
    if (route && route->hosts.n) {
        send_fixed(q, item, route);
        return;
    }
    if (domain.n) {
        ask(q, item, domain);
        return;
    }
    route =
        decide(q, &item, NULL); /* its old route had hosts of its own, so it has no domain yet */
    if (!route)
        place_trouble(q, item, TROUBLE_ROUTE, "its route left the configuration");
    else if (route->hosts.n)
        send_fixed(q, item, route);
    else
        ask(q, item, item_domain(item));
}

struct list *route_lookup_items(void *lookup)
{
    return &((struct lookup *)lookup)->items;
}

static bool lookup_end(void *arg, struct slice domain, void *value)
{
    struct lookup *lookup = value;
    (void)arg;
    (void)domain;
    dns_cancel(&lookup->query);
    for (struct list *node; (node = list_pop_front(&lookup->items));) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        item_free(&item);
    }
    free(lookup->domain);
    free(lookup);
    return true;
}

void route_lookups_free(struct queue *q)
{
    map_each(q->lookups, lookup_end, NULL);
    map_free(&q->lookups, NULL);
}

/* ---- routes with hosts of their own ---- */

void route_fixed_build(struct queue *q)
{
    const struct conf *conf = policies_conf(q->env.policies);
    q->fixed = mem_array(conf->rules.routes.n, sizeof *q->fixed);
    for (size_t i = 0; i < conf->rules.routes.n; i++) {
        const struct conf_route *route = &conf->rules.routes.at[i];
        struct buf key;
        if (!route->hosts.n)
            continue;
        buf_init(&key, 65536);
        buf_puts(&key, "hosts");
        for (size_t h = 0; h < route->hosts.n; h++)
            buf_printf(&key, " %s:%u", route->hosts.at[h].host.p, route->hosts.at[h].port);
        q->fixed[i].owner = owner_of(q, buf_slice(&key));
        q->fixed[i].key = buf_take(&key, NULL);
    }
}

void route_fixed_free(struct queue *q)
{
    const struct conf *conf = policies_conf(q->env.policies);
    for (size_t i = 0; i < conf->rules.routes.n; i++)
        free(q->fixed[i].key);
    free(q->fixed);
    q->fixed = NULL;
}
