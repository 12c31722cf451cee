/*
 * test_links_egress — what the link core makes of egresses that are out, and how paths come back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/links_rig.h"

static void now(struct links_rig *r, uint8_t kind, uint8_t result)
{
    struct addr to = lr_address(r, 0);
    lr_see(r, A, &to, kind, result, r->now_ms, 0);
    lr_run(r, 2000);
}

/* What a worker told may be out of date once the relay was started anew or the configuration has
 * changed: then it is as if a probe had found it. */
static void test_fault_asked_about_again(void **state)
{
    struct links_rig r;
    (void)state;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    lr_learn(&r, 60);
    for (int round = 0; round < 2; round++) {
        now(&r, OBS_EGRESS, OBS_PROXY_DOWN);
        assert_false(r.advice->egress[A].probed);
        if (round == 0)
            links_ask_again(r.links);
        else
            lr_configure(&r, 0);
        lr_run(&r, 2000);
        assert_int_equal(r.advice->egress[A].fault, EGRESS_PROXY_DOWN);
        assert_true(r.advice->egress[A].probed);
        assert_false(r.advice->egress[B].probed);
    }
    assert_int_equal(r.events[LINKS_EGRESS_FAULT], 1);
    lr_finish(&r);
}

/* Asked again, a worker that says that it is back denies what a worker had told, and no probe. */
static void test_outdated_word_is_no_probe_denied(void **state)
{
    struct links_rig r;
    (void)state;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    lr_learn(&r, 60);
    now(&r, OBS_EGRESS, OBS_PROXY_DOWN);
    links_ask_again(r.links);
    now(&r, OBS_EGRESS, OBS_OK);
    assert_int_equal(r.advice->egress[A].fault, EGRESS_FINE);
    assert_false(r.advice->egress[A].probed);
    now(&r, OBS_PROBE, OBS_PROXY_DOWN);
    assert_int_equal(r.advice->egress[A].fault, EGRESS_PROXY_DOWN);
    assert_true(r.advice->egress[A].probed);
    lr_finish(&r);
}

/* A probe that finds the egress out has its answer: no path is suspected for want of one. */
static void test_fault_is_an_answer(void **state)
{
    struct links_rig r;
    (void)state;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    lr_learn(&r, 60);
    r.dead[A] = true;
    r.dead_result = OBS_PROXY_DOWN;
    for (int i = 0; i < 600 && !r.events[LINKS_EGRESS_FAULT]; i++)
        lr_run(&r, 100);
    assert_int_equal(r.advice->egress[A].fault, EGRESS_PROXY_DOWN);
    lr_run(&r, 8000);
    assert_int_equal(advice_path(r.advice, A, 0)->state, PATH_UP);
    lr_finish(&r);
}

/* A probe that had no socket says nothing of any path. */
static void test_unsent_probes(void **state)
{
    struct links_rig r;
    (void)state;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    lr_learn(&r, 60);
    r.dead[A] = r.dead[B] = r.dead[C] = true;
    r.dead_result = OBS_UNSENT;
    unsigned sent = r.sent[A];
    lr_run(&r, 60000);
    assert_true(r.sent[A] > sent);
    assert_int_equal(advice_path(r.advice, A, 0)->state, PATH_UP);
    assert_int_equal(r.events[LINKS_DESTINATION_SUSPECT], 0);
    lr_finish(&r);
}

/* A probe that found the egress out, as the workers do not: at how many of so many that find so,
 * one in two seconds, is it out? */
static unsigned outs(struct links_rig *r, unsigned probes)
{
    unsigned before = r->events[LINKS_EGRESS_FAULT];
    for (unsigned i = 0; i < probes; i++) {
        now(r, OBS_PROBE, OBS_PROXY_DOWN);
        if (r->advice->egress[A].fault == EGRESS_PROXY_DOWN)
            now(r, OBS_EGRESS, OBS_OK);
        assert_int_equal(r->advice->egress[A].fault, EGRESS_FINE);
    }
    return r->events[LINKS_EGRESS_FAULT] - before;
}

