#include "tests/sim/standing_life.h"

#include <stdio.h>
#include <string.h>

static const int64_t MINUTE = 60000, HOUR = 3600000, DAY = 24 * 3600000LL,
                     PEACE = 30 * 24 * 3600000LL;
static const char *const egresses[LIFE_MEMBERS] = { "a", "b", "c", "d", "e", "f", "g", "h" };
static const char *const lists[2] = { "soft.example", "hard.example" };

const char *life_provider(int p)
{
    static const char *const names[LIFE_PROVIDERS] = { "gmail", "outlook", "qq",   "netease",
                                                       "yahoo", "orange",  "small" };
    return names[p];
}

static bool chance(struct life *l, double each_step)
{
    return rnd_unit(&l->rnd) < each_step;
}

static int64_t until(struct life *l, int64_t least, int64_t most)
{
    return l->inner + least + (int64_t)rnd_below(&l->rnd, (uint64_t)(most - least) + 1);
}

static int some_member(struct life *l)
{
    return (int)rnd_below(&l->rnd, l->config.member_n);
}

/* ---- the twins ---- */

struct twin_arg {
    struct life *l;
    int index;
};

static void on_event(void *arg, const struct standing_event *e)
{
    const struct twin_arg *t = arg;
    char line[600];
    int n = snprintf(line, sizeof line, "%u %lld %d %d %.*s %.*s %u %u %.*s %a %u", e->kind,
                     (long long)e->at_ms, e->member, e->pool, SLICE_FMT(e->egress),
                     SLICE_FMT(e->provider), e->from, e->to, SLICE_FMT(e->reason), e->points,
                     e->evidence_n);
    /* In any order: what happens at one moment may come by member or by kind. */
    t->l->heard[t->index] += slice_hash_stable((struct slice){ line, (size_t)n });
    if (t->index == 0)
        life_on_event(t->l, e);
}

static struct twin_arg twin_args[LIFE_TWINS];

/* The second one ends; what it leaves is the caller's to free. */
static void stop_one(struct life *l, struct buf *kept)
{
    struct buf first;
    buf_init(&first, STANDING_PACK_MAX);
    buf_init(kept, STANDING_PACK_MAX);
    standing_pack(l->twin[0], &first);
    standing_pack(l->twin[1], kept);
    life_must(l, slice_eq(buf_slice(&first), buf_slice(kept)), "the twins are not the same", -1);
    standing_free(&l->twin[1]);
    buf_free(&first);
}

static void start_one(struct life *l, struct buf *kept)
{
    const struct standing_hooks hooks = { on_event, &twin_args[1] };
    if (standing_unpack(buf_slice(kept), &hooks, &l->twin[1], NULL) != RC_OK) {
        life_break(l, "what was packed is refused", -1);
        l->twin[1] = standing_new(&hooks, l->wall);
    }
    standing_configure(l->twin[1], &l->config, l->wall);
    buf_free(kept);
    l->figures->restarts++;
}

/* ---- inputs, to both ---- */

static void reply(struct life *l, int m, int p, enum standing_class c)
{
    struct standing_reply r = { .reply_class = (uint8_t)c,
                                .temporary = c == STANDING_IP_THROTTLED || chance(l, 0.02),
                                .names_us = chance(l, 0.3),
                                .sender_domain = rnd_below(&l->rnd, 4),
                                .text = slice_of("554 refused") };
    l->shadow[m].touched = true;
    for (int t = 0; t < LIFE_TWINS; t++)
        standing_reply(l->twin[t], m, slice_of(life_provider(p)), &r, l->wall);
    l->figures->mails++;
}

static enum standing_class answer(struct life *l, int m, int p)
{
    const struct life_trouble *t = &l->trouble;
    if (t->refuses_all[p] > l->inner)
        return chance(l, 0.8) ? STANDING_IP_BLOCKED : STANDING_OTHER;
    if (t->burnt[m] > l->inner && p % 2 == m % 2)
        return chance(l, 0.9) ? STANDING_IP_BLOCKED : STANDING_DELIVERED;
    if (t->limited[p] > l->inner)
        return chance(l, 0.3) ? STANDING_IP_THROTTLED : STANDING_DELIVERED;
    if (t->spam[m] > l->inner)
        return chance(l, 0.2) ? STANDING_CONTENT : STANDING_DELIVERED;
    return chance(l, 0.03) ? STANDING_OTHER : STANDING_DELIVERED;
}

