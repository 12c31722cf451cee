/* dns/resolver against scripted servers: who is asked next, what is kept, what is served stale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/dns/answer.h"
#include "gateway/dns/resolver.h"
#include "tests/support/fakedns.h"

enum { PATIENCE_MS = 20000 };

/* What a whole server does; NORMAL answers from the zone below. */
enum mood { NORMAL, SERVFAIL, REFUSED, SILENT, WRONG_ID, CUT, TRUNCATED, NO_EDNS };

static atomic_int moods[2];
static struct fakedns *servers[2];
static struct loop *loop;
static struct resolver *resolver;

static void zone_mx(const struct fakedns_query *q, struct dnswire *w)
{
    const char *n = q->name;
    if (!strcmp(n, "two.example")) {
        dnswire_mx(w, n, 300, 20, "mx2.two.example");
        dnswire_mx(w, n, 300, 10, "MX1.two.example");
    } else if (!strcmp(n, "null.example")) {
        dnswire_mx(w, n, 300, 0, "");
    } else if (!strcmp(n, "alias.example")) {
        dnswire_cname(w, n, 300, "two.example");
        dnswire_mx(w, "two.example", 300, 10, "mx1.two.example");
    } else if (!strcmp(n, "half.example")) {
        dnswire_cname(w, n, 300, "two.example"); /* the rest must be asked for */
    } else if (!strcmp(n, "loop.example")) {
        dnswire_cname(w, n, 300, "loop2.example");
        dnswire_cname(w, "loop2.example", 300, n);
    } else if (!strcmp(n, "endless.example") || !strncmp(n, "e-", 2)) {
        char next[100];
        snprintf(next, sizeof next, "e-%.80s", n);
        dnswire_cname(w, n, 300, next);
    } else if (!strcmp(n, "short.example")) {
        dnswire_mx(w, n, 0, 10, "mx.short.example");
    } else {
        dnswire_soa(w, 3600, 3600);
    }
}

static void zone_addr(const struct fakedns_query *q, struct dnswire *w)
{
    bool v4 = q->type == DNS_A;
    const char *n = q->name;
    if (!strcmp(n, "implicit.example") || !strcmp(n, "both.example")) {
        dnswire_addr(w, n, 300, v4 ? "192.0.2.1" : "2001:db8::1");
    } else if (!strcmp(n, "onlyv4.example") && v4) {
        dnswire_addr(w, n, 300, "192.0.2.4");
    } else if (!strcmp(n, "bogus.example") && v4) {
        dnswire_addr(w, n, 300, "127.0.0.1");
        dnswire_addr(w, n, 300, "0.0.0.0");
    } else if (!strcmp(n, "www.example")) {
        dnswire_cname(w, n, 300, "both.example");
        dnswire_addr(w, "both.example", 300, v4 ? "192.0.2.1" : "2001:db8::1");
    } else {
        dnswire_soa(w, 60, 60);
    }
}

static bool is_missing(const char *name)
{
    return strstr(name, "missing") != NULL;
}

static enum fakedns_do answer(void *arg, const struct fakedns_query *q, struct dnswire *w)
{
    enum mood mood = (enum mood)atomic_load((atomic_int *)arg);
    uint8_t rcode = mood == SERVFAIL ? 2 : mood == REFUSED ? 5 : 0;
    if (mood == NO_EDNS && q->has_opt)
        rcode = 1;
    if (!strcmp(q->name, "slowv6.example") && q->type == DNS_AAAA)
        return FAKEDNS_SILENT;
    if (!strcmp(q->name, "slowv6.example"))
        dnswire_addr(w, q->name, 300, "192.0.2.6");
    else if (rcode == 0 && is_missing(q->name))
        rcode = 3;
    else if (rcode == 0 && q->type == DNS_MX)
        zone_mx(q, w);
    else if (rcode == 0)
        zone_addr(q, w);
    w->buf.mem[w->buf.start + 3] = (char)(w->buf.mem[w->buf.start + 3] | rcode);
    switch (mood) {
    case SILENT:
        return FAKEDNS_SILENT;
    case WRONG_ID:
        return FAKEDNS_WRONG_ID;
    case CUT:
        return FAKEDNS_CUT;
    case TRUNCATED:
        return FAKEDNS_TRUNCATE;
    case NORMAL:
    case SERVFAIL:
    case REFUSED:
    case NO_EDNS:
        break;
    }
    return FAKEDNS_SEND;
}

