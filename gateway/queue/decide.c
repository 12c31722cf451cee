/*
 * queue/decide — a route that was left open until the destination is known, or has gone
 *
 *   Two cases. What ingress left open ("*overseas,default") is decided by the facts of the
 *   destination alone. When a reload took the route that the key names, the choice is made anew
 *   with all that is still known of the mail; its header is not.
 */
#include "gateway/mail/address.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/internal.h"
#include "policies/route.h"

/* The one domain of all recipients; empty when there is none or they differ. */
static struct slice common_domain(const struct envelope *env)
{
    struct slice first = { NULL, 0 };
    for (size_t i = 0; i < env->recipients_n; i++) {
        struct slice domain = address_domain(env->recipients[i].address);
        if (i == 0)
            first = domain;
        else if (!slice_ieq(first, domain))
            return (struct slice){ NULL, 0 };
    }
    return first;
}

static void destination_facts(const struct mx_set *mx, const struct geo_group *place,
                              struct slice *hosts, struct facts *f)
{
    f->mx = hosts;
    for (size_t i = 0; mx && i < mx->count; i++)
        hosts[f->mx_count++] = slice_of(mx->hosts[i].name);
    f->known |= FACT_BIT(WHEN_MX);
    /* A destination that cannot be found is nowhere: nothing more will become known of it. */
    f->final = place || !mx || mx->status != DNS_OK;
    if (!place)
        return;
    f->carrier = place->carrier;
    f->region = place->region;
    f->known |= FACT_BIT(WHEN_CARRIER) | FACT_BIT(WHEN_REGION);
}

static void mail_facts(const struct item *item, const struct envelope *env, struct facts *f)
{
    facts_set_sender(f, env->sender);
    facts_set_recipient(f, env->recipients_n ? env->recipients[0].address : env->sender);
    facts_set_origin(f, &env->origin);
    f->size = item->body_size;
    f->lane = item->lane;
    f->wall_ms = env->received_ms;
    f->known |=
        FACT_BIT(WHEN_SIZE) | FACT_BIT(WHEN_PRIORITY) | FACT_BIT(WHEN_TIME) | FACT_BIT(WHEN_HEADER);
}

static struct route_choice choose(struct queue *q, const struct item *item,
                                  const struct envelope *env, struct facts *f)
{
    struct slice open = item_route(item);
    struct route_choice choice = { 0 };
    if (slice_starts_with(open, "*"))
        choice = policies_route_late(q->env.policies, open, f);
    if (choice.route || choice.undecided)
        return choice;
    mail_facts(item, env, f);
    return policies_route(q->env.policies, f);
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

enum decision decide(struct queue *q, struct item **item, const struct mx_set *mx,
                     const struct geo_group *place, const struct conf_route **route_r)
{
    struct arena *arena = arena_new(1024);
    struct envelope env;
    struct slice hosts[MX_HOSTS_MAX];
    struct facts f = { .known = 0 };
    enum decision decision = DECIDE_NOTHING_FITS;
    *route_r = NULL;
    destination_facts(mx, place, hosts, &f);
    if (envelope_unpack(item_envelope(*item), arena, &env) == RC_OK) {
        struct route_choice choice = choose(q, *item, &env, &f);
        struct slice domain = item_domain(*item).n ? item_domain(*item) : common_domain(&env);
        if (choice.undecided) {
            decision = DECIDE_WITH_PLACE;
        } else if (choice.route->hosts.n || domain.n) {
            rekey(item, choice.route, domain);
            *route_r = choice.route;
            decision = DECIDED;
        }
    }
    arena_free(&arena);
    return decision;
}
