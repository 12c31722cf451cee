#include "reputation/dnsbl.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/dnsbl_internal.h"

/* ---- the phases of a list ---- */

static bool may_ask(const struct list_watch *l, const struct cell *c)
{
    for (unsigned r = 0; r < l->conf.resolver_n; r++)
        if (l->gates[r][dnsbl_family(c)].passed)
            return true;
    return false;
}

/* Asks all resolvers that may be believed; false: there is none. */
static bool ask_cell(struct dnsbl *d, size_t list, size_t cell, int64_t now_ms)
{
    static const struct dnsbl_finding nothing = { LIST_UNKNOWN, "no answer", NULL, 0 };
    struct list_watch *l = &d->lists[list];
    struct cell *c = &l->cells[cell];
    if (!may_ask(l, c)) {
        c->problem = l->conf.resolver_n ? l->gates[0][dnsbl_family(c)].why : "there is no resolver";
        c->due_ms = now_ms + AGAIN_MS;
        return false;
    }
    c->swept = true;
    for (unsigned r = 0; r < l->conf.resolver_n; r++) {
        c->votes[r] = nothing;
        c->ttl_s[r] = 0;
        c->asked[r] = l->gates[r][dnsbl_family(c)].passed;
        if (c->asked[r])
            dnsbl_ask_address(d, list, cell, r, false);
    }
    return true;
}

static bool sweep(struct dnsbl *d, size_t list, int64_t now_ms)
{
    struct list_watch *l = &d->lists[list];
    bool any = false;
    for (size_t i = 0; i < l->cell_n; i++)
        if (l->cells[i].due_ms <= now_ms)
            any = ask_cell(d, list, i, now_ms) || any;
    l->sweep_ms = now_ms;
    return any;
}

static void leave_idle(struct dnsbl *d, size_t list, int64_t now_ms)
{
    struct list_watch *l = &d->lists[list];
    if (dnsbl_tests_begin(d, list, now_ms))
        l->phase = PHASE_TEST;
    else if (sweep(d, list, now_ms))
        l->phase = PHASE_SWEEP;
}

/* What the list says about those that are new on it, by the first resolver that lists them. */
static void ask_texts(struct dnsbl *d, size_t list)
{
    const struct list_watch *l = &d->lists[list];
    for (size_t i = 0; i < l->cell_n; i++) {
        unsigned r = 0;
        if (!l->cells[i].swept || !l->cells[i].candidate)
            continue;
        while (r < l->conf.resolver_n && l->cells[i].votes[r].state != LIST_LISTED)
            r++;
        if (r < l->conf.resolver_n)
            dnsbl_ask_address(d, list, i, r, true);
    }
}

static void leave_sweep(struct dnsbl *d, size_t list, int64_t now_ms, struct rnd *rnd)
{
    struct list_watch *l = &d->lists[list];
    if (dnsbl_candidates(l, now_ms)) {
        l->phase = PHASE_VERIFY;
        dnsbl_tests_verify(d, list);
        ask_texts(d, list);
        return;
    }
    dnsbl_decide(d, l, now_ms, rnd);
    l->phase = PHASE_IDLE;
}

static void step(struct dnsbl *d, size_t list, int64_t now_ms, struct rnd *rnd)
{
    struct list_watch *l = &d->lists[list];
    if (l->open)
        return;
    switch (l->phase) {
    case PHASE_IDLE:
        leave_idle(d, list, now_ms);
        break;
    case PHASE_TEST:
        dnsbl_tests_end(l, now_ms, rnd);
        l->phase = PHASE_IDLE;
        break;
    case PHASE_SWEEP:
        leave_sweep(d, list, now_ms, rnd);
        break;
    case PHASE_VERIFY:
        dnsbl_tests_end(l, now_ms, rnd);
        dnsbl_decide(d, l, now_ms, rnd);
        l->phase = PHASE_IDLE;
        break;
    }
}

void dnsbl_tick(struct dnsbl *d, int64_t now_ms, struct rnd *rnd)
{
    for (size_t i = 0; i < d->list_n; i++) {
        step(d, i, now_ms, rnd);
        if (d->lists[i].look_ms <= now_ms)
            dnsbl_look(d, &d->lists[i], now_ms);
    }
    dnsbl_ask_release(d, now_ms);
}

void dnsbl_suspect(struct dnsbl *d, const struct addr *address, bool suspect, int64_t now_ms)
{
    for (size_t i = 0; i < d->list_n; i++) {
        struct list_watch *l = &d->lists[i];
        for (size_t k = 0; k < l->cell_n; k++) {
            struct cell *c = &l->cells[k];
            if (!addr_same_host(&c->address, address) || c->suspect == suspect)
                continue;
            c->suspect = suspect;
            if (suspect && c->due_ms > now_ms + SUSPECT_MS)
                c->due_ms = now_ms + SUSPECT_MS;
        }
    }
}

void dnsbl_believed(struct dnsbl *d, struct slice zone, const struct addr *address, bool many)
{
    for (size_t i = 0; i < d->list_n; i++) {
        struct list_watch *l = &d->lists[i];
        for (size_t k = 0; k < l->cell_n && slice_ieq(l->conf.zone, zone); k++) {
            struct cell *c = &l->cells[k];
            if (c->state != LIST_UNKNOWN || !addr_same_host(&c->address, address))
                continue;
            c->before = true;
            c->many = many;
        }
    }
}

