/*
 * test_links_views — whom an egress is probed at, when egresses are given addresses of their own
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/links.h"

enum { PLAIN, OWN, EGRESSES };
enum { GENERAL, OF_OWN, ADDRESSES };

static const char *const names[EGRESSES] = { "plain", "own" };

struct rig {
    struct links *links;
    int64_t now_ms;
    struct links_probe last;
    bool probed[EGRESSES][ADDRESSES];
};

static struct addr address(int i)
{
    return (struct addr){ .family = ADDR_V4, .bytes = { 192, 0, 2, (uint8_t)i }, .port = 25 };
}

static void see(struct rig *r, int egress, const struct addr *to, uint8_t kind)
{
    struct observation o = { .kind = kind,
                             .egress = slice_hash_stable(slice_of(names[egress])),
                             .address = *to,
                             .at_us = r->now_ms * 1000,
                             .connect_us = 20000,
                             .greeting_us = -1,
                             .rtt_us = 20000,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    links_observe(r->links, &o, 0, r->now_ms);
}

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    r->probed[probe->egress][probe->address.bytes[3]] = true;
    r->last = *probe;
}

/* Each probe is answered at once. */
static void wait(struct rig *r, int64_t ms)
{
    struct rnd rnd;
    rnd_seed(&rnd, 3);
    for (int64_t end = r->now_ms + ms; r->now_ms < end; r->now_ms += 100) {
        r->last.timeout_ms = 0;
        links_tick(r->links, r->now_ms, &rnd);
        if (r->last.timeout_ms)
            see(r, (int)r->last.egress, &r->last.address, OBS_PROBE);
    }
}

static void configure(const struct rig *r)
{
    struct links_egress egress[EGRESSES] = {
        { .name = slice_of(names[PLAIN]), .weight = 1, .v4 = true },
        { .name = slice_of(names[OWN]), .weight = 1, .v4 = true, .own_view = true },
    };
    struct links_config config = { .egress = egress,
                                   .egress_n = EGRESSES,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    links_configure(r->links, &config);
}

static void test_own_addresses(void **state)
{
    struct rig r = { .now_ms = 1000000 };
    struct links_hooks hooks = { on_probe, NULL, &r };
    struct addr general = address(GENERAL), own = address(OF_OWN);
    (void)state;
    r.links = links_new(&hooks);
    configure(&r);
    assert_int_equal(links_group(r.links, slice_of("c"), slice_of("r")), 0);
    see(&r, PLAIN, &general, OBS_CONNECT);
    see(&r, OWN, &own, OBS_CONNECT);
    wait(&r, 600000);
    assert_true(r.probed[PLAIN][GENERAL]);
    assert_true(r.probed[OWN][GENERAL]); /* mail goes there while its view has no answer */
    assert_true(r.probed[OWN][OF_OWN]);
    assert_false(r.probed[PLAIN][OF_OWN]);
    see(&r, PLAIN, &own, OBS_CONNECT); /* it is one of the general ones as well */
    wait(&r, 600000);
    assert_true(r.probed[PLAIN][OF_OWN]);
    links_free(&r.links);
}

/* Two egresses of one carrier have its resolver: each measures its own way to it. */
static void test_resolver_of_both(void **state)
{
    struct rig r = { .now_ms = 1000000 };
    struct links_hooks hooks = { on_probe, NULL, &r };
    struct addr resolver = address(GENERAL), of_own = address(OF_OWN);
    (void)state;
    r.links = links_new(&hooks);
    configure(&r);
    assert_int_equal(links_group(r.links, slice_of("c"), slice_of("r")), 0);
    for (int e = 0; e < EGRESSES; e++)
        links_target(r.links, 0, OBS_RESOLVER, &resolver, e);
    links_target(r.links, 0, OBS_RESOLVER, &of_own, OWN);
    wait(&r, 900000);
    assert_true(r.probed[PLAIN][GENERAL]);
    assert_true(r.probed[OWN][GENERAL]);
    assert_true(r.probed[OWN][OF_OWN]);
    assert_false(r.probed[PLAIN][OF_OWN]);
    links_free(&r.links);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_own_addresses),
                                        cmocka_unit_test(test_resolver_of_both) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
