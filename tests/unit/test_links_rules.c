/*
 * test_links_rules — rules of the link core that show only when the evidence is arranged
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/links_rig.h"

enum { STEPS = 4 };

/* ---- the witness ---- */

/* Three connections by `a` fail, each to another address or all to one, at 0, 2 and 4 s; `b` gets
 * through by one begun at `b_ms` that takes so long. Is the path down then? */
static bool down_when(int64_t b_ms, int64_t took_ms, bool one_address)
{
    struct links_rig r;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    lr_learn(&r, 240);
    assert_int_equal(r.events[LINKS_PATH_DOWN], 0);
    int64_t zero = r.now_ms + 1000;
    r.now_ms += 8000;
    for (unsigned i = 0; i < 3; i++) {
        struct addr to = lr_address(&r, one_address ? 0 : i);
        lr_see(&r, A, &to, OBS_CONNECT, OBS_REFUSED, zero + 2000 * i, 1);
    }
    struct addr to = lr_address(&r, 7);
    lr_see(&r, B, &to, OBS_CONNECT, OBS_OK, zero + b_ms, took_ms);
    links_tick(r.links, r.now_ms, &r.rnd);
    bool down = r.events[LINKS_PATH_DOWN] > 0;
    lr_finish(&r);
    return down;
}

static bool down_when_b_got_through(int64_t b_ms, int64_t took_ms)
{
    return down_when(b_ms, took_ms, false);
}

/* Where there are others to ask, one host that fails is no path. */
static void test_one_address_of_many_proves_nothing(void **state)
{
    (void)state;
    assert_true(down_when(3000, 60, false));
    assert_false(down_when(3000, 60, true));
}

/* Begun after a single failure it proves nothing: that may have been a lost packet, and the
 * destination have gone away since. */
static void test_two_failures_before_the_witness(void **state)
{
    (void)state;
    assert_false(down_when_b_got_through(-500, 60)); /* before it all */
    assert_false(down_when_b_got_through(1000, 60));
    assert_true(down_when_b_got_through(3000, 60));
    assert_false(down_when_b_got_through(4500, 60)); /* the destination may be back */
    assert_true(
        down_when_b_got_through(3000, 1060)); /* the first packet lost, its repetition not */
    assert_false(down_when_b_got_through(3000, 3060)); /* what got through left at 6 s */
    assert_false(down_when_b_got_through(2500, 2060)); /* and here at 4.5 s */
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
        struct links_rig r;
        print_message("%s\n", witnessed[i].what);
        lr_start(&r, 1);
        lr_learn(&r, 240);
        lr_run(&r, witnessed[i].may_ask ? not_yet_asked : until_asked);
        int64_t zero = r.now_ms + 100;
        r.now_ms += 8000;
        for (int k = 0; k < STEPS && witnessed[i].at[k].took_ms; k++) {
            const struct connection *c = &witnessed[i].at[k];
            struct addr to = lr_address(&r, 0);
            lr_see(&r, c->egress, &to, OBS_CONNECT, c->result, zero + c->start_ms, c->took_ms);
        }
        links_tick(r.links, r.now_ms, &r.rnd);
        assert_int_equal(r.events[LINKS_PATH_DOWN], witnessed[i].down);
        lr_finish(&r);
    }
}

/* ---- what the gain may owe to chance ---- */

static void on_row(void *arg, const struct links_minute *row)
{
    double *cost_ms = arg;
    for (int e = 0; e < LINKS_RIG_EGRESSES; e++)
        if (slice_eq_str(row->egress, links_rig_names[e]))
            cost_ms[e] = row->cost_ms;
}

/* Does `b` take over once it is this much cheaper than `a`? Each connection shows so many segments,
 * none of them lost: few say little of how many will be. */
static bool takes_over(uint32_t segments, double gain_ms)
{
    const double margin = 0.15, margin_ms = 40; /* links_prefer.c */
    struct links_rig r;
    double cost_ms[LINKS_RIG_EGRESSES] = { 0 };
    lr_start(&r, LINKS_RIG_ADDRESSES);
    r.rtt_ms[B] = 20;
    r.rtt_ms[C] = 200;
    r.segments = segments;
    lr_learn(&r, 240);
    assert_int_equal(r.advice->group[0].preferred, A);
    lr_configure(&r, gain_ms);
    lr_learn(&r, 60);
    links_minutes(r.links, r.now_ms, on_row, cost_ms);
    double gain = cost_ms[A] - cost_ms[B];
    assert_true(gain >= fmax(margin_ms, margin * cost_ms[A])); /* so it is not for that */
    lr_learn(&r, 60);
    bool over = r.advice->group[0].preferred == B;
    lr_finish(&r);
    return over;
}

