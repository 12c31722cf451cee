/*
 * tests/unit/test_advice — the advice table: lookup, references, the wire and what it refuses
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/cursor.h"
#include "policies/advice.h"

static struct advice *sample(void)
{
    static const char *const groups[][2] = {
        { "mobile", "north" }, { "mobile", "other" }, { "other", "other" }, { "other", "south" }
    };
    struct advice *a = advice_new(2, 4);
    a->version = 7;
    a->made_ms = 123456;
    a->egress[0].name = advice_text(a, slice_of("gz-1"));
    a->egress[1].name = advice_text(a, slice_of("hk-1"));
    a->egress[1].fault = EGRESS_PROXY_DOWN;
    a->egress[1].probed = true;
    a->egress[1].share = 0.5;
    for (int g = 0; g < 4; g++) {
        a->group[g].carrier = advice_text(a, slice_of(groups[g][0]));
        a->group[g].region = advice_text(a, slice_of(groups[g][1]));
    }
    a->group[1].preferred = 1;
    a->group[1].destination_suspect = true;
    a->group[1].think_ms = 12.5;
    a->path[1 * 4 + 2] = (struct advice_path){ .state = PATH_SUSPECT,
                                               .near = PATH_NEAR_LARGE,
                                               .rtt_ms = 31.5F,
                                               .loss = 0.25F,
                                               .fail = 1,
                                               .goodput = 1e4F,
                                               .samples = 3,
                                               .age_ms = 99 };
    advice_standings(a, 3, 2);
    a->standing[0] = (struct advice_standing){ .egress = 0, .share = 1, .per_hour = 20 };
    a->standing[1] = (struct advice_standing){ .egress = 0,
                                               .provider = advice_text(a, slice_of("google")),
                                               .share = 0.5F };
    a->standing[2] =
        (struct advice_standing){ .egress = 1,
                                  .provider = advice_text(a, slice_of("qq")),
                                  .source = { .family = ADDR_V4, .bytes = { 192, 0, 2, 1 } } };
    assert_int_equal(addr_parse(slice_of("203.0.113.9"), &a->barred[0]), RC_OK);
    assert_int_equal(addr_parse(slice_of("2001:db8::9"), &a->barred[1]), RC_OK);
    advice_seal(a);
    return a;
}

/* Once the sample says this of who may carry mail, is it still the same? */
static bool is_same_with(void (*change)(struct advice *a))
{
    struct advice *a = sample(), *b = sample();
    change(b);
    advice_seal(b);
    bool same = advice_same_standing(a, b);
    advice_unref(&a);
    advice_unref(&b);
    return same;
}

static void nothing(struct advice *a)
{
    a->made_ms++; /* paths are another matter */
    a->path[3].rtt_ms = 5;
    a->egress[0].fault = EGRESS_PATHS_DOWN;
}

static void a_bar(struct advice *a)
{
    a->egress[0].fault = EGRESS_BARRED;
}

static void a_share(struct advice *a)
{
    a->egress[1].share = 0.25;
}

static void a_name(struct advice *a)
{
    a->egress[1].name = advice_text(a, slice_of("hk-2"));
}

static void a_standing_share(struct advice *a)
{
    a->standing[1].share = 0;
}

static void a_limit(struct advice *a)
{
    a->standing[0].per_hour = 21;
}

static void a_provider(struct advice *a)
{
    a->standing[1].provider = advice_text(a, slice_of("googlf"));
}

static void a_row(struct advice *a)
{
    a->standing[2].egress = 0;
}

static void a_source(struct advice *a)
{
    a->standing[2].source.bytes[3] = 2;
}

static void a_barred_address(struct advice *a)
{
    a->barred[0].bytes[3] = 8;
}

static void one_barred_less(struct advice *a)
{
    a->barred_n--;
}

static void one_standing_less(struct advice *a)
{
    a->standing_n--;
}