static void send_some(struct life *l, int m, int p, uint32_t want)
{
    uint32_t given[LIFE_TWINS];
    life_note_quota(l, m, p);
    for (int t = 0; t < LIFE_TWINS; t++)
        given[t] = standing_take(l->twin[t], m, slice_of(life_provider(p)), want, l->wall);
    if (given[0] != given[1])
        life_break(l, "the twins permit different things", m);
    life_check_take(l, m, p, given[0]);
    for (uint32_t i = 0; i < given[0]; i++)
        reply(l, m, p, answer(l, m, p));
}

/* Shares of content need numbers: while somebody sends it there is more mail. */
static void mail(struct life *l)
{
    int sends = 4, p;
    for (uint32_t m = 0; m < l->config.member_n; m++)
        sends = l->trouble.spam[m] > l->inner ? 40 : sends;
    for (int i = 0; i < sends; i++) {
        p = (int)rnd_below(&l->rnd, LIFE_PROVIDERS);
        if (l->trouble.silent[p] <= l->inner)
            send_some(l, some_member(l), p,
                      1 + (uint32_t)rnd_below(&l->rnd, chance(l, 0.1) ? 40 : 4));
    }
}

static void check_list(struct life *l, int m, int list)
{
    bool listed = l->trouble.listed[m][list] > l->inner || l->trouble.world[list] > l->inner;
    bool dead = l->trouble.dead[list] > l->inner;
    bool unknown = dead || (!l->quiet && chance(l, 0.1));
    bool silent = dead && l->inner - l->trouble.died[list] >= 3 * HOUR;
    bool many = l->trouble.world[list] > l->inner;
    struct life_shadow *s = &l->shadow[m];
    struct standing_check c = { .source = slice_of(lists[list]),
                                .points = list ? 100 : 40,
                                .hard = list == 1,
                                .many = many,
                                .verdict = silent    ? STANDING_SILENT
                                           : unknown ? STANDING_UNKNOWN
                                           : listed  ? STANDING_IS_LISTED
                                                     : STANDING_CLEARED };
    if (!unknown)
        s->heard[list] = l->inner;
    if (silent && s->listed[list] && l->inner - s->heard[list] >= DAY) {
        s->listed[list] = false;
        l->figures->died++;
    } else if (!unknown && listed) {
        s->listed[list] = true;
        s->clear[list] = 0;
        s->many[list] = many;
    } else if (!unknown && s->listed[list] &&
               (s->clear[list] == 0 || l->inner - s->clear_ms[list] >= 15 * MINUTE)) {
        s->clear_ms[list] = l->inner;
        s->listed[list] = ++s->clear[list] < 3;
    }
    s->hard[list] = s->listed[list] && list == 1 && !s->many[list];
    s->touched = true;
    for (int t = 0; t < LIFE_TWINS; t++)
        standing_listing(l->twin[t], m, &c, l->wall);
}

static void names(struct life *l, int m)
{
    enum standing_name name =
        l->trouble.names[m] > l->inner ? STANDING_NAME_BROKEN : STANDING_NAME_OK;
    l->shadow[m].touched = true;
    l->shadow[m].broken = name == STANDING_NAME_BROKEN;
    for (int t = 0; t < LIFE_TWINS; t++)
        standing_hygiene(l->twin[t], m, name, STANDING_NAME_OK, l->wall);
}

static void set_fault(struct life *l, int m, enum egress_fault_kind fault)
{
    l->shadow[m].faulted = fault != EGRESS_FINE;
    for (int t = 0; t < LIFE_TWINS; t++)
        standing_fault(l->twin[t], m, fault, l->wall);
}

static void order(struct life *l, int m, enum standing_order o)
{
    enum rc rc[LIFE_TWINS];
    l->shadow[m].touched = true;
    for (int t = 0; t < LIFE_TWINS; t++)
        rc[t] = standing_order(l->twin[t], m, o, l->wall, NULL);
    if (rc[0] != rc[1])
        life_break(l, "the twins take orders differently", m);
    if (o == STANDING_RESET)
        life_oracle_reset(l, m);
}

/* ---- trouble ---- */

