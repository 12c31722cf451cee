/*
 * tests/unit/test_standing_advice — what standing means for the relay, in a table of advice
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/advice_rig.h"

static void list(struct standing *s, int member, bool listed, int64_t now_ms)
{
    struct standing_check check = { .source = SLICE_LIT("zen.example"),
                                    .points = 100,
                                    .hard = true,
                                    .verdict = listed ? STANDING_IS_LISTED : STANDING_CLEARED };
    standing_listing(s, member, &check, now_ms);
}

static void test_all_is_well(void **state)
{
    (void)state;
    struct standing *s = advice_rig_four(false);
    struct advice *a = advice_rig_table(s, T0);
    for (int e = FAR; e <= UNKNOWN; e++) {
        assert_int_equal(a->egress[e].fault, EGRESS_FINE);
        assert_true(a->egress[e].share >= 1);
    }
    assert_int_equal(a->standing_n + a->barred_n, 0);
    advice_unref(&a);
    standing_free(&s);
}

static void test_one_address_of_two(void **state)
{
    (void)state;
    struct standing *s = advice_rig_four(false);
    struct addr v6 = advice_rig_address("2001:db8::2");
    list(s, 2, true, T0);
    struct advice *a = advice_rig_table(s, T0);
    assert_int_equal(a->egress[TWO].fault, EGRESS_FINE);
    assert_int_equal(a->barred_n, 1);
    assert_true(advice_bars(a, &v6));
    advice_unref(&a);
    list(s, 1, true, T0);
    a = advice_rig_table(s, T0);
    assert_int_equal(a->egress[TWO].fault, EGRESS_BARRED);
    assert_int_equal(a->egress[ONE].fault, EGRESS_FINE);
    assert_int_equal(a->barred_n, 2);
    advice_unref(&a);
    standing_free(&s);
}

/* Two egresses with one address: what is ordered for one does not bar the other. */
static void test_a_shared_address(void **state)
{
    (void)state;
    struct standing_member member[] = {
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.1") },
        { .egress = SLICE_LIT("two"), .address = advice_rig_address("203.0.113.1") },
    };
    struct standing *s = advice_rig_of(member, 2);
    assert_int_equal(standing_order(s, 0, STANDING_DISABLE, T0, NULL), RC_OK);
    struct advice *a = advice_rig_table(s, T0);
    assert_int_equal(a->egress[ONE].fault, EGRESS_BARRED);
    assert_int_equal(a->egress[TWO].fault, EGRESS_FINE);
    assert_int_equal(a->barred_n, 0);
    advice_unref(&a);
    list(s, 1, true, T0);
    a = advice_rig_table(s, T0);
    assert_int_equal(a->egress[TWO].fault, EGRESS_BARRED);
    assert_true(advice_bars(a, &member[0].address));
    advice_unref(&a);
    standing_free(&s);
}

/* A fault of its own says more than the bar that follows from it. */
static void test_a_fault_stays_a_fault(void **state)
{
    (void)state;
    struct standing *s = advice_rig_four(false);
    standing_fault(s, 0, EGRESS_UNPLUMBED, T0);
    struct advice *a = advice_new(1, 0);
    a->egress[0] = (struct advice_egress){ .name = advice_text(a, SLICE_LIT("one")),
                                           .fault = EGRESS_UNPLUMBED };
    standing_put_advice(s, T0, a);
    assert_int_equal(a->egress[0].fault, EGRESS_UNPLUMBED);
    advice_unref(&a);
    standing_free(&s);
}

/* Three refusals: nothing goes there from any address of the egress; then a canary may. */
static void test_blocked_then_a_canary(void **state)
{
    (void)state;
    struct standing *s = advice_rig_four(false);
    for (uint64_t i = 1; i <= 3; i++)
        advice_rig_refuse(s, 1, "google", i, T0);
    struct advice *a = advice_rig_table(s, T0);
    const struct advice_standing *row = advice_standing(a, TWO, slice_of("google"));
    assert_non_null(row);
    assert_true(row->share <= 0);
    assert_null(advice_standing(a, TWO, slice_of("yahoo")));
    assert_null(advice_standing(a, ONE, slice_of("google")));
    advice_unref(&a);
    int64_t later = T0 + 3 * HOUR;
    for (int64_t t = T0; t <= later; t += 60000)
        standing_tick(s, t);
    a = advice_rig_table(s, later);
    row = advice_standing(a, TWO, slice_of("google"));
    assert_non_null(row);
    assert_true(row->share > 0 && row->per_hour > 0 && row->per_hour <= 10);
    advice_unref(&a);
    standing_free(&s);
}

/* Of several addresses of a family those that are blocked are left out, one by one, and one that
 * may fly its canary gets that and no more. With none left the egress is refused. */
static void test_some_of_several(void **state)
{
    (void)state;
    struct standing_member member[] = {
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.1") },
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.2") },
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("2001:db8::2") },
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("2001:db8::3") },
    };
    struct standing *s = advice_rig_of(member, 4);
    struct slice google = SLICE_LIT("google");
    int64_t now = T0;
    for (uint64_t i = 1; i <= 3; i++)
        advice_rig_refuse(s, 0, "google", i, now);
    struct advice *a = advice_rig_table(s, now);
    assert_null(advice_standing(a, ONE, google));
    const struct advice_standing *row = advice_source(a, ONE, google, &member[0].address);
    assert_true(row && row->share <= 0);
    for (int m = 1; m < 4; m++)
        assert_null(advice_source(a, ONE, google, &member[m].address));
    advice_unref(&a);
    for (; now <= T0 + 3 * HOUR; now += 60000)
        standing_tick(s, now);
    a = advice_rig_table(s, now);
    row = advice_source(a, ONE, google, &member[0].address);
    assert_true(row && row->share > 0 && row->per_hour > 0);
    assert_null(advice_standing(a, ONE, google));
    advice_unref(&a);
    for (uint64_t i = 1; i <= 3; i++)
        advice_rig_refuse(s, 1, "google", i, now);
    a = advice_rig_table(
        s, now); /* the other of the family: by the canary of the first, or not at all */
    row = advice_source(a, ONE, google, &member[1].address);
    assert_true(row && row->share <= 0);
    row = advice_standing(a, ONE, google);
    assert_true(row && row->share > 0 && row->per_hour > 0);
    advice_unref(&a);
    standing_take(s, 0, google, 1, now); /* and the canary is refused */
    advice_rig_refuse(s, 0, "google", 9, now);
    a = advice_rig_table(s, now);
    row = advice_standing(a, ONE, google);
    assert_true(row && row->share <= 0);
    advice_unref(&a);
    standing_free(&s);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),           cmocka_unit_test(test_one_address_of_two),
        cmocka_unit_test(test_a_fault_stays_a_fault), cmocka_unit_test(test_blocked_then_a_canary),
        cmocka_unit_test(test_some_of_several),       cmocka_unit_test(test_a_shared_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
