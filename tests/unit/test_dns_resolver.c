/*
 * unit/test_dns_resolver — proves dns/resolver against scripted servers
 *
 *   dns/resolver against scripted servers: who is asked next, what is kept, what is served
 *   stale.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "tests/support/dns_rig.h"

static struct dns_rig rig;

static int setup(void **state)
{
    (void)state;
    return dns_rig_open(&rig);
}

static int teardown(void **state)
{
    (void)state;
    return dns_rig_close(&rig);
}

static struct mx_set *mx(const char *domain)
{
    return dns_rig_mx(&rig, domain);
}

static struct host_set *host(const char *name)
{
    return dns_rig_host(&rig, name);
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
        { "hidden.onion", "", DNS_NXDOMAIN, false, false }, /* RFC 7686 */
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
    assert_true(fakedns_queries(rig.servers[0]) < 60);
}

static void hosts(void **state)
{
    (void)state;
    assert_int_equal(host("both.example")->count, 2);
    assert_int_equal(rig.host->addrs[0].family, ADDR_V6);
    assert_int_equal(rig.host->addrs[1].family, ADDR_V4);
    assert_int_equal(host("www.example")->count, 2);
    assert_int_equal(host("onlyv4.example")->count, 1);
    assert_int_equal(host("missing.example")->status, DNS_NXDOMAIN);
    assert_int_equal(host("empty.example")->status, DNS_NO_DATA);
    assert_int_equal(host("bogus.example")->status, DNS_UNUSABLE);
    assert_int_equal(host("[127.0.0.1]")->status, DNS_UNUSABLE); /* a sender wrote it */
    assert_int_equal(host("127.0.0.1")->status, DNS_OK);         /* the operator wrote it */
}

static void the_next_server_is_asked(void **state)
{
    (void)state;
    static const enum dns_mood bad[] = { SERVFAIL, REFUSED, SILENT, WRONG_ID, CUT };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct addr addrs[2];
        struct resolver_conf conf = dns_rig_conf(&rig, addrs, 2);
        dns_rig_renew(&rig, &conf);
        atomic_store(&rig.moods[0], bad[i]);
        assert_int_equal(mx("two.example")->status, DNS_OK);
        assert_false(rig.mx->stale);
        int before = fakedns_queries(rig.servers[0]);
        assert_int_equal(mx("alias.example")->status, DNS_OK);
        assert_int_equal(fakedns_queries(rig.servers[0]),
                         before); /* the good one is asked first now */
    }
}

static void when_none_answers(void **state)
{
    (void)state;
    atomic_store(&rig.moods[0], SERVFAIL);
    atomic_store(&rig.moods[1], REFUSED);
    assert_int_equal(mx("two.example")->status, DNS_TEMPORARY);
    assert_non_null(strstr(rig.mx->text, "REFUSED"));
    assert_int_equal(fakedns_queries(rig.servers[0]), 2); /* both rounds */
    assert_int_equal(mx("two.example")->status, DNS_TEMPORARY);
    assert_int_equal(fakedns_queries(rig.servers[0]), 2); /* remembered for a moment */
    atomic_store(&rig.moods[0], SILENT);
    atomic_store(&rig.moods[1], SILENT);
    int64_t began = clock_mono_ms();
    assert_int_equal(host("both.example")->status, DNS_TEMPORARY);
    assert_true(clock_mono_ms() - began < 3 * 2000);
}

/* Nobody is asked, so nobody has failed; and soon it is tried again. */
static void without_a_descriptor(void **state)
{
    struct rlimit old;
    struct resolver_stats stats;
    int fd = dup(0); /* all below are taken */
    (void)state;
    close(fd);
    getrlimit(RLIMIT_NOFILE, &old);
    const struct rlimit tight = { (rlim_t)fd, old.rlim_max };
    setrlimit(RLIMIT_NOFILE, &tight);
    assert_int_equal(host("both.example")->status, DNS_TEMPORARY);
    assert_int_equal(mx("two.example")->status, DNS_TEMPORARY);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_true(rig.host->lacked);
    assert_non_null(strstr(rig.host->text, "no descriptor or memory left"));
    assert_int_equal(fakedns_queries(rig.servers[0]) + fakedns_queries(rig.servers[1]), 0);
    resolver_stats(rig.resolver, &stats);
    assert_int_equal(stats.server_failures + stats.timeouts, 0);
    dns_rig_turn_for(&rig, 1100);
    assert_int_equal(host("both.example")->status, DNS_OK);
    assert_false(rig.host->lacked);
    atomic_store(&rig.moods[0], SERVFAIL);
    atomic_store(&rig.moods[1], SERVFAIL);
    assert_int_equal(host("onlyv4.example")->status, DNS_TEMPORARY);
    assert_false(rig.host->lacked); /* that was theirs */
}

