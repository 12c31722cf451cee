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

enum { LONG = 20000 }; /* messages */
static const uint64_t TURN_MOST = SCHED_GRAIN + (uint64_t)SCHED_COST_MOST;

/* Of each pair how far the first was above the second, at most and at least, since the beginning:
 * the two differ most over the stretch between these moments. */
struct spread {
    int64_t most, least;
};
static struct spread spreads[CLIENTS][CLIENTS];

static void check_spread(const uint64_t *given, uint64_t to)
{
    for (uint64_t other = 0; other < CLIENTS; other++) {
        struct spread *s = to > other ? &spreads[to][other] : &spreads[other][to];
        uint64_t high = to > other ? to : other, low = to > other ? other : to;
        int64_t above = (int64_t)given[high] - (int64_t)given[low];
        s->most = above > s->most ? above : s->most;
        s->least = above < s->least ? above : s->least;
        assert_true(s->most - s->least <= 2 * (int64_t)TURN_MOST);
    }
}

/* Clients with mail all the time, of very different sizes: the same cost for each, over any stretch
 * of time within the bound and over all within 2 %; and nobody's next message waits longer than for
 * its bound of the others' cost. */
static void clients_share_by_cost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        uint64_t given[CLIENTS] = { 0 }, served_at[CLIENTS] = { 0 }, all = 0;
        world_make(&w, seed, 1);
        memset(spreads, 0, sizeof spreads);
        uint64_t size[CLIENTS];
        for (int c = 0; c < CLIENTS; c++) {
            size[c] = 1 + some_bytes(&w.rnd);
            world_send(&w, 0, LANE_NORMAL, (uint64_t)c, size[c]);
            world_send(&w, 0, LANE_NORMAL, (uint64_t)c, size[c]);
        }
        while (all < CLIENTS * 200 * (uint64_t)SCHED_COST_MOST) {
            struct sim_mail *m = world_take(&w);
            uint64_t c = m->is.client, cost = sched_cost(m->is.bytes);
            assert_true(all - served_at[c] <= (CLIENTS - 1) * 2 * TURN_MOST);
            given[c] += cost;
            served_at[c] = all += cost;
            check_spread(given, c);
            world_send(&w, 0, LANE_NORMAL, c, rnd_below(&w.rnd, size[c]));
            free(m);
        }
        for (int c = 0; c < CLIENTS; c++)
            assert_true(apart(given[c] * CLIENTS, all) * 50 <= all);
        world_end(&w);
    }
}

/* Beside another that has mail all the time: one message at a time of that size, which comes when
 * the one before has been taken, or not before the other had its turn. */
static void check_single(uint64_t bytes, bool late)
{
    struct world w;
    uint64_t single = 0, other = 0;
    bool waits = true;
    struct sched_flow *flow;
    world_make(&w, 1, 1);
    for (int i = 0; i < LONG; i++)
        world_send(&w, 0, LANE_NORMAL, 1, 2000);
    world_send(&w, 0, LANE_NORMAL, 2, bytes);
    for (int i = 0; i < LONG / 2; i++) {
        struct sim_mail *m = world_take(&w);
        bool is_single = m->is.client == 2;
        *(is_single ? &single : &other) += sched_cost(m->is.bytes);
        waits = waits && !is_single;
        free(m);
        (void)sched_next(&w.sched, NULL, SCHED_SLOT, w.now_ms, &flow); /* an empty line is seen */
        if (waits || (late && is_single))
            continue;
        world_send(&w, 0, LANE_NORMAL, 2, bytes);
        waits = true;
    }
    assert_true(single <= other + 2 * TURN_MOST);
    assert_true(late || other <= single + 2 * TURN_MOST);
    world_end(&w);
}

/* One that always has a single message cannot get more than its share by that, however little it
 * owes, and whether its line was seen empty or not. */
