#include "gateway/delivery/egress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/delivery/egress_internal.h"
#include "gateway/delivery/refusal.h"
#include "policies/route.h"

/* ---- life ---- */

struct egress_table *egress_new(struct loop *loop, struct resolver *resolver,
                                struct policies *policies, egress_changed_fn *changed, void *arg)
{
    const struct conf *conf = policies_conf(policies);
    struct egress_table *t = mem_zero(sizeof *t);
    *t = (struct egress_table){
        .loop = loop, .resolver = resolver, .n = conf->egress.n, .changed = changed, .arg = arg
    };
    t->policies = policies_ref(policies);
    t->at = mem_array(t->n, sizeof *t->at);
    for (size_t i = 0; i < t->n; i++) {
        struct way *w = &t->at[i];
        w->table = t;
        w->conf = &conf->egress.at[i];
        w->gone = mem_array(w->conf->addresses.n + 1, sizeof *w->gone);
        w->barred = mem_array(w->conf->addresses.n + 1, sizeof *w->barred);
        w->out = mem_array(w->conf->addresses.n + 1, sizeof *w->out);
        w->families = way_families(w->conf, NULL);
        w->looked_ms = INT64_MIN / 2;
        list_init(&w->line.wanting);
        timer_init(&w->timer, egress_look_again);
    }
    return t;
}

void egress_free(struct egress_table **table)
{
    struct egress_table *t = *table;
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++) {
        timer_stop(t->loop, &t->at[i].timer);
        egress_check_cancel(&t->at[i].check);
        while (list_pop_front(&t->at[i].line.wanting)) /* they look again with the new table */
            ;
        free(t->at[i].gone);
        free(t->at[i].barred);
        free(t->at[i].out);
    }
    policies_unref(&t->policies);
    free(t->at);
    free(t);
    *table = NULL;
}

void egress_inherit(struct egress_table *t, const struct egress_table *old)
{
    t->heeded = old->heeded;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < old->n; k++) {
            struct way *w = &t->at[i];
            const struct way *was = &old->at[k];
            bool same = slice_eq(w->conf->name, was->conf->name) &&
                        w->conf->via.kind == was->conf->via.kind;
            if (!same)
                continue;
            relay_inherit(&w->line, &was->line);
            if (was->fault == EGRESS_FINE)
                continue;
            w->fault = was->fault;
            snprintf(w->reason, sizeof w->reason, "%s", was->reason);
            timer_set(t->loop, &w->timer, 1);
        }
}

/* ---- choosing ---- */

static bool usable(struct way *w, const struct conf_route *route, unsigned families)
{
    bool relay = w->conf->via.kind == CONF_VIA_RELAY;
    if (relay && route->hosts.n) /* its mail goes to those hosts and nowhere else */
        return false;
    return egress_fine(w) && (relay || (!families && w->families) || (families & w->families));
}

static bool in_set(struct egress_set set, int egress)
{
    for (size_t i = 0; i < set.n; i++)
        if (set.at[i] == egress)
            return true;
    return false;
}

static bool in_route(const struct egress_table *t, const struct conf_route *route, int egress)
{
    return in_set(policies_route_egress(t->policies, route), egress);
}

bool egress_has_other(struct egress_table *t, const struct conf_route *route, unsigned families,
                      const struct item *item, int egress)
{
    for (size_t i = 0; i < t->n; i++) {
        int e = (int)i;
        if (e != egress && !item_tried(item, e) && !refusal_bars(item, t->at[i].conf) &&
            (in_route(t, route, e) || in_set(policies_route_fallback(t->policies, route), e)) &&
            usable(&t->at[i], route, families))
            return true;
    }
    return false;
}

bool egress_allowed(struct egress_table *t, const struct conf_route *route, int egress)
{
    return in_route(t, route, egress) && usable(&t->at[egress], route, 0);
}

bool egress_usable(struct egress_table *t, const struct conf_route *route, unsigned families,
                   int egress)
{
    return usable(&t->at[egress], route, families);
}

const struct conf_egress *egress_conf(const struct egress_table *t, int egress)
{
    return t->at[egress].conf;
}

void egress_source(struct egress_table *t, int egress, const bool *rather_not,
                   struct dial_source *source_r)
{
    struct way *w = &t->at[egress];
    way_source(w->conf, w->turn++, w->out, rather_not, source_r);
}

void egress_heed(struct egress_table *t, const struct advice *advice)
{
    bool other = advice->version < t->heeded; /* another control process: it has not been told */
    t->heeded = advice->version;
    for (size_t i = 0; i < t->n; i++) {
        struct way *w = &t->at[i];
        int row = advice_egress(advice, w->conf->name);
        if (other && w->fault != EGRESS_FINE)
            egress_tell(w);
        for (size_t k = 0; k < w->conf->addresses.n; k++)
            w->barred[k] = advice_bars(advice, &w->conf->addresses.at[k]);
        egress_note_left(w);
        if (row != ADVICE_NONE)
            egress_look(w, &advice->egress[row]);
    }
}

enum egress_fault_kind egress_fault(const struct egress_table *t, int egress)
{
    return t->at[egress].fault;
}

const char *egress_reason(const struct egress_table *t, int egress)
{
    return t->at[egress].reason;
}

bool egress_why_none(const struct egress_table *t, const struct conf_route *route, char *text,
                     size_t n)
{
    struct egress_set set = policies_route_egress(t->policies, route);
    snprintf(text, n, "no egress of the route can be used now");
    for (size_t i = 0; i < set.n; i++) {
        const struct way *w = &t->at[set.at[i]];
        if (!w->reason[0])
            continue;
        snprintf(text, n, "egress %s cannot be used: %s", w->conf->name.p, w->reason);
        return true;
    }
    return false;
}

unsigned egress_down(const struct egress_table *t)
{
    unsigned n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->at[i].fault != EGRESS_FINE;
    return n;
}

struct relay_line *egress_line(struct egress_table *t, int egress)
{
    return &t->at[egress].line;
}
