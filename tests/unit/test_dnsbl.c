/*
 * tests/unit/test_dnsbl — blocklists in virtual time: what is believed, when, and what is asked
 *
 *   The world holds a list with its entries and up to four resolvers, each of which tells the truth
 *   or has a fault. Answers come 20 ms after the question, "no answer" after two seconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "reputation/dnsbl.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, TICK = 100, PENDING_MAX = 4096, RESOLVERS = 4 };

enum fault {
    HONEST,
    SILENT,
    REFUSED,    /* also SERVFAIL: no usable answer, at once */
    WILDCARD,   /* lists everything */
    QUOTA,      /* 127.255.255.255 for everything */
    PARKED,     /* an address of an ad server for everything */
    LIAR_CLEAR, /* nothing exists */
    FLAKY       /* every other question gets no answer */
};

struct pending {
    uint64_t ticket;
    int64_t at;
    struct dnsbl_answer answer;
};

struct world {
    int64_t now;
    struct rnd rnd;
    struct dnsbl *d;
    enum fault fault[RESOLVERS];
    const char *entries[8]; /* reversed, as asked: "4.3.2.1" */
    const char *answers[8]; /* what they answer; NULL: 127.0.0.2 */
    uint32_t ttl;
    bool everything; /* the list itself lists every address but 127.0.0.1 */
    struct pending pending[PENDING_MAX];
    size_t pending_n;
    unsigned asked, asked_by[RESOLVERS], asked_second, most_in_second, texts;
    int64_t second;
    unsigned listings, clearings, alarms;
    int64_t listed_at, cleared_at;
    struct listing last;
    char last_text[DNSBL_TEXT_MAX], last_link[128], alarm[256];
};