static void test_gain_beyond_chance(void **state)
{
    (void)state;
    assert_true(takes_over(64, 44));
    assert_false(takes_over(1, 44));
    assert_true(takes_over(1, 60));
}

/* However much better another one is, three evaluations have to say so, five seconds apart. */
static void test_three_evaluations(void **state)
{
    struct links_rig r;
    unsigned seconds = 0;
    (void)state;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    lr_learn(&r, 240);
    assert_int_equal(r.advice->group[0].preferred, A);
    lr_configure(&r, 3000);
    for (; seconds < 60 && r.advice->group[0].preferred == A; seconds++)
        lr_learn(&r, 1);
    assert_in_range(seconds, 10, 30);
    lr_finish(&r);
}

/* `b` as `a` sees it, which costs so much more. */
static bool is_near(struct links_rig *r, double cost_of_a, double *ratio_r)
{
    double cost_ms[LINKS_RIG_EGRESSES] = { 0 };
    lr_configure(r, cost_of_a);
    lr_learn(r, 20);
    links_minutes(r->links, r->now_ms, on_row, cost_ms);
    *ratio_r = cost_ms[B] / cost_ms[A];
    assert_int_equal(r->advice->group[0].preferred, A);
    return advice_path(r->advice, B, 0)->near & PATH_NEAR;
}

/* Who comes within 6 % is nearly as good, and stays so up to 10 %: senders do not move to and
 * fro. */
static void test_nearly_as_good(void **state)
{
    struct links_rig r;
    double cost = 0, came = 0, left = 0;
    (void)state;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    lr_learn(&r, 400);
    while (cost < 1000 && !is_near(&r, cost, &came))
        cost += 5;
    while (cost > 0 && is_near(&r, cost, &left))
        cost -= 5;
    print_message("near from %.3f, until %.3f\n", came, left);
    assert_true(came > 1.03 && came <= 1.06 + 0.001);
    assert_true(left > 1.10 && left < 1.13);
    lr_finish(&r);
}

/* ---- an egress that a probe found out ---- */

static void now(struct links_rig *r, uint8_t kind, uint8_t result)
{
    struct addr to = lr_address(r, 0);
    lr_see(r, A, &to, kind, result, r->now_ms, 0);
    lr_run(r, 2000);
}

/* Advice says that it was a probe until a worker has told the same: then it is the worker's to
 * look, whatever probes find. */
static void test_fault_found_by_a_probe(void **state)
{
    struct links_rig r;
    (void)state;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    lr_learn(&r, 60);
    for (int round = 0; round < 2; round++) {
        now(&r, OBS_PROBE, OBS_PROXY_DOWN);
        assert_int_equal(r.advice->egress[A].fault, EGRESS_PROXY_DOWN);
        assert_true(r.advice->egress[A].probed);
        assert_int_not_equal(r.advice->group[0].preferred, A);
        if (round == 1)
            now(&r, OBS_EGRESS, OBS_PROXY_DOWN);
        now(&r, OBS_PROBE, OBS_PROXY_DOWN);
        assert_true(r.advice->egress[A].probed == (round == 0));
        now(&r, OBS_EGRESS, OBS_OK);
        assert_int_equal(r.advice->egress[A].fault, EGRESS_FINE);
        assert_false(r.advice->egress[A].probed);
        lr_run(&r, 60000); /* denied, a probe is not believed at once */
    }
    assert_int_equal(r.events[LINKS_EGRESS_FAULT], 2);
    assert_int_equal(r.events[LINKS_EGRESS_FINE], 2);
    lr_finish(&r);
}

/* ---- which paths are probed in a turn ---- */

struct turn {
    struct links_probe probe[16];
    unsigned n;
};

static void on_turn(void *arg, const struct links_probe *probe)
{
    struct turn *t = arg;
    assert_true(t->n < sizeof t->probe / sizeof t->probe[0]);
    t->probe[t->n++] = *probe;
}

