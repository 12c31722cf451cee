#include "gateway/delivery/egress.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/delivery/engine.h"
#include "gateway/io/net.h"
#include "gateway/io/timer.h"
#include "policies/route.h"

enum { RECHECK_MS = 1000 };

struct way {
    const struct conf_egress *conf;
    bool plumbed;
    unsigned families;
    unsigned turn; /* which of several addresses of a family is next */
};

struct egress_table {
    struct loop *loop;
    struct policies *policies;
    struct way *at;
    struct egress_facts *facts;
    size_t n;
    struct timer recheck;
    void (*changed)(void *arg);
    void *arg;
};

/* Can a socket be bound to it? Nothing is sent. */
static bool bindable(const struct addr *addr)
{
    struct sockaddr_storage ss;
    socklen_t n = net_to_sockaddr(addr, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int rc = bind(fd, (const struct sockaddr *)&ss, n);
    close(fd);
    return rc == 0;
}

static bool all_bindable(const struct conf_egress *e)
{
    for (size_t i = 0; i < e->addresses.n; i++)
        if (!bindable(&e->addresses.at[i]))
            return false;
    return true;
}

static void on_recheck(struct timer *timer)
{
    struct egress_table *t = CONTAINER_OF(timer, struct egress_table, recheck);
    bool back = false;
    for (size_t i = 0; i < t->n; i++) {
        struct way *w = &t->at[i];
        if (w->plumbed || !all_bindable(w->conf))
            continue;
        w->plumbed = back = true;
        log_info(NULL, "egress_up", "egress", w->conf->name.p, NULL);
    }
    if (egress_down(t) > 0)
        timer_set(t->loop, timer, RECHECK_MS);
    if (back)
        t->changed(t->arg);
}

struct egress_table *egress_new(struct loop *loop, struct policies *policies,
                                void (*changed)(void *arg), void *arg)
{
    const struct conf *conf = policies_conf(policies);
    struct egress_table *t = mem_zero(sizeof *t);
    *t = (struct egress_table){ .loop = loop, .changed = changed, .arg = arg };
    t->policies = policies_ref(policies);
    t->n = conf->egress.n;
    t->at = mem_array(t->n, sizeof *t->at);
    t->facts = mem_array(t->n, sizeof *t->facts);
    timer_init(&t->recheck, on_recheck);
    for (size_t i = 0; i < t->n; i++) {
        const struct conf_egress *e = &conf->egress.at[i];
        t->at[i] = (struct way){ .conf = e, .plumbed = true };
        for (size_t a = 0; a < e->addresses.n; a++)
            t->at[i].families |= e->addresses.at[a].family == ADDR_V6 ? FAMILY_V6 : FAMILY_V4;
        if (!e->addresses.n)
            t->at[i].families = FAMILY_V4 | FAMILY_V6;
    }
    return t;
}

void egress_free(struct egress_table **table)
{
    struct egress_table *t = *table;
    if (!t)
        return;
    timer_stop(t->loop, &t->recheck);
    policies_unref(&t->policies);
    free(t->at);
    free(t->facts);
    free(t);
    *table = NULL;
}

int egress_choose(struct egress_table *t, const struct conf_route *route, unsigned families,
                  unsigned excluded, struct rnd *rnd)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct way *w = &t->at[i];
        t->facts[i].usable = w->conf->usable && w->plumbed &&
                             (!families || (families & w->families)) &&
                             !(i < 8 && (excluded & 1u << i));
    }
    const struct conf *conf = policies_conf(t->policies);
    int chosen = choose_egress(conf, policies_route_egress(t->policies, route), t->facts, rnd);
    if (chosen == EGRESS_NONE)
        chosen = choose_egress(conf, policies_route_fallback(t->policies, route), t->facts, rnd);
    return chosen;
}

static bool in_set(struct egress_set set, int egress)
{
    for (size_t i = 0; i < set.n; i++)
        if (set.at[i] == egress)
            return true;
    return false;
}

bool egress_allowed(const struct egress_table *t, const struct conf_route *route, int egress)
{
    const struct way *w = &t->at[egress];
    return w->conf->usable && w->plumbed &&
           in_set(policies_route_egress(t->policies, route), egress);
}

void egress_source(struct egress_table *t, int egress, struct dial_source *source_r)
{
    struct way *w = &t->at[egress];
    size_t n = w->conf->addresses.n;
    *source_r = (struct dial_source){ .congestion = NULL };
    for (size_t i = 0; i < n; i++) {
        const struct addr *a = &w->conf->addresses.at[(w->turn + i) % n];
        struct addr *into = a->family == ADDR_V6 ? &source_r->v6 : &source_r->v4;
        if (into->family == ADDR_NONE)
            *into = *a;
    }
    w->turn++;
}

unsigned egress_families(const struct egress_table *t, int egress)
{
    return t->at[egress].families;
}

void egress_unplumbed(struct egress_table *t, int egress)
{
    struct way *w = &t->at[egress];
    if (!w->plumbed)
        return;
    w->plumbed = false;
    log_warning(NULL, "egress_down", "egress", w->conf->name.p, "reason", "its address is not ours",
                NULL);
    timer_set(t->loop, &t->recheck, RECHECK_MS);
}

unsigned egress_down(const struct egress_table *t)
{
    unsigned n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += !t->at[i].plumbed;
    return n;
}