static struct resolver_conf conf_of(struct addr *addrs, size_t n)
{
    struct resolver_conf conf = resolver_defaults;
    for (size_t i = 0; i < n; i++)
        addrs[i] = fakedns_addr(servers[i]);
    conf.servers = addrs;
    conf.server_count = n;
    conf.try_ms = 100;
    conf.timeout_ms = 2000;
    return conf;
}

static int setup(void **state)
{
    struct addr addrs[2];
    struct err err;
    (void)state;
    for (int i = 0; i < 2; i++) {
        atomic_store(&moods[i], NORMAL);
        servers[i] = fakedns_start(answer, &moods[i]);
    }
    struct resolver_conf conf = conf_of(addrs, 2);
    loop = loop_new();
    assert_int_equal(resolver_new(loop, &conf, &resolver, &err), RC_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    resolver_free(&resolver);
    loop_free(&loop);
    for (int i = 0; i < 2; i++)
        fakedns_stop(&servers[i]);
    return 0;
}

static struct mx_set *got_mx;
static struct host_set *got_host;
static int calls;

static void on_mx(void *arg, struct mx_set *set)
{
    (void)arg;
    calls++;
    mx_set_unref(&got_mx);
    got_mx = mx_set_ref(set);
}

static void on_host(void *arg, struct host_set *set)
{
    (void)arg;
    calls++;
    host_set_unref(&got_host);
    got_host = host_set_ref(set);
}

static void wait_calls(int n)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    while (calls < n && clock_mono_ms() < end_ms)
        loop_turn(loop, 20);
    assert_int_equal(calls, n);
}

static struct mx_set *mx(const char *domain)
{
    calls = 0;
    resolver_mx(resolver, slice_of(domain), on_mx, NULL);
    assert_int_equal(calls, 0); /* never from inside the call */
    wait_calls(1);
    return got_mx;
}

static struct host_set *host(const char *name)
{
    calls = 0;
    resolver_host(resolver, slice_of(name), on_host, NULL);
    assert_int_equal(calls, 0);
    wait_calls(1);
    return got_host;
}

static void drop_results(void)
{
    mx_set_unref(&got_mx);
    host_set_unref(&got_host);
}

static void mail_exchangers(void **state)
{
    (void)state;
    static const struct {
        const char *domain, *site;
        enum dns_status status;
        bool implicit, cname;
    } rows[] = {
        { "two.example", "10 mx1.two.example,20 mx2.two.example", DNS_OK, false, false },
        { "Two.EXAMPLE.", "10 mx1.two.example,20 mx2.two.example", DNS_OK, false, false },
        { "alias.example", "10 mx1.two.example", DNS_OK, false, true },
        { "half.example", "10 mx1.two.example,20 mx2.two.example", DNS_OK, false, true },
        { "implicit.example", "0 implicit.example", DNS_OK, true, false },
        { "null.example", "", DNS_NULL_MX, false, false },
        { "missing.example", "", DNS_NXDOMAIN, false, false },
        { "empty.example", "", DNS_NO_DATA, false, false },
        { "loop.example", "", DNS_UNUSABLE, false, false },
        { "bogus.example", "", DNS_UNUSABLE, false, false },
        { "not a name", "", DNS_NXDOMAIN, false, false },
        { "", "", DNS_NXDOMAIN, false, false },
        { "192.0.2.1", "", DNS_NXDOMAIN, false, false },
        { "[192.0.2.1]", "0 [192.0.2.1]", DNS_OK, false, false },
        { "[IPv6:2001:DB8::1]", "0 [ipv6:2001:db8::1]", DNS_OK, false, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mx_set *set = mx(rows[i].domain);
        assert_int_equal(set->status, rows[i].status);
        assert_string_equal(set->site, rows[i].site);
        assert_int_equal(set->implicit, rows[i].implicit);
        if (set->status == DNS_OK)
            assert_int_equal(set->followed_cname, rows[i].cname);
    }
    assert_int_equal(mx("endless.example")->status, DNS_NO_DATA); /* ends after some hops */
    assert_true(fakedns_queries(servers[0]) < 60);
    drop_results();
}

static void hosts(void **state)
{
    (void)state;
    assert_int_equal(host("both.example")->count, 2);
    assert_int_equal(got_host->addrs[0].family, ADDR_V6);
    assert_int_equal(got_host->addrs[1].family, ADDR_V4);
    assert_int_equal(host("www.example")->count, 2);
    assert_int_equal(host("onlyv4.example")->count, 1);
    assert_int_equal(host("missing.example")->status, DNS_NXDOMAIN);
    assert_int_equal(host("empty.example")->status, DNS_NO_DATA);
    assert_int_equal(host("bogus.example")->status, DNS_UNUSABLE);
    assert_int_equal(host("[127.0.0.1]")->status, DNS_UNUSABLE); /* a sender wrote it */
    assert_int_equal(host("127.0.0.1")->status, DNS_OK);         /* the operator wrote it */
    drop_results();
}

static void the_next_server_is_asked(void **state)
{
    (void)state;
    static const enum mood bad[] = { SERVFAIL, REFUSED, SILENT, WRONG_ID, CUT };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct addr addrs[2];
        struct err err;
        struct resolver_conf conf = conf_of(addrs, 2);
        resolver_free(&resolver);
        assert_int_equal(resolver_new(loop, &conf, &resolver, &err), RC_OK);
        atomic_store(&moods[0], bad[i]);
        assert_int_equal(mx("two.example")->status, DNS_OK);
        assert_false(got_mx->stale);
        int before = fakedns_queries(servers[0]);
        assert_int_equal(mx("alias.example")->status, DNS_OK);
        assert_int_equal(fakedns_queries(servers[0]), before); /* the good one is asked first now */
    }
    drop_results();
}

