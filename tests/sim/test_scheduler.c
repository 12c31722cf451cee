/*
 * tests/sim/test_scheduler — the order of a site under drawn workloads, in virtual time
 *
 *   Worlds are drawn from seeds: clients, sizes, lanes, arrivals, how long a message takes. Each
 *   test asserts one of the bounds of docs/SCHEDULER.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/rnd.h"
#include "gateway/queue/sched.h"

enum { SEEDS = 12, SLOTS_MOST = 40, FLOWS = 3 };

struct mail {
    struct list node;
    struct sched_mail is;
    struct sched_flow *flow;
    int64_t came_ms;
};

/* ---- a site: slots, and a virtual clock ---- */

struct world {
    struct sched sched;
    struct sched_flow flows[FLOWS];
    struct rnd rnd;
    int64_t now_ms;
    int64_t ends_ms[SLOTS_MOST]; /* 0: the slot is free */
    struct mail *under_way[SLOTS_MOST];
    uint64_t given[LANE_COUNT]; /* cost */
    bool breaks;                /* sessions do, before their mail was tried */
};

static struct sched_mail look(struct list *node)
{
    return CONTAINER_OF(node, struct mail, node)->is;
}

static void world_make(struct world *w, uint64_t seed, uint32_t slots)
{
    memset(w, 0, sizeof *w);
    rnd_seed(&w->rnd, seed);
    w->now_ms = 1000;
    sched_init(&w->sched, look);
    w->sched.slots.all = slots;
    for (int i = 0; i < FLOWS; i++)
        sched_flow_init(&w->sched, &w->flows[i]);
}

static struct mail *send(struct world *w, int flow, enum lane lane, uint64_t client, uint64_t bytes)
{
    struct mail *m = mem_zero(sizeof *m);
    m->is = (struct sched_mail){ lane, client, bytes };
    m->flow = &w->flows[flow];
    m->came_ms = w->now_ms;
    list_init(&m->node);
    sched_add(&w->sched, m->flow, &m->node, w->now_ms);
    return m;
}

/* NULL: nothing may go. The caller owns it. */
static struct mail *take(struct world *w)
{
    struct sched_flow *flow;
    struct list *node = sched_next(&w->sched, NULL, SCHED_SLOT, w->now_ms, &flow);
    if (!node)
        return NULL;
    struct mail *m = CONTAINER_OF(node, struct mail, node);
    assert_ptr_equal(flow, m->flow);
    sched_charge(&w->sched, flow, node, SCHED_SLOT, w->now_ms);
    sched_del(&w->sched, flow, node);
    w->given[m->is.lane] += sched_cost(m->is.bytes);
    return m;
}

static void world_end(struct world *w)
{
    w->sched.slots = (struct slots){ .all = UINT32_MAX };
    for (struct mail *m; (m = take(w));)
        free(m);
    for (int i = 0; i < FLOWS; i++)
        sched_flow_end(&w->flows[i]);
}

static uint64_t some_bytes(struct rnd *rnd)
{
    uint64_t most = 1u << (8 + rnd_below(rnd, 13)); /* 256 bytes to just below 1 MiB */
    return rnd_below(rnd, most < SCHED_LARGE ? most : SCHED_LARGE);
}

static uint64_t apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* ---- fair between clients ---- */

enum { CLIENTS = 20 };

static void check_spread(const uint64_t *given, const uint64_t *before)
{
    for (int a = 0; a < CLIENTS; a++)
        for (int b = 0; b < a; b++)
            assert_true(apart(given[a] - before[a], given[b] - before[b]) <=
                        2 * (SCHED_GRAIN + (uint64_t)SCHED_COST_MOST));
}

/* Clients with mail all the time, of very different sizes: the same cost for each, over any stretch
 * of time within the bound and over all within 2 %. */