/* All providers refuse everybody; a list dies, with what it said last; nobody writes to a provider
 * for longer than it is remembered. */
static void draw_rare_trouble(struct life *l)
{
    struct life_trouble *t = &l->trouble;
    int list = (int)rnd_below(&l->rnd, 2);
    if (chance(l, 0.0001)) {
        t->refuses_all[0] = until(l, HOUR, 12 * HOUR);
        for (int p = 1; p < LIFE_PROVIDERS; p++)
            t->refuses_all[p] = t->refuses_all[0];
    }
    if (t->dead[list] <= l->inner && chance(l, 0.0006)) {
        t->died[list] = l->inner;
        t->dead[list] = until(l, HOUR, 4 * DAY);
    }
    if (chance(l, 0.0002))
        t->silent[rnd_below(&l->rnd, LIFE_PROVIDERS)] = until(l, 20 * DAY, 40 * DAY);
}

static void draw_trouble(struct life *l)
{
    struct life_trouble *t = &l->trouble;
    draw_rare_trouble(l);
    if (chance(l, 0.0004))
        t->refuses_all[rnd_below(&l->rnd, LIFE_PROVIDERS)] = until(l, HOUR, 30 * HOUR);
    if (chance(l, 0.001))
        t->burnt[some_member(l)] = until(l, HOUR, 3 * DAY); /* often: relapses */
    if (chance(l, 0.0006))
        t->listed[some_member(l)][rnd_below(&l->rnd, 2)] = until(l, HOUR, 5 * DAY);
    if (chance(l, 0.0001))
        t->world[rnd_below(&l->rnd, 2)] = until(l, HOUR, 12 * HOUR);
    if (chance(l, 0.002))
        t->limited[rnd_below(&l->rnd, LIFE_PROVIDERS)] = until(l, 10 * MINUTE, 6 * HOUR);
    if (chance(l, 0.001))
        t->spam[some_member(l)] = until(l, HOUR, 4 * HOUR);
    if (chance(l, 0.0003))
        t->names[some_member(l)] = until(l, HOUR, 2 * DAY);
}

static void draw_orders(struct life *l)
{
    static const enum egress_fault_kind faults[] = { EGRESS_UNPLUMBED,  EGRESS_PROXY_DOWN,
                                                     EGRESS_PATHS_DOWN, EGRESS_FINE,
                                                     EGRESS_FINE,       EGRESS_FINE };
    if (chance(l, 0.003))
        set_fault(l, some_member(l), faults[rnd_below(&l->rnd, 6)]);
    if (chance(l, 0.002))
        order(l, some_member(l), (enum standing_order)rnd_below(&l->rnd, STANDING_ORDERS));
    if (chance(l, 0.01))
        order(l, some_member(l), STANDING_ENABLE);
    if (chance(l, 0.01))
        order(l, some_member(l), STANDING_ACKNOWLEDGE);
}

static void configure(struct life *l)
{
    for (int t = 0; t < LIFE_TWINS; t++)
        standing_configure(l->twin[t], &l->config, l->wall);
}

/* Other routes, or the same with other egresses. */
static void draw_pools(struct life *l)
{
    l->config.pool = l->pool;
    l->config.pool_n = (uint32_t)rnd_below(&l->rnd, LIFE_POOLS + 1);
    for (uint32_t p = 0; p < l->config.pool_n; p++)
        l->pool[p].bits[0] = rnd_below(&l->rnd, 1u << l->config.member_n);
}

static void reload(struct life *l)
{
    if (chance(l, 0.3))
        draw_pools(l);
    l->config.min_active = (uint32_t)rnd_below(&l->rnd, 3);
    l->config.acknowledge = chance(l, 0.2);
    l->config.last_resort = (uint8_t)rnd_below(&l->rnd, 2);
    l->member[some_member(l)].disabled = chance(l, 0.2);
    configure(l);
    for (uint32_t p = l->config.pool_n ? l->config.pool_n : 1; p < LIFE_POOLS; p++)
        l->pool_empty[p] = false;
}

/* ---- time ---- */