static void test_probes_that_workers_deny(void **state)
{
    struct links_rig r;
    (void)state;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    lr_learn(&r, 60);
    r.dead[A] = true; /* its probes have no socket, so that only those of the test tell */
    r.dead_result = OBS_UNSENT;
    assert_int_equal(outs(&r, 27), 1);
    assert_int_equal(outs(&r, 10), 1); /* after a minute */
    assert_int_equal(outs(&r, 40), 0);
    assert_int_equal(outs(&r, 20), 1); /* after two more */
    now(&r, OBS_EGRESS, OBS_PROXY_DOWN);
    assert_int_equal(r.advice->egress[A].fault, EGRESS_PROXY_DOWN); /* workers are believed */
    now(&r, OBS_EGRESS, OBS_OK);
    lr_run(&r, 500000);
    now(&r, OBS_PROBE, OBS_OK);
    assert_int_equal(outs(&r, 20), 1);
    assert_int_equal(outs(&r, 20), 1); /* again after a minute: workers had said the same */
    lr_run(&r, 130000);
    now(&r, OBS_PROBE, OBS_OK);
    assert_int_equal(outs(&r, 20), 1);
    assert_int_equal(outs(&r, 20), 1); /* a probe had found it there */
    lr_finish(&r);
}

/* ---- an egress in doubt ---- */

static void make_fail(struct links_rig *r, int group, unsigned first_address)
{
    r->group = group;
    for (unsigned i = first_address; i < first_address + 2; i++) {
        struct addr to = lr_address(r, i);
        lr_see(r, A, &to, OBS_CONNECT, OBS_REFUSED, r->now_ms - 1, 1);
    }
}

static float doubt_of(const struct links_rig *r, int group)
{
    return advice_path(r->advice, A, group)->fail;
}

/* Two groups have trouble. The third has not been tried by it since, and is not for a while. */
static void test_doubt_lasts(void **state)
{
    const float doubted = 0.3F;
    static const char *const regions[] = { "r", "s", "t" };
    struct links_rig r;
    (void)state;
    lr_start(&r, LINKS_RIG_ADDRESSES);
    for (int g = 0; g < 3; g++) {
        r.group = links_group(r.links, SLICE_LIT("c"), slice_of(regions[g]));
        assert_int_equal(r.group, g);
        lr_learn(&r, 60);
    }
    r.dead[A] = true;
    r.dead_result = OBS_UNSENT;
    assert_true(doubt_of(&r, 2) < doubted);
    make_fail(&r, 0, 0);
    make_fail(&r, 1, 0);
    for (int i = 0; i < 3; i++) {
        lr_run(&r, 8000);
        assert_true(doubt_of(&r, 2) >= doubted);
    }
    struct addr to = lr_address(&r, 7);
    r.group = 2;
    lr_see(&r, A, &to, OBS_CONNECT, OBS_OK, r.now_ms - 1, 1);
    lr_run(&r, 2000);
    assert_true(doubt_of(&r, 2) < doubted);
    lr_finish(&r);
}

/* ---- an egress that its paths put out ---- */

/* Groups that all egresses reach; `a` answers no probe from now on. */
static void reach(struct links_rig *r, unsigned groups)
{
    lr_start(r, LINKS_RIG_ADDRESSES);
    for (unsigned g = 0; g < groups; g++) {
        const char region[] = { (char)('r' + g), '\0' };
        r->group = links_group(r->links, SLICE_LIT("c"), slice_of(region));
        assert_int_equal(r->group, g);
        lr_learn(r, 30);
    }
    r->dead[A] = true;
    r->dead_result = OBS_UNSENT;
}

static void through(struct links_rig *r, int e, unsigned group)
{
    struct addr to = lr_address(r, 7);
    r->group = (int)group;
    lr_see(r, e, &to, OBS_CONNECT, OBS_OK, r->now_ms - 1, 1);
}

/* The first `bad` of them are reached by b alone; a gets through to the `good` next ones. Each time
 * other hosts show it: of those that failed before it may be the host. */
static void fall_out(struct links_rig *r, unsigned bad, unsigned good)
{
    for (unsigned g = 0; g < bad; g++)
        make_fail(r, (int)g, 10 + 2 * r->events[LINKS_EGRESS_FAULT]);
    r->now_ms += 10;
    for (unsigned g = 0; g < bad; g++)
        through(r, B, g);
    for (unsigned g = bad; g < bad + good; g++)
        through(r, A, g);
    lr_run(r, 2000);
}

