/*
 * tests/unit/test_dnsbl_cadence — blocklists in virtual time: what is asked when; names and answers
 */
#include "tests/unit/dnsbl_rig.h"

/* ---- cadence ---- */

static void test_questions_keep_to_budget_and_interval(void **state)
{
    (void)state;
    begin(&w, four, 2);
    configure(&w, four, 2, 5);
    run(&w, 60 * MINUTE);
    assert_in_range(w.most_in_second, 1, 11); /* two halves of a refilled bucket */
    /* 4 addresses × 2 resolvers, 12 to 14 rounds; tests once or twice */
    assert_in_range(w.asked, 8 * 12 + 4, 8 * 14 + 8);
    end();
}

/* Whenever the entry appears, in the middle of a self-test or right after a look: within the
 * interval and five seconds two resolvers are enough. They may be slow, and a third one may have
 * just fallen silent. What control makes of it takes no time (test_control_listed). */
static void test_a_listing_is_found_in_time(void **state)
{
    static const struct {
        int64_t late_ms;
        size_t resolvers;
    } worlds[] = { { 0, 2 }, { 1000, 2 }, { 0, 3 }, { 400, 3 } };
    enum { EARLIEST = 3 * SECOND, APART = 7 * SECOND, PROMISED = 5 * MINUTE + 5 * SECOND };
    int64_t longest = 0;
    (void)state;
    for (size_t i = 0; i < sizeof worlds / sizeof worlds[0]; i++) {
        for (int64_t phase = EARLIEST; phase < 5 * MINUTE + EARLIEST; phase += APART) {
            begin(&w, four, worlds[i].resolvers);
            w.late_ms = worlds[i].late_ms;
            run(&w, phase + 56 * MINUTE); /* the next self-tests are about to be due */
            assert_int_equal(w.clearings, 4);
            if (worlds[i].resolvers > 2)
                w.fault[2] = SILENT;
            w.entries[0] = "3.2.0.192";
            int64_t appeared = w.now;
            run(&w, 2 * PROMISED);
            assert_int_equal(w.listings, 1);
            int64_t took = w.listed_at - appeared;
            longest = took > longest ? took : longest;
            if (took > PROMISED)
                print_error("world %zu, phase %lld: %lld ms\n", i, (long long)phase,
                            (long long)took);
            assert_true(took <= PROMISED);
            end();
        }
    }
    print_message("found after %lld ms at most\n", (long long)longest);
}

static void test_ttl_and_suspicion_move_the_next_check(void **state)
{
    (void)state;
    begin(&w, one, 2);
    w.ttl = 1800;
    run(&w, 50 * MINUTE); /* 0, 30: two rounds, one test */
    assert_int_equal(w.asked, 4 + 2 * 2);
    struct addr ours = addr_of("192.0.2.1");
    dnsbl_suspect(w.d, &ours, true, w.now);
    unsigned before = w.asked;
    run(&w, 9 * MINUTE + 10 * SECOND);
    assert_in_range(w.asked - before, 2 * 9 + 4, 2 * 9 + 2 + 4); /* and the tests once */
    end();
}

static void test_failed_tests_back_off(void **state)
{
    (void)state;
    begin(&w, one, 1);
    w.fault[0] = REFUSED;
    run(&w, 64 * MINUTE); /* at 0, 1, 3, 7, 15, 31, 63 minutes */
    assert_int_equal(w.asked, 7 * 2);
    end();
}

/* It listed us and then says nothing more: dead after three hours, until it speaks again. */
static void test_a_list_dies(void **state)
{
    (void)state;
    clean_start(one, 2, 1);
    w.entries[0] = "1.2.0.192";
    run(&w, 6 * MINUTE);
    assert_int_equal(w.listings, 1);
    w.fault[0] = SILENT;
    w.fault[1] = QUOTA;
    run(&w, 175 * MINUTE);
    assert_int_equal(w.dead, 0);
    run(&w, 20 * MINUTE);
    assert_in_range(w.dead, 10, 20);
    assert_true(w.alarms == 1 && w.listings == 1 && w.clearings == 1);
    w.fault[0] = w.fault[1] = HONEST;
    run(&w, 40 * MINUTE); /* until the next self-test */
    unsigned dead = w.dead, repeated = w.repeated;
    run(&w, 20 * MINUTE);
    assert_true(w.dead == dead && w.repeated > repeated);
    end();
}