void dnsbl_each(const struct dnsbl *d, void (*fn)(void *arg, const struct listing *verdict),
                void *arg)
{
    struct listing verdict;
    struct buf link;
    buf_init(&link, 1024);
    for (size_t i = 0; i < d->list_n; i++) {
        for (size_t k = 0; k < d->lists[i].cell_n; k++) {
            dnsbl_listing_of(&d->lists[i], &d->lists[i].cells[k], &link, &verdict);
            fn(arg, &verdict);
        }
    }
    buf_free(&link);
}

/* ---- configuration ---- */

static const struct zone_code *copy_codes(struct arena *arena, const struct zone_code *codes,
                                          size_t n)
{
    struct zone_code *copy = arena_alloc(arena, (n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        copy[i] = codes[i];
        copy[i].text = arena_strndup(arena, codes[i].text, strlen(codes[i].text));
    }
    return copy;
}

static void copy_conf(struct arena *arena, struct list_watch *l, const struct dnsbl_zone_conf *conf)
{
    l->conf = *conf;
    l->conf.zone.p = arena_strndup(arena, conf->zone.p, conf->zone.n);
    l->conf.link = arena_strndup(arena, conf->link, strlen(conf->link));
    l->conf.codes = copy_codes(arena, conf->codes, conf->code_n);
    l->conf.errors = copy_codes(arena, conf->errors, conf->error_n);
    l->conf.resolvers = NULL;
    l->conf.resolver_n = 0;
    for (size_t i = 0; i < conf->resolver_n && l->conf.resolver_n < DNSBL_RESOLVERS_MAX; i++) {
        size_t k = 0; /* one that is named twice does not agree with itself */
        while (k < l->conf.resolver_n && !addr_eq(&l->resolvers[k], &conf->resolvers[i]))
            k++;
        if (k == l->conf.resolver_n)
            l->resolvers[l->conf.resolver_n++] = conf->resolvers[i];
    }
}

static void add_cells(struct arena *arena, struct list_watch *l, const struct dnsbl_config *config,
                      int64_t now_ms)
{
    l->cells = arena_alloc(arena, (config->address_n + 1) * sizeof *l->cells);
    for (size_t i = 0; i < config->address_n; i++) {
        const struct addr *a = &config->addresses[i];
        if (a->family == ADDR_V6 ? !l->conf.v6 : !l->conf.v4)
            continue;
        struct cell *c = &l->cells[l->cell_n++];
        *c = (struct cell){
            .address = *a, .since_ms = now_ms, .known_ms = now_ms, .due_ms = now_ms, .alone_by = -1
        };
        for (unsigned r = 0; r < DNSBL_RESOLVERS_MAX; r++)
            l->gates[r][dnsbl_family(c)].used = true;
    }
}

/* The code that stands in the new table for the one an address was listed for. */
static void carry_cell(struct list_watch *l, struct cell *c, const struct cell *old)
{
    const struct zone_code *code = zone_code_find(l->conf.codes, l->conf.code_n, old->answer);
    if (old->state == LIST_LISTED && !code)
        return;
    *c = *old;
    c->code = old->state == LIST_LISTED ? code : NULL;
    c->swept = false; /* a candidate stays one: a hold goes on */
    c->alone_by = -1;
}

static void carry(struct list_watch *l, const struct list_watch *old)
{
    bool same = l->conf.resolver_n == old->conf.resolver_n;
    for (size_t r = 0; same && r < l->conf.resolver_n; r++)
        same = addr_eq(&l->resolvers[r], &old->resolvers[r]);
    for (unsigned r = 0; same && r < DNSBL_RESOLVERS_MAX; r++) {
        for (unsigned f = 0; f < FAMILIES; f++) {
            bool used = l->gates[r][f].used;
            if (old->gates[r][f].used)
                l->gates[r][f] = old->gates[r][f];
            l->gates[r][f].used = used;
            l->gates[r][f].asked = false;
        }
    }
    for (size_t i = 0; i < l->cell_n; i++)
        for (size_t k = 0; k < old->cell_n; k++)
            if (addr_same_host(&l->cells[i].address, &old->cells[k].address))
                carry_cell(l, &l->cells[i], &old->cells[k]);
    l->hold_until_ms = old->hold_until_ms;
    l->told = old->told;
    l->fault = old->fault;
    l->last = old->last;
}

void dnsbl_configure(struct dnsbl *d, const struct dnsbl_config *config, int64_t now_ms)
{
    struct arena *arena = arena_new(16384);
    struct list_watch *lists = arena_alloc(arena, (config->zone_n + 1) * sizeof *lists);
    dnsbl_ask_forget(d);
    for (size_t i = 0; i < config->zone_n; i++) {
        copy_conf(arena, &lists[i], &config->zones[i]);
        add_cells(arena, &lists[i], config, now_ms);
        for (size_t k = 0; k < d->list_n; k++)
            if (slice_ieq(d->lists[k].conf.zone, lists[i].conf.zone))
                carry(&lists[i], &d->lists[k]);
    }
    arena_free(&d->arena);
    d->arena = arena;
    d->lists = lists;
    d->list_n = config->zone_n;
    d->per_second = config->per_second;
    d->tokens = config->per_second;
    d->tokens_ms = now_ms;
}

/* ---- life ---- */

struct dnsbl *dnsbl_new(const struct dnsbl_hooks *hooks)
{
    struct dnsbl *d = mem_zero(sizeof *d);
    d->hooks = *hooks;
    d->free_slot = d->first = d->last = -1;
    return d;
}

void dnsbl_free(struct dnsbl **dnsbl)
{
    struct dnsbl *d = *dnsbl;
    if (!d)
        return;
    arena_free(&d->arena);
    free(d->slots);
    free(d);
    *dnsbl = NULL;
}
