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
    struct rnd rnd;
    struct advice *table;
};

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    bool leg = probe->address.family == ADDR_NONE;
    r->probes[probe->egress]++;
    r->legs += leg;
    assert_int_equal(leg, probe->egress == RELAY); /* never an address of a group */
}

static void see(struct rig *r, int e, int group, uint8_t result, int64_t took_ms)
{
    struct observation o = { .kind = OBS_CONNECT,
                             .result = result,
                             .proxied = e == RELAY,
                             .egress = slice_hash_stable(slice_of(names[e])),
                             .address = { ADDR_V4, { 192, 0, 2, (uint8_t)(e + 1) }, 25 },
                             .at_us = r->now_ms * 1000,
                             .connect_us = took_ms * 1000,
                             .greeting_us = -1,
                             .rtt_us = result == OBS_OK ? took_ms * 1000 : -1,
                             .segments = result == OBS_OK ? 10 : 0,
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

static void tick(struct rig *r)
{
    links_tick(r->links, r->now_ms, &r->rnd);
    struct advice *made = links_advice(r->links, r->now_ms);
    if (made) {
        advice_unref(&r->table);
        r->table = made;
    }
}

static void start(struct rig *r)
{
    struct links_hooks hooks = { on_probe, NULL, r };
    struct links_egress egress[EGRESSES] = {
        { .name = slice_of(names[DIRECT]), .weight = 1, .v4 = true },
        { .name = slice_of(names[RELAY]), .weight = 1, .v4 = true, .relay = true },
    };
    struct links_config config = { .egress = egress,
                                   .egress_n = EGRESSES,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    *r = (struct rig){ .now_ms = 1000000 };
    rnd_seed(&r->rnd, 2);
    r->links = links_new(&hooks);
    links_configure(r->links, &config);
    int far = links_group(r->links, slice_of("c"), slice_of("far"));
    int home = links_group(r->links, slice_of("c"), slice_of("home")); /* the relay stands there */
    for (int i = 0; i < 300; i++, r->now_ms += 500) {
        see(r, DIRECT, far, OBS_OK, 200);
        if (i < 100)
            see(r, RELAY, home, OBS_OK, 20);
        tick(r);
    }
}

static void finish(struct rig *r)
{
    advice_unref(&r->table);
    links_free(&r->links);
}

static void test_first_leg(void **state)
{
    (void)state;
    struct rig r;
    start(&r);
    int at_far = advice_group(r.table, slice_of("c"), slice_of("far"));
    for (uint32_t g = 0; g < r.table->group_n; g++) { /* the same way for every group */
        const struct advice_path *p = &r.table->path[RELAY * r.table->group_n + g];
        assert_int_equal(p->state, PATH_UP);
        assert_true(p->rtt_ms > 18 && p->rtt_ms < 22);
    }
    assert_int_equal(r.table->group[at_far].preferred, RELAY);
    assert_true(r.legs > 0); /* once mail no longer tells */
    links_minutes(r.links, r.now_ms, on_row, &r);
    assert_int_equal(r.rows, 2); /* none of the relay for the group it stands in */
    finish(&r);
}

/* The first connection to it that is overdue is mostly a lost packet; the second is told, too. */
static void test_doubt_of_the_leg_is_told(void **state)
{
    (void)state;
    struct rig r;
    start(&r);
    for (int i = 0; i < 2; i++, r.now_ms += 50) {
        r.now_ms += 100;
        see(&r, RELAY, 0, OBS_OVERDUE, 300);
        tick(&r);
        const struct advice_path *p = &r.table->path[RELAY * r.table->group_n];
        assert_true(i == 0 ? p->fail > 0 && p->fail < 0.1F : p->fail >= 0.25F);
    }
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_leg),
        cmocka_unit_test(test_doubt_of_the_leg_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
