#include "gateway/admin/filter.h"

#include <string.h>

#include "gateway/base/units.h"
#include "policies/route.h"

const char *const filter_names[] = { "to",       "from", "domain", "site", "egress",
                                     "priority", "age",  "id",     NULL };

static enum rc read_glob(const char *text, struct arena *arena, bool *by_r,
                         struct pattern *pattern_r)
{
    pattern_compile(arena, slice_of(text), pattern_r);
    *by_r = true;
    return RC_OK;
}

static enum rc read_lane(const char *text, struct queue_filter *q, struct err *err)
{
    for (unsigned i = 0; i < LANE_COUNT; i++) {
        if (strcmp(lane_names[i], text) == 0) {
            q->by_lane = true;
            q->lane = i;
            return RC_OK;
        }
    }
    return err_set(err, RC_PARSE, "\"%.40s\" is no priority: urgent, high, normal or bulk", text);
}

static enum rc read_age(const char *text, struct queue_filter *q, struct err *err)
{
    const char *plain = text[0] == '>' ? text + 1 : text;
    if (units_duration(slice_of(plain), &q->age_min_ms) != RC_OK)
        return err_set(err, RC_PARSE, "\"%.40s\" is no age: write 30m, 4h, 2d", text);
    return RC_OK;
}

static enum rc read_id(const char *text, struct queue_filter *q, struct err *err)
{
    if (!spool_id_parse(slice_of(text), &q->id))
        return err_set(err, RC_PARSE, "\"%.40s\" is no message id", text);
    q->by_id = true;
    return RC_OK;
}

static enum rc read_one(struct filter *f, const char *name, const char *value, struct arena *arena,
                        struct err *err)
{
    struct queue_filter *q = &f->queue;
    if (strcmp(name, "to") == 0)
        return read_glob(value, arena, &q->by_to, &q->to);
    if (strcmp(name, "from") == 0)
        return read_glob(value, arena, &q->by_from, &q->from);
    if (strcmp(name, "domain") == 0)
        return read_glob(value, arena, &q->by_domain, &q->domain);
    if (strcmp(name, "site") == 0)
        return read_glob(value, arena, &q->by_site, &q->site);
    if (strcmp(name, "priority") == 0)
        return read_lane(value, q, err);
    if (strcmp(name, "age") == 0)
        return read_age(value, q, err);
    if (strcmp(name, "id") == 0)
        return read_id(value, q, err);
    f->egress = slice_of(value);
    return RC_OK;
}

enum rc filter_read(const struct request *request, struct arena *arena, struct filter *filter_r,
                    struct err *err)
{
    *filter_r = (struct filter){ 0 };
    for (const char *const *name = filter_names; *name; name++) {
        const char *value = request_get(request, *name);
        if (!value)
            continue;
        enum rc rc = read_one(filter_r, *name, value, arena, err);
        if (rc != RC_OK)
            return rc;
        filter_r->any = true;
    }
    return RC_OK;
}

static bool uses(const struct policies *p, const struct conf_route *route, size_t egress)
{
    struct egress_set sets[] = { policies_route_egress(p, route),
                                 policies_route_fallback(p, route) };
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < sets[s].n; i++) {
            if (sets[s].at[i] == egress)
                return true;
        }
    }
    return false;
}

static bool on_route(const void *arg, const struct item *item)
{
    const struct filter *f = arg;
    for (size_t i = 0; i < f->route_count; i++) {
        if (slice_eq(f->routes[i], item_route(item)))
            return true;
    }
    return false;
}

enum rc filter_resolve(struct filter *f, const struct policies *p, struct arena *arena,
                       struct err *err)
{
    const struct conf *conf = policies_conf(p);
    if (!f->egress.n)
        return RC_OK;
    size_t egress = 0;
    while (egress < conf->egress.n && !slice_eq(conf->egress.at[egress].name, f->egress))
        egress++;
    if (egress == conf->egress.n)
        return err_set(err, RC_NOT_FOUND, "there is no egress \"%.*s\"", SLICE_FMT(f->egress));
    f->routes = arena_alloc(arena, conf->rules.routes.n * sizeof *f->routes);
    for (size_t i = 0; i < conf->rules.routes.n; i++) {
        const struct conf_route *route = &conf->rules.routes.at[i];
        if (uses(p, route, egress)) /* copied: a reload may come while the workers look */
            f->routes[f->route_count++] =
                (struct slice){ arena_strndup(arena, route->name.p, route->name.n), route->name.n };
    }
    f->queue.also = on_route;
    f->queue.also_arg = f;
    return RC_OK;
}
