/*
 * queue/limits — what the rules of `traffic` say about a site
 */
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/inspect.h"
#include "gateway/queue/internal.h"
#include "reputation/reply.h"

/* The names its sessions go to: of the MX set, or of the route. */
static size_t host_names(const struct site *site, struct slice *names)
{
    size_t n = 0;
    for (size_t i = 0; site->mx && i < site->mx->count; i++)
        names[n++] = slice_of(site->mx->hosts[i].name);
    if (site->mx || list_empty(&site->flows))
        return n;
    const struct conf_route *route = CONTAINER_OF(site->flows.next, struct flow, link)->route;
    for (size_t i = 0; route && i < route->hosts.n && n < MX_HOSTS_MAX; i++)
        names[n++] = route->hosts.at[i].host;
    return n;
}

struct slice queue_provider(const struct queue *q, struct slice host)
{
    struct addr literal;
    bool named = q->env.replies && addr_parse(host, &literal) != RC_OK;
    return named ? reply_provider(q->env.replies, host) : slice_of("");
}

/* `names`: MX_HOSTS_MAX of them, which live as long as the facts. */
static void site_facts(const struct site *site, struct slice *names, struct facts *f)
{
    const struct queue *q = site->queue;
    *f = (struct facts){ .site = slice_of(site->name), .mx = names };
    f->mx_count = host_names(site, names);
    f->known = FACT_BIT(WHEN_MX) | FACT_BIT(WHEN_SITE);
    if (f->mx_count) {
        f->provider = queue_provider(q, names[0]);
        f->known |= FACT_BIT(WHEN_PROVIDER);
    }
    if (site->place) {
        f->carrier = site->place->carrier;
        f->region = site->place->region;
        f->known |= FACT_BIT(WHEN_CARRIER) | FACT_BIT(WHEN_REGION);
    }
}

size_t site_limits(const struct site *site, struct slice egress, struct traffic_limits *limits_r,
                   struct traffic_toll *tolls_r, struct facts *facts_r)
{
    const struct policies *p = site->queue->env.policies;
    struct slice names[MX_HOSTS_MAX];
    site_facts(site, names, facts_r);
    if (egress.n) {
        facts_r->egress = egress;
        facts_r->known |= FACT_BIT(WHEN_EGRESS);
    }
    struct traffic_question question = { facts_r, slice_of(site->key), site->by_domain };
    policies_traffic(p, &question, limits_r);
    size_t n = tolls_r ? policies_tolls(p, &question, tolls_r) : 0;
    facts_r->mx = NULL;
    facts_r->mx_count = 0;
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
