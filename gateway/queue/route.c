/*
 * queue/route — from a destination key to a site, and to the worker that owns it
 *
 *   1. The route is looked up by name. One with fixed hosts knows its site.
 *   2. Else the domain's MX set is asked for (lookup.c; cache first).
 *   3. A route that is not in the configuration (a reload took it), or that ingress left open
 *      because it depends on the destination ("*..."), is decided now (decide.c). Where the
 *      destination is, is asked for only when a rule wants to know.
 *   4. The item goes to the owner: hash of the site's key modulo workers.
 */
#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/queue/internal.h"
#include "policies/route.h"
#include "policies/traffic.h"

unsigned owner_of(const struct queue *q, struct slice key)
{
    return (unsigned)(slice_hash_stable(key) % q->env.count);
}

/* ---- arriving at the owner ---- */

static void arrive(struct queue *q, struct item *item, struct mx_set *mx,
                   const struct geo_group *place)
{
    const struct conf *conf = policies_conf(q->env.policies);
    const struct conf_route *route = policies_route_named(q->env.policies, item_route(item));
    if (!route || (mx != NULL) == (route->hosts.n > 0)) { /* a reload came between the workers */
        route_item(q, item);
        return;
    }
    struct slice key =
        mx ? slice_of(mx->site) : slice_of(q->fixed[route - conf->rules.routes.at].key);
    struct site *site = site_get(q, key, mx, place, route, item);
    int64_t left = site->backoff_until_ms - loop_now_ms(q->env.loop);
    item->site = site;
    site_note_item(site, item);
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
    const struct geo_group *place = item->travel.place;
    list_init(&item->node);
    wheel_node_init(&item->wake);
    arrive(q, item, mx, place);
    mx_set_unref(&mx);
}

/* A group of another worker may be read for as long as any of them lives. */
static void send_to(struct queue *q, unsigned owner, struct item *item, struct mx_set *mx,
                    const struct geo_group *place)
{
    place_nowhere(q, item);
    item->state = ITEM_ROUTING;
    if (owner == q->env.index) {
        arrive(q, item, mx, place);
        return;
    }
    struct queue *to = q->env.all[owner];
    item->travel.to = to;
    item->travel.mx = mx ? mx_set_ref(mx) : NULL;
    item->travel.place = place;
    item->travel.mail.fn = on_arrival;
    mailbox_post(loop_mailbox(to->env.loop), &item->travel.mail);
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
    const struct conf_host *first = &route->hosts.at[0];
    const struct geo_group *place = NULL;
    if (first->is_addr && policies_traffic_needs_place(q->env.policies))
        place = geo_group(q->env.geo, &first->addr);
    send_to(q, q->fixed[route - conf->rules.routes.at].owner, item, NULL, place);
}

/* The item has its route, and everything that a rule wants to know of the destination. */
static void send(struct queue *q, struct item *item, const struct conf_route *route,
                 struct mx_set *mx, const struct geo_group *place)
{
    if (route->hosts.n)
        send_fixed(q, item, route);
    else if (!mx)
        lookup_mx(q, item, item_domain(item));
    else if (mx->status == DNS_OK)
        send_to(q, owner_of(q, slice_of(mx->site)), item, mx, place);
    else
        refuse(q, item, mx);
}

static void no_route(struct queue *q, struct item *item)
{
    place_trouble(q, item, TROUBLE_ROUTE, "its route left the configuration");
}

void route_known(struct queue *q, struct item *item, struct mx_set *mx,
                 const struct geo_group *place)
{
    const struct conf_route *route = policies_route_named(q->env.policies, item_route(item));
    enum decision decision = route ? DECIDED : decide(q, &item, mx, place, &route);
    bool can_ask = mx && mx->status == DNS_OK && !place;
    bool wants = decision == DECIDE_WITH_PLACE || (decision == DECIDED && !route->hosts.n &&
                                                   policies_traffic_needs_place(q->env.policies));
    if (decision == DECIDE_NOTHING_FITS)
        no_route(q, item);
    else if (wants && can_ask)
        lookup_place(q, item, mx);
    else
        send(q, item, route, mx, place); /* with a place, or nothing to place, all is decided */
}

void route_item(struct queue *q, struct item *item)
{
    const struct conf_route *route = policies_route_named(q->env.policies, item_route(item));
    struct slice domain = item_domain(item);
    place_nowhere(q, item);
    item_released(item);
    item->site = NULL;
    if (route && route->hosts.n)
        send_fixed(q, item, route);
    else if (domain.n)
        lookup_mx(q, item, domain);
    else if (decide(q, &item, NULL, NULL, &route) == DECIDED) /* its old route had hosts */
        send(q, item, route, NULL, NULL);
    else
        no_route(q, item);
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
