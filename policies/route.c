#include "policies/route.h"

#include <assert.h>

#include "policies/compiled.h"

static bool matches_an_egress(const struct conf *c, const struct pattern *pattern)
{
    for (size_t i = 0; i < c->egress.n; i++)
        if (pattern_match(pattern, c->egress.at[i].name))
            return true;
    return false;
}

static struct egress_set egress_matching(struct policies *p, const struct patterns *patterns)
{
    const struct conf *c = p->conf;
    uint16_t *at = arena_alloc(p->arena, (c->egress.n + 1) * sizeof *at);
    size_t n = 0;
    for (size_t i = 0; i < c->egress.n; i++)
        if (pattern_match_any(patterns->at, patterns->n, c->egress.at[i].name))
            at[n++] = (uint16_t)i;
    return (struct egress_set){ at, n };
}

static void put_egress_names(const struct conf *c, struct buf *out)
{
    for (size_t i = 0; i < c->egress.n; i++)
        buf_printf(out, "%s%s", i ? " " : "", c->egress.at[i].name.p);
}

/* Mail of a route with hosts goes to them, not to a relay of our choice. */
static bool any_reaches_hosts(const struct conf *c, struct egress_set set)
{
    for (size_t i = 0; i < set.n; i++)
        if (c->egress.at[set.at[i]].via.kind != CONF_VIA_RELAY)
            return true;
    return false;
}

/* Names that could not be read would make every pattern look wrong. */
static bool all_named(const struct conf *c)
{
    for (size_t i = 0; i < c->egress.n; i++)
        if (c->egress.at[i].name.n == 0)
            return false;
    return true;
}

static void check_egress(struct policies *p, const struct conf_route *route,
                         const struct patterns *patterns, struct conf_errors *errors)
{
    for (size_t i = 0; i < patterns->n; i++) {
        struct buf names;
        if (route->egress.at[i].text.n == 0 || matches_an_egress(p->conf, &patterns->at[i]))
            continue;
        buf_init(&names, 600);
        put_egress_names(p->conf, &names);
        conf_error(errors, route->egress.at[i].pos,
                   "found \"%s\", expected an egress or a pattern that matches one of: %.*s",
                   route->egress.at[i].text.p, SLICE_FMT(buf_slice(&names)));
        buf_free(&names);
    }
}

static struct egress_set every_egress(struct policies *p)
{
    struct pattern any = { PATTERN_ANY, { "*", 1 } };
    struct patterns everything = { &any, 1 };
    return egress_matching(p, &everything);
}

void routes_compile(struct policies *p, struct conf_errors *errors)
{
    const struct conf_rules *r = &p->conf->rules;
    struct egress_set all = every_egress(p);
    p->routes = arena_alloc(p->arena, r->routes.n * sizeof *p->routes);
    for (size_t i = 0; i < r->routes.n; i++) {
        const struct conf_route *route = &r->routes.at[i];
        struct compiled_route *c = &p->routes[i];
        struct patterns patterns = patterns_compile(p->arena, &route->egress);
        c->when = when_compile(p->arena, &route->when, errors);
        c->egress = egress_matching(p, &patterns);
        if (route->fallback == CONF_FALLBACK_ANY)
            c->fallback = all;
        if (all_named(p->conf))
            check_egress(p, route, &patterns, errors);
        if (route->hosts.n > 0 && c->egress.n > 0 && !any_reaches_hosts(p->conf, c->egress) &&
            !any_reaches_hosts(p->conf, c->fallback))
            conf_error(errors, route->pos,
                       "found only relays as egress of route \"%s\", expected one that reaches "
                       "its hosts",
                       route->name.n ? route->name.p : "");
    }
}

struct route_choice policies_route(const struct policies *p, const struct facts *f)
{
    struct route_choice choice = { 0 };
    const struct conf_rules *r = &p->conf->rules;
    for (size_t i = 0; i < r->routes.n && !choice.route; i++) {
        enum answer a = when_answer(p->routes[i].when, f);
        if (a == ANSWER_UNKNOWN)
            choice.undecided = true;
        else if (a == ANSWER_YES)
            choice.route = &r->routes.at[i];
    }
    assert(choice.route); /* a configuration has a route that matches all */
    return choice;
}

/* ---- in two steps ---- */

static const struct compiled_route *compiled_of(const struct policies *p,
                                                const struct conf_route *route)
{
    size_t i = (size_t)(route - p->conf->rules.routes.at);
    assert(i < p->conf->rules.routes.n);
    return &p->routes[i];
}

enum {
    OF_DESTINATION =
        FACT_BIT(WHEN_MX) | FACT_BIT(WHEN_SITE) | FACT_BIT(WHEN_CARRIER) | FACT_BIT(WHEN_REGION)
};

void policies_route_put_open(const struct policies *p, const struct facts *f, struct buf *out)
{
    const struct conf_rules *r = &p->conf->rules;
    enum answer a = ANSWER_NO;
    struct buf names;
    buf_init(&names, ROUTE_OPEN_MAX - 1);
    for (size_t i = 0; i < r->routes.n && a != ANSWER_YES; i++) {
        const struct when *when = p->routes[i].when;
        a = when_answer(when, f);
        if (a == ANSWER_NO)
            continue;
        if (buf_len(&names))
            buf_putc(&names, ',');
        buf_put_slice(&names, r->routes.at[i].name);
        if (when->negated && when_answer(when->negated, f) == ANSWER_NO)
            buf_putc(&names, '!');
    }
    buf_putc(out, '*');
    if (!names.full)
        buf_put_slice(out, buf_slice(&names));
    buf_free(&names);
}

static enum answer late_answer(const struct policies *p, struct slice name, struct facts *f,
                               const struct conf_route **route_r)
{
    f->past_not = slice_ends_with(name, "!");
    if (f->past_not)
        name.n--;
    *route_r = policies_route_named(p, name);
    return *route_r ? when_answer(compiled_of(p, *route_r)->when, f) : ANSWER_NO;
}

struct route_choice policies_route_late(const struct policies *p, struct slice open,
                                        const struct facts *facts)
{
    struct route_choice choice = { 0 };
    struct facts f = *facts;
    struct slice name, rest = open.n ? slice_skip(open, 1) : open;
    f.assumed = ~(unsigned)OF_DESTINATION;
    while (rest.n && !choice.route) {
        const struct conf_route *route;
        slice_cut(rest, ',', &name, &rest);
        enum answer a = late_answer(p, name, &f, &route);
        if (a == ANSWER_UNKNOWN)
            choice.undecided = true;
        else if (a == ANSWER_YES)
            choice.route = route;
    }
    return choice;
}

/* ---- by name ---- */

const struct conf_route *policies_route_named(const struct policies *p, struct slice name)
{
    const struct conf_rules *r = &p->conf->rules;
    for (size_t i = 0; i < r->routes.n; i++)
        if (slice_eq(r->routes.at[i].name, name))
            return &r->routes.at[i];
    return NULL;
}

struct egress_set policies_route_egress(const struct policies *p, const struct conf_route *route)
{
    return compiled_of(p, route)->egress;
}

struct egress_set policies_route_fallback(const struct policies *p, const struct conf_route *route)
{
    return compiled_of(p, route)->fallback;
}

bool policies_route_relayed(const struct policies *p, const struct conf_route *route)
{
    struct egress_set set = compiled_of(p, route)->egress;
    for (size_t i = 0; i < set.n; i++)
        if (p->conf->egress.at[set.at[i]].via.kind != CONF_VIA_RELAY)
            return false;
    return set.n > 0;
}