static void pass(struct life *l)
{
    struct buf kept;
    int64_t ms = 1 + (int64_t)rnd_below(&l->rnd, (uint64_t)(20 * MINUTE));
    if (!l->quiet && chance(l, 0.0002))
        ms = (int64_t)rnd_below(&l->rnd, (uint64_t)(3 * DAY)); /* nothing to do */
    if (!l->quiet && chance(l, 0.0002)) {
        l->wall -= (int64_t)rnd_below(&l->rnd, (uint64_t)DAY); /* a clock put right */
        for (int t = 0; t < LIFE_TWINS; t++)
            standing_tick(l->twin[t], l->wall);
    }
    bool away = chance(l, 0.005); /* one of them is not there while the time passes */
    if (away)
        stop_one(l, &kept);
    l->wall += ms;
    l->inner += ms;
    standing_tick(l->twin[0], l->wall);
    if (away)
        start_one(l, &kept);
    standing_tick(l->twin[1], l->wall);
    l->figures->away += away;
}

static void step(struct life *l)
{
    pass(l);
    life_check_step(l); /* before any input: only time has passed */
    if (!l->quiet) {
        draw_trouble(l);
        draw_orders(l);
    }
    if (!l->quiet && chance(l, 0.0005))
        reload(l);
    mail(l);
    if (chance(l, 0.5)) {
        int m = some_member(l);
        check_list(l, m, (int)rnd_below(&l->rnd, 2));
        names(l, m);
        uint32_t sessions = (uint32_t)rnd_below(&l->rnd, 3);
        for (int t = 0; t < LIFE_TWINS; t++)
            standing_sessions(l->twin[t], m, sessions, l->wall);
    }
    life_check_step(l);
    if (chance(l, 0.01)) {
        struct buf kept;
        stop_one(l, &kept);
        start_one(l, &kept);
    }
    l->figures->steps++;
}

/* ---- a life ---- */

static void draw_world(struct life *l)
{
    l->config.member = l->member;
    l->config.member_n = 2 + (uint32_t)rnd_below(&l->rnd, LIFE_MEMBERS - 1);
    for (uint32_t m = 0; m < l->config.member_n; m++) {
        l->member[m] = (struct standing_member){
            .egress = slice_of(egresses[m]),
            .address = { .family = ADDR_V4, .bytes = { 192, 0, 2, (uint8_t)(m + 1) } },
            .warmup_ms = chance(l, 0.4) ? until(l, 0, 20 * DAY) : 0,
        };
        bool warm = l->member[m].warmup_ms == 0;
        l->shadow[m].state = warm ? STANDING_CLEAN : STANDING_PROBATION;
        for (int p = 0; p < LIFE_PROVIDERS; p++)
            l->shadow[m].provider[p] = warm ? STANDING_CLEAN : STANDING_PROBATION;
    }
    draw_pools(l);
    l->config.last_resort = (uint8_t)rnd_below(&l->rnd, 2);
}

static void peace(struct life *l)
{
    l->quiet = true;
    memset(&l->trouble, 0, sizeof l->trouble);
    l->config.acknowledge = false;
    for (uint32_t m = 0; m < l->config.member_n; m++)
        l->member[m].disabled = false;
    configure(l);
    for (int m = 0; m < (int)l->config.member_n; m++) {
        set_fault(l, m, EGRESS_FINE);
        order(l, m, STANDING_ENABLE);
    }
}

bool life_run(uint64_t seed, double years, bool verbose, struct life_figures *figures_r)
{
    struct life l = { .figures = figures_r, .wall = 1750000000000, .verbose = verbose };
    memset(figures_r, 0, sizeof *figures_r);
    rnd_seed(&l.rnd, seed);
    l.inner = l.start = l.hour = l.wall;
    draw_world(&l);
    for (int t = 0; t < LIFE_TWINS; t++) {
        twin_args[t] = (struct twin_arg){ &l, t };
        const struct standing_hooks hooks = { on_event, &twin_args[t] };
        l.twin[t] = standing_new(&hooks, l.wall);
    }
    configure(&l);
    int64_t end = l.start + (int64_t)(years * 365 * (double)DAY);
    while (l.inner < end && !figures_r->broken[0])
        step(&l);
    if (!figures_r->broken[0])
        peace(&l);
    for (end = l.inner + PEACE; l.inner < end && !figures_r->broken[0];)
        step(&l);
    if (!figures_r->broken[0])
        life_check_end(&l);
    for (int t = 0; t < LIFE_TWINS; t++)
        standing_free(&l.twin[t]);
    return !figures_r->broken[0];
}
