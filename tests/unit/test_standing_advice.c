/*
 * tests/unit/test_standing_advice — what standing means for the relay, in a table of advice
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "reputation/standing_advice.h"

#define HOUR INT64_C(3600000)
#define T0 (500 * 24 * HOUR)

static struct addr address(const char *text)
{
    struct addr a = { .family = ADDR_NONE };
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

/* These, all clean. */
static struct standing *standing_of(const struct standing_member *member, uint32_t n)
{
    struct standing_config config = { .member = member, .member_n = n, .min_active = 1 };
    const struct standing_hooks hooks = { NULL, NULL };
    struct standing *s = standing_new(&hooks, T0);
    standing_configure(s, &config, T0);
    return s;
}

/* Egress "two" has two addresses. */
static struct standing *standing(bool warming)
{
    struct standing_member member[] = {
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.1") },
        { .egress = SLICE_LIT("two"), .address = address("203.0.113.2") },
        { .egress = SLICE_LIT("two"), .address = address("2001:db8::2") },
        { .egress = SLICE_LIT("far"), .address = { .family = ADDR_NONE } },
    };
    if (warming)
        member[0].warmup_ms = T0 - HOUR;
    return standing_of(member, 4);
}

static struct advice *table(const struct standing *s, int64_t now_ms)
{
    static const char *const names[] = { "far", "one", "two", "unknown" };
    struct advice *a = advice_new(4, 0);
    for (int i = 0; i < 4; i++)
        a->egress[i].name = advice_text(a, slice_of(names[i]));
    standing_put_advice(s, now_ms, a);
    /* Whatever it is, it can be sent. */
    struct buf wire;
    struct advice *again;
    struct err err;
    buf_init(&wire, 1 << 20);
    advice_pack(a, &wire);
    assert_int_equal(advice_unpack(buf_slice(&wire), &again, &err), RC_OK);
    assert_true(advice_same_standing(a, again));
    advice_unref(&again);
    buf_free(&wire);
    return a;
}

enum { FAR, ONE, TWO, UNKNOWN };

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
    struct standing *s = standing(false);
    struct advice *a = table(s, T0);
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
    struct standing *s = standing(false);
    struct addr v6 = address("2001:db8::2");
    list(s, 2, true, T0);
    struct advice *a = table(s, T0);
    assert_int_equal(a->egress[TWO].fault, EGRESS_FINE);
    assert_int_equal(a->barred_n, 1);
    assert_true(advice_bars(a, &v6));
    advice_unref(&a);
    list(s, 1, true, T0);
    a = table(s, T0);
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
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.1") },
        { .egress = SLICE_LIT("two"), .address = address("203.0.113.1") },
    };
    struct standing *s = standing_of(member, 2);
    assert_int_equal(standing_order(s, 0, STANDING_DISABLE, T0, NULL), RC_OK);
    struct advice *a = table(s, T0);
    assert_int_equal(a->egress[ONE].fault, EGRESS_BARRED);
    assert_int_equal(a->egress[TWO].fault, EGRESS_FINE);
    assert_int_equal(a->barred_n, 0);
    advice_unref(&a);
    list(s, 1, true, T0);
    a = table(s, T0);
    assert_int_equal(a->egress[TWO].fault, EGRESS_BARRED);
    assert_true(advice_bars(a, &member[0].address));
    advice_unref(&a);
    standing_free(&s);
}

/* A fault of its own says more than the bar that follows from it. */
static void test_a_fault_stays_a_fault(void **state)
{
    (void)state;
    struct standing *s = standing(false);
    standing_fault(s, 0, EGRESS_UNPLUMBED, T0);
    struct advice *a = advice_new(1, 0);
    a->egress[0] = (struct advice_egress){ .name = advice_text(a, SLICE_LIT("one")),
                                           .fault = EGRESS_UNPLUMBED };
    standing_put_advice(s, T0, a);
    assert_int_equal(a->egress[0].fault, EGRESS_UNPLUMBED);
    advice_unref(&a);
    standing_free(&s);
}

static void refuse(struct standing *s, int member, const char *provider, uint64_t sender,
                   int64_t now_ms)
{
    struct standing_reply r = { .reply_class = STANDING_IP_BLOCKED,
                                .names_us = true,
                                .sender_domain = sender };
    standing_reply(s, member, slice_of(provider), &r, now_ms);
}