/* ---- configuration ---- */

struct seen {
    unsigned listed, clear, unknown;
};

static void count(void *arg, const struct listing *v)
{
    struct seen *s = arg;
    s->listed += v->state == LIST_LISTED;
    s->clear += v->state == LIST_CLEAR;
    s->unknown += v->state == LIST_UNKNOWN;
}

static void test_state_survives_a_reload(void **state)
{
    static const char *const other[] = { "192.0.2.2", "192.0.2.3", "192.0.2.9", NULL };
    (void)state;
    clean_start(four, 2, 4);
    w.entries[0] = "2.2.0.192";
    run(&w, 6 * MINUTE);
    assert_int_equal(w.listings, 1);
    run(&w, TICK * 2); /* perhaps in the middle of a sweep */
    configure(&w, other, 2, 100);
    struct seen s = { 0 };
    dnsbl_each(w.d, count, &s);
    assert_int_equal(s.listed, 1);
    assert_int_equal(s.clear, 1);
    assert_int_equal(s.unknown, 1);
    run(&w, 10 * MINUTE);
    assert_int_equal(w.listings, 1);
    end();
}

/* ---- one answer ---- */

static void test_judge(void **state)
{
    static const struct {
        const char *a, *b;
        enum listing_state expected;
        unsigned points;
    } rows[] = {
        { "127.0.0.2", NULL, LIST_LISTED, 100 },
        { "127.0.0.10", "127.0.0.2", LIST_LISTED, 100 },
        { "127.0.0.99", "127.0.0.11", LIST_LISTED, 60 },
        { "127.0.0.99", NULL, LIST_CLEAR, 0 },
        { "127.0.0.1", NULL, LIST_UNKNOWN, 0 },
        { "127.255.255.254", NULL, LIST_UNKNOWN, 0 },
        { "127.255.255.1", "127.0.0.2", LIST_UNKNOWN, 0 },
        { "192.0.2.1", "127.0.0.2", LIST_UNKNOWN, 0 },
        { "2001:db8::1", NULL, LIST_UNKNOWN, 0 },
        { "126.0.0.2", NULL, LIST_UNKNOWN, 0 },
        { "127.0.0.200", NULL, LIST_UNKNOWN, 0 }, /* the list's own error */
    };
    static const struct zone_code errors[] = { { 0x7f0000c8, 0x7f0000c8, 0, ZONE_HARD, "no" } };
    const struct dnsbl_codes table = { codes, errors, 2, 1 };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dnsbl_answer a = { 0 };
        answer_with(&a, rows[i].a);
        if (rows[i].b)
            answer_with(&a, rows[i].b);
        struct dnsbl_finding f = dnsbl_judge(&table, &a);
        assert_int_equal(f.state, rows[i].expected);
        assert_int_equal(f.code ? f.code->points : 0, rows[i].points);
        assert_int_equal(f.why != NULL, rows[i].expected == LIST_UNKNOWN);
    }
}

static void test_names(void **state)
{
    char name[DNSBL_NAME_MAX], zone[300];
    struct addr v4 = addr_of("192.0.2.99"), v6 = addr_of("2001:db8:1:2:3:4:567:89ab");
    (void)state;
    assert_int_equal(dnsbl_name(&v4, SLICE_LIT("bl.test"), name), RC_OK);
    assert_string_equal(name, "99.2.0.192.bl.test");
    assert_int_equal(dnsbl_name(&v6, SLICE_LIT("ugly.test"), name), RC_OK);
    assert_string_equal(name, "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2."
                              "ugly.test"); /* RFC 5782 section 2.4 */
    memset(zone, 'a', sizeof zone);
    assert_int_equal(dnsbl_name(&v6, (struct slice){ zone, 253 - 64 }, name), RC_OK);
    assert_int_equal(dnsbl_name(&v6, (struct slice){ zone, 253 - 63 }, name), RC_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions_keep_to_budget_and_interval),
        cmocka_unit_test(test_a_listing_is_found_in_time),
        cmocka_unit_test(test_ttl_and_suspicion_move_the_next_check),
        cmocka_unit_test(test_failed_tests_back_off),
        cmocka_unit_test(test_a_list_dies),
        cmocka_unit_test(test_state_survives_a_reload),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
