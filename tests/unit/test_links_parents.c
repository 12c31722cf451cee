/*
 * test_links_parents — what is known of a carrier is the first guess for each of its groups
 *
 *   Observations go in, and what is looked at is the table of advice and the choice by it, as the
 *   relay makes it. The egresses reach no address of the groups, so no probe adds anything.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/conf/conf.h"
#include "policies/choose.h"
#include "probes/links.h"

enum { A, B, EGRESSES, PARENTS_MS = 5000, ENOUGH = 10 /* samples, to stand for itself */ };

struct rig {
    struct links *links;
    struct rnd rnd;
    struct advice *advice;
    int64_t now_ms;
};

static struct conf_egress egresses[EGRESSES] = {
    { .name = SLICE_INIT("a"), .weight = 1, .usable = true },
    { .name = SLICE_INIT("b"), .weight = 1, .usable = true }
};

static void start(struct rig *r)
{
    const struct links_egress egress[] = { { .name = egresses[A].name, .weight = 1, .v6 = true },
                                           { .name = egresses[B].name, .weight = 1, .v6 = true } };
    const struct links_config config = { egress, EGRESSES, 15000, { 2, 1000 }, { 10, 1000 } };
    const struct links_hooks hooks = { NULL, NULL, NULL };
    *r = (struct rig){ .links = links_new(&hooks), .now_ms = 1000000 };
    rnd_seed(&r->rnd, 1);
    links_configure(r->links, &config);
}

static void finish(struct rig *r)
{
    links_free(&r->links);
    advice_unref(&r->advice);
}

/* So many connections by that egress, each with this round trip. */
static void see(struct rig *r, int e, const char *carrier, const char *region, double rtt_ms,
                unsigned n)
{
    int group = links_group(r->links, slice_of(carrier), slice_of(region));
    for (unsigned i = 0; i < n; i++) {
        r->now_ms += 100;
        struct observation o = { .kind = OBS_CONNECT,
                                 .egress = slice_hash_stable(egresses[e].name),
                                 .address = { ADDR_V4, { 192, 0, 2, (uint8_t)(1 + group) }, 25 },
                                 .at_us = r->now_ms * 1000,
                                 .connect_us = (int64_t)(1000 * rtt_ms),
                                 .longest_us = -1,
                                 .greeting_us = -1,
                                 .rtt_us = (int64_t)(1000 * rtt_ms),
                                 .app_rtt_us = -1,
                                 .final_us = -1,
                                 .segments = 8 };
        links_observe(r->links, &o, group, r->now_ms);
    }
}

/* The table of now, the parents brought up to date. */
static const struct advice *table(struct rig *r)
{
    r->now_ms += PARENTS_MS;
    links_tick(r->links, r->now_ms, &r->rnd);
    links_renew(r->links);
    advice_unref(&r->advice);
    r->advice = links_advice(r->links, r->now_ms);
    assert_non_null(r->advice);
    return r->advice;
}

static const struct advice_path *path(struct rig *r, int e, const char *carrier, const char *region)
{
    const struct advice *a = table(r);
    int group = advice_group(a, slice_of(carrier), slice_of(region));
    assert_true(slice_eq_str(a->group[group].region, region));
    return advice_path(a, e, group);
}

static void assert_ms(float got, double want)
{
    if (fabs((double)got - want) > 0.01)
        fail_msg("%g ms instead of %g", (double)got, want);
}

/* Worked out by hand: the carrier has 40 ms, the group itself 80 ms; one tenth of its own for each
 * sample, all of it from the tenth on. */
static void test_the_guess_gives_way(void **state)
{
    static const struct {
        unsigned samples;
        double rtt_ms;
    } rows[] = { { 0, 40 }, { 1, 44 },  { 2, 48 },  { 5, 60 },
                 { 9, 76 }, { 10, 80 }, { 11, 80 }, { 50, 80 } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig r;
        start(&r);
        see(&r, A, "mobile", "north", 30, ENOUGH);
        see(&r, A, "mobile", "south", 50, 2 * ENOUGH); /* the mean of groups, not of samples */
        (void)links_group(r.links, slice_of("mobile"), slice_of("west"));
        see(&r, A, "mobile", "west", 80, rows[i].samples);
        const struct advice_path *p = path(&r, A, "mobile", "west");
        double mean = rows[i].samples < ENOUGH ? 40 : (30 + 50 + 80) / 3.0;
        assert_ms(p->rtt_ms, rows[i].rtt_ms);
        assert_int_equal(p->state, rows[i].samples ? PATH_UP : PATH_UNKNOWN);
        if (rows[i].samples == 0)
            assert_ms(p->rtt_var_ms, 10); /* a quarter: it may be off by that */
        (void)links_group(r.links, slice_of("mobile"), slice_of("east"));
        assert_ms(path(&r, A, "mobile", "east")->rtt_ms,
                  mean); /* who stands for itself is a part */
        finish(&r);
    }
}