/* Three refusals: nothing goes there from any address of the egress; then a canary may. */
static void test_blocked_then_a_canary(void **state)
{
    (void)state;
    struct standing *s = standing(false);
    for (uint64_t i = 1; i <= 3; i++)
        refuse(s, 1, "google", i, T0);
    struct advice *a = table(s, T0);
    const struct advice_standing *row = advice_standing(a, TWO, slice_of("google"));
    assert_non_null(row);
    assert_true(row->share <= 0);
    assert_null(advice_standing(a, TWO, slice_of("yahoo")));
    assert_null(advice_standing(a, ONE, slice_of("google")));
    advice_unref(&a);
    int64_t later = T0 + 3 * HOUR;
    for (int64_t t = T0; t <= later; t += 60000)
        standing_tick(s, t);
    a = table(s, later);
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
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.1") },
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.2") },
        { .egress = SLICE_LIT("one"), .address = address("2001:db8::2") },
        { .egress = SLICE_LIT("one"), .address = address("2001:db8::3") },
    };
    struct standing *s = standing_of(member, 4);
    struct slice google = SLICE_LIT("google");
    int64_t now = T0;
    for (uint64_t i = 1; i <= 3; i++)
        refuse(s, 0, "google", i, now);
    struct advice *a = table(s, now);
    assert_null(advice_standing(a, ONE, google));
    const struct advice_standing *row = advice_source(a, ONE, google, &member[0].address);
    assert_true(row && row->share <= 0);
    for (int m = 1; m < 4; m++)
        assert_null(advice_source(a, ONE, google, &member[m].address));
    advice_unref(&a);
    for (; now <= T0 + 3 * HOUR; now += 60000)
        standing_tick(s, now);
    a = table(s, now);
    row = advice_source(a, ONE, google, &member[0].address);
    assert_true(row && row->share > 0 && row->per_hour > 0);
    assert_null(advice_standing(a, ONE, google));
    advice_unref(&a);
    for (uint64_t i = 1; i <= 3; i++)
        refuse(s, 1, "google", i, now);
    a = table(s, now); /* the other of the family: by the canary of the first, or not at all */
    row = advice_source(a, ONE, google, &member[1].address);
    assert_true(row && row->share <= 0);
    row = advice_standing(a, ONE, google);
    assert_true(row && row->share > 0 && row->per_hour > 0);
    advice_unref(&a);
    standing_take(s, 0, google, 1, now); /* and the canary is refused */
    refuse(s, 0, "google", 9, now);
    a = table(s, now);
    row = advice_standing(a, ONE, google);
    assert_true(row && row->share <= 0);
    advice_unref(&a);
    standing_free(&s);
}

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
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.1") },
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.2") },
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.3") },
    };
    struct standing *s = standing_of(member, 3);
    struct slice google = SLICE_LIT("google");
    limit(s, 0, T0);
    struct advice *a = table(s, T0);
    const struct advice_standing *own = advice_source(a, ONE, google, &member[0].address);
    const struct advice_standing *all = advice_standing(a, ONE, google);
    assert_true(own && own->share > 0 && own->share < 1 && own->per_hour >= 40);
    assert_true(all && all->share > 0 && all->share < 1);
    assert_int_equal(all->per_hour, 3 * own->per_hour);
    assert_null(advice_source(a, ONE, google, &member[1].address));
    advice_unref(&a);
    for (uint64_t i = 1; i <= 3; i++) /* one less shares its mail */
        refuse(s, 1, "google", i, T0);
    a = table(s, T0);
    own = advice_source(a, ONE, google, &member[0].address);
    all = advice_standing(a, ONE, google);
    assert_true(own && all);
    assert_int_equal(all->per_hour, 2 * own->per_hour);
    uint32_t most = own->per_hour;
    advice_unref(&a);
    limit(s, 2, T0); /* nobody is free: the least of it, for all */
    a = table(s, T0);
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
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.1") },
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.2") },
        { .egress = SLICE_LIT("two"), .address = address("203.0.113.3") },
    };
    struct standing *s = standing_of(member, 3);
    for (int i = 0; i < 3; i++)
        limit_at(s, 0, providers[i], T0);
    for (uint64_t i = 1; i <= 3; i++)
        refuse(s, 2, "b", i, T0);
    struct advice *a = table(s, T0);
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
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.1") },
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.2") },
    };
    struct standing *s = standing_of(member, 2);
    struct standing_view v;
    int64_t now = T0;
    refuse(s, 0, "google", 1, now);
    refuse(s, 0, "yahoo", 2, now);
    while (standing_view(s, 0, now, &v) && v.state != STANDING_PROBATION)
        standing_tick(s, now += 60000);
    struct advice *a = table(s, now);
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
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.1"), .warmup_ms = T0 - HOUR },
        { .egress = SLICE_LIT("one"), .address = address("203.0.113.2") },
    };
    const struct standing_reply good = { .reply_class = STANDING_DELIVERED };
    struct standing *s = standing_of(member, 2);
    struct slice google = SLICE_LIT("google");
    int64_t now = T0;
    for (; now < T0 + 5 * 24 * HOUR; now += HOUR) {
        for (int i = 0; i < 8; i++)
            standing_reply(s, 0, google, &good, now);
        standing_tick(s, now);
    }
    struct standing_provider_view v;
    assert_true(standing_provider_find(s, 0, google, now, &v) && v.quota_per_hour < 0);
    struct advice *a = table(s, now);
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
    struct standing *s = standing(true);
    struct advice *a = table(s, T0);
    const struct advice_standing *row = advice_standing(a, ONE, slice_of("anybody"));
    assert_non_null(row);
    assert_int_equal(row->per_hour, 20);
    assert_int_equal(row->provider.n, 0);
    assert_null(advice_standing(a, TWO, slice_of("anybody")));
    advice_unref(&a);
    standing_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),
        cmocka_unit_test(test_one_address_of_two),
        cmocka_unit_test(test_a_fault_stays_a_fault),
        cmocka_unit_test(test_blocked_then_a_canary),
        cmocka_unit_test(test_warming_up),
        cmocka_unit_test(test_some_of_several),
        cmocka_unit_test(test_a_shared_address),
        cmocka_unit_test(test_one_of_three_is_limited),
        cmocka_unit_test(test_many_limit_one_of_two),
        cmocka_unit_test(test_one_of_two_was_released),
        cmocka_unit_test(test_one_of_two_is_warm_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
