/*
 * test_links_rules — rules of the link core that show only when the evidence is arranged
 *
 *   What happens between two ticks is judged at the second of them, so the observations of a case
 *   are given with their times and judged at once. Probes are answered: everything gets through.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/links.h"

enum { A, B, C, EGRESSES, ADDRESSES = 40, STEPS = 4 };

static const char *const names[EGRESSES] = { "a", "b", "c" };

struct rig {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms;
    unsigned addresses;
    double rtt_ms[EGRESSES];
    uint32_t segments; /* of one observation */
    struct links_probe probe[16];
    unsigned probes_n, events[LINKS_EVENT_KINDS];
    struct advice *advice;
    double cost_ms[EGRESSES];
};

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    assert_true(r->probes_n < sizeof r->probe / sizeof r->probe[0]);
    r->probe[r->probes_n++] = *probe;
}

static void on_event(void *arg, const struct links_event *e)
{
    struct rig *r = arg;
    r->events[e->kind]++;
}

static struct addr address(const struct rig *r, unsigned i)
{
    return (struct addr){ ADDR_V4, { 192, 0, 2, (uint8_t)(1 + i % r->addresses) }, 25 };
}

/* A connection that began at `start_ms` and ended `took_ms` later. */
static void see(struct rig *r, int e, const struct addr *to, uint8_t kind, uint8_t result,
                int64_t start_ms, int64_t took_ms)
{
    struct observation o = { .kind = kind,
                             .result = result,
                             .egress = slice_hash_stable(slice_of(names[e])),
                             .address = *to,
                             .at_us = (start_ms + took_ms) * 1000,
                             .connect_us = took_ms * 1000,
                             .greeting_us = -1,
                             .rtt_us = -1,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    if (result == OBS_OK) {
        o.rtt_us = (int64_t)(1000 * r->rtt_ms[e]);
        o.segments = r->segments;
    }
    links_observe(r->links, &o, 0, r->now_ms);
}

static void tick(struct rig *r)
{
    links_tick(r->links, r->now_ms, &r->rnd);
    for (unsigned i = 0; i < r->probes_n; i++)
        see(r, (int)r->probe[i].egress, &r->probe[i].address, OBS_PROBE, OBS_OK, r->now_ms, 1);
    r->probes_n = 0;
    struct advice *made = links_advice(r->links, r->now_ms);
    if (made) {
        advice_unref(&r->advice);
        r->advice = made;
    }
}

static void run(struct rig *r, int64_t ms)
{
    for (int64_t end = r->now_ms + ms; r->now_ms < end;) {
        r->now_ms += 50;
        tick(r);
    }
}

static void configure(struct rig *r, double cost_of_a_ms)
{
    struct links_egress egress[EGRESSES];
    for (int e = 0; e < EGRESSES; e++)
        egress[e] = (struct links_egress){ .name = slice_of(names[e]),
                                           .weight = 1,
                                           .cost_ms = e == A ? cost_of_a_ms : 1,
                                           .v4 = true };
    struct links_config config = { .egress = egress,
                                   .egress_n = EGRESSES,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    links_configure(r->links, &config, r->now_ms);
}

static void start(struct rig *r)
{
    struct links_hooks hooks = { on_probe, on_event, r };
    r->now_ms = 1000000;
    rnd_seed(&r->rnd, 5);
    r->links = links_new(&hooks);
    configure(r, 0);
    assert_int_equal(links_group(r->links, slice_of("c"), slice_of("r")), 0);
}

static void finish(struct rig *r)
{
    links_free(&r->links);
    advice_unref(&r->advice);
}

/* Mail by every egress, one connection in a second. */
static void learn(struct rig *r, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        struct addr to = address(r, i);
        see(r, (int)(i % EGRESSES), &to, OBS_CONNECT, OBS_OK, r->now_ms - 1, 1);
        run(r, 1000);
    }
}

/* ---- the witness ---- */

/* Three connections by `a` fail, each to another address, at 0, 2 and 4 s; `b` gets through by one
 * begun at `b_ms`. Is the path down then? */
static bool down_when_b_got_through_at(int64_t b_ms)
{
    struct rig r = { .addresses = ADDRESSES, .rtt_ms = { 20, 60, 100 }, .segments = 10 };
    start(&r);
    learn(&r, 240);
    assert_int_equal(r.events[LINKS_PATH_DOWN], 0);
    int64_t zero = r.now_ms + 1000;
    r.now_ms += 6000;
    for (unsigned i = 0; i < 3; i++) {
        struct addr to = address(&r, i);
        see(&r, A, &to, OBS_CONNECT, OBS_REFUSED, zero + 2000 * i, 1);
    }
    struct addr to = address(&r, 7);
    see(&r, B, &to, OBS_CONNECT, OBS_OK, zero + b_ms, 60);
    links_tick(r.links, r.now_ms, &r.rnd);
    bool down = r.events[LINKS_PATH_DOWN] > 0;
    finish(&r);
    return down;
}

/* Begun after a single failure it proves nothing: that may have been a lost packet, and the
 * destination have gone away since. */
static void test_two_failures_before_the_witness(void **state)
{
    (void)state;
    assert_false(down_when_b_got_through_at(-500)); /* before it all */
    assert_false(down_when_b_got_through_at(1000));
    assert_true(down_when_b_got_through_at(3000));
    assert_false(down_when_b_got_through_at(4500)); /* the destination may be back */
}

/* ---- mail as the witness, where politeness allows no probe ---- */

struct connection {
    int egress;
    uint8_t result;
    int64_t start_ms, took_ms; /* took_ms 0: there is none */
};

static const struct {
    const char *what;
    bool may_ask;
    struct connection at[STEPS];
    bool down;
} witnessed[] = {
    { "before and after the second failure",
      false,
      { { A, OBS_REFUSED, 0, 1 },
        { B, OBS_OK, 1000, 60 },
        { A, OBS_REFUSED, 2000, 1 },
        { B, OBS_OK, 6000, 60 } },
      true },
    { "the path can be asked",
      true,
      { { A, OBS_REFUSED, 0, 1 },
        { B, OBS_OK, 1000, 60 },
        { A, OBS_REFUSED, 2000, 1 },
        { B, OBS_OK, 6000, 60 } },
      false },
    { "after both: the destination was away",
      false,
      { { A, OBS_REFUSED, 0, 1 }, { A, OBS_REFUSED, 2000, 1 }, { B, OBS_OK, 6000, 60 } },
      false },
    { "begun before the second failure, but as late",
      false,
      { { A, OBS_REFUSED, 0, 1 },
        { A, OBS_REFUSED, 2000, 1 },
        { B, OBS_OK, 1000, 3000 },
        { B, OBS_OK, 6000, 60 } },
      false },
    { "not long enough after",
      false,
      { { A, OBS_REFUSED, 0, 1 },
        { B, OBS_OK, 1000, 60 },
        { A, OBS_REFUSED, 2000, 1 },
        { B, OBS_OK, 4000, 60 } },
      false },
    { "none has failed yet",
      false,
      { { A, OBS_OVERDUE, 0, 300 },
        { B, OBS_OK, 1000, 60 },
        { A, OBS_OVERDUE, 2000, 300 },
        { B, OBS_OK, 6000, 60 } },
      false },
};

static void test_mail_is_witness(void **state)
{
    const int64_t until_asked = 72000, not_yet_asked = 11000; /* since the last mail */
    (void)state;
    for (size_t i = 0; i < sizeof witnessed / sizeof witnessed[0]; i++) {
        struct rig r = { .addresses = 1, .rtt_ms = { 20, 60, 100 }, .segments = 10 };
        print_message("%s\n", witnessed[i].what);
        start(&r);
        learn(&r, 240);
        run(&r, witnessed[i].may_ask ? not_yet_asked : until_asked);
        int64_t zero = r.now_ms + 100;
        r.now_ms += 8000;
        for (int k = 0; k < STEPS && witnessed[i].at[k].took_ms; k++) {
            const struct connection *c = &witnessed[i].at[k];
            struct addr to = address(&r, 0);
            see(&r, c->egress, &to, OBS_CONNECT, c->result, zero + c->start_ms, c->took_ms);
        }
        links_tick(r.links, r.now_ms, &r.rnd);
        assert_int_equal(r.events[LINKS_PATH_DOWN], witnessed[i].down);
        finish(&r);
    }
}

/* ---- what the gain may owe to chance ---- */

static void on_row(void *arg, const struct links_minute *row)
{
    struct rig *r = arg;
    for (int e = 0; e < EGRESSES; e++)
        if (slice_eq_str(row->egress, names[e]))
            r->cost_ms[e] = row->cost_ms;
}

/* Does `b` take over once it is this much cheaper than `a`? Each connection shows so many segments,
 * none of them lost: few say little of how many will be. */
static bool takes_over(uint32_t segments, double gain_ms)
{
    const double margin = 0.15, margin_ms = 40; /* links_prefer.c */
    struct rig r = { .addresses = ADDRESSES, .rtt_ms = { 20, 20, 200 }, .segments = segments };
    start(&r);
    learn(&r, 240);
    assert_int_equal(r.advice->group[0].preferred, A);
    configure(&r, gain_ms);
    learn(&r, 60);
    links_minutes(r.links, r.now_ms, on_row, &r);
    double gain = r.cost_ms[A] - r.cost_ms[B];
    assert_true(gain >= fmax(margin_ms, margin * r.cost_ms[A])); /* so it is not for that */
    learn(&r, 60);
    bool over = r.advice->group[0].preferred == B;
    finish(&r);
    return over;
}

static void test_gain_beyond_chance(void **state)
{
    (void)state;
    assert_true(takes_over(64, 44));
    assert_false(takes_over(1, 44));
    assert_true(takes_over(1, 60));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_failures_before_the_witness),
        cmocka_unit_test(test_mail_is_witness),
        cmocka_unit_test(test_gain_beyond_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
