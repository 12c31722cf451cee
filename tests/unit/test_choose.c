/*
 * tests/unit/test_choose — which egress a mail takes, and what it says of the others
 */
#include "tests/unit/choose_rig.h"

static void test_preferred(void **state)
{
    struct rig *r = *state;
    assert_int_equal(pick(r), 0);
    assert_int_equal(reason(r, 0), CHOSEN_PREFERRED);
    assert_int_equal(reason(r, 1), NOT_CHEAPEST);
    assert_int_equal(r->choice.second, 1);
    for (uint32_t i = 0; i < r->choice.n; i++) {
        const struct cost *c = &r->choice.at[i].cost;
        double sum = c->setup_ms + c->dialogue_ms + c->loss_ms + c->think_ms + c->transfer_ms +
                     c->failure_ms + c->policy_ms;
        assert_true(sum > 0 && c->total_ms - sum < 1e-9 && sum - c->total_ms < 1e-9);
    }
    r->advice->group[0].preferred = 1; /* control's hysteresis: a is faster and not yet taken */
    assert_int_equal(pick(r), 1);
    assert_int_equal(reason(r, 0), BELOW_MARGIN);
    assert_true(r->choice.at[0].better_pct > 0);
}

static void test_eligible(void **state)
{
    struct rig *r = *state;
    r->advice->path[0].state = PATH_DOWN;
    assert_int_equal(pick(r), 1);
    assert_int_equal(reason(r, 0), RULED_OUT_DOWN);
    r->facts[1].excluded = true;
    r->facts[2].fault = EGRESS_UNPLUMBED;
    assert_int_equal(pick(r), 3);
    assert_int_equal(reason(r, 1), RULED_OUT_EXCLUDED);
    assert_int_equal(reason(r, 2), RULED_OUT_FAULT);
    r->facts[3].usable = false;
    assert_int_equal(pick(r), 0); /* down, but nothing else is left */
    assert_int_equal(reason(r, 0), CHOSEN_LAST_RESORT);
    r->facts[0].excluded = true;
    assert_int_equal(pick(r), EGRESS_NONE);
}

static void test_faults_by_advice(void **state)
{
    struct rig *r = *state;
    r->advice->egress[0].fault = EGRESS_PROXY_DOWN;
    assert_int_equal(pick(r), 1);
    assert_int_equal(reason(r, 0), RULED_OUT_FAULT);
    r->advice->egress[0].fault = EGRESS_PATHS_DOWN; /* but this path was seen to work */
    assert_int_equal(pick(r), 0);
    r->advice->path[0].state = PATH_UNKNOWN;
    assert_int_equal(pick(r), 1);
    r->advice->egress[1].share = 0;
    assert_int_equal(pick(r), 2);
    assert_int_equal(reason(r, 1), RULED_OUT_SHARE);
    for (int e = 0; e < N; e++)
        r->advice->egress[e].fault = EGRESS_BARRED;
    assert_int_equal(pick(r), EGRESS_NONE);
}

static void test_reserve_and_fallback(void **state)
{
    struct rig *r = *state;
    r->egress[0].weight = 0;
    assert_int_equal(pick(r), 1);
    assert_int_equal(reason(r, 0), RULED_OUT_RESERVE);
    for (int measured = 1; measured >= 0; measured--) {
        r->q.sticky = 0; /* the others are back; elsewhere greylisting would begin anew */
        r->q.now_ms = r->advice->made_ms + (measured ? 0 : ADVICE_STALE_MS + 1);
        assert_int_equal(pick(r), 0);
        assert_int_equal(reason(r, 0), CHOSEN_STICKY);
        r->q.sticky = EGRESS_NONE;
        assert_int_not_equal(pick(r), 0);
    }
    r->q.now_ms = r->advice->made_ms;
    for (int e = 1; e < N; e++)
        r->advice->path[e].state = PATH_DOWN;
    assert_int_equal(pick(r), 0); /* the reserve gets through */
    r->q.allowed.n = 0;
    r->q.fallback = (struct egress_set){ r->all + 1, 2 };
    r->advice->path[2].state = PATH_UP;
    assert_int_equal(pick(r), 2);
    assert_true(r->choice.at[1].fallback);
}

static void test_by_weight(void **state)
{
    struct rig *r = *state;
    unsigned count[N] = { 0 };
    r->egress[1].weight = 3;
    r->egress[3].weight = 0;
    r->q.now_ms = r->advice->made_ms + ADVICE_STALE_MS + 1;
    for (int i = 0; i < 10000; i++)
        count[pick(r)]++;
    assert_false(r->choice.measured);
    assert_in_range(count[0], 1700, 2300);
    assert_in_range(count[1], 5700, 6300);
    assert_int_equal(count[3], 0);
    r->q.advice = NULL;
    r->q.rows = NULL;
    assert_true(pick(r) != EGRESS_NONE);
    assert_int_equal(choice_race_ms(&r->choice), CHOICE_RACE_NEVER);
}

