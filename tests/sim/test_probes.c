/*
 * tests/sim/test_probes — whom the core probes and how often
 *
 *   In drawn worlds: egresses, groups, hosts and budgets come from a seed, the configuration
 *   changes under way and control dies once. The world asserts what must hold of every single
 *   probe; what must hold over time is asserted here: nobody is forgotten, the path that mail takes
 *   is looked at more than the others. In two worlds that are not drawn an egress with fifty groups
 *   dies, and a host lets one egress in no more.
 *
 *   SIM_SEED=n takes another world as the last one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/probe_world.h"

enum {
    LONG_MS = 40 * MINUTE_MS,
    RELOAD_MS = 7 * MINUTE_MS,
    RESTART_MS = 25 * MINUTE_MS,
    WORLDS = 3
};

static void draw_configuration(struct probe_world *w)
{
    static const struct rate each[] = { { 1, 1000 }, { 2, 1000 }, { 3, 1000 }, { 12, 10000 } };
    static const struct rate all[] = { { 1, 1000 }, { 3, 1000 }, { 10, 1000 }, { 80, 10000 } };
    w->per_egress = each[rnd_below(&w->rnd, 4)];
    w->total = all[rnd_below(&w->rnd, 4)];
    w->interval_ms = (int64_t)(1000 * pow(30, rnd_unit(&w->rnd))); /* 1 to 30 s */
    for (int e = 0; e < NAMES; e++)
        w->used[e] = e < 2 || rnd_below(&w->rnd, 2);
    pw_configure(w);
}

/* Control dies and comes back with what it had written. Answers on their way come to nobody; an
 * egress may then ask an address a second time within the minute (docs/INTERNALS.md). */
static void restart(struct probe_world *w)
{
    struct links_hooks hooks = pw_hooks(w);
    struct buf kept;
    struct err err;
    buf_init(&kept, LINKS_PACK_MAX);
    links_pack(w->links, w->now_ms, w->now_ms, &kept);
    links_free(&w->links);
    int64_t gone_ms = pw_between(w, 0, 3000);
    w->now_ms += gone_ms;
    assert_int_equal(links_unpack(buf_slice(&kept), &hooks, w->now_ms, w->now_ms, &w->links, &err),
                     RC_OK);
    buf_free(&kept);
    links_resume(w->links, w->now_ms);
    w->answers = 0;
    memset(w->pair_ms, 0, sizeof w->pair_ms);
    pw_configure(w);
}

/* If all paths had their turn one after the other, within the budget for all and the politeness to
 * a host: how long is a round? */
static int64_t turn_ms(const struct probe_world *w)
{
    uint64_t paths = w->egress_n * (uint64_t)w->groups;
    uint64_t of_all = w->total.count - w->total.count / 3;
    return w->interval_ms + (int64_t)paths * (int64_t)w->total.per_ms / (int64_t)of_all +
           LINKS_PAIR_MS + w->egress_n * LINKS_ADDRESS_MS;
}

/* A path is forgotten when neither mail nor probe has shown for so long what it is like. Its hosts
 * must be such that they can be asked. */
static void watch(struct probe_world *w)
{
    double turn = (double)turn_ms(w);
    for (int g = 0; g < w->groups; g++) {
        bool some_refuse = false;
        for (int h = 0; h < w->hosts[g]; h++)
            some_refuse = some_refuse || w->host[g][h] == HOST_REFUSES;
        for (uint32_t i = 0; i < w->egress_n && !some_refuse; i++) {
            double gap = (double)(w->now_ms - w->seen_ms[w->order[i]][g]) / turn;
            w->longest = fmax(gap, w->longest);
        }
        int by = pw_preferred(w, g);
        if (pw_is_rare(w, g) && by >= 0) {
            w->ticks[true]++;
            w->ticks[false] += w->egress_n - 1;
        }
    }
}

static void draw_world(struct probe_world *w)
{
    w->groups = (int)pw_between(w, 3, GROUPS_DRAWN);
    draw_configuration(w);
    for (int g = 0; g < w->groups; g++) {
        w->hosts[g] = g == 0 ? 1 : (int)pw_between(w, 1, HOSTS);
        w->rate[g] = g % 3 == 0 ? 0.02 : g % 3 == 1 ? 0.5 : 0.004;
        for (int h = 0; h < w->hosts[g]; h++) {
            uint64_t lot = rnd_below(&w->rnd, 12);
            w->host[g][h] = h == 0    ? HOST_FINE
                            : lot > 2 ? HOST_FINE
                                      : (enum host)(HOST_HANGS + (int)lot);
        }
        for (int e = 0; e < NAMES; e++)
            w->rtt_ms[e][g] = 10 + 150 * rnd_unit(&w->rnd);
    }
    pw_groups(w);
    pw_learn(w);
}