/* First the carrier, then the egress, then nobody; never another egress. */
static void test_whose_guess(void **state)
{
    struct rig r;
    (void)state;
    start(&r);
    (void)links_group(r.links, slice_of("mobile"), slice_of("west"));
    assert_ms(path(&r, A, "mobile", "west")->rtt_ms, 0);
    see(&r, A, "unicom", "north", 100, ENOUGH - 1);
    assert_ms(path(&r, A, "mobile", "west")->rtt_ms, 0); /* that group does not know itself yet */
    see(&r, A, "unicom", "north", 100, 1);
    assert_ms(path(&r, A, "mobile", "west")->rtt_ms, 100);
    see(&r, A, "mobile", "north", 40, ENOUGH);
    assert_ms(path(&r, A, "mobile", "west")->rtt_ms, 40);
    (void)links_group(r.links, slice_of("telecom"), slice_of("west"));
    assert_ms(path(&r, A, "telecom", "west")->rtt_ms, 70); /* of all its groups */
    assert_ms(path(&r, B, "mobile", "west")->rtt_ms, 0);
    assert_ms(path(&r, B, "telecom", "west")->rtt_ms, 0);
    finish(&r);
}

/* As the relay chooses for a small mail. */
static int chosen(struct rig *r, const char *carrier, const char *region)
{
    static uint16_t all[] = { A, B };
    struct conf conf = { .egress = { egresses, EGRESSES } };
    const struct egress_facts facts[] = { { .usable = true }, { .usable = true } };
    const struct advice *a = table(r);
    static struct choice_rows rows;
    static struct choice choice;
    choice_rows_fill(&conf, a, &rows);
    struct choice_request q = { .conf = &conf,
                                .allowed = { all, EGRESSES },
                                .facts = facts,
                                .advice = a,
                                .rows = &rows,
                                .group = advice_group(a, slice_of(carrier), slice_of(region)),
                                .now_ms = r->now_ms,
                                .bytes = 20000,
                                .lane = LANE_NORMAL,
                                .sticky = EGRESS_NONE,
                                .incumbent = EGRESS_NONE,
                                .sharers = 1 };
    return choose(&q, &r->rnd, &choice);
}

/* `a` is near to the one carrier and `b` to the other; so the first mail of a new group goes by the
 * one that is near to its carrier. Where that is wrong, its own mail shows. */
static void test_the_first_mail_goes_where_its_carrier_is_near(void **state)
{
    struct rig r;
    (void)state;
    start(&r);
    see(&r, A, "mobile", "north", 20, 2 * ENOUGH);
    see(&r, B, "mobile", "north", 120, 2 * ENOUGH);
    see(&r, A, "unicom", "north", 120, 2 * ENOUGH);
    see(&r, B, "unicom", "north", 20, 2 * ENOUGH);
    (void)links_group(r.links, slice_of("mobile"), slice_of("west"));
    (void)links_group(r.links, slice_of("unicom"), slice_of("west"));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(chosen(&r, "mobile", "west"), A);
        assert_int_equal(chosen(&r, "unicom", "west"), B);
    }
    see(&r, A, "mobile", "west", 300, 2 * ENOUGH);
    see(&r, B, "mobile", "west", 30, 2 * ENOUGH);
    assert_int_equal(chosen(&r, "mobile", "west"), B);
    assert_int_equal(chosen(&r, "mobile", "north"), A);
    assert_int_equal(chosen(&r, "unicom", "west"), B);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guess_gives_way),
        cmocka_unit_test(test_whose_guess),
        cmocka_unit_test(test_the_first_mail_goes_where_its_carrier_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
