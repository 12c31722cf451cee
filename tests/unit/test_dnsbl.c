/*
 * tests/unit/test_dnsbl — blocklists in virtual time: what is believed, and when
 */
#include "tests/unit/dnsbl_rig.h"

/* ---- listings ---- */

static void test_two_resolvers_agree(void **state)
{
    (void)state;
    clean_start(four, 2, 4);
    int64_t appeared = w.now;
    w.entries[0] = "3.2.0.192";
    run(&w, 6 * MINUTE);
    assert_int_equal(w.listings, 1);
    assert_true(w.listed_at - appeared <= 5 * MINUTE + 5 * SECOND);
    assert_string_equal(w.last_text, "because? of it");
    assert_string_equal(w.last_link, "https://bl.test/?q=192.0.2.3&x");
    assert_int_equal(w.last.points, 100);
    assert_int_equal(w.last.kind, ZONE_HARD);
    assert_int_equal(w.texts, 1);
    end();
}

static void test_the_only_resolver_says_it_twice(void **state)
{
    (void)state;
    clean_start(one, 1, 1);
    w.entries[0] = "1.2.0.192";
    int64_t appeared = w.now;
    run(&w, 7 * MINUTE);
    assert_int_equal(w.listings, 1);
    assert_true(w.listed_at - appeared >= 1 * MINUTE);
    assert_true(w.listed_at - appeared <= 6 * MINUTE + 5 * SECOND);
    end();
}

static void test_clearing_takes_three_rounds(void **state)
{
    (void)state;
    clean_start(four, 2, 4);
    w.entries[0] = "1.2.0.192";
    run(&w, 6 * MINUTE);
    assert_int_equal(w.listings, 1);
    w.entries[0] = NULL;
    int64_t gone = w.now;
    w.fault[0] = w.fault[1] = REFUSED; /* unknown does not clear */
    unsigned repeated = w.repeated;
    assert_true(repeated > 0); /* those that stay clear are told each time */
    run(&w, 60 * MINUTE);
    assert_int_equal(w.clearings, 4);
    assert_int_equal(w.repeated, repeated); /* nothing was learnt */
    w.fault[0] = w.fault[1] = HONEST;
    run(&w, 60 * MINUTE);
    assert_int_equal(w.clearings, 5);
    assert_true(w.cleared_at - gone >= 60 * MINUTE + 2 * 4 * MINUTE);
    assert_int_equal(w.listings, 1);
    end();
}

static void test_one_silent_resolver_hides_nothing(void **state)
{
    static const enum fault faults[] = {
        SILENT, REFUSED, LIAR_CLEAR, QUOTA, PARKED, WILDCARD, FLAKY
    };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        begin(&w, four, 2);
        w.fault[1] = faults[i];
        run(&w, 10 * MINUTE);
        assert_int_equal(w.listings, 0);
        w.entries[0] = "2.2.0.192";
        run(&w, 15 * MINUTE);
        assert_int_equal(w.listings, 1);
        assert_true(addr_eq(&w.last.address, &(struct addr){ ADDR_V4, { 192, 0, 2, 2 }, 0 }));
        end();
    }
}

static void test_a_resolver_that_turns_bad_hides_nothing(void **state)
{
    static const enum fault faults[] = { SILENT, REFUSED, LIAR_CLEAR, QUOTA, PARKED, WILDCARD };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        clean_start(four, 2, 4);
        w.fault[0] = faults[i]; /* right after its test: for an hour it is believed to be good */
        w.entries[0] = "2.2.0.192";
        run(&w, 15 * MINUTE);
        assert_int_equal(w.listings, 1);
        end();
    }
}

static void test_ipv6(void **state)
{
    static const char *const ours[] = { "2001:db8::1", NULL };
    (void)state;
    clean_start(ours, 2, 1);
    w.entries[0] = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
    run(&w, 6 * MINUTE);
    assert_int_equal(w.listings, 1);
    end();
}

static void test_worse_code_is_told(void **state)
{
    (void)state;
    clean_start(four, 2, 4);
    w.entries[0] = w.entries[1] = "1.2.0.192";
    w.answers[0] = w.answers[1] = "127.0.0.11";
    run(&w, 6 * MINUTE);
    assert_int_equal(w.last.points, 60);
    w.answers[1] = "127.0.0.2";
    run(&w, 6 * MINUTE);
    assert_int_equal(w.listings, 2);
    assert_int_equal(w.last.points, 100);
    assert_int_equal(w.last.answer, 0x7f000002);
    end();
}

/* ---- faults ---- */

static void test_no_fault_lists_anybody(void **state)
{
    static const enum fault faults[] = { SILENT, REFUSED, LIAR_CLEAR, QUOTA, PARKED, WILDCARD };
    (void)state;
    for (size_t n = 1; n <= 2; n++) {
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
            for (int late = 0; late < 2; late++) {
                begin(&w, n == 1 ? one : four, n);
                if (late)
                    run(&w, 2 * SECOND);
                w.fault[0] = w.fault[1] = faults[i];
                run(&w, 4 * 60 * MINUTE);
                assert_int_equal(w.listings, 0);
                assert_int_equal(w.alarms, 1);
                assert_non_null(strstr(w.alarm, "three hours"));
                end();
            }
        }
    }
}

