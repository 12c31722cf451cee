#include "policies/policies.h"

#include <stdlib.h>

#include "policies/compiled.h"

static void compile_people(struct policies *p, struct conf_errors *errors)
{
    const struct conf *c = p->conf;
    p->client_recipients = arena_alloc(p->arena, (c->clients.n + 1) * sizeof *p->client_recipients);
    for (size_t i = 0; i < c->clients.n; i++)
        p->client_recipients[i] = names_compile(p->arena, &c->clients.at[i].recipients, errors);
    p->user_senders = arena_alloc(p->arena, (c->users.n + 1) * sizeof *p->user_senders);
    for (size_t i = 0; i < c->users.n; i++)
        p->user_senders[i] = names_compile(p->arena, &c->users.at[i].senders, errors);
}

static void compile_rules(struct policies *p, struct conf_errors *errors)
{
    const struct conf_rules *r = &p->conf->rules;
    p->priorities = arena_alloc(p->arena, (r->priorities.n + 1) * sizeof(struct when *));
    for (size_t i = 0; i < r->priorities.n; i++)
        p->priorities[i] = when_compile(p->arena, &r->priorities.at[i].when, errors);
    traffic_compile(p, errors);
    replies_compile(p, errors);
    routes_compile(p, errors);
}

enum rc policies_load(struct bundle *bundle, const char *path, struct policies **policies_r,
                      struct conf_errors *errors)
{
    size_t before = conf_errors_count(errors);
    struct conf *conf = conf_read(bundle, path, errors);
    if (!conf)
        return RC_PARSE;
    struct policies *p = mem_zero(sizeof *p);
    p->conf = conf;
    p->arena = arena_new(8192);
    atomic_init(&p->references, 1);
    compile_people(p, errors);
    compile_rules(p, errors);
    if (conf_errors_count(errors) > before) {
        policies_unref(&p);
        return RC_PARSE;
    }
    *policies_r = p;
    return RC_OK;
}

struct policies *policies_ref(struct policies *p)
{
    atomic_fetch_add_explicit(&p->references, 1, memory_order_relaxed);
    return p;
}

void policies_unref(struct policies **policies)
{
    struct policies *p = *policies;
    *policies = NULL;
    if (!p || atomic_fetch_sub_explicit(&p->references, 1, memory_order_acq_rel) != 1)
        return;
    conf_unref(&p->conf);
    arena_free(&p->arena);
    free(p);
}

const struct conf *policies_conf(const struct policies *p)
{
    return p->conf;
}
