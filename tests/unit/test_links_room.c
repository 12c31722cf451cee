/*
 * test_links_room — more groups than there is room for
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probes/links.h"

enum { EGRESSES = 2, GROUPS = 600, IN_USE = 10, WALL_MS = 1700000000 };
enum { SECOND_MS = 1000, HOUR_MS = 3600 * 1000, STEP_MS = 10 * 1000 };

static const char *const names[EGRESSES] = { "a", "b" };

struct rig {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms;
    bool b_is_dead;
    int silent;                   /* probes of it get no answer; -1: none */
    struct links_probe probe[64]; /* to be answered */
    unsigned probe_n, fine;
    int64_t probed_ms[GROUPS], closest_ms; /* of an address */
    int first_by_b[8];                     /* whom that egress has probed, in turn */
    unsigned by_b;
    int told; /* of this group something has been told; -1: not looked for */
    struct advice *advice;
};

static struct addr address(int group)
{
    return (struct addr){ ADDR_V4, { 10, (uint8_t)(group / 256), (uint8_t)(group % 256), 1 }, 25 };
}

static int group_at(const struct addr *a)
{
    return a->bytes[1] * 256 + a->bytes[2];
}

static struct slice region(int group)
{
    static char text[4][16];
    static unsigned n;
    char *t = text[n++ % 4];
    (void)snprintf(t, sizeof text[0], "r%d", group);
    return slice_of(t);
}

static int id_of(struct rig *r, int group)
{
    return links_group(r->links, slice_of("c"), region(group));
}

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    int64_t *before = &r->probed_ms[group_at(&probe->address)];
    if (*before && r->now_ms - *before < r->closest_ms)
        r->closest_ms = r->now_ms - *before;
    *before = r->now_ms;
    if (probe->egress == 1 && r->by_b < sizeof r->first_by_b / sizeof r->first_by_b[0])
        r->first_by_b[r->by_b++] = group_at(&probe->address);
    if (group_at(&probe->address) == r->silent)
        return;
    assert_true(r->probe_n < 64);
    r->probe[r->probe_n++] = *probe;
}

static void on_event(void *arg, const struct links_event *e)
{
    struct rig *r = arg;
    r->fine += e->kind == LINKS_DESTINATION_FINE;
    assert_false(r->told >= 0 && slice_eq(e->region, region(r->told)));
}

static void configure(struct rig *r, bool b_reaches, struct rate per_egress)
{
    struct links_egress egress[EGRESSES] = {
        { .name = slice_of(names[0]), .weight = 1, .v4 = true },
        { .name = slice_of(names[1]), .weight = 1, .v4 = b_reaches, .v6 = true }
    };
    struct links_config config = { egress, EGRESSES, 15000, per_egress, { 10, 1000 } };
    links_configure(r->links, &config);
}

static void start(struct rig *r)
{
    struct links_hooks hooks = { on_probe, on_event, r };
    memset(r, 0, sizeof *r);
    r->now_ms = 1000000;
    r->closest_ms = INT64_MAX;
    r->silent = r->told = -1;
    rnd_seed(&r->rnd, 3);
    r->links = links_new(&hooks);
    configure(r, true, (struct rate){ 2, 1000 });
}

static void finish(struct rig *r)
{
    links_free(&r->links);
    advice_unref(&r->advice);
}

/* Those in use have round trips of their own. */
static int own_ms(int group, int e)
{
    return 20 + 10 * e + (group < IN_USE ? 10 * group : 0);
}

