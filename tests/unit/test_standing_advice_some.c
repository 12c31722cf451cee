/*
 * tests/unit/test_standing_advice_some — limits, warm-up and releases of some addresses of an
 * egress, in a table of advice
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/advice_rig.h"

static void limit_at(struct standing *s, int member, const char *provider, int64_t now_ms)
{
    struct standing_reply good = { .reply_class = STANDING_DELIVERED };
    struct standing_reply slow = { .reply_class = STANDING_IP_THROTTLED, .temporary = true };
    for (int i = 0; i < 100; i++)
        standing_reply(s, member, slice_of(provider), &good, now_ms);
    for (int i = 0; i < 2; i++)
        standing_reply(s, member, slice_of(provider), &slow, now_ms);
}

static void limit(struct standing *s, int member, int64_t now_ms)
{
    limit_at(s, member, "google", now_ms);
}

/* A receiver limits one of three addresses: no more than that goes by it, and the others carry no
 * more than their turns beside it. */
static void test_one_of_three_is_limited(void **state)
{
    (void)state;
    struct standing_member member[] = {
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.1") },
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.2") },
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.3") },
    };
    struct standing *s = advice_rig_of(member, 3);
    struct slice google = SLICE_LIT("google");
    limit(s, 0, T0);
    struct advice *a = advice_rig_table(s, T0);
    const struct advice_standing *own = advice_source(a, ONE, google, &member[0].address);
    const struct advice_standing *all = advice_standing(a, ONE, google);
    assert_true(own && own->share > 0 && own->share < 1 && own->per_hour >= 40);
    assert_true(all && all->share > 0 && all->share < 1);
    assert_int_equal(all->per_hour, 3 * own->per_hour);
    assert_null(advice_source(a, ONE, google, &member[1].address));
    advice_unref(&a);
    for (uint64_t i = 1; i <= 3; i++) /* one less shares its mail */
        advice_rig_refuse(s, 1, "google", i, T0);
    a = advice_rig_table(s, T0);
    own = advice_source(a, ONE, google, &member[0].address);
    all = advice_standing(a, ONE, google);
    assert_true(own && all);
    assert_int_equal(all->per_hour, 2 * own->per_hour);
    uint32_t most = own->per_hour;
    advice_unref(&a);
    limit(s, 2, T0); /* nobody is free: the least of it, for all */
    a = advice_rig_table(s, T0);
    all = advice_standing(a, ONE, google);
    assert_true(all && all->per_hour <= most);
    assert_null(advice_source(a, ONE, google, &member[0].address));
    advice_unref(&a);
    standing_free(&s);
}

/* By many receivers: each limit is two rows, of the address and of its egress. */
static void test_many_limit_one_of_two(void **state)
{
    static const char *const providers[] = { "a", "b", "google" };
    (void)state;
    struct standing_member member[] = {
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.1") },
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.2") },
        { .egress = SLICE_LIT("two"), .address = advice_rig_address("203.0.113.3") },
    };
    struct standing *s = advice_rig_of(member, 3);
    for (int i = 0; i < 3; i++)
        limit_at(s, 0, providers[i], T0);
    for (uint64_t i = 1; i <= 3; i++)
        advice_rig_refuse(s, 2, "b", i, T0);
    struct advice *a = advice_rig_table(s, T0);
    assert_int_equal(a->standing_n, 3 * 2 + 1);
    for (int i = 0; i < 3; i++) {
        const struct advice_standing *all = advice_standing(a, ONE, slice_of(providers[i])),
                                     *own = advice_source(a, ONE, slice_of(providers[i]),
                                                          &member[0].address);
        assert_true(all && own && own->per_hour && all->per_hour == 2 * own->per_hour);
    }
    assert_true(advice_standing(a, TWO, SLICE_LIT("b"))->share <= 0);
    advice_unref(&a);
    standing_free(&s);
}