static void truncation_goes_over_tcp(void **state)
{
    (void)state;
    atomic_store(&rig.moods[0], TRUNCATED);
    assert_string_equal(mx("two.example")->site, "10 mx1.two.example,20 mx2.two.example");
    assert_int_equal(fakedns_queries(rig.servers[0]), 2); /* UDP, then TCP */
    assert_int_equal(fakedns_queries(rig.servers[1]), 0);
}

static void servers_without_edns(void **state)
{
    (void)state;
    atomic_store(&rig.moods[0], NO_EDNS);
    atomic_store(&rig.moods[1], NO_EDNS); /* nobody else to ask */
    assert_int_equal(mx("two.example")->status, DNS_OK);
    assert_int_equal(mx("alias.example")->status, DNS_OK);
}

static void equal_lookups_share_one_question(void **state)
{
    (void)state;
    rig.calls = 0;
    for (int i = 0; i < 50; i++)
        resolver_mx(rig.resolver, slice_of(i % 2 ? "two.example" : "TWO.example."), dns_rig_on_mx,
                    &rig);
    dns_rig_wait(&rig, 50);
    assert_int_equal(fakedns_queries(rig.servers[0]), 1);
    assert_ptr_equal(resolver_mx_cached(rig.resolver, slice_of("two.example")), rig.mx);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    assert_int_equal(fakedns_queries(rig.servers[0]), 1);
    struct resolver_stats stats;
    resolver_stats(rig.resolver, &stats);
    assert_int_equal(stats.cached, 1);
    assert_int_equal(stats.under_way, 0);
    resolver_flush(rig.resolver);
    assert_null(resolver_mx_cached(rig.resolver, slice_of("two.example")));
}

static void lifetimes_are_clamped(void **state)
{
    (void)state;
    int64_t now = loop_now_ms(rig.loop);
    assert_in_range(mx("short.example")->expires_ms - now, 30000, 32000);
    assert_in_range(mx("two.example")->expires_ms - now, 300000, 302000);
    assert_in_range(mx("missing.example")->expires_ms - now, 30000, 32000); /* no SOA */
    assert_in_range(mx("empty.example")->expires_ms - now, 60000, 302000);
}

static void stale_answers_when_all_fail(void **state)
{
    (void)state;
    struct addr addrs[2];
    struct resolver_conf conf = dns_rig_conf(&rig, addrs, 2);
    conf.ttl_min_ms = 1;
    conf.ttl_max_ms = 50;
    dns_rig_renew(&rig, &conf);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    assert_int_equal(host("both.example")->count, 2);
    dns_rig_turn_for(&rig, 100);
    assert_null(resolver_mx_cached(rig.resolver, slice_of("two.example")));
    atomic_store(&rig.moods[0], SERVFAIL);
    atomic_store(&rig.moods[1], SERVFAIL);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    assert_true(rig.mx->stale);
    assert_string_equal(rig.mx->site, "10 mx1.two.example,20 mx2.two.example");
    assert_true(host("both.example")->stale && rig.host->count == 2);
    assert_int_equal(mx("null.example")->status, DNS_TEMPORARY); /* never seen before */
    struct resolver_stats stats;
    resolver_stats(rig.resolver, &stats);
    assert_int_equal(stats.stale_served, 2);
}

