/*
 * test_links_hosts — hosts that are gone are no fault of the paths to them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/links_rig.h"

static void connect_to(struct links_rig *r, int e, unsigned i)
{
    struct addr to = lr_address(r, i);
    bool ok = !r->dead[e] && to.bytes[3] > r->gone;
    lr_see(r, e, &to, OBS_CONNECT, ok ? OBS_OK : OBS_REFUSED, r->now_ms - 1, 1);
}

/* Mail by `e`, one in half a second, to all addresses in turn; what fails is tried by the next. */
static void mail(struct links_rig *r, int e, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        for (int k = 0; k < LINKS_RIG_EGRESSES; k++) {
            connect_to(r, (e + k) % LINKS_RIG_EGRESSES, i);
            lr_run(r, 100);
            if (!r->dead[(e + k) % LINKS_RIG_EGRESSES] && i % r->addresses >= r->gone)
                break;
        }
        lr_run(r, 400);
    }
}

static void start(struct links_rig *r, unsigned addresses, unsigned gone)
{
    lr_start(r, addresses);
    lr_learn(r, 240);
    assert_int_equal(r->advice->group[0].preferred, A);
    r->gone = gone;
    mail(r, A, 120);
    for (int k = 0; k < LINKS_EVENT_KINDS; k++)
        r->events[k] = 0;
}

/* Three in a row of them would be a path that is down, with others getting through in between. */
static void test_many_are_gone(void **state)
{
    (void)state;
    static const unsigned gone[] = { 1, 5, 12, 18 };
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        struct links_rig r;
        start(&r, 20, gone[i]);
        mail(&r, A, 600);
        assert_int_equal(r.events[LINKS_PATH_DOWN] + r.events[LINKS_SWITCH], 0);
        assert_int_equal(r.events[LINKS_DESTINATION_SUSPECT], 0);
        assert_true(advice_path(r.advice, A, 0)->fail < 0.01F);
        lr_finish(&r);
    }
}

/* With one host left that one is enough, as where there never was another. */
static void test_path_to_the_rest(void **state)
{
    (void)state;
    static const unsigned gone[] = { 0, 1, 2, 3 };
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        struct links_rig r;
        start(&r, 4, gone[i]);
        r.dead[A] = true;
        mail(&r, A, 40);
        assert_int_equal(r.advice->group[0].preferred, B);
        assert_int_equal(r.events[LINKS_PATH_DOWN], 1);
        lr_finish(&r);
    }
}

/* The last one goes away for a while. */
static void test_destination_of_one(void **state)
{
    (void)state;
    struct links_rig r;
    start(&r, 2, 1);
    for (int e = 0; e < LINKS_RIG_EGRESSES; e++) {
        r.dead[e] = true;
        connect_to(&r, e, 1);
    }
    r.silent = true;
    lr_run(&r, 5000);
    assert_int_equal(r.events[LINKS_DESTINATION_SUSPECT], 1);
    lr_finish(&r);
}

static double doubt_of_b(struct links_rig *r)
{
    for (unsigned i = 0; i < 2; i++)
        connect_to(r, B, i);
    lr_run(r, 50);
    return (double)advice_path(r->advice, B, 0)->fail;
}

/* What a dead path did not reach, nor anybody while the destination was away, is not gone. */
static void test_hosts_absolved(void **state)
{
    (void)state;
    for (int destination = 0; destination < 2; destination++) {
        struct links_rig r;
        start(&r, 20, 0);
        for (int e = 0; e < LINKS_RIG_EGRESSES; e++)
            r.dead[e] = destination || e == A;
        for (unsigned i = 0; i < 4; i++) {
            for (int e = 0; e < (destination ? LINKS_RIG_EGRESSES : 1); e++)
                connect_to(&r, e, i);
            if (!destination)
                connect_to(&r, B, 10 + i);
            lr_run(&r, 1000);
        }
        assert_int_equal(r.events[destination ? LINKS_DESTINATION_SUSPECT : LINKS_PATH_DOWN], 1);
        for (unsigned i = 0; i < 2 && !destination; i++)
            connect_to(&r, A, i); /* it is down: that explains it */
        lr_run(&r, 50);
        r.dead[B] = r.dead[C] = false;
        connect_to(&r, B, 15);
        connect_to(&r, C, 16);
        lr_run(&r, 50);
        r.dead[B] = true;
        lr_run(&r, 50);
        assert_true(doubt_of_b(&r) >= 0.25);
        lr_finish(&r);
    }
}

/* ---- a beacon that is gone ---- */

enum { GONE, ALIVE, BEACONS };

static void on_row(void *arg, const struct links_minute *row)
{
    unsigned *probes = arg;
    if (slice_eq_str(row->egress, "a"))
        probes[slice_eq_str(row->region, "s") ? ALIVE : GONE] += row->probes;
}

static void mail_by_b(struct links_rig *r, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        for (r->group = 0; r->group < BEACONS; r->group++)
            connect_to(r, B, i);
        lr_run(r, 1000);
    }
}

/* How often `a`, which may send one probe in `every_ms`, asks the beacons of two groups in ten
 * minutes: all that it may ask, since mail goes by `b`, which has a view of its own. */
static void ask_beacons(uint32_t every_ms, unsigned probes[BEACONS])
{
    const struct links_egress egress[] = {
        { .name = SLICE_LIT("a"), .weight = 1, .v4 = true },
        { .name = SLICE_LIT("b"), .weight = 1, .v4 = true, .own_view = true }
    };
    static const struct addr beacon[BEACONS] = { { ADDR_V4, { 192, 0, 2, 0 }, 25 },
                                                 { ADDR_V4, { 192, 0, 2, 200 }, 25 } };
    const struct links_config config = { egress, 2, 15000, { 1, every_ms }, { 30, 1000 } };
    struct links_rig r;
    lr_start(&r, 4);
    r.rtt_ms[A] = 200; /* so that it is not preferred */
    links_configure(r.links, &config);
    assert_int_equal(links_group(r.links, SLICE_LIT("c"), SLICE_LIT("s")), ALIVE);
    for (int g = 0; g < BEACONS; g++)
        links_target(r.links, g, OBS_BEACON, &beacon[g], -1);
    mail_by_b(&r, 120);
    links_minutes(r.links, r.now_ms, on_row, probes);
    probes[GONE] = probes[ALIVE] = 0;
    mail_by_b(&r, 600);
    links_minutes(r.links, r.now_ms, on_row, probes);
    lr_finish(&r);
}

/* Nothing limits how often it is asked but the interval. */
static void test_beacon_gone_waits_its_turn(void **state)
{
    unsigned probes[BEACONS] = { 0 };
    (void)state;
    ask_beacons(500, probes);
    assert_in_range(probes[ALIVE], 30, 60);
    assert_in_range(probes[GONE], 30, 60);
}

/* Where the budget does not suffice both get their share. */
static void test_beacon_gone_starves_nobody(void **state)
{
    unsigned probes[BEACONS] = { 0 };
    (void)state;
    ask_beacons(20000, probes);
    assert_in_range(probes[ALIVE], 12, 18);
    assert_in_range(probes[GONE], 12, 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_are_gone),
        cmocka_unit_test(test_path_to_the_rest),
        cmocka_unit_test(test_destination_of_one),
        cmocka_unit_test(test_hosts_absolved),
        cmocka_unit_test(test_beacon_gone_waits_its_turn),
        cmocka_unit_test(test_beacon_gone_starves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