/* Right after the tests were passed, and for longer than clear rounds take. */
static void test_no_fault_clears_anybody(void **state)
{
    static const enum fault faults[] = { SILENT, REFUSED, LIAR_CLEAR, QUOTA, PARKED, WILDCARD };
    (void)state;
    for (size_t n = 1; n <= 2; n++) {
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
            clean_start(four, n, 4);
            w.entries[0] = "1.2.0.192";
            run(&w, 8 * MINUTE);
            assert_int_equal(w.listings, 1);
            w.fault[0] = w.fault[1] = faults[i];
            run(&w, 5 * 60 * MINUTE);
            assert_int_equal(w.clearings, 4);
            assert_int_equal(w.alarms, 1);
            assert_true(w.dead > 0);
            end();
        }
    }
}

/* After a restart only others remember that it was listed: what is said of a suspect is tested. */
static void test_no_fault_frees_a_suspect(void **state)
{
    (void)state;
    clean_start(four, 2, 4);
    struct addr suspect = addr_of("192.0.2.1");
    dnsbl_suspect(w.d, &suspect, true, w.now);
    run(&w, 30 * SECOND);
    w.fault[0] = w.fault[1] = LIAR_CLEAR;
    unsigned before = w.repeated;
    run(&w, 15 * MINUTE); /* standing counts looks that are 15 minutes apart, and wants three */
    assert_true(w.repeated > before);
    before = w.repeated;
    run(&w, 2 * 60 * MINUTE);
    assert_int_equal(w.repeated, before);
    end();
}

/* Two that pass their tests, and do not agree: neither is believed. A third decides; of four it
 * takes three. */
static void test_resolvers_that_disagree_for_good(void **state)
{
    (void)state;
    for (size_t n = 2; n <= 4; n++) {
        clean_start(four, n, 4);
        w.entries[0] = "1.2.0.192";
        w.fault[0] = STALE;
        w.fault[3] = STALE;
        run(&w, 60 * MINUTE);
        assert_int_equal(w.listings, n == 3);
        w.fault[0] = HONEST;
        run(&w, 10 * MINUTE);
        assert_int_equal(w.listings, 1);
        end();
    }
}

static void test_codes_outside_the_table_say_nothing(void **state)
{
    (void)state;
    begin(&w, one, 2);
    w.entries[0] = "1.2.0.192";
    w.answers[0] = "127.0.0.77";
    run(&w, 20 * MINUTE);
    assert_int_equal(w.listings, 0);
    assert_int_equal(w.clearings, 1);
    end();
}

struct seen {
    unsigned listed, hard, many;
};

static void see_one(void *arg, const struct listing *v)
{
    struct seen *s = arg;
    s->listed += v->state == LIST_LISTED;
    s->hard += v->state == LIST_LISTED && v->kind == ZONE_HARD;
    s->many += v->many;
}

static void assert_seen(unsigned listed, unsigned hard, unsigned many)
{
    struct seen s = { 0 };
    dnsbl_each(w.d, see_one, &s);
    assert_int_equal(s.listed, listed);
    assert_int_equal(s.hard, hard);
    assert_int_equal(s.many, many);
}

/* What it still says after the hold counts, but as soft evidence: mail has to flow. */
static void test_most_of_us_at_once_waits(void **state)
{
    (void)state;
    clean_start(four, 2, 4);
    w.everything = true;
    run(&w, 10 * MINUTE);
    assert_int_equal(w.listings, 0);
    assert_int_equal(w.alarms, 1);
    assert_non_null(strstr(w.alarm, "4 of 4"));
    assert_int_equal(w.fine, 1); /* so it was before */
    w.everything = false;        /* it was a fault */
    run(&w, 60 * MINUTE);
    assert_int_equal(w.listings, 0);
    assert_int_equal(w.fine, 2);
    w.everything = true; /* this time it stays */
    run(&w, 5 * MINUTE + 10 * SECOND + 15 * MINUTE);
    assert_int_equal(w.listings, 4);
    assert_int_equal(w.alarms, 3);
    assert_non_null(strstr(w.alarm, "still lists 4 of 4"));
    assert_seen(4, 0, 4);
    run(&w, 24 * 60 * MINUTE);
    assert_seen(4, 0, 4); /* however long */
    assert_int_equal(w.alarms, 3);
    w.everything = false;
    w.entries[0] = "2.2.0.192"; /* it has let go of the others: this one it means */
    run(&w, 60 * MINUTE);
    assert_seen(1, 1, 0);
    assert_int_equal(w.fine, 3);
    end();
}