static void clients_share_by_cost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        uint64_t given[CLIENTS] = { 0 }, before[CLIENTS] = { 0 }, all = 0;
        world_make(&w, seed, 1);
        uint64_t size[CLIENTS];
        for (int c = 0; c < CLIENTS; c++) {
            size[c] = 1 + some_bytes(&w.rnd);
            send(&w, 0, LANE_NORMAL, (uint64_t)c, size[c]);
            send(&w, 0, LANE_NORMAL, (uint64_t)c, size[c]);
        }
        while (all < CLIENTS * 200 * (uint64_t)SCHED_COST_MOST) {
            struct mail *m = take(&w);
            uint64_t c = m->is.client, cost = sched_cost(m->is.bytes);
            given[c] += cost;
            all += cost;
            send(&w, 0, LANE_NORMAL, c, rnd_below(&w.rnd, size[c]));
            free(m);
            if (rnd_below(&w.rnd, 5000) == 0) {
                check_spread(given, before);
                memcpy(before, given, sizeof before);
            }
        }
        for (int c = 0; c < CLIENTS; c++)
            assert_true(apart(given[c] * CLIENTS, all) * 50 <= all);
        world_end(&w);
    }
}

/* One that always has a single message cannot get more than its share by that. */
static void an_empty_line_keeps_its_debt(void **state)
{
    (void)state;
    struct world w;
    uint64_t single = 0, other = 0;
    world_make(&w, 1, 1);
    for (int i = 0; i < 40000; i++)
        send(&w, 0, LANE_NORMAL, 1, 2000);
    send(&w, 0, LANE_NORMAL, 2, 900000);
    for (int i = 0; i < 20000; i++) {
        struct mail *m = take(&w);
        if (m->is.client == 2) {
            single += sched_cost(m->is.bytes);
            send(&w, 0, LANE_NORMAL, 2, 900000);
        } else {
            other += sched_cost(m->is.bytes);
        }
        free(m);
    }
    assert_true(apart(single, other) <= 2 * (SCHED_GRAIN + (uint64_t)SCHED_COST_MOST));
    world_end(&w);
}

/* A hundred thousand clients, one of them with a thousand messages: it gets one in before each of
 * the others had its own, and a late newcomer waits for one message of each, not more. */
static void very_many_clients(void **state)
{
    (void)state;
    enum { MANY = 100000, FLOOD = 1000 };
    struct world w;
    int seen = 0, flood = 0;
    world_make(&w, 1, 1);
    for (int i = 0; i < FLOOD; i++)
        send(&w, 0, LANE_BULK, 1, 60000);
    for (uint64_t c = 2; c < MANY; c++)
        send(&w, 0, LANE_BULK, c, 60000);
    for (struct mail *m; (m = take(&w)); seen++) {
        flood += m->is.client == 1;
        if (seen < MANY - 1)
            assert_true(flood <= 1);
        free(m);
    }
    assert_int_equal(flood, FLOOD);
    assert_int_equal(seen, MANY - 2 + FLOOD);
    world_end(&w);
}

/* A client that comes into a full lane waits no longer than the bound, wherever the rounds are. */
static void a_newcomer_waits_a_bounded_cost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        world_make(&w, seed, 1);
        for (int i = 0; i < 6000; i++)
            send(&w, 0, LANE_NORMAL, rnd_below(&w.rnd, CLIENTS), some_bytes(&w.rnd));
        for (int i = 0; i < 100; i++) {
            uint64_t waited = 0;
            send(&w, 0, LANE_NORMAL, 1000 + (uint64_t)i, some_bytes(&w.rnd));
            for (struct mail *m; (m = take(&w));) {
                bool here = m->is.client == 1000 + (uint64_t)i;
                if (!here) {
                    waited += sched_cost(m->is.bytes);
                    send(&w, 0, LANE_NORMAL, m->is.client, some_bytes(&w.rnd));
                }
                free(m);
                if (here)
                    break;
            }
            assert_true(waited <= CLIENTS * 2 * (SCHED_GRAIN + (uint64_t)SCHED_COST_MOST));
        }
        world_end(&w);
    }
}

/* Two routes of a site, one with ten times the mail: half each, by cost. */
static void flows_share_by_cost(void **state)
{
    (void)state;
    struct world w;
    uint64_t given[FLOWS] = { 0 };
    world_make(&w, 3, 1);
    for (int i = 0; i < 4000; i++)
        send(&w, i % 11 == 0, LANE_NORMAL, rnd_below(&w.rnd, 7), some_bytes(&w.rnd));
    for (int i = 0; i < 400; i++) {
        struct mail *m = take(&w);
        given[m->flow - w.flows] += sched_cost(m->is.bytes);
        free(m);
    }
    assert_true(apart(given[0], given[1]) <= 2 * (uint64_t)SCHED_COST_MOST);
    world_end(&w);
}