static void test_sticky_and_incumbent(void **state)
{
    struct rig *r = *state;
    r->q.sticky = 3;
    assert_int_equal(pick(r), 3);
    assert_int_equal(reason(r, 3), CHOSEN_STICKY);
    r->facts[3].usable = false;
    assert_int_equal(pick(r), 0);
    r->q.sticky = EGRESS_NONE;
    r->q.allowed = (struct egress_set){ r->all + 1, 2 }; /* without the preferred one */
    r->q.incumbent = 2;
    assert_int_equal(pick(r), 1); /* twice as fast */
    r->advice->path[2].rtt_ms = 43;
    assert_int_equal(pick(r), 2); /* less than the margin */
    assert_int_equal(reason(r, 2), CHOSEN_PREFERRED);
    r->advice->path[1].rtt_ms = 2;
    r->advice->path[2].rtt_ms = 4;
    assert_int_equal(pick(r), 2); /* half of it, but milliseconds */
}

static void test_warm(void **state)
{
    struct rig *r = *state;
    r->facts[1].warm = true;
    assert_int_equal(pick(r), 1);
    assert_int_equal(reason(r, 1), CHOSEN_WARM);
    r->facts[1].warm = false;
    r->facts[3].warm = true; /* even without a handshake slower than a */
    r->advice->path[3].rtt_ms = 400;
    assert_int_equal(pick(r), 0);
    r->facts[1].warm = true;
    r->advice->path[1].fail = 0.5F; /* the session may be dead */
    assert_int_equal(pick(r), 0);
}

static void test_doubt(void **state)
{
    struct rig *r = *state;
    assert_int_equal(pick(r), 0);
    assert_int_equal(choice_race_ms(&r->choice), 1250); /* when the repeated SYN is overdue */
    r->advice->path[0].state = PATH_SUSPECT;
    r->advice->path[0].fail = 0.06F;
    assert_int_equal(pick(r), 0);
    assert_int_equal(choice_race_ms(&r->choice), 250);
    assert_int_equal(r->choice.at[r->choice.second].egress, 1);
    r->advice->path[1].state = PATH_SUSPECT; /* no race of two in doubt while another is not */
    assert_int_equal(pick(r), 0);
    assert_int_equal(r->choice.at[r->choice.second].egress, 2);
    r->advice->path[1].state = PATH_UP;
    r->advice->path[0].fail = 0.5F;
    assert_int_equal(pick(r), 1);
    r->advice->group[0].destination_suspect = true; /* no path is to blame */
    assert_int_equal(pick(r), 0);
    assert_int_equal(choice_race_ms(&r->choice), CHOICE_RACE_NEVER);
    struct advice_path slow = { .rtt_ms = 900, .rtt_var_ms = 500 };
    assert_int_equal(choice_overdue_ms(&slow), 2000);
    assert_int_equal(choice_overdue_ms(NULL), 1000);
}

/* Senders are spread over what is near by weight, and each keeps its way. */
static void test_spread(void **state)
{
    struct rig *r = *state;
    unsigned count[N] = { 0 };
    r->advice->path[1].rtt_ms = 21;
    r->advice->path[1].near = PATH_NEAR;
    r->egress[1].weight = 3;
    for (uint64_t sender = 1; sender <= 4000; sender++) {
        r->q.sender = slice_hash_stable((struct slice){ (const char *)&sender, sizeof sender });
        int first = pick(r);
        count[first]++;
        assert_int_equal(pick(r), first);
    }
    assert_in_range(count[0], 850, 1150);
    assert_in_range(count[1], 2850, 3150);
    r->q.bytes = COST_LARGE_FROM; /* near for small mail only */
    assert_int_equal(pick(r), 0);
}

static void test_explore(void **state)
{
    struct rig *r = *state;
    int64_t next = 0;
    unsigned other = 0;
    r->q.explore_ms = &next;
    r->advice->path[1].samples = 2; /* could be better than it looks */
    for (r->q.now_ms = 0; r->q.now_ms < 100 * 60000; r->q.now_ms += 100) {
        r->advice->made_ms = r->q.now_ms;
        other += pick(r) != 0;
    }
    assert_in_range(other, 50, 100); /* at most one a minute */
    static const struct {
        enum lane lane;
        uint64_t bytes;
    } never[] = { { LANE_URGENT, 1000 }, { LANE_HIGH, 1000 }, { LANE_BULK, 100000 } };
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        for (int n = 0; n < 2000; n++) {
            next = 0;
            r->q.lane = never[i].lane;
            r->q.bytes = never[i].bytes;
            assert_int_equal(pick(r), 0);
        }
    r->q.lane = LANE_NORMAL;
    r->q.bytes = 1000;
    r->advice->path[1].samples = 200; /* what it is like is known */
    r->advice->path[1].rtt_ms = 21;
    for (int n = 0; n < 2000; n++) {
        next = 0;
        assert_int_equal(pick(r), 0);
    }
}

