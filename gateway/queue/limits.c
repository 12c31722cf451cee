/*
 * queue/limits — what the rules of `traffic` say about a site
 */
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/inspect.h"
#include "gateway/queue/internal.h"
#include "policies/route.h"
#include "reputation/reply.h"

/* What rules see of a site. */
struct destination {
    struct slice name;
    const struct mx_set *mx;        /* NULL: the hosts of the route */
    const struct conf_route *route; /* NULL: of an earlier configuration */
    const struct geo_group *place;  /* NULL: not known */
};

static struct destination destination_of(const struct site *site)
{
    struct destination d = { slice_of(site->name), site->mx, NULL, site->place };
    if (!list_empty(&site->flows))
        d.route = CONTAINER_OF(site->flows.next, struct flow, link)->route;
    return d;
}

/* The names its sessions go to: of the MX set, or of the route. */
static size_t host_names(const struct destination *d, struct slice *names)
{
    size_t n = 0;
    for (size_t i = 0; d->mx && i < d->mx->count; i++)
        names[n++] = slice_of(d->mx->hosts[i].name);
    for (size_t i = 0; !d->mx && d->route && i < d->route->hosts.n && n < MX_HOSTS_MAX; i++)
        names[n++] = d->route->hosts.at[i].host;
    return n;
}

/* Whose it is, as rules and reports name it; empty: not known. */
static struct slice provider_of(const struct queue *q, struct slice host)
{
    struct addr literal;
    bool named = q->env.replies && addr_parse(host, &literal) != RC_OK;
    return named ? reply_provider(q->env.replies, host) : slice_of("");
}

/* `names`: MX_HOSTS_MAX of them, which live as long as the facts. */
static void facts_of(const struct queue *q, const struct destination *d, struct slice *names,
                     struct facts *f)
{
    *f = (struct facts){ .site = d->name, .mx = names };
    f->mx_count = host_names(d, names);
    f->known = FACT_BIT(WHEN_SITE);
    if (f->mx_count) {
        f->provider = provider_of(q, names[0]);
        f->known |= FACT_BIT(WHEN_MX) | FACT_BIT(WHEN_PROVIDER);
    }
    if (d->place) {
        f->carrier = d->place->carrier;
        f->region = d->place->region;
        f->known |= FACT_BIT(WHEN_CARRIER) | FACT_BIT(WHEN_REGION);
    }
}

static void site_facts(const struct site *site, struct slice *names, struct facts *f)
{
    struct destination d = destination_of(site);
    facts_of(site->queue, &d, names, f);
}

/* By this egress; empty: by whichever. The names may go away then. */
static size_t answer(const struct policies *p, const struct traffic_question *q,
                     struct slice egress, struct facts *f, struct traffic_limits *limits_r,
                     struct traffic_toll *tolls_r)
{
    if (egress.n) {
        f->egress = egress;
        f->known |= FACT_BIT(WHEN_EGRESS);
    }
    policies_traffic(p, q, limits_r);
    size_t n = tolls_r ? policies_tolls(p, q, tolls_r) : 0;
    f->mx = NULL;
    f->mx_count = 0;
    return n;
}

size_t site_limits(const struct site *site, struct slice egress, struct traffic_limits *limits_r,
                   struct traffic_toll *tolls_r, struct facts *facts_r)
{
    const struct policies *p = site->queue->env.policies;
    struct slice names[MX_HOSTS_MAX];
    site_facts(site, names, facts_r);
    struct traffic_question question = { facts_r, slice_of(site->key), site->by_domain };
    return answer(p, &question, egress, facts_r, limits_r, tolls_r);
}

static struct slice key_of(const struct queue *q, const struct mx_set *mx,
                           const struct conf_route *route)
{
    if (mx)
        return slice_of(mx->site);
    const struct conf *conf = policies_conf(q->env.policies);
    return slice_of(route && route->hosts.n ? q->fixed[route - conf->rules.routes.at].key : "");
}

size_t queue_limits(const struct queue *q, const struct queue_limits_question *x,
                    struct traffic_limits *limits_r, struct traffic_toll *tolls_r,
                    struct facts *facts_r)
{
    const struct policies *p = q->env.policies;
    struct slice names[MX_HOSTS_MAX];
    struct destination d = { x->domain, x->mx, policies_route_named(p, x->route), x->place };
    struct slice key = key_of(q, x->mx, d.route);
    const struct site *site = key.n ? map_get(q->sites, key) : NULL;
    if (!x->mx && d.route && d.route->hosts.n)
        d.name = d.route->name;
    if (site)
        d.name = slice_of(site->name);
    if (site && site->place)
        d.place = site->place;
    size_t rules = policies_traffic_count(p);
    bool *by_domain = mem_array(rules + 1, sizeof *by_domain);
    for (size_t i = 0; site && site->by_domain && i < rules; i++)
        by_domain[i] = site->by_domain[i];
    facts_of(q, &d, names, facts_r);
    policies_traffic_meets(p, facts_r, x->recipient, by_domain);
    struct traffic_question question = { facts_r, key.n ? key : d.name, by_domain };
    size_t n = answer(p, &question, x->egress, facts_r, limits_r, tolls_r);
    free(by_domain);
    return n;
}

void site_set_limits(struct site *site)
{
    struct facts f;
    site->limit_stamp++;
    site_limits(site, slice_of(""), &site->limit, NULL, &f);
    site_share_slots(site);
}

/* A rule by domain holds for the whole site as soon as it has mail for one of them. */
static bool meet_domains(struct site *site, const struct item *item)
{
    const struct policies *p = site->queue->env.policies;
    struct arena *arena = arena_new(1024);
    struct slice names[MX_HOSTS_MAX];
    struct envelope env;
    struct facts f;
    bool any = false;
    site_facts(site, names, &f);
    if (envelope_unpack(item_envelope(item), arena, &env) == RC_OK)
        for (size_t i = 0; i < env.recipients_n; i++)
            any |= policies_traffic_meets(p, &f, env.recipients[i].address, site->by_domain);
    arena_free(&arena);
    return any;
}

void site_note_item(struct site *site, const struct item *item)
{
    if (site->by_domain && meet_domains(site, item))
        site_set_limits(site);
}

static bool meet_each(void *arg, struct list *items)
{
    LIST_EACH (node, items)
        meet_domains(arg, CONTAINER_OF(node, struct item, node));
    return true;
}

/* Mail that waits for another time comes here again before it goes. */
void site_reconfigure(struct site *site)
{
    const struct policies *p = site->queue->env.policies;
    free(site->by_domain);
    site->by_domain = NULL;
    if (policies_traffic_needs_domain(p)) {
        site->by_domain = mem_array(policies_traffic_count(p), sizeof(bool));
        meet_each(site, &site->busy_items);
        LIST_EACH (at, &site->flows)
            sched_each(&CONTAINER_OF(at, struct flow, link)->order, meet_each, site);
    }
    site_set_limits(site);
}