/* ---- lanes ---- */

/* All lanes below urgent with mail all the time, drawn sizes: 8 : 4 : 1 by cost, within 2 %. */
static void lanes_share_by_weight(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        uint64_t all = 0;
        world_make(&w, seed, 1);
        for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++)
            for (int i = 0; i < 50; i++)
                send(&w, i % FLOWS, lane, rnd_below(&w.rnd, CLIENTS), some_bytes(&w.rnd));
        for (int i = 0; i < 60000; i++) {
            struct mail *m = take(&w);
            all += sched_cost(m->is.bytes);
            send(&w, (int)rnd_below(&w.rnd, FLOWS), m->is.lane, rnd_below(&w.rnd, CLIENTS),
                 some_bytes(&w.rnd));
            free(m);
        }
        for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++) {
            uint64_t share = all * lanes_weight[lane] / 13;
            assert_true(apart(w.given[lane], share) * 50 <= share);
        }
        world_end(&w);
    }
}

/* Urgent mail without end: the rest keeps a seventeenth, and not more. */
static void urgent_leaves_a_seventeenth(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        world_make(&w, seed, 1);
        for (int i = 0; i < 200; i++)
            send(&w, 0, i % 2 ? LANE_URGENT : LANE_BULK, 1, some_bytes(&w.rnd));
        for (int i = 0; i < 60000; i++) {
            struct mail *m = take(&w);
            send(&w, 0, m->is.lane, 1, some_bytes(&w.rnd));
            free(m);
        }
        uint64_t share = (w.given[LANE_URGENT] + w.given[LANE_BULK]) / 17;
        assert_true(apart(w.given[LANE_BULK], share) * 50 <= share);
        world_end(&w);
    }
}

/* A site that takes one message in a while: no lane waits longer than its age and the few turns
 * that lanes of the same age, and the turns between two of them, can take. */
static void no_lane_starves_where_mail_is_slow(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        int64_t last_ms[LANE_COUNT] = { 0 };
        world_make(&w, seed, 1);
        int64_t pace_ms = 100 + (int64_t)rnd_below(&w.rnd, 20000);
        for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++) {
            last_ms[lane] = w.now_ms;
            for (int i = 0; i < 20; i++)
                send(&w, 0, lane, 1, lane == LANE_BULK ? SCHED_LARGE - 1 : 1000);
        }
        for (int i = 0; i < 3000; i++, w.now_ms += pace_ms) {
            struct mail *m = take(&w);
            enum lane got = m->is.lane;
            last_ms[got] = w.now_ms;
            send(&w, 0, got, 1, m->is.bytes);
            free(m);
            for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++)
                assert_true(w.now_ms - last_ms[lane] <=
                            lanes_age_ms[lane] + 3 * LANES_AGED_EVERY * pace_ms);
        }
        world_end(&w);
    }
}

/* ---- slots ---- */

static uint32_t held(const struct world *w, enum lane from)
{
    uint32_t n = 0;
    for (enum lane lane = from; lane < LANE_COUNT; lane++)
        n += w->sched.slots.busy[lane];
    return n;
}

static void check_slots(const struct world *w, bool may_exceed)
{
    const struct slots *s = &w->sched.slots;
    if (may_exceed) /* there were more slots when these began */
        return;
    assert_true(held(w, LANE_URGENT) <= s->all);
    assert_true(held(w, LANE_HIGH) + slots_kept(s->all, LANE_HIGH) <= s->all);
    assert_true(held(w, LANE_NORMAL) + slots_kept(s->all, LANE_NORMAL) <= s->all);
    assert_true(s->large <= slots_large_most(s->all));
}