/* The address that is new after a reload is asked for alone: of the others nothing is learnt. */
/* Within one interval, though not in one sweep: the first has been believed by then. */
static void test_most_of_us_one_after_the_other(void **state)
{
    (void)state;
    clean_start(four, 2, 4);
    w.entries[0] = "1.2.0.192";
    run(&w, 5 * MINUTE);
    assert_int_equal(w.listings, 1);
    w.entries[1] = "2.2.0.192";
    w.entries[2] = "3.2.0.192";
    run(&w, 5 * MINUTE);
    assert_int_equal(w.listings, 1);
    assert_int_equal(w.alarms, 1);
    end();
}

static void test_a_hold_goes_on_over_a_reload(void **state)
{
    static const char *const five[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3",
                                        "192.0.2.4", "192.0.2.5", NULL };
    (void)state;
    clean_start(four, 2, 4);
    w.everything = true;
    run(&w, 6 * MINUTE);
    assert_int_equal(w.alarms, 1);
    configure(&w, five, 2, 100);
    run(&w, 30 * SECOND);
    assert_int_equal(w.alarms, 1);
    assert_int_equal(w.fine, 1); /* before the hold */
    run(&w, 15 * MINUTE);        /* since it began */
    assert_seen(5, 0, 5);
    assert_int_equal(w.alarms, 2);
    end();
}

/* No answer ends no suspicion, nor does it bear one out, also when the hold would be over. */
static void test_a_hold_goes_on_over_silence(void **state)
{
    static const int64_t rows[] = { MINUTE, 15 * MINUTE - 10 * SECOND };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        clean_start(four, 2, 4);
        w.everything = true;
        while (!w.alarms && w.now < 2000 * SECOND)
            run(&w, SECOND);
        run(&w, rows[i]); /* since it began */
        w.fault[0] = w.fault[1] = SILENT;
        run(&w, 6 * MINUTE);
        assert_int_equal(w.alarms, 1);
        assert_int_equal(w.fine, 1); /* before the hold */
        assert_int_equal(w.listings, 0);
        w.fault[0] = w.fault[1] = HONEST;
        run(&w, 40 * MINUTE); /* until the next self-tests */
        assert_seen(4, 0, 4);
        assert_int_equal(w.alarms, 2);
        assert_int_equal(w.fine, 1);
        end();
    }
}

/* What was believed before a restart is no news after it; what was one of many is no more than that
 * for being told anew. */
static void test_a_restart_is_no_sweep(void **state)
{
    static const char *const five[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3",
                                        "192.0.2.4", "192.0.2.5", NULL };
    (void)state;
    for (int many = 0; many < 2; many++) {
        begin(&w, five, 2);
        w.entries[0] = "1.2.0.192";
        w.entries[1] = "2.2.0.192";
        w.entries[2] = "3.2.0.192";
        for (int i = 0; i < 3; i++) {
            struct addr ours = addr_of(five[i]);
            dnsbl_believed(w.d, SLICE_LIT("bl.test"), &ours, many);
        }
        run(&w, 2 * SECOND);
        assert_int_equal(w.listings, 3);
        assert_seen(3, many ? 0 : 3, many ? 3 : 0);
        assert_int_equal(w.alarms, many); /* that it is so, for whoever was told before */
        w.entries[3] = "4.2.0.192";       /* one by one, or it joins the others */
        run(&w, 6 * MINUTE);
        assert_seen(4, many ? 0 : 4, many ? 4 : 0);
        assert_int_equal(w.alarms, many);
        w.entries[0] = NULL; /* it goes and comes: that is news */
        run(&w, 60 * MINUTE);
        assert_seen(3, many ? 0 : 3, many ? 3 : 0);
        end();
    }
}

static void test_half_of_us_is_believed(void **state)
{
    (void)state;
    clean_start(four, 2, 4);
    w.entries[0] = "1.2.0.192";
    w.entries[1] = "2.2.0.192";
    run(&w, 6 * MINUTE);
    assert_int_equal(w.listings, 2);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_resolvers_agree),
        cmocka_unit_test(test_the_only_resolver_says_it_twice),
        cmocka_unit_test(test_clearing_takes_three_rounds),
        cmocka_unit_test(test_one_silent_resolver_hides_nothing),
        cmocka_unit_test(test_a_resolver_that_turns_bad_hides_nothing),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_worse_code_is_told),
        cmocka_unit_test(test_no_fault_lists_anybody),
        cmocka_unit_test(test_no_fault_clears_anybody),
        cmocka_unit_test(test_no_fault_frees_a_suspect),
        cmocka_unit_test(test_resolvers_that_disagree_for_good),
        cmocka_unit_test(test_codes_outside_the_table_say_nothing),
        cmocka_unit_test(test_most_of_us_at_once_waits),
        cmocka_unit_test(test_most_of_us_one_after_the_other),
        cmocka_unit_test(test_a_hold_goes_on_over_a_reload),
        cmocka_unit_test(test_a_hold_goes_on_over_silence),
        cmocka_unit_test(test_a_restart_is_no_sweep),
        cmocka_unit_test(test_half_of_us_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
