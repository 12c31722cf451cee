/*
 * unit/test_dns_share — proves dns/share: one question for all workers
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <pthread.h>

#include "gateway/dns/resolver_private.h"
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

/* Two workers: what one has asked the other knows, fresh as long and stale as long. */
static void answers_are_shared(void **state)
{
    (void)state;
    struct addr addrs[2];
    struct resolver_conf conf = dns_rig_conf(&rig, addrs, 2);
    struct resolver *all[2];
    struct err err;
    conf.ttl_min_ms = conf.ttl_max_ms = 300;
    dns_rig_renew(&rig, &conf);
    assert_int_equal(resolver_new(rig.loop, &conf, &all[1], &err), RC_OK);
    all[0] = rig.resolver;
    for (int i = 0; i < 2; i++)
        resolver_share(all[i], all, 2);
    assert_int_equal(dns_rig_mx(&rig, "two.example")->status, DNS_OK);
    assert_int_equal(dns_rig_host(&rig, "both.example")->count, 2);
    assert_int_equal(dns_rig_mx(&rig, "missing.example")->status, DNS_NXDOMAIN);
    int asked = fakedns_queries(rig.servers[0]);
    assert_ptr_equal(resolver_mx_cached(all[1], slice_of("two.example")),
                     resolver_mx_cached(all[0], slice_of("two.example")));
    assert_int_equal(resolver_host_cached(all[1], slice_of("both.example"))->count, 2);
    assert_int_equal(resolver_mx_cached(all[1], slice_of("missing.example"))->status, DNS_NXDOMAIN);
    assert_int_equal(fakedns_queries(rig.servers[0]), asked);
    /* what failed stays where it failed; what is stale serves the other too */
    dns_rig_turn_for(&rig, 350);
    atomic_store(&rig.moods[0], SERVFAIL);
    atomic_store(&rig.moods[1], SERVFAIL);
    assert_int_equal(dns_rig_mx(&rig, "null.example")->status, DNS_TEMPORARY);
    assert_null(resolver_mx_cached(all[1], slice_of("null.example")));
    rig.resolver = all[1];
    assert_int_equal(dns_rig_mx(&rig, "two.example")->status, DNS_OK);
    assert_true(rig.mx->stale);
    assert_null(resolver_mx_cached(all[0], slice_of("two.example")));
    rig.resolver = all[0];
    resolver_free(&all[1]);
}

enum { NAMES = 3000, GIVERS = 3 };

struct giver {
    struct resolver *resolver;
    struct loop *loop;
    unsigned first;
};

static void *give(void *arg)
{
    struct giver *g = arg;
    for (unsigned i = 0; i < NAMES; i++) {
        char name[32];
        snprintf(name, sizeof name, "h%u.example", g->first + i);
        struct mx_set *set = mx_set_single(name, false);
        set->expires_ms = INT64_MAX / 2;
        share_publish(g->resolver, LOOKUP_MX, slice_of(name), set, set->expires_ms,
                      set->expires_ms);
        mx_set_unref(&set);
    }
    return NULL;
}

/* Several threads give while one takes: nothing is lost below the limit, nothing leaks above. */
static void sharing_between_threads(void **state)
{
    (void)state;
    struct resolver *all[GIVERS + 1] = { rig.resolver };
    struct giver givers[GIVERS];
    pthread_t threads[GIVERS];
    struct err err;
    struct addr addrs[2];
    struct resolver_conf conf = dns_rig_conf(&rig, addrs, 2);
    for (unsigned i = 0; i < GIVERS; i++) {
        givers[i] = (struct giver){ .loop = loop_new(), .first = i * NAMES };
        assert_int_equal(resolver_new(givers[i].loop, &conf, &givers[i].resolver, &err), RC_OK);
        all[i + 1] = givers[i].resolver;
    }
    for (unsigned i = 0; i <= GIVERS; i++)
        resolver_share(all[i], all, GIVERS + 1);
    for (unsigned i = 0; i < GIVERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, give, &givers[i]), 0);
    struct resolver_stats stats;
    for (int i = 0; i < 1000; i++)
        resolver_mx_cached(rig.resolver, SLICE_LIT("two.example"));
    for (unsigned i = 0; i < GIVERS; i++)
        pthread_join(threads[i], NULL);
    resolver_mx_cached(rig.resolver, SLICE_LIT("two.example"));
    resolver_stats(rig.resolver, &stats);
    assert_in_range(stats.cached, 4096, NAMES * GIVERS);
    assert_non_null(resolver_mx_cached(rig.resolver, SLICE_LIT("h0.example")));
    for (unsigned i = 0; i < GIVERS; i++) {
        resolver_free(&givers[i].resolver);
        loop_free(&givers[i].loop);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = { T(answers_are_shared), T(sharing_between_threads) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