static void when_none_answers(void **state)
{
    (void)state;
    atomic_store(&moods[0], SERVFAIL);
    atomic_store(&moods[1], REFUSED);
    assert_int_equal(mx("two.example")->status, DNS_TEMPORARY);
    assert_non_null(strstr(got_mx->text, "REFUSED"));
    assert_int_equal(fakedns_queries(servers[0]), 2); /* both rounds */
    assert_int_equal(mx("two.example")->status, DNS_TEMPORARY);
    assert_int_equal(fakedns_queries(servers[0]), 2); /* remembered for a moment */
    atomic_store(&moods[0], SILENT);
    atomic_store(&moods[1], SILENT);
    int64_t began = clock_mono_ms();
    assert_int_equal(host("both.example")->status, DNS_TEMPORARY);
    assert_true(clock_mono_ms() - began < 3 * 2000);
    drop_results();
}

static void truncation_goes_over_tcp(void **state)
{
    (void)state;
    atomic_store(&moods[0], TRUNCATED);
    assert_string_equal(mx("two.example")->site, "10 mx1.two.example,20 mx2.two.example");
    assert_int_equal(fakedns_queries(servers[0]), 2); /* UDP, then TCP */
    assert_int_equal(fakedns_queries(servers[1]), 0);
    drop_results();
}

static void servers_without_edns(void **state)
{
    (void)state;
    atomic_store(&moods[0], NO_EDNS);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    assert_int_equal(mx("alias.example")->status, DNS_OK);
    drop_results();
}

static void equal_lookups_share_one_question(void **state)
{
    (void)state;
    calls = 0;
    for (int i = 0; i < 50; i++)
        resolver_mx(resolver, slice_of(i % 2 ? "two.example" : "TWO.example."), on_mx, NULL);
    wait_calls(50);
    assert_int_equal(fakedns_queries(servers[0]), 1);
    assert_ptr_equal(resolver_mx_cached(resolver, slice_of("two.example")), got_mx);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    assert_int_equal(fakedns_queries(servers[0]), 1);
    struct resolver_stats stats;
    resolver_stats(resolver, &stats);
    assert_int_equal(stats.cached, 1);
    assert_int_equal(stats.under_way, 0);
    resolver_flush(resolver);
    assert_null(resolver_mx_cached(resolver, slice_of("two.example")));
    drop_results();
}

static void lifetimes_are_clamped(void **state)
{
    (void)state;
    int64_t now = loop_now_ms(loop);
    assert_in_range(mx("short.example")->expires_ms - now, 30000, 32000);
    assert_in_range(mx("two.example")->expires_ms - now, 300000, 302000);
    assert_in_range(mx("missing.example")->expires_ms - now, 30000, 32000); /* no SOA */
    assert_in_range(mx("empty.example")->expires_ms - now, 60000, 302000);
    drop_results();
}