/* Three, and six of ten that were tried since. */
static void test_how_many_put_it_out(void **state)
{
    static const struct {
        unsigned bad, good;
        bool out;
    } cases[] = { { 2, 0, false }, { 3, 0, true }, { 3, 2, true },
                  { 4, 3, false }, { 6, 4, true }, { 6, 5, false } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct links_rig r;
        reach(&r, cases[i].bad + cases[i].good);
        fall_out(&r, cases[i].bad, cases[i].good);
        print_message("%u of %u\n", cases[i].bad, cases[i].bad + cases[i].good);
        assert_int_equal(r.advice->egress[A].fault, cases[i].out ? EGRESS_PATHS_DOWN : EGRESS_FINE);
        lr_finish(&r);
    }
}

/* Mail by a gets through to the group, until the egress is fine or the path is UP. */
static void prove(struct links_rig *r, int group)
{
    for (unsigned i = 0; i < 80 && (r->advice->egress[A].fault != EGRESS_FINE ||
                                    advice_path(r->advice, A, group)->state != PATH_UP);
         i++) {
        through(r, A, (unsigned)group);
        lr_run(r, 2500);
    }
    assert_int_equal(r->advice->egress[A].fault, EGRESS_FINE);
    assert_int_equal(advice_path(r->advice, A, group)->state, PATH_UP);
}

/* One path brings the others back with the egress; the second time in a quarter of an hour each has
 * to get through by itself. */
static void test_who_comes_back_with_it(void **state)
{
    enum { NOT_NOTICED = 3, GROUPS };
    struct links_rig r;
    (void)state;
    reach(&r, GROUPS);
    for (int round = 0; round < 2; round++) {
        fall_out(&r, NOT_NOTICED, 0);
        assert_int_equal(r.advice->egress[A].fault, EGRESS_PATHS_DOWN);
        for (int g = 0; g < GROUPS; g++)
            assert_int_equal(advice_path(r.advice, A, g)->state, PATH_DOWN);
        prove(&r, 0);
        for (int g = 1; g < GROUPS; g++)
            assert_int_equal(advice_path(r.advice, A, g)->state, round ? PATH_DOWN : PATH_UP);
    }
    prove(&r, NOT_NOTICED);
    lr_finish(&r);
}

/* The one address of the group is spared; the operator's own is not, so a path comes back soon. */
static void test_beacon_brings_a_path_back(void **state)
{
    struct links_rig r;
    struct addr beacon = { ADDR_V4, { 192, 0, 2, 200 }, 25 };
    (void)state;
    lr_start(&r, 1);
    links_target(r.links, 0, OBS_BEACON, &beacon, -1);
    lr_learn(&r, 120);
    r.dead[A] = true;
    for (int i = 0; i < 60 && !r.events[LINKS_PATH_DOWN]; i++) {
        struct addr to = lr_address(&r, 0);
        lr_see(&r, A, &to, OBS_CONNECT, OBS_REFUSED, r.now_ms - 1, 1);
        lr_see(&r, B, &to, OBS_CONNECT, OBS_OK, r.now_ms - 1, 1);
        lr_run(&r, 1000);
    }
    assert_int_equal(r.events[LINKS_PATH_DOWN], 1);
    lr_run(&r, 5000);
    r.dead[A] = false;
    lr_run(&r, 55000); /* after a short outage it must be seen alive for 45 s */
    assert_int_equal(r.events[LINKS_PATH_UP], 1);
    lr_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_asked_about_again),
        cmocka_unit_test(test_outdated_word_is_no_probe_denied),
        cmocka_unit_test(test_fault_is_an_answer),
        cmocka_unit_test(test_unsent_probes),
        cmocka_unit_test(test_beacon_brings_a_path_back),
        cmocka_unit_test(test_probes_that_workers_deny),
        cmocka_unit_test(test_doubt_lasts),
        cmocka_unit_test(test_how_many_put_it_out),
        cmocka_unit_test(test_who_comes_back_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