/* Released, it has a tenth of what it had: the rest is the other's, who has no limit. */
static void test_one_of_two_was_released(void **state)
{
    (void)state;
    struct standing_member member[] = {
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.1") },
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.2") },
    };
    struct standing *s = advice_rig_of(member, 2);
    struct standing_view v;
    int64_t now = T0;
    advice_rig_refuse(s, 0, "google", 1, now);
    advice_rig_refuse(s, 0, "yahoo", 2, now);
    while (standing_view(s, 0, now, &v) && v.state != STANDING_PROBATION)
        standing_tick(s, now += 60000);
    struct advice *a = advice_rig_table(s, now);
    const struct advice_standing *own =
        advice_source(a, ONE, slice_of("anybody"), &member[0].address);
    assert_true(own && own->share >= 1 && own->per_hour == 20);
    assert_null(advice_standing(a, ONE, slice_of("anybody")));
    advice_unref(&a);
    standing_free(&s);
}

/* Warm at one receiver and new to all others: what holds in general does not hold there. */
static void test_one_of_two_is_warm_there(void **state)
{
    (void)state;
    struct standing_member member[] = {
        { .egress = SLICE_LIT("one"),
          .address = advice_rig_address("203.0.113.1"),
          .warmup_ms = T0 - HOUR },
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.2") },
    };
    const struct standing_reply good = { .reply_class = STANDING_DELIVERED };
    struct standing *s = advice_rig_of(member, 2);
    struct slice google = SLICE_LIT("google");
    int64_t now = T0;
    for (; now < T0 + 5 * 24 * HOUR; now += HOUR) {
        for (int i = 0; i < 8; i++)
            standing_reply(s, 0, google, &good, now);
        standing_tick(s, now);
    }
    struct standing_provider_view v;
    assert_true(standing_provider_find(s, 0, google, now, &v) && v.quota_per_hour < 0);
    struct advice *a = advice_rig_table(s, now);
    const struct advice_standing *own =
        advice_source(a, ONE, SLICE_LIT("yahoo"), &member[0].address);
    assert_true(own && own->per_hour == 20);
    own = advice_source(a, ONE, google, &member[0].address);
    assert_true(own && own->share >= 1 && own->per_hour == 0);
    const struct advice_standing *all = advice_standing(a, ONE, google);
    assert_true(!all || (all->share >= 1 && all->per_hour == 0));
    advice_unref(&a);
    standing_free(&s);
}

/* Twenty an hour to each receiver, known or not. */
static void test_warming_up(void **state)
{
    (void)state;
    struct standing *s = advice_rig_four(true);
    struct advice *a = advice_rig_table(s, T0);
    const struct advice_standing *row = advice_standing(a, ONE, slice_of("anybody"));
    assert_non_null(row);
    assert_int_equal(row->per_hour, 20);
    assert_int_equal(row->provider.n, 0);
    assert_null(advice_standing(a, TWO, slice_of("anybody")));
    advice_unref(&a);
    standing_free(&s);
}

/* Its address is not known: what holds for it at one receiver is one row. */
static void test_warming_up_behind_a_proxy(void **state)
{
    (void)state;
    struct standing_member member[] = {
        { .egress = SLICE_LIT("far"), .address = { .family = ADDR_NONE }, .warmup_ms = T0 - HOUR },
    };
    const struct standing_reply good = { .reply_class = STANDING_DELIVERED };
    struct standing *s = advice_rig_of(member, 1);
    standing_reply(s, 0, slice_of("google"), &good, T0);
    struct advice *a = advice_rig_table(s, T0);
    assert_int_equal(a->standing_n, 2);
    assert_int_equal(advice_standing(a, FAR, slice_of("google"))->per_hour, 20);
    assert_int_equal(advice_standing(a, FAR, slice_of("yahoo"))->per_hour, 20);
    advice_unref(&a);
    standing_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warming_up_behind_a_proxy),
        cmocka_unit_test(test_warming_up),
        cmocka_unit_test(test_one_of_three_is_limited),
        cmocka_unit_test(test_many_limit_one_of_two),
        cmocka_unit_test(test_one_of_two_was_released),
        cmocka_unit_test(test_one_of_two_is_warm_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