static void stale_answers_when_all_fail(void **state)
{
    (void)state;
    struct addr addrs[2];
    struct err err;
    struct resolver_conf conf = conf_of(addrs, 2);
    conf.ttl_min_ms = 1;
    conf.ttl_max_ms = 50;
    resolver_free(&resolver);
    assert_int_equal(resolver_new(loop, &conf, &resolver, &err), RC_OK);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    assert_int_equal(host("both.example")->count, 2);
    for (int64_t end = clock_mono_ms() + 100; clock_mono_ms() < end;)
        loop_turn(loop, 10);
    assert_null(resolver_mx_cached(resolver, slice_of("two.example")));
    atomic_store(&moods[0], SERVFAIL);
    atomic_store(&moods[1], SERVFAIL);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    assert_true(got_mx->stale);
    assert_string_equal(got_mx->site, "10 mx1.two.example,20 mx2.two.example");
    assert_true(host("both.example")->stale && got_host->count == 2);
    assert_int_equal(mx("null.example")->status, DNS_TEMPORARY); /* never seen before */
    struct resolver_stats stats;
    resolver_stats(resolver, &stats);
    assert_int_equal(stats.stale_served, 2);
    drop_results();
}

static void the_slower_family_does_not_hold_up(void **state)
{
    (void)state;
    struct host_set *set = host("slowv6.example");
    assert_int_equal(set->status, DNS_OK);
    assert_int_equal(set->count, 1);
    struct resolver_stats stats;
    resolver_stats(resolver, &stats);
    assert_int_equal(stats.timeouts, 0); /* AAAA is still being waited for in the background */
    for (int64_t end = clock_mono_ms() + 1000; clock_mono_ms() < end;)
        loop_turn(loop, 20);
    assert_int_equal(resolver_host_cached(resolver, slice_of("slowv6.example"))->count, 1);
    drop_results();
}

static void fail_on_call(void *arg, struct mx_set *set)
{
    (void)arg;
    (void)set;
    fail_msg("a cancelled query called back");
}

static void cancelling(void **state)
{
    (void)state;
    struct dns_query *a = resolver_mx(resolver, slice_of("two.example"), fail_on_call, NULL);
    calls = 0;
    resolver_mx(resolver, slice_of("two.example"), on_mx, NULL);
    dns_cancel(&a);
    dns_cancel(&a);
    wait_calls(1);
    a = resolver_mx(resolver, slice_of("two.example"), fail_on_call, NULL); /* from the cache */
    dns_cancel(&a);
    resolver_mx(resolver, slice_of("implicit.example"), fail_on_call, NULL);
    atomic_store(&moods[0], SILENT);
    resolver_host(resolver, slice_of("other.example"), on_host, NULL);
    loop_turn(loop, 1);
    resolver_free(&resolver); /* with queries under way: none calls back */
    loop_turn(loop, 1);
    assert_int_equal(calls, 1);
    drop_results();
}

static void closed_port(void **state)
{
    (void)state;
    fakedns_stop(&servers[0]);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    drop_results();
}

static void the_cache_is_bounded(void **state)
{
    (void)state;
    struct addr addrs[2];
    struct err err;
    struct resolver_conf conf = conf_of(addrs, 1);
    char name[64];
    conf.cache_max = 10;
    resolver_free(&resolver);
    assert_int_equal(resolver_new(loop, &conf, &resolver, &err), RC_OK);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "missing%d.example", i);
        assert_int_equal(mx(name)->status, DNS_NXDOMAIN);
        assert_non_null(resolver_mx_cached(resolver, slice_of("two.example"))); /* in use: stays */
    }
    assert_null(resolver_mx_cached(resolver, slice_of("missing1.example")));
    struct resolver_stats stats;
    resolver_stats(resolver, &stats);
    assert_int_equal(stats.cached, 10);
    drop_results();
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(mail_exchangers),
        T(hosts),
        T(the_next_server_is_asked),
        T(when_none_answers),
        T(truncation_goes_over_tcp),
        T(servers_without_edns),
        T(equal_lookups_share_one_question),
        T(lifetimes_are_clamped),
        T(stale_answers_when_all_fail),
        T(the_slower_family_does_not_hold_up),
        T(cancelling),
        T(closed_port),
        T(the_cache_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
