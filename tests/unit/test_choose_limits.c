/*
 * tests/unit/test_choose_limits — a receiver's limit on one egress is not gone round by others
 */
#include "tests/unit/choose_rig.h"

/* The best by measurement is limited and spent: so much goes by the next best as may, no more. */
static void test_spills_or_waits(void **state)
{
    struct rig *r = *state;
    r->facts[0].receiver = RECEIVER_LIMITS;
    assert_int_equal(pick(r), 0);
    assert_true(r->choice.bound && r->choice.spilled == EGRESS_NONE);
    assert_int_equal(r->choice.second, -1);
    r->facts[0].spent = r->facts[0].spills = true;
    assert_int_equal(pick(r), 1);
    assert_int_equal(r->choice.spilled, 0);
    assert_int_equal(reason(r, 0), RULED_OUT_SPENT);
    assert_true(r->choice.drawn); /* not to be kept */
    r->facts[0].spills = false;
    assert_int_equal(pick(r), EGRESS_NONE);
    assert_true(r->choice.waits);
    assert_int_equal(reason(r, 0), RULED_OUT_SPENT);
    for (uint16_t e = 1; e < N; e++)
        assert_int_equal(reason(r, e), RULED_OUT_ROUND);
    r->q.sticky = 1; /* mail that is another's anyway */
    assert_int_equal(pick(r), 1);
    assert_true(r->choice.spilled == EGRESS_NONE && !r->choice.waits);
}

/* One that is not limited but used up (warming up) hands over what it cannot carry. */
static void test_warming_up_hands_over(void **state)
{
    struct rig *r = *state;
    r->facts[0].spent = true;
    assert_int_equal(pick(r), 1);
    assert_true(!r->choice.waits && r->choice.spilled == EGRESS_NONE);
}

/* Nobody else: it waits as ever, and nobody is gone round. */
static void test_alone(void **state)
{
    struct rig *r = *state;
    for (int e = 1; e < N; e++)
        r->facts[e].excluded = true;
    r->facts[0].receiver = RECEIVER_LIMITS;
    r->facts[0].spent = r->facts[0].spills = true;
    assert_int_equal(pick(r), EGRESS_NONE);
    assert_false(r->choice.waits);
    assert_int_equal(reason(r, 0), RULED_OUT_SPENT);
}

/* It refuses the others, too: `explain` says why this one carries mail; no more than it may. */
static void test_the_least_bad_of_all(void **state)
{
    struct rig *r = *state;
    for (int e = 1; e < N; e++)
        r->facts[e].receiver = RECEIVER_REFUSES;
    r->facts[0].receiver = RECEIVER_LIMITS;
    r->facts[0].least_bad = true;
    assert_int_equal(pick(r), 0);
    assert_int_equal(reason(r, 0), CHOSEN_LEAST_BAD);
    r->facts[0].spent = r->facts[0].spills = true;
    assert_int_equal(pick(r), EGRESS_NONE);
    assert_int_equal(reason(r, 0), RULED_OUT_SPENT);
}

/* A session that stands, or half a share, is no reason to go round either. */
static void test_a_warm_session_changes_nothing(void **state)
{
    struct rig *r = *state;
    r->facts[0].receiver = RECEIVER_LIMITS;
    r->facts[0].spent = true;
    r->facts[1].warm = true;
    r->advice->path[1].rtt_ms = 21;
    assert_int_equal(pick(r), EGRESS_NONE);
    r->advice->egress[0].share = 0.5;
    for (int i = 0; i < 100; i++)
        assert_int_equal(pick(r), EGRESS_NONE);
}

/* Without measurements: half of the correspondents are another's, and each try says the same. */
static void test_by_weight_for_good(void **state)
{
    struct rig *r = *state;
    int waits = 0;
    r->q.allowed.n = 2;
    r->q.group = ADVICE_NONE;
    r->facts[0].receiver = RECEIVER_LIMITS;
    r->facts[0].spent = true;
    for (uint64_t sender = 1; sender <= 1000; sender++) {
        r->q.sender = sender * UINT64_C(0x9e3779b97f4a7c15);
        int first = pick(r);
        for (int i = 0; i < 5; i++)
            assert_int_equal(pick(r), first);
        assert_true(first == 1 || (first == EGRESS_NONE && r->choice.waits));
        waits += first == EGRESS_NONE;
    }
    assert_in_range(waits, 400, 600);
}

/* A new address is slower and unknown: small mail of no hurry is drawn to it by weight. */
static void test_warming_up_has_its_share(void **state)
{
    struct rig *r = *state;
    int got = 0;
    r->q.allowed.n = 2;
    r->facts[1].receiver = RECEIVER_WARMS;
    r->advice->path[1] = (struct advice_path){ .state = PATH_UNKNOWN };
    for (int i = 0; i < 10000; i++) {
        int chosen = pick(r);
        assert_true(r->choice.drawn && (!chosen || reason(r, 1) == CHOSEN_WARMING_UP));
        got += chosen == 1;
    }
    assert_in_range(got, 4700, 5300);
    r->facts[0].warm = true; /* a session of the other stands */
    got = 0;
    for (int i = 0; i < 10000; i++)
        got += pick(r) == 1;
    assert_in_range(got, 4700, 5300);
}

/* None of these is drawn to it. */
static void test_no_mail_for_a_new_address(void **state)
{
    struct rig *r = *state;
    r->q.allowed.n = 2;
    for (int row = 0; row < 6; row++) {
        r->facts[1] = (struct egress_facts){ .usable = true, .receiver = RECEIVER_WARMS };
        r->facts[0].receiver = RECEIVER_TAKES;
        r->q.lane = LANE_NORMAL;
        r->q.bytes = 20000;
        r->q.sticky = EGRESS_NONE;
        r->advice->path[1] = (struct advice_path){ .state = PATH_UP, .rtt_ms = 80, .samples = 9 };
        if (row == 0)
            r->q.lane = LANE_HIGH;
        else if (row == 1)
            r->q.bytes = CHOICE_EXPLORE_BYTES + 1;
        else if (row == 2)
            r->facts[1].spent = true;
        else if (row == 3)
            r->q.sticky = 0;
        else if (row == 4)
            r->facts[0].receiver = RECEIVER_LIMITS; /* no way round it */
        else
            r->advice->path[1].fail = 0.5F;
        for (int i = 0; i < 200; i++)
            assert_int_equal(pick(r), 0);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_spills_or_waits),
        T(test_warming_up_hands_over),
        T(test_alone),
        T(test_the_least_bad_of_all),
        T(test_a_warm_session_changes_nothing),
        T(test_by_weight_for_good),
        T(test_warming_up_has_its_share),
        T(test_no_mail_for_a_new_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
