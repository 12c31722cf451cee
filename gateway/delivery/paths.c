#include "gateway/delivery/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/refusal.h"
#include "gateway/delivery/repute.h"
#include "gateway/delivery/session.h"
#include "gateway/delivery/tolls.h"
#include "gateway/mail/envelope.h"
#include "policies/route.h"

enum { EXACT_FROM = COST_LARGE_FROM, LOOK_AT_MAX = 64 };

struct paths {
    struct advice *advice; /* NULL: none yet */
    struct choice_rows rows;
    const struct conf *conf; /* that rows were made for */
    struct geo_cache *geo;
    unsigned workers;
    uint64_t generation;                /* grows with each table and configuration */
    int64_t explore_ms[GEO_GROUPS_MAX]; /* by index of the group; touched as they are met */
    struct egress_facts facts[CHOICE_MAX];
    struct choice choice; /* the latest */
};

/* ---- life ---- */

struct paths *paths_new(unsigned workers, struct geo_cache *geo)
{
    struct paths *p = mem_zero(sizeof *p);
    p->workers = workers;
    p->geo = geo;
    return p;
}

void paths_free(struct paths **paths)
{
    struct paths *p = *paths;
    if (!p)
        return;
    if (p->advice)
        advice_unref(&p->advice);
    free(p);
    *paths = NULL;
}

static void fill_rows(struct paths *p)
{
    p->generation++;
    if (p->conf)
        choice_rows_fill(p->conf, p->advice, &p->rows);
}

bool paths_advise(struct paths *p, struct advice *advice)
{
    bool otherwise = !p->advice || !advice_same_standing(p->advice, advice);
    if (p->advice)
        advice_unref(&p->advice);
    p->advice = advice;
    fill_rows(p);
    return otherwise;
}

static int row_of(const struct paths *p, int egress)
{
    return p->advice && egress >= 0 && egress < CHOICE_MAX ? p->rows.row[egress] : ADVICE_NONE;
}

const struct advice_standing *paths_standing(const struct paths *p, int egress,
                                             struct slice provider, const struct addr *source)
{
    int row = row_of(p, egress);
    if (row == ADVICE_NONE)
        return NULL;
    return source ? advice_source(p->advice, row, provider, source)
                  : advice_standing(p->advice, row, provider);
}

const struct advice *paths_advice(const struct paths *p)
{
    return p->advice;
}

bool paths_barred(const struct paths *p, int egress, const struct addr *source)
{
    int row = row_of(p, egress);
    return row != ADVICE_NONE &&
           (p->advice->egress[row].fault == EGRESS_BARRED || advice_bars(p->advice, source));
}

void paths_forget(struct target *t)
{
    for (size_t i = 0; i < PATHS_KEPT; i++)
        t->kept[i].until_ms = 0;
}

bool paths_has_standings(const struct paths *p)
{
    return p->advice && p->advice->standing_n > 0;
}

void paths_reconfigure(struct paths *p, const struct conf *conf)
{
    p->conf = conf;
    fill_rows(p);
}

void paths_note_address(struct target *t, const struct addr *address)
{
    t->address = *address;
}

/* ---- what the target knows by itself ---- */

/* Sessions that stand, and bulk transfers, per egress. */
static void look_around(struct paths *p, const struct target *t)
{
    const struct list *lists[] = { &t->idle, &t->others };
    for (size_t i = 0; i < 2; i++) {
        unsigned looked = 0;
        LIST_EACH (at, lists[i]) {
            const struct session *s = CONTAINER_OF(at, struct session, link);
            bool stands = s->state == SESSION_IDLE || s->state == SESSION_WORKING;
            if (stands && s->policies == s->delivery->policies && s->egress < CHOICE_MAX)
                p->facts[s->egress].warm = true;
            if (++looked == LOOK_AT_MAX)
                break;
        }
    }
}

static void count_transfers(struct paths *p, const struct delivery *d)
{
    LIST_EACH (at, &d->large) {
        const struct attempt *a = CONTAINER_OF(at, struct attempt, large);
        if (a->session && a->session->policies == d->policies && a->session->egress < CHOICE_MAX)
            p->facts[a->session->egress].active++;
    }
}

static void fill_facts(struct paths *p, struct delivery *d, const struct conf_route *route,
                       struct slice provider, struct target *t, enum lane lane, bool ahead)
{
    size_t n = delivery_conf(d)->egress.n;
    for (size_t i = 0; i < n && i < CHOICE_MAX; i++) {
        bool usable = egress_usable(d->egress, route, t ? t->families : 0, (int)i);
        uint8_t fault = (uint8_t)egress_fault(d->egress, (int)i);
        p->facts[i] = (struct egress_facts){ .usable = usable || fault, .fault = fault };
    }
    count_transfers(p, d);
    repute_facts(d, provider, p->facts);
    if (t) {
        look_around(p, t);
        tolls_facts(t, lane, ahead, p->facts);
    }
}