static void an_empty_line_keeps_its_debt(void **state)
{
    (void)state;
    check_single(900000, false);
    check_single(900000, true);
    check_single(40000, false);
    check_single(40000, true);
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

/* A client that sends now and then waits for none of those that fill the lane, wherever their
 * rounds are. */
static void who_sends_now_and_then_waits_for_none(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        world_make(&w, seed, 1);
        for (int i = 0; i < 6000; i++)
            world_send(&w, 0, LANE_NORMAL, rnd_below(&w.rnd, CLIENTS), some_bytes(&w.rnd));
        for (uint64_t i = 0; i < 100; i++) {
            uint64_t client = 1000 + i % 3;
            world_send(&w, 0, LANE_NORMAL, client, some_bytes(&w.rnd));
            struct sim_mail *m = world_take(&w);
            assert_int_equal(m->is.client, client);
            free(m);
            for (uint64_t turn = 0; turn < 300 + rnd_below(&w.rnd, 50); turn++) {
                m = world_take(&w);
                world_send(&w, 0, LANE_NORMAL, m->is.client, some_bytes(&w.rnd));
                free(m);
            }
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

/* As docs/SCHEDULER.md has them. */
static const uint64_t weight[LANE_COUNT] = { [LANE_HIGH] = 8, [LANE_NORMAL] = 4, [LANE_BULK] = 1 };
static const uint64_t WEIGHTS = 8 + 4 + 1;

/* Shares within 2 %, once bulk was given fifty times what a message costs at most. */
static void check_shares(const struct world *w, uint64_t all, uint64_t cost_most)
{
    if (all < 50 * WEIGHTS * cost_most)
        return;
    for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++) {
        uint64_t share = all * weight[lane] / WEIGHTS;
        assert_true(apart(w->given[lane], share) * 50 <= share);
    }
}

/* All lanes below urgent with mail all the time: 8 : 4 : 1 by cost, within 2 % from 650 messages of
 * one size on. */
static void lanes_share_by_weight_soon(void **state)
{
    enum { BYTES = 5000, ENOUGH = 650 };
    struct world w;
    uint64_t all = 0;
    (void)state;
    world_make(&w, 1, 1);
    for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++)
        for (int i = 0; i < 3; i++)
            world_send(&w, 0, lane, 1, BYTES);
    for (int i = 1; i <= 3 * ENOUGH; i++) {
        struct sim_mail *m = world_take(&w);
        all += sched_cost(BYTES);
        world_send(&w, 0, m->is.lane, 1, BYTES);
        free(m);
        assert_true(i < ENOUGH || all >= 50 * WEIGHTS * sched_cost(BYTES));
        check_shares(&w, all, sched_cost(BYTES));
    }
    world_end(&w);
}

/* The same with drawn sizes, at every moment. */
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
        for (int i = 0; i < LONG; i++) {
            struct sim_mail *m = world_take(&w);
            all += sched_cost(m->is.bytes);
            world_send(&w, (int)rnd_below(&w.rnd, FLOWS), m->is.lane, rnd_below(&w.rnd, CLIENTS),
                       some_bytes(&w.rnd));
            free(m);
            check_shares(&w, all, SCHED_COST_MOST);
        }
        world_end(&w);
    }
}

static enum lane below(uint64_t seed, int i) /* one lane, or several */
{
    return (enum lane)(LANE_BULK - (uint64_t)i % (1 + seed % 3));
}

/* Urgent mail without end: the rest keeps a seventeenth, all together, and not more. */
static void urgent_leaves_a_seventeenth(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        world_make(&w, seed, 1);
        for (int i = 0; i < 200; i++)
            world_send(&w, 0, i % 2 ? LANE_URGENT : below(seed, i), 1, some_bytes(&w.rnd));
        for (int i = 0; i < LONG; i++) {
            struct sim_mail *m = world_take(&w);
            world_send(&w, 0, m->is.lane, 1, some_bytes(&w.rnd));
            free(m);
        }
        uint64_t rest = w.given[LANE_HIGH] + w.given[LANE_NORMAL] + w.given[LANE_BULK];
        uint64_t share = (w.given[LANE_URGENT] + rest) / 17;
        assert_true(apart(rest, share) * 50 <= share);
        world_end(&w);
    }
}

/* A site that takes one message in a while: no lane waits longer than its age and the twelve turns
 * that lanes of the same age, and the turns between two of them, can take. */
static void no_lane_starves_where_mail_is_slow(void **state)
{
    (void)state;
    static const int64_t age_ms[LANE_COUNT] = {
        [LANE_HIGH] = 15000, [LANE_NORMAL] = 30000, [LANE_BULK] = 60000
    };
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
                assert_true(w.now_ms - last_ms[lane] <= age_ms[lane] + 12 * pace_ms);
        }
        world_end(&w);
    }
}

/* By its weight bulk has every ninth turn beside high. Where turns are slow it has one as soon as
 * it has waited for a minute, but never more than every fourth. */
static void age_gives_every_fourth_turn(void **state)
{
    static const struct {
        int64_t pace_ms;
        int turns;
    } cases[] = {
        { 1000, 9 }, { 5000, 9 }, { 10000, 6 }, { 20000, 4 }, { 30000, 4 }, { 600000, 4 }
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct world w;
        int last = -1;
        world_make(&w, 1, 1);
        for (int i = 0; i < 4; i++)
            world_send(&w, 0, i % 2 ? LANE_HIGH : LANE_BULK, 1, 5000);
        for (int i = 0; i < 200; i++, w.now_ms += cases[k].pace_ms) {
            struct sim_mail *m = world_take(&w);
            world_send(&w, 0, m->is.lane, 1, m->is.bytes);
            if (m->is.lane == LANE_BULK) {
                assert_true(i < 20 || i - last == cases[k].turns);
                last = i;
            }
            free(m);
        }
        assert_true(last > 180);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_share_by_cost),
        cmocka_unit_test(an_empty_line_keeps_its_debt),
        cmocka_unit_test(very_many_clients),
        cmocka_unit_test(who_sends_now_and_then_waits_for_none),
        cmocka_unit_test(flows_share_by_cost),
        cmocka_unit_test(lanes_share_by_weight_soon),
        cmocka_unit_test(lanes_share_by_weight),
        cmocka_unit_test(urgent_leaves_a_seventeenth),
        cmocka_unit_test(no_lane_starves_where_mail_is_slow),
        cmocka_unit_test(age_gives_every_fourth_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
