/*
 * tests/sim/test_limits — many sites share a limit: never exceeded, used fully, urgent mail first
 *
 *   Sites come for tokens of one gauge in virtual time: each has mail or not, comes back when it
 *   was told to and a little late, as a timer does. Drawn from seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "gateway/delivery/gauge.h"

enum { SITES = 40, SEEDS = 4, LATE_US = 2000, TAKES_MOST = 100000 };

static const int64_t END_US = INT64_C(120) * 1000000;

struct site_of_sim {
    int64_t next_us; /* comes for a token then */
    int64_t since_us;
    enum lane lane;
    bool seldom; /* has mail now and then only */
};

static struct sim {
    struct rnd rnd;
    struct gauges *all;
    struct gauge *gauge;
    struct rate rate;
    struct site_of_sim site[SITES];
    int64_t taken_us[TAKES_MOST];
    size_t taken_n;
    uint64_t tokens;
    int64_t urgent_waited_us; /* the longest */
} sim;

static int64_t late(void)
{
    return (int64_t)rnd_below(&sim.rnd, LATE_US);
}

static void begin(uint64_t seed, struct rate rate)
{
    struct traffic_toll toll = { .key = 1 };
    sim.taken_n = 0;
    sim.tokens = 0;
    sim.urgent_waited_us = 0;
    sim.rate = toll.rate[TRAFFIC_MESSAGES] = rate;
    rnd_seed(&sim.rnd, seed);
    sim.all = gauges_new();
    sim.gauge = gauge_get(sim.all, &toll, 1);
    for (size_t i = 0; i < SITES; i++) {
        struct site_of_sim *s = &sim.site[i];
        *s = (struct site_of_sim){ .lane = i == 0 ? LANE_URGENT : LANE_BULK, .seldom = i % 4 == 0 };
        s->since_us = s->next_us = 1 + late();
    }
}

static void end(void)
{
    gauge_put(sim.all, &sim.gauge);
    gauges_free(&sim.all);
}

static struct site_of_sim *first(void)
{
    struct site_of_sim *s = &sim.site[0];
    for (size_t i = 1; i < SITES; i++)
        if (sim.site[i].next_us < s->next_us)
            s = &sim.site[i];
    return s;
}

/* As many as go at once; `n` each, as the recipients of a message are. */
static void come(struct site_of_sim *s, uint64_t most)
{
    int64_t now = s->next_us, wait;
    uint64_t n = 1 + rnd_below(&sim.rnd, most);
    wait = gauge_wait_us(sim.gauge, TRAFFIC_MESSAGES, sim.rate, s->lane, now);
    if (wait > 0 || !gauge_take(sim.gauge, TRAFFIC_MESSAGES, sim.rate, n, now)) {
        s->next_us = now + (wait + 999) / 1000 * 1000 + 1 + late();
        return;
    }
    assert_true(sim.taken_n < TAKES_MOST);
    sim.taken_us[sim.taken_n++] = now;
    sim.tokens += n;
    if (s->lane == LANE_URGENT && now - s->since_us > sim.urgent_waited_us)
        sim.urgent_waited_us = now - s->since_us;
    s->next_us = now + 1 + (s->seldom ? (int64_t)rnd_below(&sim.rnd, 4000000) : late());
    s->since_us = s->next_us;
}

static void run(uint64_t seed, struct rate rate, uint64_t most)
{
    begin(seed, rate);
    for (struct site_of_sim *s; (s = first())->next_us < END_US;)
        come(s, most);
}

static const struct rate rates[] = { { 20, 1000 }, { 300, 1000 }, { 600, 60000 } };
static const size_t rates_n = sizeof rates / sizeof rates[0];

static double could(struct rate rate)
{
    return (double)END_US / 1000 * (double)rate.count / (double)rate.per_ms;
}

static void never_exceeded_and_used_fully(void **state)
{
    (void)state;
    for (size_t k = 0; k < rates_n; k++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            run(seed, rates[k], 1);
            for (size_t i = rates[k].count; i < sim.taken_n; i++)
                assert_true(sim.taken_us[i] - sim.taken_us[i - rates[k].count] >=
                            rates[k].per_ms * 1000);
            assert_true((double)sim.tokens >= could(rates[k]) * 0.98 - 1);
            end();
        }
}

/* Forty sites stand in front of it, and it waits for one token and a timer. */
static void urgent_mail_waits_for_one_token(void **state)
{
    (void)state;
    for (size_t k = 0; k < rates_n; k++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            run(seed, rates[k], 1);
            int64_t token_us = rates[k].per_ms * 1000 / (int64_t)rates[k].count;
            assert_true(sim.urgent_waited_us <= token_us + 4 * LATE_US);
            end();
        }
}

static void several_at_a_time_on_average(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed, rates[1], 50);
        assert_true((double)sim.tokens <= could(rates[1]) + 50);
        assert_true((double)sim.tokens >= could(rates[1]) * 0.98 - 50);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_exceeded_and_used_fully),
        cmocka_unit_test(urgent_mail_waits_for_one_token),
        cmocka_unit_test(several_at_a_time_on_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