static void test_same_standing(void **state)
{
    static void (*const otherwise[])(struct advice *) = {
        a_bar, a_share,  a_name,           a_standing_share, a_limit,           a_provider,
        a_row, a_source, a_barred_address, one_barred_less,  one_standing_less,
    };
    (void)state;
    assert_true(is_same_with(nothing));
    for (size_t i = 0; i < sizeof otherwise / sizeof otherwise[0]; i++)
        if (is_same_with(otherwise[i]))
            fail_msg("change %zu is not noticed", i);
}

/* Sorted, so that each is found among the most there may be; the port does not matter. */
static void test_bars(void **state)
{
    struct advice *a = advice_new(0, 0);
    (void)state;
    advice_standings(a, 0, ADVICE_BARRED_MAX);
    for (unsigned i = 0; i < ADVICE_BARRED_MAX; i++)
        a->barred[i] =
            (struct addr){ .family = ADDR_V4, .bytes = { 10, (uint8_t)(i >> 8), (uint8_t)i, 2 } };
    for (unsigned i = 0; i < ADVICE_BARRED_MAX; i++) {
        struct addr ask = a->barred[i];
        ask.port = 25;
        assert_true(advice_bars(a, &ask));
        ask.bytes[3]--;
        assert_false(advice_bars(a, &ask));
        ask.bytes[3] += 2;
        assert_false(advice_bars(a, &ask));
    }
    advice_unref(&a);
}

static void test_standing(void **state)
{
    (void)state;
    struct advice *a = sample();
    struct addr source;
    assert_int_equal(advice_standing(a, 0, slice_of("yahoo"))->per_hour, 20); /* all others */
    assert_true(advice_standing(a, 0, slice_of("google"))->share < 1);
    assert_null(advice_standing(a, 1, slice_of("yahoo")));
    assert_null(advice_standing(a, 1, slice_of("qq"))); /* one address of it only */
    addr_parse(slice_of("192.0.2.1:1025"), &source);
    assert_true(advice_source(a, 1, slice_of("qq"), &source)->share <= 0);
    assert_null(advice_source(a, 1, slice_of("google"), &source));
    addr_parse(slice_of("192.0.2.2"), &source);
    assert_null(advice_source(a, 1, slice_of("qq"), &source));
    addr_parse(slice_of("[2001:db8::9]:25"), &source);
    assert_true(advice_bars(a, &source));
    addr_parse(slice_of("203.0.113.8"), &source);
    assert_false(advice_bars(a, &source));
    advice_unref(&a);
}

static void test_lookup(void **state)
{
    (void)state;
    static const struct {
        const char *carrier, *region;
        int group;
    } rows[] = {
        { "mobile", "north", 0 }, { "mobile", "west", 1 }, { "unicom", "south", 3 },
        { "unicom", "west", 2 },  { "", "", 2 },
    };
    struct advice *a = sample();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(advice_group(a, slice_of(rows[i].carrier), slice_of(rows[i].region)),
                         rows[i].group);
    assert_int_equal(advice_egress(a, slice_of("hk-1")), 1);
    assert_int_equal(advice_egress(a, slice_of("hk")), ADVICE_NONE);
    assert_null(advice_path(a, 2, 0));
    assert_null(advice_path(a, ADVICE_NONE, 0));
    assert_null(advice_path(a, 0, 4));
    assert_int_equal(advice_path(a, 1, 2)->state, PATH_SUSPECT);
    struct advice *empty = advice_new(0, 0);
    assert_int_equal(advice_group(empty, slice_of("a"), slice_of("b")), ADVICE_NONE);
    advice_unref(&empty);
    advice_unref(&a);
    assert_null(a);
}

static void test_stale(void **state)
{
    (void)state;
    struct advice *a = sample(), *again = advice_ref(a);
    assert_true(advice_stale(NULL, 0));
    assert_false(advice_stale(a, a->made_ms + ADVICE_STALE_MS));
    assert_true(advice_stale(a, a->made_ms + ADVICE_STALE_MS + 1));
    advice_unref(&a);
    assert_int_equal(again->version, 7); /* the other reference keeps it */
    advice_unref(&again);
    advice_unref(&again);
}

