/*
 * test_links_regroup — addresses that are of another group after a reload
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/links.h"

enum { EGRESSES = 8, ADDRESSES = 4, WALL_MS = 1700000000 };
enum { ADDRESS_MS = 10 * 1000, WATCHED_MS = 120 * 1000 };

struct rig {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms;
    int64_t probed_ms[ADDRESSES], closest_ms; /* two probes of one address */
    unsigned probes, switches;
    struct links_probe probe[16]; /* to be answered */
    unsigned probe_n;
    const char *region[ADDRESSES]; /* where each is now */
    struct advice *advice;
};

static struct addr address(unsigned i)
{
    return (struct addr){ .family = ADDR_V4, .bytes = { 192, 0, 2, (uint8_t)i }, .port = 25 };
}

static const char *name_of(unsigned egress)
{
    static const char *const names[EGRESSES] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    return names[egress];
}

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    int64_t *before = &r->probed_ms[probe->address.bytes[3]];
    if (*before && r->now_ms - *before < r->closest_ms)
        r->closest_ms = r->now_ms - *before;
    *before = r->now_ms;
    r->probes++;
    assert_true(r->probe_n < 16);
    r->probe[r->probe_n++] = *probe;
}

static void on_event(void *arg, const struct links_event *e)
{
    struct rig *r = arg;
    r->switches += e->kind == LINKS_SWITCH;
}

static void see(struct rig *r, unsigned egress, const struct addr *to, uint8_t kind, int group)
{
    struct observation o = { .kind = kind,
                             .egress = slice_hash_stable(slice_of(name_of(egress))),
                             .address = *to,
                             .at_us = r->now_ms * 1000,
                             .connect_us = 20000 + 10000 * (int)egress,
                             .greeting_us = -1,
                             .rtt_us = 20000 + 10000 * (int)egress,
                             .segments = 10,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    links_observe(r->links, &o, group, r->now_ms);
}

static void group_of(void *arg, const struct addr *address, struct slice *carrier_r,
                     struct slice *region_r)
{
    const struct rig *r = arg;
    *carrier_r = slice_of("c");
    *region_r = slice_of(r->region[address->bytes[3]]);
}

static void wait(struct rig *r, int64_t ms)
{
    for (int64_t end = r->now_ms + ms; r->now_ms < end; r->now_ms += 100) {
        links_tick(r->links, r->now_ms, &r->rnd);
        for (unsigned i = 0; i < r->probe_n; i++)
            see(r, r->probe[i].egress, &r->probe[i].address, OBS_PROBE, r->probe[i].group);
        r->probe_n = 0;
        struct advice *made = links_advice(r->links, r->now_ms);
        if (made) {
            advice_unref(&r->advice);
            r->advice = made;
        }
    }
}

static void mail(struct rig *r, unsigned egress, unsigned i)
{
    struct addr to = address(i);
    struct slice carrier, region;
    group_of(r, &to, &carrier, &region);
    see(r, egress, &to, OBS_CONNECT, links_group(r->links, carrier, region));
}

/* Mail by every egress to every address, all of region "old". */
static void start(struct rig *r)
{
    struct links_hooks hooks = { on_probe, on_event, r };
    struct links_egress egress[EGRESSES];
    *r = (struct rig){ .now_ms = 1000000, .closest_ms = INT64_MAX };
    rnd_seed(&r->rnd, 7);
    r->links = links_new(&hooks);
    for (unsigned e = 0; e < EGRESSES; e++)
        egress[e] = (struct links_egress){ .name = slice_of(name_of(e)), .weight = 1, .v4 = true };
    struct links_config config = { .egress = egress,
                                   .egress_n = EGRESSES,
                                   .interval_ms = 1000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    links_configure(r->links, &config);
    for (unsigned i = 0; i < ADDRESSES; i++)
        r->region[i] = "old";
    for (unsigned n = 0; n < 20 * EGRESSES; n++) {
        mail(r, n % EGRESSES, n / EGRESSES % ADDRESSES);
        wait(r, 500);
    }
    assert_true(r->probes > 0 && r->closest_ms >= ADDRESS_MS);
}

static void finish(struct rig *r)
{
    links_free(&r->links);
    advice_unref(&r->advice);
}

/* -1: not in the table. */
static int row_of(const struct rig *r, const char *region)
{
    for (uint32_t g = 0; g < r->advice->group_n; g++)
        if (slice_eq_str(r->advice->group[g].region, region))
            return (int)g;
    return -1;
}

static unsigned regroup(struct rig *r)
{
    links_targets_clear(r->links);
    return links_regroup(r->links, group_of, r, r->now_ms);
}

static void test_renamed(void **state)
{
    struct rig r;
    (void)state;
    start(&r);
    int before = r.advice->group[row_of(&r, "old")].preferred;
    unsigned switches = r.switches;
    assert_int_equal(before, 0);
    for (unsigned i = 0; i < ADDRESSES; i++)
        r.region[i] = "new";
    assert_int_equal(regroup(&r), ADDRESSES);
    wait(&r, 100);
    int row = row_of(&r, "new");
    assert_true(row >= 0 && row_of(&r, "old") < 0);
    assert_int_equal(r.advice->group[row].preferred, before);
    assert_int_equal(advice_path(r.advice, before, row)->state, PATH_UP);
    assert_true(advice_path(r.advice, before, row)->samples > 1);
    wait(&r, WATCHED_MS);
    assert_true(r.closest_ms >= ADDRESS_MS);
    assert_int_equal(r.switches, switches);
    assert_int_equal(regroup(&r), 0); /* they are where they belong */
    finish(&r);
}

static void test_one_of_them_moves(void **state)
{
    struct rig r;
    (void)state;
    start(&r);
    r.region[1] = "new";
    assert_int_equal(regroup(&r), 1);
    for (unsigned n = 0; n < WATCHED_MS / 500; n++) {
        mail(&r, n % EGRESSES, n / EGRESSES % ADDRESSES);
        wait(&r, 500);
    }
    assert_true(row_of(&r, "old") >= 0 && row_of(&r, "new") >= 0);
    assert_true(r.closest_ms >= ADDRESS_MS); /* it is asked for one of the two only */
    finish(&r);
}

/* Into one that is there: nothing is left of the other, nor kept of it; and it can come back. */
static void test_all_join_another(void **state)
{
    struct rig r;
    struct buf kept;
    struct err err;
    struct links *again = NULL;
    struct links_hooks hooks = { 0 };
    (void)state;
    start(&r);
    r.region[0] = "new";
    (void)regroup(&r);
    mail(&r, 0, 1); /* of the old one still, and soon learned in both */
    for (unsigned i = 1; i < ADDRESSES; i++)
        r.region[i] = "new";
    mail(&r, 0, 1);
    assert_int_equal(regroup(&r), ADDRESSES - 1);
    wait(&r, WATCHED_MS);
    assert_true(row_of(&r, "new") >= 0 && row_of(&r, "old") < 0);
    assert_true(r.closest_ms >= ADDRESS_MS);
    buf_init(&kept, LINKS_PACK_MAX);
    links_pack(r.links, r.now_ms, WALL_MS, &kept);
    assert_int_equal(links_unpack(buf_slice(&kept), &hooks, r.now_ms, WALL_MS, &again, &err),
                     RC_OK);
    assert_int_equal(links_group_count(again), 1);
    links_free(&again);
    buf_free(&kept);
    (void)links_group(r.links, slice_of("c"), slice_of("old"));
    wait(&r, 100);
    assert_true(row_of(&r, "old") >= 0);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_one_of_them_moves),
        cmocka_unit_test(test_all_join_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