static struct addr addr_of(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

static void answer_with(struct dnsbl_answer *a, const char *text)
{
    a->state = LIST_LISTED;
    a->addrs[a->n++] = addr_of(text);
}

static bool asks_for(const char *name, const char *entry)
{
    size_t n = strlen(entry);
    return strncmp(name, entry, n) == 0 && strcmp(name + n, ".bl.test") == 0;
}

/* What the list truly says. */
static void truth(const struct world *w, const char *name, struct dnsbl_answer *a)
{
    a->state = LIST_CLEAR;
    if (asks_for(name, "2.0.0.127"))
        answer_with(a, "127.0.0.2");
    if (strstr(name, "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.") == name)
        answer_with(a, "127.0.0.2");
    for (size_t i = 0; i < 8; i++)
        if (w->entries[i] && asks_for(name, w->entries[i]))
            answer_with(a, w->answers[i] ? w->answers[i] : "127.0.0.2");
    if (w->everything && !a->n && !asks_for(name, "1.0.0.127"))
        answer_with(a, "127.0.0.2");
    a->ttl_s = w->ttl;
}

static void answer(struct world *w, unsigned resolver, const char *name, struct pending *p)
{
    static const char *const instead[] = {
        [WILDCARD] = "127.0.0.2", [QUOTA] = "127.255.255.255", [PARKED] = "192.0.2.80"
    };
    enum fault fault = w->fault[resolver];
    p->at = w->now + 20;
    if (fault == FLAKY)
        fault = w->asked % 2 ? SILENT : HONEST;
    if (fault == SILENT || fault == REFUSED) {
        p->answer.why = fault == SILENT ? "no answer" : "REFUSED";
        p->at = w->now + (fault == SILENT ? 2 * SECOND : 20);
    } else if (fault == LIAR_CLEAR) {
        p->answer.state = LIST_CLEAR;
    } else if (fault != HONEST) {
        answer_with(&p->answer, instead[fault]);
    } else {
        truth(w, name, &p->answer);
    }
}

static void on_ask(void *arg, const struct dnsbl_question *q)
{
    struct world *w = arg;
    unsigned resolver = q->resolver->port - 1u;
    struct pending *p = &w->pending[w->pending_n++];
    assert_true(w->pending_n < PENDING_MAX);
    *p = (struct pending){ .ticket = q->ticket };
    w->asked++;
    w->asked_by[resolver]++;
    if (w->now / SECOND != w->second) {
        w->second = w->now / SECOND;
        w->asked_second = 0;
    }
    if (++w->asked_second > w->most_in_second)
        w->most_in_second = w->asked_second;
    answer(w, resolver, q->name, p);
    if (q->text && p->answer.state == LIST_LISTED) {
        w->texts++;
        p->answer.text = SLICE_LIT("because\n of it");
    }
}

static void on_verdict(void *arg, const struct listing *v)
{
    struct world *w = arg;
    w->last = *v;
    snprintf(w->last_text, sizeof w->last_text, "%s", v->text);
    snprintf(w->last_link, sizeof w->last_link, "%s", v->link);
    if (v->state == LIST_LISTED) {
        w->listings++;
        w->listed_at = w->now;
    } else {
        w->clearings++;
        w->cleared_at = w->now;
    }
}

static void on_alarm(void *arg, struct slice zone, const char *text)
{
    struct world *w = arg;
    assert_true(slice_eq_str(zone, "bl.test"));
    w->alarms++;
    snprintf(w->alarm, sizeof w->alarm, "%s", text);
}

static void run(struct world *w, int64_t ms)
{
    for (int64_t end = w->now + ms; w->now < end; w->now += TICK) {
        size_t kept = 0;
        for (size_t i = 0; i < w->pending_n; i++) {
            if (w->pending[i].at <= w->now)
                dnsbl_answered(w->d, w->pending[i].ticket, &w->pending[i].answer);
            else
                w->pending[kept++] = w->pending[i];
        }
        w->pending_n = kept;
        dnsbl_tick(w->d, w->now, &w->rnd);
    }
}

static const struct zone_code codes[] = {
    { 0x7f000002, 0x7f000002, 100, ZONE_HARD, "spam" },
    { 0x7f00000a, 0x7f00000b, 60, ZONE_SOFT, "policy" },
};

static void configure(struct world *w, const char *const *addresses, size_t resolvers,
                      unsigned per_second)
{
    struct addr servers[RESOLVERS], ours[64];
    size_t n = 0;
    for (; addresses[n]; n++)
        ours[n] = addr_of(addresses[n]);
    for (size_t i = 0; i < resolvers; i++)
        servers[i] = (struct addr){ .family = ADDR_V4,
                                    .bytes = { 127, 0, 0, 53 },
                                    .port = (uint16_t)(i + 1) };
    struct dnsbl_zone_conf zone = { .zone = SLICE_LIT("bl.test"),
                                    .link = "https://bl.test/?q={address}&x",
                                    .v4 = true,
                                    .v6 = true,
                                    .interval_ms = 5 * MINUTE,
                                    .codes = codes,
                                    .code_n = 2,
                                    .resolvers = servers,
                                    .resolver_n = resolvers };
    struct dnsbl_config config = { &zone, 1, ours, n, per_second };
    dnsbl_configure(w->d, &config, w->now);
}

static const char *const one[] = { "192.0.2.1", NULL };
static const char *const four[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", NULL };

static void begin(struct world *w, const char *const *addresses, size_t resolvers)
{
    const struct dnsbl_hooks hooks = { on_ask, on_verdict, on_alarm, w };
    memset(w, 0, sizeof *w);
    w->now = 1000 * SECOND;
    rnd_seed(&w->rnd, 7);
    w->d = dnsbl_new(&hooks);
    configure(w, addresses, resolvers, 100);
}

static struct world w; /* big */

static void end(void)
{
    dnsbl_free(&w.d);
}

static void clean_start(const char *const *addresses, size_t resolvers, unsigned clear)
{
    begin(&w, addresses, resolvers);
    run(&w, 2 * SECOND);
    assert_int_equal(w.clearings, clear);
    assert_int_equal(w.listings, 0);
}

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
    run(&w, 60 * MINUTE);
    assert_int_equal(w.clearings, 4);
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

static void test_most_of_us_at_once_waits(void **state)
{
    (void)state;
    clean_start(four, 2, 4);
    w.everything = true;
    run(&w, 10 * MINUTE);
    assert_int_equal(w.listings, 0);
    assert_int_equal(w.alarms, 1);
    assert_non_null(strstr(w.alarm, "4 of 4"));
    w.everything = false; /* it was a fault */
    run(&w, 60 * MINUTE);
    assert_int_equal(w.listings, 0);
    w.everything = true; /* this time it is true, and stays */
    run(&w, 5 * MINUTE + 10 * SECOND + 15 * MINUTE);
    assert_int_equal(w.listings, 4);
    assert_int_equal(w.alarms, 2);
    end();
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
    assert_in_range(w.asked - before, 2 * 9, 2 * 9 + 2);
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
        cmocka_unit_test(test_two_resolvers_agree),
        cmocka_unit_test(test_the_only_resolver_says_it_twice),
        cmocka_unit_test(test_clearing_takes_three_rounds),
        cmocka_unit_test(test_one_silent_resolver_hides_nothing),
        cmocka_unit_test(test_a_resolver_that_turns_bad_hides_nothing),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_worse_code_is_told),
        cmocka_unit_test(test_no_fault_lists_anybody),
        cmocka_unit_test(test_codes_outside_the_table_say_nothing),
        cmocka_unit_test(test_most_of_us_at_once_waits),
        cmocka_unit_test(test_half_of_us_is_believed),
        cmocka_unit_test(test_questions_keep_to_budget_and_interval),
        cmocka_unit_test(test_ttl_and_suspicion_move_the_next_check),
        cmocka_unit_test(test_failed_tests_back_off),
        cmocka_unit_test(test_state_survives_a_reload),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
