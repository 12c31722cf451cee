#include "gateway/delivery/views.h"

#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"

enum { NAMES_MAX = 4000 }; /* kept by one egress */

struct views {
    struct loop *loop;
    const struct conf *conf;
    bool allow_loopback;
    size_t n;
    struct resolver **of; /* [n], made with the first question */
};

struct views *views_new(struct loop *loop, const struct conf *conf, bool allow_loopback)
{
    struct views *v = mem_zero(sizeof *v);
    v->loop = loop;
    v->conf = conf;
    v->allow_loopback = allow_loopback;
    v->n = conf->egress.n;
    v->of = mem_array(conf->egress.n ? conf->egress.n : 1, sizeof(struct resolver *));
    return v;
}

void views_free(struct views **views)
{
    struct views *v = *views;
    if (!v)
        return;
    for (size_t i = 0; i < v->n; i++)
        resolver_free(&v->of[i]);
    free(v->of);
    free(v);
    *views = NULL;
}

static struct resolver *make(struct views *v, const struct conf_egress *e)
{
    struct resolver_conf conf = resolver_defaults;
    struct resolver *made = NULL;
    struct err err;
    conf.servers = e->resolvers.at;
    conf.server_count = e->resolvers.n;
    conf.sources = e->addresses.at;
    conf.source_count = e->addresses.n;
    conf.interface = e->interface;
    conf.timeout_ms = v->conf->dns.timeout;
    conf.cache_max = NAMES_MAX;
    conf.allow_loopback = v->allow_loopback;
    if (resolver_new(v->loop, &conf, &made, &err) != RC_OK)
        log_warning(NULL, "no_view", "error", err.text, NULL);
    return made;
}

/* The answer goes into the cache: that is what was wanted. */
static void on_answer(void *arg, struct host_set *set)
{
    (void)arg;
    (void)set;
}

struct host_set *views_host(struct views *v, int egress, struct slice name)
{
    const struct conf_egress *e = &v->conf->egress.at[egress];
    if (e->resolvers.n == 0 || e->via.kind != CONF_VIA_NONE)
        return NULL;
    struct resolver **r = &v->of[egress];
    if (!*r && !(*r = make(v, e)))
        return NULL;
    struct host_set *set = resolver_host_cached(*r, name);
    if (!set)
        (void)resolver_host(*r, name, on_answer, NULL);
    return set && set->status == DNS_OK ? set : NULL;
}