/* What the mail itself rules out; `tried`: also those that failed for it just now. */
static void exclude(struct paths *p, size_t n, const struct item *item, bool tried)
{
    for (size_t i = 0; i < n && i < CHOICE_MAX; i++)
        p->facts[i].excluded =
            refusal_bars(item, &p->conf->egress.at[i]) || (tried && item_tried(item, (int)i));
}

/* ---- one choice ---- */

/* `anywhere`: whichever group shows what is needed, as each does the way to a relay. */
static int group_of(struct paths *p, const struct addr *address, bool anywhere, int64_t **explore_r)
{
    *explore_r = NULL;
    if (!p->advice || (address->family == ADDR_NONE && !anywhere))
        return ADVICE_NONE;
    if (!p->geo || address->family == ADDR_NONE)
        return advice_group(p->advice, SLICE_LIT("other"), SLICE_LIT("other"));
    const struct geo_group *g = geo_group(p->geo, address);
    *explore_r = &p->explore_ms[g->index];
    return advice_group(p->advice, g->carrier, g->region);
}

/* Mail of the same two correspondents goes the same way among ways that are alike: greylisting
 * knows us by it, and each way still gets its share. */
static uint64_t correspondents(struct slice sender, struct slice recipient)
{
    uint64_t a = slice_hash_stable(sender), b = slice_hash_stable(recipient);
    return a ^ (b << 23 | b >> 41);
}

static struct choice_request request_of(struct paths *p, struct delivery *d,
                                        const struct conf_route *route, const struct addr *address)
{
    struct choice_request q = { .conf = delivery_conf(d),
                                .allowed = policies_route_egress(d->policies, route),
                                .fallback = policies_route_fallback(d->policies, route),
                                .facts = p->facts,
                                .advice = p->advice,
                                .rows = &p->rows,
                                .now_ms = loop_now_ms(d->loop),
                                .tls = route->tls != CONF_TLS_NONE,
                                .sticky = EGRESS_NONE,
                                .incumbent = EGRESS_NONE,
                                .sharers = p->workers };
    q.group = group_of(p, address, policies_route_relayed(d->policies, route), &q.explore_ms);
    return q;
}

const struct choice *paths_explain(struct delivery *d, const struct paths_question *x)
{
    struct paths *p = d->paths;
    fill_facts(p, d, x->route, x->provider, x->target, x->lane, false);
    struct choice_request q = request_of(p, d, x->route, &x->address);
    struct rnd rnd = *d->rnd; /* asking changes nothing */
    q.bytes = x->bytes;
    q.lane = x->lane;
    q.sender = correspondents(x->sender, x->recipient);
    q.explore_ms = NULL;
    for (size_t i = 0; x->target && i < PATHS_KEPT; i++)
        if (x->target->kept[i].route == x->route)
            q.incumbent = x->target->kept[i].incumbent;
    choose(&q, &rnd, &p->choice);
    return &p->choice;
}

static void sum_up(const struct choice *c, struct way_out *way)
{
    bool is_second = c->second >= 0 && choice_race_ms(c) != CHOICE_RACE_NEVER;
    way->egress = c->egress;
    way->second = is_second ? c->at[c->second].egress : EGRESS_NONE;
    way->race_ms = is_second ? choice_race_ms(c) : CHOICE_RACE_NEVER;
    way->overdue_ms = choice_overdue_ms(c->chosen >= 0 ? c->at[c->chosen].path : NULL);
    way->spilled = c->spilled;
    way->waits = c->waits;
    memset(way->able, 0, sizeof way->able);
    for (uint32_t i = 0; i < c->n; i++)
        if (c->at[i].reason < RULED_OUT_UNUSABLE && (!c->bound || (int)i == c->chosen))
            way->able[c->at[i].egress / 64] |= UINT64_C(1) << (c->at[i].egress % 64);
}

/* ---- keeping it ---- */

/* The entry for this key, or the one to be used for it. */
static struct kept_way *kept_for(struct target *t, const struct kept_way *key)
{
    struct kept_way *oldest = &t->kept[0];
    for (size_t i = 0; i < PATHS_KEPT; i++) {
        struct kept_way *k = &t->kept[i];
        if (k->route == key->route && k->pair == key->pair && k->size_class == key->size_class &&
            k->lane == key->lane)
            return k;
        if (k->until_ms < oldest->until_ms)
            oldest = k;
    }
    int incumbent = EGRESS_NONE;
    for (size_t i = 0; i < PATHS_KEPT; i++)
        if (t->kept[i].route == key->route)
            incumbent = t->kept[i].incumbent;
    *oldest = *key;
    oldest->incumbent = incumbent;
    return oldest;
}

static bool still_true(const struct kept_way *k, const struct target *t)
{
    const struct delivery *d = t->delivery;
    return loop_now_ms(d->loop) < k->until_ms && k->generation == d->paths->generation &&
           k->families == t->families && egress_fault(d->egress, k->way.egress) == EGRESS_FINE;
}

/* Powers of two: mail of a class takes the same time but for a little. */
static uint8_t size_class(uint64_t bytes)
{
    uint8_t class = 0;
    while (bytes >> class && class < 63)
        class ++;
    return class;
}

