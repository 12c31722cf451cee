#include "gateway/delivery/views.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/way.h"

enum { NAMES_MAX = 4000 }; /* kept of one name server */

/* A name server of an egress. */
struct server {
    struct views *views;
    const struct conf_egress *egress;
    const struct addr *address;
    uint64_t key;              /* dns/honesty */
    struct resolver *resolver; /* made with the first question */
};

struct views {
    struct views_env env;
    size_t n;
    struct server **of; /* [n], each [egress->resolvers.n]; NULL: not asked yet */
};

struct views *views_new(const struct views_env *env)
{
    struct views *v = mem_zero(sizeof *v);
    v->env = *env;
    v->n = env->conf->egress.n;
    v->of = mem_array(v->n ? v->n : 1, sizeof(struct server *));
    return v;
}

void views_free(struct views **views)
{
    struct views *v = *views;
    if (!v)
        return;
    for (size_t e = 0; e < v->n; e++) {
        for (size_t i = 0; v->of[e] && i < v->env.conf->egress.at[e].resolvers.n; i++)
            resolver_free(&v->of[e][i].resolver);
        free(v->of[e]);
    }
    free(v->of);
    free(v);
    *views = NULL;
}

static struct server *servers_of(struct views *v, int egress)
{
    const struct conf_egress *e = &v->env.conf->egress.at[egress];
    if (v->of[egress])
        return v->of[egress];
    v->of[egress] = mem_array(e->resolvers.n, sizeof(struct server));
    for (size_t i = 0; i < e->resolvers.n; i++)
        v->of[egress][i] = (struct server){ .views = v,
                                            .egress = e,
                                            .address = &e->resolvers.at[i],
                                            .key = honesty_key(e->name, &e->resolvers.at[i]) };
    return v->of[egress];
}

static bool make(struct server *s)
{
    struct resolver_conf conf = resolver_defaults;
    struct dial_source source;
    struct err err;
    if (s->resolver)
        return true;
    conf.servers = s->address;
    conf.server_count = 1;
    way_source_now(s->egress, &source);
    conf.source = &source;
    conf.timeout_ms = s->views->env.conf->dns.timeout;
    conf.cache_max = NAMES_MAX;
    conf.allow_loopback = s->views->env.allow_loopback;
    if (resolver_new(s->views->env.loop, &conf, &s->resolver, &err) == RC_OK)
        return true;
    log_warning(NULL, "no_view", "error", err.text, NULL);
    return false;
}

/* ---- honesty ---- */

static void on_nobodys_name(void *arg, struct host_set *set)
{
    struct server *s = arg;
    const struct views_env *env = &s->views->env;
    enum honesty now = honesty_judge(set->status);
    enum honesty was = honesty_told(env->honesties, s->key, now, loop_now_ms(env->loop));
    char text[ADDR_TEXT_MAX], name[64];
    snprintf(name, sizeof name, "%.*s", SLICE_FMT(s->egress->name));
    if (now == HONESTY_REWRITES && was != now)
        log_warning(NULL, "resolver_rewrites", "egress", name, "resolver",
                    addr_text(s->address, text), "effect", "its answers are not used", NULL);
    else if (now == HONESTY_HONEST && was == HONESTY_REWRITES)
        log_info(NULL, "resolver_honest", "egress", name, "resolver", addr_text(s->address, text),
                 NULL);
}

static bool is_honest(struct server *s)
{
    const struct views_env *env = &s->views->env;
    if (honesty_due(env->honesties, s->key, loop_now_ms(env->loop))) {
        char name[HONESTY_NAME_SIZE];
        honesty_name(env->rnd, name);
        (void)resolver_host(s->resolver, slice_of(name), on_nobodys_name, s);
    }
    return honesty_of(env->honesties, s->key) == HONESTY_HONEST;
}

unsigned views_rewriting(const struct views *v, int egress)
{
    const struct conf_egress *e = &v->env.conf->egress.at[egress];
    unsigned n = 0;
    for (size_t i = 0; v->env.honesties && i < e->resolvers.n; i++)
        n += honesty_of(v->env.honesties, honesty_key(e->name, &e->resolvers.at[i])) ==
             HONESTY_REWRITES;
    return n;
}

/* ---- the question ---- */

/* The answer goes into the cache: that is what was wanted. */
static void on_answer(void *arg, struct host_set *set)
{
    (void)arg;
    (void)set;
}

struct host_set *views_host(struct views *v, int egress, struct slice name)
{
    const struct conf_egress *e = &v->env.conf->egress.at[egress];
    if (e->resolvers.n == 0 || e->via.kind != CONF_VIA_NONE || !v->env.honesties)
        return NULL;
    struct server *servers = servers_of(v, egress);
    for (size_t i = 0; i < e->resolvers.n; i++) {
        struct server *s = &servers[i];
        if (!make(s) || !is_honest(s))
            continue;
        struct host_set *set = resolver_host_cached(s->resolver, name);
        if (!set)
            (void)resolver_host(s->resolver, name, on_answer, NULL);
        if (!set || set->status != DNS_TEMPORARY)
            return set && set->status == DNS_OK ? set : NULL;
    }
    return NULL;
}