static void the_slower_family_does_not_hold_up(void **state)
{
    (void)state;
    struct host_set *set = host("slowv6.example");
    assert_int_equal(set->status, DNS_OK);
    assert_int_equal(set->count, 1);
    struct resolver_stats stats;
    resolver_stats(rig.resolver, &stats);
    assert_int_equal(stats.timeouts, 0); /* AAAA is still being waited for in the background */
    dns_rig_turn_for(&rig, 1000);
    assert_int_equal(resolver_host_cached(rig.resolver, slice_of("slowv6.example"))->count, 1);
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
    struct dns_query *a = resolver_mx(rig.resolver, slice_of("two.example"), fail_on_call, NULL);
    rig.calls = 0;
    resolver_mx(rig.resolver, slice_of("two.example"), dns_rig_on_mx, &rig);
    dns_cancel(&a);
    dns_cancel(&a);
    dns_rig_wait(&rig, 1);
    a = resolver_mx(rig.resolver, slice_of("two.example"), fail_on_call, NULL); /* from the cache */
    dns_cancel(&a);
    resolver_mx(rig.resolver, slice_of("implicit.example"), fail_on_call, NULL);
    atomic_store(&rig.moods[0], SILENT);
    resolver_host(rig.resolver, slice_of("other.example"), dns_rig_on_host, &rig);
    loop_turn(rig.loop, 1);
    resolver_free(&rig.resolver); /* with queries under way: none rig.calls back */
    loop_turn(rig.loop, 1);
    assert_int_equal(rig.calls, 1);
}

/* An MX lookup that waits for the addresses of its domain, which were asked for before it. */
static void freed_while_one_lookup_waits_for_another(void **state)
{
    (void)state;
    rig.calls = 0;
    resolver_host(rig.resolver, slice_of("slowv6.example"), dns_rig_on_host, &rig);
    resolver_mx(rig.resolver, slice_of("slowv6.example"), dns_rig_on_mx, &rig);
    while (fakedns_queries(rig.servers[0]) < 3)
        loop_turn(rig.loop, 1);
    dns_rig_turn_for(&rig, 10);
    resolver_free(&rig.resolver);
    assert_int_equal(rig.calls, 0);
}

/* A turn that comes late finds the time of the question and that of its last try both over. */
static void told_once_when_both_times_are_over(void **state)
{
    (void)state;
    struct addr addrs[2];
    struct resolver_conf conf = dns_rig_conf(&rig, addrs, 1);
    conf.tries = 1;
    conf.try_ms = 20;
    conf.timeout_ms = 30; /* before the first look at c-ares' own times */
    dns_rig_renew(&rig, &conf);
    atomic_store(&rig.moods[0], SILENT);
    rig.calls = 0;
    resolver_mx(rig.resolver, slice_of("two.example"), dns_rig_on_mx, &rig);
    resolver_mx(rig.resolver, slice_of("alias.example"), dns_rig_on_mx, &rig);
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    dns_rig_wait(&rig, 2);
    assert_int_equal(rig.mx->status, DNS_TEMPORARY);
    dns_rig_turn_for(&rig, 100);
    assert_int_equal(rig.calls, 2);
}

static void closed_port(void **state)
{
    (void)state;
    fakedns_stop(&rig.servers[0]);
    assert_int_equal(mx("two.example")->status, DNS_OK);
}

static void the_cache_is_bounded(void **state)
{
    (void)state;
    struct addr addrs[2];
    struct resolver_conf conf = dns_rig_conf(&rig, addrs, 1);
    char name[64];
    conf.cache_max = 10;
    dns_rig_renew(&rig, &conf);
    assert_int_equal(mx("two.example")->status, DNS_OK);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "missing%d.example", i);
        assert_int_equal(mx(name)->status, DNS_NXDOMAIN);
        assert_non_null(
            resolver_mx_cached(rig.resolver, slice_of("two.example"))); /* in use: stays */
    }
    assert_null(resolver_mx_cached(rig.resolver, slice_of("missing1.example")));
    struct resolver_stats stats;
    resolver_stats(rig.resolver, &stats);
    assert_int_equal(stats.cached, 10);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(mail_exchangers),
        T(hosts),
        T(the_next_server_is_asked),
        T(when_none_answers),
        T(without_a_descriptor),
        T(truncation_goes_over_tcp),
        T(servers_without_edns),
        T(equal_lookups_share_one_question),
        T(lifetimes_are_clamped),
        T(stale_answers_when_all_fail),
        T(the_slower_family_does_not_hold_up),
        T(cancelling),
        T(freed_while_one_lookup_waits_for_another),
        T(told_once_when_both_times_are_over),
        T(closed_port),
        T(the_cache_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