static void end_those_due(struct world *w)
{
    for (int i = 0; i < SLOTS_MOST; i++) {
        struct mail *m = w->under_way[i];
        if (!m || w->ends_ms[i] > w->now_ms)
            continue;
        slots_leave(&w->sched.slots, m->is.lane, sched_is_large(m->is.bytes));
        w->under_way[i] = NULL;
        free(m);
    }
}

static void begin_what_may(struct world *w)
{
    for (struct mail *m; (m = take(w));) {
        bool large = sched_is_large(m->is.bytes);
        if (w->breaks && rnd_below(&w->rnd, 50) == 0) {
            sched_put_back(&w->sched, m->flow, &m->node, w->now_ms);
            return;
        }
        int i = 0;
        while (w->under_way[i])
            i++;
        w->under_way[i] = m;
        w->ends_ms[i] =
            w->now_ms + 20 + (int64_t)(m->is.bytes / 5000) + (int64_t)rnd_below(&w->rnd, 60);
        slots_take(&w->sched.slots, m->is.lane, large);
    }
}

/* Drawn arrivals up to twice what the site can carry, large ones among them, and a limit that
 * changes: no kind of mail ever holds more than its slots, kept ones are free for those they are
 * kept for, and while some may go none waits. */
static void slots_are_kept(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        world_make(&w, seed, 1 + (uint32_t)(seed * 3) % SLOTS_MOST);
        int64_t settled_ms = 0;
        w.breaks = true;
        for (int step = 0; step < 40000; step++, w.now_ms += 2) {
            if (step % 5000 == 4999) {
                w.sched.slots.all = 1 + (uint32_t)rnd_below(&w.rnd, SLOTS_MOST);
                settled_ms = w.now_ms + 3000;
            }
            end_those_due(&w);
            if (rnd_below(&w.rnd, 100) < w.sched.slots.all * 6) {
                enum lane lane =
                    rnd_below(&w.rnd, 20) ? (enum lane)(1 + rnd_below(&w.rnd, 3)) : LANE_URGENT;
                bool large = rnd_below(&w.rnd, 100) == 0;
                send(&w, (int)rnd_below(&w.rnd, FLOWS), lane, rnd_below(&w.rnd, CLIENTS),
                     large ? SCHED_LARGE * (1 + rnd_below(&w.rnd, 10)) : some_bytes(&w.rnd));
            }
            begin_what_may(&w);
            check_slots(&w, w.now_ms < settled_ms);
            if (w.sched.slots.busy[LANE_URGENT] < slots_kept(w.sched.slots.all, LANE_HIGH) &&
                w.now_ms >= settled_ms)
                assert_true(w.sched.ready[SCHED_SMALL_MAIL][LANE_URGENT] <= 1); /* put back */
        }
        for (int i = 0; i < SLOTS_MOST; i++)
            free(w.under_way[i]);
        world_end(&w);
    }
}

/* A message of 1 GiB, and another behind it: small mail of the same client passes them. */
static void large_mail_holds_up_no_small(void **state)
{
    (void)state;
    static const uint32_t slots[] = { 2, 3, 5, 20 };
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        struct world w;
        uint32_t large = 0;
        world_make(&w, 1, slots[i]);
        for (int n = 0; n < 40; n++)
            send(&w, 0, LANE_NORMAL, 1, 1u << 30);
        for (int n = 0; n < 40; n++)
            send(&w, 0, LANE_NORMAL, 1, 3000);
        begin_what_may(&w);
        large = w.sched.slots.large;
        assert_int_equal(large, 1);
        assert_true(w.sched.slots.busy[LANE_NORMAL] > large);
        for (int n = 0; n < SLOTS_MOST; n++)
            free(w.under_way[n]);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_share_by_cost),
        cmocka_unit_test(an_empty_line_keeps_its_debt),
        cmocka_unit_test(very_many_clients),
        cmocka_unit_test(a_newcomer_waits_a_bounded_cost),
        cmocka_unit_test(flows_share_by_cost),
        cmocka_unit_test(lanes_share_by_weight),
        cmocka_unit_test(urgent_leaves_a_seventeenth),
        cmocka_unit_test(no_lane_starves_where_mail_is_slow),
        cmocka_unit_test(slots_are_kept),
        cmocka_unit_test(large_mail_holds_up_no_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