static void pack(const struct advice *a, struct buf *wire)
{
    buf_init(wire, 1 << 20);
    advice_pack(a, wire);
    assert_false(wire->full);
}

static void test_wire(void **state)
{
    (void)state;
    struct advice *a = sample(), *b = NULL;
    struct buf wire, again;
    pack(a, &wire);
    assert_int_equal(advice_unpack(buf_slice(&wire), &b, NULL), RC_OK);
    assert_int_equal(b->version, 7);
    assert_int_equal(b->made_ms, 123456);
    assert_true(slice_eq_str(b->egress[1].name, "hk-1"));
    assert_int_equal(b->egress[1].fault, EGRESS_PROXY_DOWN);
    assert_true(b->egress[1].probed && !b->egress[0].probed);
    assert_true(b->group[1].destination_suspect);
    assert_int_equal(b->group[1].preferred, 1);
    assert_int_equal(b->group[0].preferred_large, ADVICE_NONE);
    assert_memory_equal(b->path, a->path, 8 * sizeof a->path[0]);
    assert_true(advice_same_standing(a, b));
    pack(b, &again);
    assert_true(slice_eq(buf_slice(&wire), buf_slice(&again)));
    buf_free(&wire);
    buf_free(&again);
    advice_unref(&a);
    advice_unref(&b);
}

static enum rc unpack(struct slice bytes)
{
    struct advice *a = NULL;
    struct err err;
    enum rc rc = advice_unpack(bytes, &a, &err);
    assert_true((rc == RC_OK) == (a != NULL));
    advice_unref(&a);
    return rc;
}

/* Every truncation, something added, and every byte changed: refused or still a valid table. */
static void test_damage(void **state)
{
    (void)state;
    struct advice *a = sample();
    struct buf wire;
    pack(a, &wire);
    struct slice all = buf_slice(&wire);
    for (size_t n = 0; n < all.n; n++)
        assert_int_equal(unpack((struct slice){ all.p, n }), RC_PARSE);
    for (size_t i = 0; i < all.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            wire.mem[wire.start + i] ^= (char)(1 << bit);
            (void)unpack(all);
            wire.mem[wire.start + i] ^= (char)(1 << bit);
        }
    assert_int_equal(unpack(all), RC_OK);
    put_u8(&wire, 0);
    assert_int_equal(unpack(buf_slice(&wire)), RC_PARSE);
    buf_free(&wire);
    advice_unref(&a);
}

/* Tables that pack well and must not be believed. */
static void test_refused(void **state)
{
    (void)state;
    for (int what = 0; what < 13; what++) {
        struct advice *a = sample();
        struct buf wire;
        switch (what) {
        case 0:
            a->egress[1].name = a->egress[0].name;
            break;
        case 1:
            a->group[1].carrier = advice_text(a, slice_of("a")); /* out of order */
            break;
        case 2:
            a->group[0].preferred = 2;
            break;
        case 3:
            a->path[6].loss = 1.5F;
            break;
        case 4:
            a->path[6].rtt_ms = -1;
            break;
        case 5:
            a->egress[0].share = 2;
            break;
        case 6:
            a->egress[0].fault = 77;
            break;
        case 7:
            a->path[6].state = 9;
            break;
        case 8:
            a->standing[1].provider = slice_of(""); /* twice */
            break;
        case 9:
            a->standing[2].share = 1.5F;
            break;
        case 10:
            a->standing[2].egress = 2;
            break;
        case 11:
            a->barred[0].family = ADDR_V6; /* out of order */
            break;
        default:
            a->egress[0].name = slice_of("");
            break;
        }
        pack(a, &wire);
        assert_int_equal(unpack(buf_slice(&wire)), RC_PARSE);
        buf_free(&wire);
        advice_unref(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standing), cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_stale),    cmocka_unit_test(test_wire),
        cmocka_unit_test(test_damage),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bars),     cmocka_unit_test(test_same_standing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