static void see(struct rig *r, int e, int group, int id, uint8_t kind, uint8_t result)
{
    struct observation o = { .kind = kind,
                             .result = result,
                             .egress = slice_hash_stable(slice_of(names[e])),
                             .address = address(group),
                             .at_us = r->now_ms * 1000,
                             .connect_us = 20000,
                             .greeting_us = -1,
                             .rtt_us = result == OBS_OK ? own_ms(group, e) * 1000 : -1,
                             .segments = 10,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    links_observe(r->links, &o, id, r->now_ms);
}

static void wait(struct rig *r, int64_t ms)
{
    int64_t step_ms = ms < STEP_MS ? SECOND_MS : ms < HOUR_MS / 2 ? 2 * SECOND_MS : 20 * SECOND_MS;
    for (int64_t end = r->now_ms + ms; r->now_ms < end;) {
        r->now_ms += step_ms;
        links_tick(r->links, r->now_ms, &r->rnd);
        for (unsigned i = 0; i < r->probe_n; i++)
            see(r, (int)r->probe[i].egress, group_at(&r->probe[i].address), r->probe[i].group,
                r->probe[i].kind, r->b_is_dead && r->probe[i].egress == 1 ? OBS_TIMEOUT : OBS_OK);
        r->probe_n = 0;
    }
    links_renew(r->links);
    advice_unref(&r->advice);
    r->advice = links_advice(r->links, r->now_ms);
}

static void mail(struct rig *r, int group)
{
    see(r, 0, group, id_of(r, group), OBS_CONNECT, OBS_OK);
}

/* -1: not in the table. */
static int row_of(const struct rig *r, int group)
{
    for (uint32_t g = 0; g < r->advice->group_n; g++)
        if (slice_eq(r->advice->group[g].region, region(group)))
            return (int)g;
    return -1;
}

static double samples_of(const struct rig *r, int group)
{
    int row = row_of(r, group);
    return row < 0 ? -1 : (double)advice_path(r->advice, 0, row)->samples;
}

/* Mail to groups `from` and on, one each ten seconds, and every twenty minutes to those in use. */
static void meet(struct rig *r, int from, int to)
{
    for (int g = from; g < to; g++) {
        mail(r, g);
        if (g % 120 == 0)
            for (int used = 0; used < IN_USE; used++)
                mail(r, used);
        wait(r, STEP_MS);
        if (samples_of(r, g) <= 0)
            fail_msg("group %d is not measured as itself", g);
    }
}

static void assert_same_packed(struct rig *r)
{
    struct buf once, twice;
    struct links *again;
    const struct links_hooks hooks = { 0 };
    buf_init(&once, LINKS_PACK_MAX);
    buf_init(&twice, LINKS_PACK_MAX);
    links_pack(r->links, r->now_ms, WALL_MS, &once);
    assert_int_equal(links_unpack(buf_slice(&once), &hooks, r->now_ms, WALL_MS, &again, NULL),
                     RC_OK);
    assert_int_equal(links_group_count(again), r->advice->group_n);
    links_pack(again, r->now_ms, WALL_MS, &twice);
    assert_true(slice_eq(buf_slice(&once), buf_slice(&twice)));
    links_free(&again);
    buf_free(&once);
    buf_free(&twice);
}

static void assert_estimates_of_those_in_use(const struct rig *r)
{
    for (int g = 0; g < IN_USE; g++) {
        int row = row_of(r, g);
        const struct advice_path *path = advice_path(r->advice, 0, row);
        assert_true(row >= 0 && path->state == PATH_UP);
        assert_int_equal((int)(path->rtt_ms + 0.5F), own_ms(g, 0));
        assert_int_equal(r->advice->group[row].preferred, 0);
    }
}

static void test_a_sender_to_all_the_world(void **state)
{
    static struct rig r;
    (void)state;
    start(&r);
    meet(&r, 0, LINKS_GROUPS_MAX - 40);
    assert_estimates_of_those_in_use(&r);
    assert_true(row_of(&r, IN_USE) >= 0);
    meet(&r, LINKS_GROUPS_MAX - 40, GROUPS);
    assert_estimates_of_those_in_use(&r);
    assert_int_equal(row_of(&r, IN_USE), -1); /* the one unused longest */
    assert_true(row_of(&r, GROUPS - 100) >= 0 && r.advice->group_n > LINKS_GROUPS_MAX - 40);
    assert_same_packed(&r);
    r.told = IN_USE;
    wait(&r, 60 * SECOND_MS);
    r.told = -1;
    mail(&r, IN_USE); /* as a new one */
    wait(&r, SECOND_MS);
    assert_true(samples_of(&r, IN_USE) > 0 && samples_of(&r, IN_USE) < 2);
    assert_true(r.closest_ms >= LINKS_ADDRESS_MS);
    finish(&r);
}

/* All had mail within the hour: what is new has to wait, and its address is of one group only. */
static void test_all_in_use(void **state)
{
    static struct rig r;
    (void)state;
    start(&r);
    for (int g = 0; g < LINKS_GROUPS_MAX - 1; g++)
        mail(&r, g);
    wait(&r, 60 * SECOND_MS);
    mail(&r, GROUPS - 1);
    assert_int_equal(id_of(&r, GROUPS - 1),
                     links_group(r.links, slice_of("other"), slice_of("other")));
    wait(&r, HOUR_MS / 2);
    assert_int_equal(row_of(&r, GROUPS - 1), -1);
    for (int g = 0; g < LINKS_GROUPS_MAX - 1; g++)
        assert_true(row_of(&r, g) >= 0);
    wait(&r, HOUR_MS / 2);
    for (int i = 0; i < 60; i++) {
        mail(&r, GROUPS - 1);
        wait(&r, SECOND_MS);
    }
    assert_true(samples_of(&r, GROUPS - 1) > 1 && r.closest_ms >= LINKS_ADDRESS_MS);
    finish(&r);
}

enum { BEACON = 300, DEAD = 301 };

static void make_others(struct rig *r, int turn)
{
    for (int g = 0; g < BEACON; g++)
        links_group(r->links, slice_of("d"), region((1 + turn) * GROUPS + g));
}

static void test_some_stay(void **state)
{
    static struct rig r;
    struct addr beacon = address(BEACON);
    (void)state;
    start(&r);
    links_target(r.links, id_of(&r, BEACON), OBS_BEACON, &beacon, -1);
    r.silent = DEAD;
    for (int i = 0; i < 20; i++) {
        see(&r, i % EGRESSES, DEAD, id_of(&r, DEAD), OBS_CONNECT, OBS_TIMEOUT);
        wait(&r, 5 * SECOND_MS);
    }
    assert_true(r.advice->group[row_of(&r, DEAD)].destination_suspect);
    for (int turn = 0; turn < 3; turn++) {
        make_others(&r, turn);
        wait(&r, HOUR_MS + 120 * SECOND_MS);
        assert_true(row_of(&r, BEACON) >= 0 && row_of(&r, DEAD) >= 0);
        assert_true(r.advice->group[row_of(&r, DEAD)].destination_suspect);
    }
    assert_int_equal(r.fine, 0);
    wait(&r, 22 * HOUR_MS);
    make_others(&r, 3);
    wait(&r, 60 * SECOND_MS);
    assert_int_equal(r.fine, 1); /* for a day */
    assert_true(row_of(&r, BEACON) >= 0 && row_of(&r, DEAD) < 0);
    finish(&r);
}

/* The last group that shows why an egress is out. */
static void test_a_fault_stays(void **state)
{
    static struct rig r;
    int rows = 0;
    (void)state;
    start(&r);
    for (int i = 0; i < 120; i++) {
        r.b_is_dead = i >= 60;
        mail(&r, i % 3);
        see(&r, 1, i % 3, id_of(&r, i % 3), OBS_CONNECT, r.b_is_dead ? OBS_TIMEOUT : OBS_OK);
        wait(&r, SECOND_MS);
    }
    assert_int_equal(r.advice->egress[1].fault, EGRESS_PATHS_DOWN);
    for (int turn = 0; turn < 2; turn++) {
        make_others(&r, turn);
        wait(&r, 24 * HOUR_MS);
    }
    for (int g = 0; g < 3; g++)
        rows += row_of(&r, g) >= 0;
    assert_int_equal(rows, 1);
    assert_int_equal(r.advice->egress[1].fault, EGRESS_PATHS_DOWN);
    finish(&r);
}

/* Results of probes come in when somebody else has the place of their group. */
static void test_late_result(void **state)
{
    static struct rig r;
    (void)state;
    start(&r);
    meet(&r, IN_USE, IN_USE + 1);
    int gone = id_of(&r, IN_USE), now = gone, group = 0;
    for (int turn = 0; turn < 3; turn++) {
        make_others(&r, turn);
        wait(&r, HOUR_MS);
    }
    assert_int_equal(row_of(&r, IN_USE), -1);
    while (now == gone || now % LINKS_GROUPS_MAX != gone) {
        assert_true(group < BEACON);
        now = links_group(r.links, slice_of("d"), region(3 * GROUPS + group++));
    }
    wait(&r, 2 * SECOND_MS);
    see(&r, 0, IN_USE, gone, OBS_PROBE, OBS_TIMEOUT);
    wait(&r, SECOND_MS);
    for (uint32_t g = 0; g < r.advice->group_n; g++)
        assert_int_not_equal(advice_path(r.advice, 0, (int)g)->state, PATH_SUSPECT);
    see(&r, 0, BEACON, now, OBS_PROBE, OBS_TIMEOUT); /* of that one they are */
    wait(&r, SECOND_MS);
    int row = advice_group(r.advice, slice_of("d"), region(3 * GROUPS + group - 1));
    assert_int_equal(advice_path(r.advice, 0, row)->state, PATH_SUSPECT);
    finish(&r);
}

static void group_of(void *arg, const struct addr *a, struct slice *carrier_r,
                     struct slice *region_r)
{
    (void)arg;
    *carrier_r = slice_of("c");
    *region_r = region(group_at(a));
}

static void name_beacon(struct rig *r, int group)
{
    struct addr a = address(group);
    links_target(r->links, id_of(r, group), OBS_BEACON, &a, -1);
}

/* Its egresses have not waited for it while it was away: those that have go first. */
static void test_back_again(void **state)
{
    enum { ALWAYS, BACK, NEW };
    static struct rig r;
    (void)state;
    start(&r);
    configure(&r, false, (struct rate){ 2, 1000 });
    name_beacon(&r, ALWAYS);
    name_beacon(&r, BACK);
    wait(&r, 60 * SECOND_MS);
    links_targets_clear(r.links);
    (void)links_regroup(r.links, group_of, NULL, r.now_ms);
    name_beacon(&r, ALWAYS);
    wait(&r, 2 * HOUR_MS);
    assert_int_equal(row_of(&r, BACK), -1);
    configure(&r, true, (struct rate){ 1, 10000 });
    for (int i = 0; i < 10 && r.by_b == 0; i++)
        wait(&r, SECOND_MS);
    name_beacon(&r, NEW);
    wait(&r, 3 * SECOND_MS);
    name_beacon(&r, BACK);
    wait(&r, 40 * SECOND_MS);
    assert_true(r.first_by_b[1] == NEW && r.first_by_b[2] == BACK);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sender_to_all_the_world),
        cmocka_unit_test(test_all_in_use),
        cmocka_unit_test(test_some_stay),
        cmocka_unit_test(test_a_fault_stays),
        cmocka_unit_test(test_late_result),
        cmocka_unit_test(test_back_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