static struct links *begin_turn(struct turn *turn, const struct links_config *config,
                                struct rnd *rnd)
{
    struct links_hooks hooks = { on_turn, NULL, turn };
    struct links *l = links_new(&hooks);
    rnd_seed(rnd, 1);
    links_configure(l, config);
    return l;
}

static void mail_by_c(struct links *l, const char *region, const struct addr *to, int64_t now_ms)
{
    struct observation o = { .kind = OBS_CONNECT,
                             .egress = slice_hash_stable(slice_of("c")),
                             .address = *to,
                             .at_us = now_ms * 1000,
                             .connect_us = 20000,
                             .greeting_us = -1,
                             .longest_us = -1,
                             .rtt_us = 20000,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    links_observe(l, &o, links_group(l, SLICE_LIT("carrier"), slice_of(region)), now_ms);
}

/* Four paths are wanted alike, and two of them cannot be probed: by a, of IPv4, the one at an
 * address of IPv6, and by b what a has just asked. What comes after these is probed in the same
 * turn. */
static void test_turn_goes_past_what_cannot_be_asked(void **state)
{
    const struct links_egress egress[] = {
        { .name = SLICE_LIT("a"), .weight = 1, .v4 = true },
        { .name = SLICE_LIT("b"), .weight = 1, .v4 = true, .v6 = true },
        { .name = SLICE_LIT("c"), .weight = 1, .v4 = true, .v6 = true }
    };
    const struct links_config config = { egress, 3, 15000, { 10, 1000 }, { 30, 1000 } };
    const struct addr v4 = { ADDR_V4, { 192, 0, 2, 1 }, 25 }, v6 = { ADDR_V6, { 0x20, 1 }, 25 };
    const int64_t now_ms = 1000000;
    struct turn turn = { .n = 0 };
    struct rnd rnd;
    struct links *l = begin_turn(&turn, &config, &rnd);
    (void)state;
    mail_by_c(l, "first", &v4, now_ms);
    mail_by_c(l, "second", &v6, now_ms);
    links_tick(l, now_ms, &rnd);
    assert_int_equal(turn.n, 2);
    assert_int_equal(turn.probe[0].egress, 0);
    assert_true(addr_eq(&turn.probe[0].address, &v4));
    assert_int_equal(turn.probe[1].egress, 1);
    assert_true(addr_eq(&turn.probe[1].address, &v6));
    links_free(&l);
}

/* Nothing fails, and more is wanted than may be sent: a third of what may be is kept back for the
 * verification of a suspicion. */
static void test_some_is_kept_for_suspicions(void **state)
{
    enum { GROUPS = 8, TOTAL = 9 };
    const struct links_egress egress[] = { { .name = SLICE_LIT("a"), .weight = 1, .v4 = true },
                                           { .name = SLICE_LIT("b"), .weight = 1, .v4 = true },
                                           { .name = SLICE_LIT("c"), .weight = 1, .v4 = true } };
    const struct links_config config = { egress, 3, 15000, { 10, 1000 }, { TOTAL, 1000 } };
    const int64_t now_ms = 1000000;
    struct turn turn = { .n = 0 };
    struct rnd rnd;
    struct links *l = begin_turn(&turn, &config, &rnd);
    (void)state;
    for (uint8_t g = 0; g < GROUPS; g++) {
        char region[2] = { (char)('a' + g), '\0' };
        mail_by_c(l, region, &(struct addr){ ADDR_V4, { 192, 0, 2, g }, 25 }, now_ms);
    }
    for (int64_t ms = 0; ms < 500; ms += 50)
        links_tick(l, now_ms + ms, &rnd);
    assert_int_equal(turn.n, TOTAL - TOTAL / 3);
    links_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_failures_before_the_witness),
        cmocka_unit_test(test_one_address_of_many_proves_nothing),
        cmocka_unit_test(test_mail_is_witness),
        cmocka_unit_test(test_gain_beyond_chance),
        cmocka_unit_test(test_three_evaluations),
        cmocka_unit_test(test_nearly_as_good),
        cmocka_unit_test(test_fault_found_by_a_probe),
        cmocka_unit_test(test_turn_goes_past_what_cannot_be_asked),
        cmocka_unit_test(test_some_is_kept_for_suspicions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
