#include "gateway/ingress/ruleset.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/mail/header.h"

/* So nothing that was configured is left out below. */
_Static_assert((int)CONF_HEADERS_MAX <= (int)HEADER_WANTED_MAX, "every header name has its place");
_Static_assert((int)CONF_HEADER_NAME_MAX < (int)HEADER_NAME_MAX, "no header name is cut");

static void want_header(struct ruleset *r, struct slice name)
{
    for (size_t i = 0; i < r->headers_n; i++)
        if (slice_ieq(r->headers[i], name))
            return;
    assert(r->headers_n < HEADER_WANTED_MAX);
    char *lower = arena_alloc(r->arena, name.n + 1);
    ascii_lower_copy(lower, name.p, name.n);
    r->headers[r->headers_n++] = (struct slice){ lower, name.n };
}

static void want_headers_of(struct ruleset *r, const struct conf_when *when)
{
    for (; when; when = when->negated)
        for (size_t i = 0; i < when->terms.n; i++)
            if (when->terms.at[i].key == WHEN_HEADER)
                want_header(r, when->terms.at[i].header);
}

static void take_quotas(struct ruleset *r, int64_t now_ms)
{
    const struct conf *c = r->conf;
    struct quotas *quotas = &r->hub->quotas;
    r->client_quotas = arena_alloc(r->arena, (c->clients.n + 1) * sizeof(struct quota_entry *));
    r->user_quotas = arena_alloc(r->arena, (c->users.n + 1) * sizeof(struct quota_entry *));
    for (size_t i = 0; i < c->clients.n; i++)
        r->client_quotas[i] =
            quotas_client(quotas, &c->clients.at[i].network, c->clients.at[i].urgent, now_ms);
    for (size_t i = 0; i < c->users.n; i++)
        r->user_quotas[i] = quotas_user(quotas, c->users.at[i].name, c->users.at[i].urgent, now_ms);
}

static void drop_quotas(struct ruleset *r)
{
    for (size_t i = 0; i < r->conf->clients.n; i++)
        quotas_unref(&r->hub->quotas, r->client_quotas[i]);
    for (size_t i = 0; i < r->conf->users.n; i++)
        quotas_unref(&r->hub->quotas, r->user_quotas[i]);
}

struct ruleset *ruleset_new(struct policies *policies, struct ingress_hub *hub, int64_t now_ms)
{
    struct ruleset *r = mem_zero(sizeof *r);
    r->refs = 1;
    r->policies = policies_ref(policies);
    r->conf = policies_conf(policies);
    r->arena = arena_new(4096);
    r->hub = hub;
    r->headers = arena_alloc(r->arena, HEADER_WANTED_MAX * sizeof *r->headers);
    const struct conf_rules *rules = &r->conf->rules;
    for (size_t i = 0; i < rules->priorities.n; i++)
        want_headers_of(r, &rules->priorities.at[i].when);
    for (size_t i = 0; i < rules->routes.n; i++)
        want_headers_of(r, &rules->routes.at[i].when);
    r->counters = arena_alloc(r->arena, (r->conf->clients.n + 1) * sizeof(struct client_counter *));
    for (size_t i = 0; i < r->conf->clients.n; i++)
        r->counters[i] = hub_client_counter(hub, &r->conf->clients.at[i].network);
    take_quotas(r, now_ms);
    return r;
}

struct ruleset *ruleset_ref(struct ruleset *r)
{
    r->refs++;
    return r;
}

void ruleset_unref(struct ruleset **r)
{
    struct ruleset *gone = *r;
    *r = NULL;
    if (!gone || --gone->refs)
        return;
    drop_quotas(gone);
    arena_free(&gone->arena);
    policies_unref(&gone->policies);
    free(gone);
}

const struct conf_client *ruleset_client(const struct ruleset *r, const struct addr *addr,
                                         struct client_counter **counter_r)
{
    const struct conf_client *c = policies_client(r->policies, addr);
    *counter_r = c ? r->counters[c - r->conf->clients.at] : NULL;
    return c;
}

bool ruleset_take_urgent(struct ruleset *r, const struct conf_client *client,
                         const struct conf_user *user, int64_t now_ms, struct urgent_place *place_r)
{
    *place_r = (struct urgent_place){
        .user = user ? r->user_quotas[user - r->conf->users.at] : NULL,
        .client = client ? r->client_quotas[client - r->conf->clients.at] : NULL,
        .taken_ms = now_ms,
    };
    return quotas_take(&r->hub->quotas, place_r->user, place_r->client, now_ms);
}

void ruleset_give_back_urgent(struct ruleset *r, const struct urgent_place *place, int64_t now_ms)
{
    quotas_give_back(&r->hub->quotas, place->user, place->client, place->taken_ms, now_ms);
}