static bool is_special(const struct item *item)
{
    return item->refused_n || item->tried_n || item->sticky_until_ms;
}

static int sticky_egress(const struct item *item, const struct conf *conf, int64_t now_ms)
{
    if (now_ms >= item->sticky_until_ms)
        return EGRESS_NONE;
    for (size_t i = 0; i < conf->egress.n; i++)
        if ((uint32_t)slice_hash_stable(conf->egress.at[i].name) == item->sticky)
            return (int)i;
    return EGRESS_NONE;
}

/* The first host of the site, when that needs no question to the DNS. */
static void find_address(struct target *t, const struct conf_route *route)
{
    const struct mx_set *mx = t->site->mx;
    if (mx && mx->count) {
        const struct host_set *set =
            resolver_host_cached(t->delivery->resolver, slice_of(mx->hosts[0].name));
        if (set && set->count)
            t->address = set->addrs[0];
    } else if (!mx && route->hosts.n && route->hosts.at[0].is_addr) {
        t->address = route->hosts.at[0].addr;
    }
}

static void decide(struct target *t, struct kept_way *k, const struct item *item, bool ahead)
{
    struct delivery *d = t->delivery;
    struct paths *p = d->paths;
    size_t n = delivery_conf(d)->egress.n;
    if (t->address.family == ADDR_NONE)
        find_address(t, k->route);
    fill_facts(p, d, k->route, repute_provider(t), t, (enum lane)item->lane, ahead);
    exclude(p, n, item, true);
    struct choice_request q = request_of(p, d, k->route, &t->address);
    q.bytes = item->body_size;
    q.lane = (enum lane)item->lane;
    q.sender = k->pair;
    q.sticky = sticky_egress(item, q.conf, q.now_ms);
    q.incumbent = k->incumbent;
    q.explore_ms = ahead ? NULL : q.explore_ms; /* it may come to nothing */
    if (choose(&q, d->rnd, &p->choice) == EGRESS_NONE && item->tried_n) {
        exclude(p, n, item, false);
        choose(&q, d->rnd, &p->choice);
    }
    const struct choice *c = &p->choice;
    sum_up(c, &k->way);
    k->way.placed = t->address.family != ADDR_NONE;
    k->way.measured = c->measured;
    k->generation = p->generation;
    k->families = t->families;
    bool lasting = c->measured && !c->drawn && c->at[c->chosen].reason != CHOSEN_EXPLORING &&
                   !is_special(item) && item->body_size < EXACT_FROM;
    k->until_ms = lasting && !ahead ? q.now_ms + PATHS_KEEP_MS : 0;
    k->incumbent = lasting ? k->way.egress : k->incumbent;
}

/* Who it is from and to matters only where there is something to choose. */
static uint64_t pair_of(const struct target *t, const struct conf_route *route,
                        const struct item *item)
{
    const struct policies *policies = t->delivery->policies;
    struct slice sender, recipient;
    if (policies_route_egress(policies, route).n + policies_route_fallback(policies, route).n < 2)
        return 0;
    envelope_peek(item_envelope(item), &sender, &recipient);
    return correspondents(sender, recipient);
}

void paths_choose(struct target *t, const struct conf_route *route, const struct item *item,
                  bool ahead, struct way_out *way_r)
{
    struct kept_way key = { .route = route,
                            .pair = pair_of(t, route, item),
                            .size_class = size_class(item->body_size),
                            .lane = item->lane };
    struct kept_way *k = kept_for(t, &key);
    if (ahead || is_special(item) || !still_true(k, t))
        decide(t, k, item, ahead);
    *way_r = k->way;
}

bool paths_has_way(struct target *t, const struct conf_route *route, const struct item *item)
{
    struct delivery *d = t->delivery;
    struct paths *p = d->paths;
    fill_facts(p, d, route, repute_provider(t), t, (enum lane)item->lane, false);
    exclude(p, delivery_conf(d)->egress.n, item, true);
    struct choice_request q = request_of(p, d, route, &t->address);
    struct rnd rnd = *d->rnd;
    q.bytes = item->body_size;
    q.lane = (enum lane)item->lane;
    q.explore_ms = NULL;
    return choose(&q, &rnd, &p->choice) != EGRESS_NONE || choice_has(&p->choice, RULED_OUT_SPENT) ||
           choice_has(&p->choice, RULED_OUT_LIMITED);
}

bool paths_limited(const struct paths *p, int egress)
{
    return choice_rules_out(&p->choice, egress, RULED_OUT_LIMITED);
}

void paths_why_none(const struct paths *p, char *text, size_t n)
{
    for (uint32_t i = 0; i < p->choice.n; i++) {
        const struct candidate *c = &p->choice.at[i];
        if (c->reason < RULED_OUT_EXCLUDED)
            continue;
        const char *why = c->reason == RULED_OUT_FAULT ? egress_fault_names[c->fault]
                                                       : choice_reason_texts[c->reason];
        snprintf(text, n, "egress %s: %s", p->conf->egress.at[c->egress].name.p, why);
        return;
    }
}
