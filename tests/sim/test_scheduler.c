/*
 * tests/sim/test_scheduler — whose mail is next, under drawn workloads in virtual time
 *
 *   Worlds are drawn from seeds: clients, sizes, lanes, arrivals. Each test asserts one of the
 *   bounds of docs/SCHEDULER.md; those of the slots are in test_scheduler_slots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/sched_world.h"

/* ---- fair between clients ---- */

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
            world_send(&w, 0, LANE_NORMAL, (uint64_t)c, size[c]);
            world_send(&w, 0, LANE_NORMAL, (uint64_t)c, size[c]);
        }
        while (all < CLIENTS * 200 * (uint64_t)SCHED_COST_MOST) {
            struct sim_mail *m = world_take(&w);
            uint64_t c = m->is.client, cost = sched_cost(m->is.bytes);
            given[c] += cost;
            all += cost;
            world_send(&w, 0, LANE_NORMAL, c, rnd_below(&w.rnd, size[c]));
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
        world_send(&w, 0, LANE_NORMAL, 1, 2000);
    world_send(&w, 0, LANE_NORMAL, 2, 900000);
    for (int i = 0; i < 20000; i++) {
        struct sim_mail *m = world_take(&w);
        if (m->is.client == 2) {
            single += sched_cost(m->is.bytes);
            world_send(&w, 0, LANE_NORMAL, 2, 900000);
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
        world_send(&w, 0, LANE_BULK, 1, 60000);
    for (uint64_t c = 2; c < MANY; c++)
        world_send(&w, 0, LANE_BULK, c, 60000);
    for (struct sim_mail *m; (m = world_take(&w)); seen++) {
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
            world_send(&w, 0, LANE_NORMAL, rnd_below(&w.rnd, CLIENTS), some_bytes(&w.rnd));
        for (int i = 0; i < 100; i++) {
            uint64_t waited = 0;
            world_send(&w, 0, LANE_NORMAL, 1000 + (uint64_t)i, some_bytes(&w.rnd));
            for (struct sim_mail *m; (m = world_take(&w));) {
                bool here = m->is.client == 1000 + (uint64_t)i;
                if (!here) {
                    waited += sched_cost(m->is.bytes);
                    world_send(&w, 0, LANE_NORMAL, m->is.client, some_bytes(&w.rnd));
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
        world_send(&w, i % 11 == 0, LANE_NORMAL, rnd_below(&w.rnd, 7), some_bytes(&w.rnd));
    for (int i = 0; i < 400; i++) {
        struct sim_mail *m = world_take(&w);
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
                world_send(&w, i % FLOWS, lane, rnd_below(&w.rnd, CLIENTS), some_bytes(&w.rnd));
        for (int i = 0; i < 60000; i++) {
            struct sim_mail *m = world_take(&w);
            all += sched_cost(m->is.bytes);
            world_send(&w, (int)rnd_below(&w.rnd, FLOWS), m->is.lane, rnd_below(&w.rnd, CLIENTS),
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
            world_send(&w, 0, i % 2 ? LANE_URGENT : LANE_BULK, 1, some_bytes(&w.rnd));
        for (int i = 0; i < 60000; i++) {
            struct sim_mail *m = world_take(&w);
            world_send(&w, 0, m->is.lane, 1, some_bytes(&w.rnd));
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
                world_send(&w, 0, lane, 1, lane == LANE_BULK ? SCHED_LARGE - 1 : 1000);
        }
        for (int i = 0; i < 3000; i++, w.now_ms += pace_ms) {
            struct sim_mail *m = world_take(&w);
            enum lane got = m->is.lane;
            last_ms[got] = w.now_ms;
            world_send(&w, 0, got, 1, m->is.bytes);
            free(m);
            for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++)
                assert_true(w.now_ms - last_ms[lane] <=
                            lanes_age_ms[lane] + 3 * LANES_AGED_EVERY * pace_ms);
        }
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