static struct probe_world *live(uint64_t seed)
{
    struct probe_world *w = pw_new(seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    draw_world(w);
    int64_t reload_ms = w->now_ms + RELOAD_MS, restart_ms = w->now_ms + RESTART_MS;
    while (w->now_ms < w->start_ms + LONG_MS) {
        pw_tick(w);
        watch(w);
        if (w->now_ms >= reload_ms) {
            draw_configuration(w);
            reload_ms += RELOAD_MS;
        }
        if (w->now_ms >= restart_ms) {
            restart(w);
            restart_ms += LONG_MS;
        }
    }
    return w;
}

/* ---- worlds that are not drawn ---- */

/* Four egresses, the first of which is the nearest of all groups. Some minutes have passed. */
static struct probe_world *four(int groups, int hosts, double rate)
{
    struct probe_world *w = pw_new(1);
    w->scripted = true;
    w->groups = groups;
    w->per_egress = (struct rate){ 2, 1000 };
    w->total = (struct rate){ 10, 1000 };
    w->interval_ms = 15000;
    for (int e = 0; e < 4; e++)
        w->used[e] = true;
    pw_configure(w);
    for (int g = 0; g < groups; g++) {
        w->hosts[g] = hosts;
        w->rate[g] = rate;
        for (int e = 0; e < 4; e++)
            w->rtt_ms[e][g] = 20 + 40 * e;
    }
    pw_groups(w);
    pw_learn(w);
    while (w->now_ms < w->start_ms + 6 * MINUTE_MS)
        pw_tick(w);
    for (int g = 0; g < groups; g++)
        assert_int_equal(pw_preferred(w, g), 0);
    memset(w->events, 0, sizeof w->events);
    return w;
}

/* The probes that verify a failure are asked of the other egresses for fifty groups at once, and
 * mail of fifty groups moves: within the budgets, which on_probe() asserts, every group is off it
 * within seconds, and every other path is still known. */
static void test_an_egress_with_fifty_groups_dies(void **state)
{
    enum { SOON_MS = 10000 };
    struct probe_world *w = four(GROUPS, 8, 0.2);
    int64_t since_ms = w->now_ms;
    unsigned left = 0;
    (void)state;
    for (int g = 0; g < GROUPS; g++)
        w->dead_until_ms[0][g] = INT64_MAX;
    w->urgent = 0;
    while (left < GROUPS && w->now_ms < since_ms + MINUTE_MS) {
        pw_tick(w);
        left = 0;
        for (int g = 0; g < GROUPS; g++)
            left += pw_preferred(w, g) > 0;
    }
    assert_in_range(w->now_ms - since_ms, 1, SOON_MS);
    assert_true(w->urgent > 0);
    assert_int_equal(w->events[LINKS_EGRESS_FAULT], 1);
    assert_int_equal(w->events[LINKS_DESTINATION_SUSPECT], 0);
    while (w->now_ms < since_ms + 2 * MINUTE_MS)
        pw_tick(w);
    for (int g = 0; g < GROUPS; g++) {
        assert_int_equal(pw_preferred(w, g), 1); /* the next best: it is known well */
        const struct advice_path *p = advice_path(w->advice, 1, g);
        assert_int_equal(p->state, PATH_UP);
    }
    pw_free(w);
}

/* It is that pair of egress and host, and neither the path nor the destination: all other hosts of
 * the group are still best reached by it. Nor where nearly all mail goes to that host, so that it
 * fails many times on end and the only other one was asked a moment ago. */
static void test_a_host_shuts_one_egress_out(void **state)
{
    (void)state;
    for (int crowds = 0; crowds < 2; crowds++) {
        struct probe_world *w = crowds ? four(1, 2, 2) : four(1, 8, 0.5);
        w->shuts_out = true;
        w->crowds = crowds;
        int64_t since_ms = w->now_ms;
        while (w->now_ms < since_ms + 15 * MINUTE_MS) {
            pw_tick(w);
            assert_true(crowds || pw_preferred(w, 0) == 0);
        }
        assert_int_equal(w->events[LINKS_PATH_DOWN] + w->events[LINKS_DESTINATION_SUSPECT] +
                             w->events[LINKS_EGRESS_FAULT],
                         0);
        pw_free(w);
    }
}

static uint64_t last_seed(void)
{
    const char *given = getenv("SIM_SEED");
    return given ? strtoull(given, NULL, 10) : 4;
}

static void test_drawn_worlds(void **state)
{
    const double TURNS_MOST = 2.5;
    double used = 0, other = 0;
    (void)state;
    for (uint64_t i = 0; i < WORLDS; i++) {
        struct probe_world *w = live(i + 1 < WORLDS ? i + 1 : last_seed());
        assert_true(w->sent_n > 1000); /* a core that asks nobody keeps every budget */
        assert_true(w->longest < TURNS_MOST);
        used += (double)w->probes[true] / (double)w->ticks[true];
        other += (double)w->probes[false] / (double)w->ticks[false];
        pw_free(w);
    }
    assert_true(used > 1.3 * other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawn_worlds),
        cmocka_unit_test(test_an_egress_with_fifty_groups_dies),
        cmocka_unit_test(test_a_host_shuts_one_egress_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
