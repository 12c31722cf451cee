/*
 * tests/unit/test_queue_place — routes and limits by where the destination is
 */
#include "tests/support/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

static const char *const rules =
    "routes:\n"
    "  - { name: hosts, when: { recipient_region: fixed }, hosts: [\"127.0.0.9:2600\"] }\n"
    "  - { name: overseas, when: { recipient_region: [europe, americas] } }\n"
    "  - { name: telecom, when: { recipient_carrier: ct, mx: \"*\" } }\n"
    "  - { name: default }\n"
    "traffic:\n"
    "  - { when: { recipient_region: europe }, connections: 3 }\n"
    "  - { when: { recipient_carrier: ct }, connections: 2 }\n"
    "retry: { first: 1s, max: 4s, expire: 1h }\n";

static struct conf_geo_network network(const char *text, const char *carrier, const char *region)
{
    struct conf_geo_network n = { .carrier = slice_of(carrier), .region = slice_of(region) };
    assert_int_equal(network_parse(slice_of(text), &n.network), RC_OK);
    return n;
}

static void begin(void)
{
    struct conf_geo_network own[] = { network("127.0.0.0/8", "", "home"),
                                      network("127.1.0.0/16", "ct", "europe"),
                                      network("127.2.0.0/16", "ct", ""),
                                      network("127.3.0.0/16", "", "fixed") };
    struct conf_geo conf = { .networks = { own, sizeof own / sizeof own[0] } };
    struct geo_files none = { NULL, NULL };
    struct geo *geo;
    struct policies *p = policies_of(rules);
    assert_int_equal(geo_new(&conf, &none, &geo, NULL), RC_OK);
    for (int i = 0; i < WORKERS; i++) {
        geo_cache_use(w.geo[i], geo);
        queue_reconfigure(w.queues[i], p);
    }
    geo_unref(&geo);
    policies_unref(&p);
    w.take = true;
}

/* What becomes of an item that ingress left open. */
static struct site *site_of(const char *key, const char *recipient, const char *new_key)
{
    w.taken_n = 0;
    queue_submit(w.queues[0], item_to(key, recipient, LANE_NORMAL));
    assert_true(turn_until_taken(1));
    struct slice found = item_key(w.taken[0]);
    if (!slice_eq_str(found, new_key))
        fail_msg("%s: found %.*s, expected %s", key, SLICE_FMT(found), new_key);
    struct site *site = w.taken[0]->site;
    finish_all();
    return site;
}

static void open_routes_are_decided(void **state)
{
    (void)state;
    begin();
    site_of("*overseas,default/[127.1.0.5]", "u@[127.1.0.5]", "overseas/[127.1.0.5]");
    site_of("*overseas,default/[127.2.0.5]", "u@[127.2.0.5]", "default/[127.2.0.5]");
    site_of("*overseas,telecom,default/[127.2.0.5]", "u@[127.2.0.5]", "telecom/[127.2.0.5]");
    site_of("*hosts,default/[127.3.0.5]", "u@[127.3.0.5]", "hosts");
    site_of("*/[127.1.0.5]", "u@[127.1.0.5]", "overseas/[127.1.0.5]");
    /* A route that has gone is passed over; when all have, the choice is made anew. */
    site_of("*gone,default/[127.1.0.5]", "u@[127.1.0.5]", "default/[127.1.0.5]");
    site_of("*gone,gone2/[127.1.0.5]", "u@[127.1.0.5]", "overseas/[127.1.0.5]");
    site_of("gone/[127.1.0.5]", "u@[127.1.0.5]", "overseas/[127.1.0.5]");
}

static void limits_follow_the_place(void **state)
{
    (void)state;
    begin();
    assert_int_equal(
        site_of("default/[127.1.0.5]", "u@[127.1.0.5]", "default/[127.1.0.5]")->limit.connections,
        2);
    assert_int_equal(
        site_of("default/[127.2.0.5]", "u@[127.2.0.5]", "default/[127.2.0.5]")->limit.connections,
        2);
    assert_true(
        site_of("default/[127.9.0.5]", "u@[127.9.0.5]", "default/[127.9.0.5]")->limit.connections >
        3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(open_routes_are_decided),
        T(limits_follow_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
