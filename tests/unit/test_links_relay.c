/*
 * test_links_relay — what goes to a relay tells of the way to it, and of no destination
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/links.h"

enum { DIRECT, RELAY, EGRESSES };
static const char *const names[EGRESSES] = { "direct", "relay" };

struct rig {
    struct links *links;
    int64_t now_ms;
    unsigned probes[EGRESSES], legs, rows;
};

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    bool leg = probe->address.family == ADDR_NONE;
    r->probes[probe->egress]++;
    r->legs += leg;
    assert_int_equal(leg, probe->egress == RELAY); /* never an address of a group */
}

static void see(struct rig *r, int e, int group, int64_t took_ms)
{
    struct observation o = { .kind = OBS_CONNECT,
                             .proxied = e == RELAY,
                             .egress = slice_hash_stable(slice_of(names[e])),
                             .address = { ADDR_V4, { 192, 0, 2, (uint8_t)(e + 1) }, 25 },
                             .at_us = r->now_ms * 1000,
                             .connect_us = took_ms * 1000,
                             .greeting_us = -1,
                             .rtt_us = took_ms * 1000,
                             .segments = 10,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    links_observe(r->links, &o, group, r->now_ms);
}

static void on_row(void *arg, const struct links_minute *row)
{
    struct rig *r = arg;
    bool leg = slice_eq_str(row->carrier, LINKS_LEG_CARRIER);
    assert_int_equal(leg, slice_eq_str(row->egress, names[RELAY]));
    r->rows++;
}

static void test_first_leg(void **state)
{
    (void)state;
    struct rig r = { .now_ms = 1000000 };
    struct links_hooks hooks = { on_probe, NULL, &r };
    struct links_egress egress[EGRESSES] = {
        { .name = slice_of(names[DIRECT]), .weight = 1, .v4 = true },
        { .name = slice_of(names[RELAY]), .weight = 1, .v4 = true, .relay = true },
    };
    struct links_config config = { .egress = egress,
                                   .egress_n = EGRESSES,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    struct advice *table = NULL;
    struct rnd rnd;
    rnd_seed(&rnd, 2);
    r.links = links_new(&hooks);
    links_configure(r.links, &config, r.now_ms);
    int far = links_group(r.links, slice_of("c"), slice_of("far"));
    int home = links_group(r.links, slice_of("c"), slice_of("home")); /* the relay stands there */
    for (int i = 0; i < 300; i++, r.now_ms += 500) {
        see(&r, DIRECT, far, 200);
        if (i < 100)
            see(&r, RELAY, home, 20);
        links_tick(r.links, r.now_ms, &rnd);
        struct advice *made = links_advice(r.links, r.now_ms);
        if (made) {
            advice_unref(&table);
            table = made;
        }
    }
    int at_far = advice_group(table, slice_of("c"), slice_of("far"));
    for (uint32_t g = 0; g < table->group_n; g++) { /* the same way for every group */
        const struct advice_path *p = &table->path[RELAY * table->group_n + g];
        assert_int_equal(p->state, PATH_UP);
        assert_true(p->rtt_ms > 18 && p->rtt_ms < 22);
    }
    assert_int_equal(table->group[at_far].preferred, RELAY);
    assert_true(r.legs > 0); /* once mail no longer tells */
    links_minutes(r.links, r.now_ms, on_row, &r);
    assert_int_equal(r.rows, 2); /* none of the relay for the group it stands in */
    advice_unref(&table);
    links_free(&r.links);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_first_leg) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