/* Large mail goes where the goodput is; the egress's load and its configured cost count. */
static void test_cost(void **state)
{
    struct rig *r = *state;
    r->advice->group[0].preferred_large = 2;
    r->advice->path[2].goodput = 10000;
    r->advice->path[0].goodput = 100;
    r->q.bytes = 20 << 20;
    assert_int_equal(pick(r), 2);
    r->advice->group[0].preferred = r->advice->group[0].preferred_large = ADVICE_NONE;
    r->q.bytes = 1000;
    assert_int_equal(pick(r), 0);
    assert_int_equal(reason(r, 0), CHOSEN_CHEAPEST);
    r->egress[0].cost = 1000;
    assert_int_equal(pick(r), 1);
    struct advice_path path = { .state = PATH_UP, .rtt_ms = 50, .goodput = 1000 };
    struct cost_mail mail = { .bytes = 1000000, .warm = true };
    struct cost alone, shared;
    cost_predict(&path, 0, 0, &mail, &alone);
    mail.active = 1;
    cost_predict(&path, 0, 0, &mail, &shared);
    assert_true(shared.transfer_ms > 1.99 * alone.transfer_ms && alone.setup_ms <= 0);
    assert_true(cost_goodput_bound(100, 0.01) < cost_goodput_bound(100, 0.001));
}

static void test_standing(void **state)
{
    struct rig *r = *state;
    r->facts[0].receiver = RECEIVER_REFUSES;
    r->facts[1].spent = true;
    assert_int_equal(pick(r), 2);
    assert_int_equal(reason(r, 0), RULED_OUT_REFUSED);
    assert_int_equal(reason(r, 1), RULED_OUT_SPENT);
    assert_false(r->choice.drawn);
    r->advice->egress[2].fault = EGRESS_BARRED;
    r->facts[3].receiver = RECEIVER_REFUSES;
    assert_int_equal(pick(r), EGRESS_NONE);
    r->q.now_ms = 2000 + 2 * ADVICE_STALE_MS; /* control is gone: what it barred stays barred */
    r->facts[3].receiver = RECEIVER_TAKES;
    assert_int_equal(pick(r), 3);
    assert_int_equal(reason(r, 2), RULED_OUT_FAULT);
}

/* The best by measurement keeps the share it has, the rest goes to the next best. */
static void test_less_than_its_share(void **state)
{
    struct rig *r = *state;
    int got[N] = { 0 };
    r->advice->egress[0].share = 0.25;
    for (int i = 0; i < 10000; i++)
        got[pick(r)]++;
    assert_in_range(got[0], 2300, 2700);
    assert_int_equal(got[0] + got[1], 10000);
    assert_true(r->choice.drawn);
    r->q.sticky = 0; /* what is to come back to it does */
    for (int i = 0; i < 100; i++)
        assert_int_equal(pick(r), 0);
    r->q.sticky = EGRESS_NONE;
    for (int e = 1; e < N; e++)
        r->facts[e].excluded = true;
    assert_int_equal(pick(r), 0); /* nobody else is left */
}

/* Whatever the facts: never an ineligible one, and the reasons say so. */
static void test_never_ineligible(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 50000; i++) {
        uint64_t x = rnd_u64(&r->rnd);
        for (int e = 0; e < N; e++, x >>= 12) {
            r->facts[e] =
                (struct egress_facts){ .usable = x & 1,
                                       .excluded = (x & 6) == 6,
                                       .warm = x & 8,
                                       .fault = x & 16 ? (uint8_t)rnd_below(&r->rnd, 5) : 0,
                                       .receiver = x & 128 ? (uint8_t)rnd_below(&r->rnd, 3) : 0,
                                       .spent = (x & 768) == 768,
                                       .spills = rnd_below(&r->rnd, 2) };
            r->egress[e].weight = x & 32 ? 1 : 0;
            r->advice->path[e].state = (uint8_t)rnd_below(&r->rnd, 4);
            r->advice->path[e].near = (uint8_t)rnd_below(&r->rnd, 4);
            r->advice->path[e].fail = (float)rnd_unit(&r->rnd);
            r->advice->egress[e].fault = x & 64 ? (uint8_t)rnd_below(&r->rnd, 5) : 0;
        }
        r->advice->group[0].preferred = (int16_t)((int)rnd_below(&r->rnd, N + 1) - 1);
        r->q.sticky = (int)rnd_below(&r->rnd, N + 1) - 1;
        int chosen = pick(r);
        bool any = false, alive = false;
        for (int e = 0; e < N; e++) {
            const struct egress_facts *f = &r->facts[e];
            bool able = f->usable && !f->excluded && !f->fault && !f->spent &&
                        f->receiver != RECEIVER_REFUSES &&
                        r->advice->egress[e].fault != EGRESS_BARRED;
            bool up = r->advice->path[e].state != PATH_DOWN && !r->advice->egress[e].fault;
            any = any || able;
            alive = alive || (able && up);
            if (e == chosen)
                assert_true(able && reason(r, (uint16_t)e) <= CHOSEN_LAST_RESORT);
        }
        assert_int_equal(any, chosen != EGRESS_NONE || r->choice.waits);
        if (alive && chosen != EGRESS_NONE)
            assert_true(r->advice->path[chosen].state != PATH_DOWN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_preferred, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_eligible, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults_by_advice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reserve_and_fallback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_by_weight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sticky_and_incumbent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_warm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_doubt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_explore, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_standing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_less_than_its_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_never_ineligible, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
