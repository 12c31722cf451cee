/*
 * tests/unit/test_links_lapse — no verdict stays because nobody can refute it
 *
 *   Three groups of three hosts, egresses a and b. Mail goes by both, a session a second, until a
 *   test ends it; probes get through unless the path, or the host, is dead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/links.h"

enum { A, B, EGRESSES, GROUPS = 3, HOSTS = 3, PROBES = 32 };
static const int64_t MINUTE = 60 * 1000;

struct rig {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms;
    bool mail, dead[EGRESSES][GROUPS], host_gone; /* the first of each group */
    struct links_probe probe[PROBES];
    unsigned probes_n, events[LINKS_EVENT_KINDS];
    struct advice *advice;
};

static const char *const names[EGRESSES] = { "a", "b" };

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    assert_true(r->probes_n < PROBES);
    r->probe[r->probes_n++] = *probe;
}

static void on_event(void *arg, const struct links_event *e)
{
    ((struct rig *)arg)->events[e->kind]++;
}

static void see(struct rig *r, int e, int group, int host, uint8_t kind, uint8_t result)
{
    int64_t took_ms = result == OBS_OK ? 20 : 1;
    struct observation o = { .kind = kind,
                             .result = result,
                             .egress = slice_hash_stable(slice_of(names[e])),
                             .address = { ADDR_V4, { 192, 0, (uint8_t)group, (uint8_t)host }, 25 },
                             .at_us = r->now_ms * 1000,
                             .connect_us = took_ms * 1000,
                             .greeting_us = -1,
                             .rtt_us = result == OBS_OK ? took_ms * 1000 : -1,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    links_observe(r->links, &o, group, r->now_ms);
}

static void connects(struct rig *r, int e, int group, int host, uint8_t kind)
{
    bool through = !r->dead[e][group] && !(r->host_gone && host == 0);
    see(r, e, group, host, kind, through ? OBS_OK : OBS_REFUSED);
}

/* What `a` is: it reaches the hosts, which have no v6, or is a relay. */
static void configure(struct rig *r, bool v4, bool relay)
{
    struct links_egress egress[EGRESSES] = {
        { .name = slice_of(names[A]), .weight = 1, .v4 = v4, .v6 = true, .relay = relay },
        { .name = slice_of(names[B]), .weight = 1, .v4 = v4, .v6 = true },
    };
    struct links_config config = { .egress = egress,
                                   .egress_n = EGRESSES,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    links_configure(r->links, &config);
}

static void run(struct rig *r, int64_t ms)
{
    for (int64_t end = r->now_ms + ms; r->now_ms < end; r->now_ms += 50) {
        links_tick(r->links, r->now_ms, &r->rnd);
        for (unsigned i = 0; i < r->probes_n; i++)
            if (r->probe[i].group >= 0)
                connects(r, (int)r->probe[i].egress, r->probe[i].group,
                         r->probe[i].address.bytes[3], OBS_PROBE);
        r->probes_n = 0;
        int64_t second = r->now_ms / 1000;
        for (int g = 0; r->mail && r->now_ms % 1000 == 0 && g < GROUPS; g++)
            connects(r, (int)(second % EGRESSES), g, (int)(second / EGRESSES % HOSTS), OBS_CONNECT);
        struct advice *made = links_advice(r->links, r->now_ms);
        if (!made)
            continue;
        advice_unref(&r->advice);
        r->advice = made;
    }
}

static void start(struct rig *r)
{
    *r = (struct rig){ .now_ms = 1000000, .mail = true };
    struct links_hooks hooks = { on_probe, on_event, r };
    rnd_seed(&r->rnd, 7);
    r->links = links_new(&hooks);
    configure(r, true, false);
    (void)links_group(r->links, slice_of("c"), slice_of("r0"));
    (void)links_group(r->links, slice_of("c"), slice_of("r1"));
    (void)links_group(r->links, slice_of("c"), slice_of("r2"));
    run(r, 2 * MINUTE);
}

static void finish(struct rig *r)
{
    links_free(&r->links);
    advice_unref(&r->advice);
}

static uint8_t state_of(const struct rig *r, int e, int group)
{
    return advice_path(r->advice, e, group)->state;
}

static void kill_path(struct rig *r)
{
    r->dead[A][0] = true;
    run(r, MINUTE);
    assert_int_equal(state_of(r, A, 0), PATH_DOWN);
}

static void test_a_host_that_is_gone_keeps_no_path_down(void **state)
{
    (void)state;
    struct rig r;
    start(&r);
    r.host_gone = true;
    kill_path(&r);
    r.dead[A][0] = false;
    for (int i = 0; i < 10 && state_of(&r, A, 0) == PATH_DOWN; i++)
        run(&r, MINUTE);
    assert_int_not_equal(state_of(&r, A, 0), PATH_DOWN);
    finish(&r);
}

static void test_a_path_that_nobody_can_ask(void **state)
{
    (void)state;
    struct rig r;
    start(&r);
    kill_path(&r);
    r.mail = false;
    run(&r, 30 * MINUTE); /* probes fail all the time */
    assert_int_equal(state_of(&r, A, 0), PATH_DOWN);
    configure(&r, false, false);
    run(&r, 12 * MINUTE);
    assert_int_equal(state_of(&r, A, 0), PATH_DOWN);
    run(&r, 4 * MINUTE);
    assert_int_equal(state_of(&r, A, 0), PATH_UNKNOWN);
    finish(&r);
}

/* What made it DOWN was held against it then. */
static void test_a_lapsed_path_starts_afresh(void **state)
{
    (void)state;
    struct rig r;
    start(&r);
    kill_path(&r);
    r.mail = false;
    configure(&r, false, false);
    run(&r, 16 * MINUTE);
    assert_int_equal(state_of(&r, A, 0), PATH_UNKNOWN);
    float before = advice_path(r.advice, A, 0)->fail;
    r.dead[A][0] = false;
    connects(&r, A, 0, 1, OBS_CONNECT);
    run(&r, 11000);
    assert_int_equal(state_of(&r, A, 0), PATH_UP);
    assert_true(advice_path(r.advice, A, 0)->fail <= before);
    finish(&r);
}

/* Nobody watched while control was away. */
static void test_a_restart_lets_nothing_lapse(void **state)
{
    (void)state;
    struct rig r;
    struct buf kept;
    start(&r);
    kill_path(&r);
    r.mail = false;
    buf_init(&kept, LINKS_PACK_MAX);
    links_pack(r.links, r.now_ms, r.now_ms, &kept);
    links_free(&r.links);
    r.now_ms += 60 * MINUTE;
    struct links_hooks hooks = { on_probe, on_event, &r };
    assert_int_equal(links_unpack(buf_slice(&kept), &hooks, r.now_ms, r.now_ms, &r.links, NULL),
                     RC_OK);
    buf_free(&kept);
    links_resume(r.links, r.now_ms);
    configure(&r, false, false);
    run(&r, 14 * MINUTE);
    assert_int_equal(state_of(&r, A, 0), PATH_DOWN);
    run(&r, 2 * MINUTE);
    assert_int_equal(state_of(&r, A, 0), PATH_UNKNOWN);
    finish(&r);
}

static void test_a_destination_that_nobody_can_ask(void **state)
{
    (void)state;
    struct rig r;
    start(&r);
    r.dead[A][0] = r.dead[B][0] = true;
    run(&r, MINUTE);
    assert_true(r.advice->group[0].destination_suspect);
    r.mail = false;
    configure(&r, false, false);
    run(&r, 14 * MINUTE);
    assert_true(r.advice->group[0].destination_suspect);
    run(&r, 2 * MINUTE);
    assert_false(r.advice->group[0].destination_suspect);
    assert_int_equal(r.events[LINKS_DESTINATION_FINE], 1);
    assert_int_not_equal(state_of(&r, A, 0), PATH_SUSPECT);
    finish(&r);
}

/* A reload makes a relay of an egress whose paths failed: these are no more, nor is the fault. */
static void test_an_egress_at_fault_that_becomes_a_relay(void **state)
{
    (void)state;
    struct rig r;
    start(&r);
    for (int g = 0; g < GROUPS; g++)
        r.dead[A][g] = true;
    run(&r, MINUTE);
    assert_int_equal(r.advice->egress[A].fault, EGRESS_PATHS_DOWN);
    configure(&r, true, true);
    run(&r, 15000);
    assert_int_equal(r.advice->egress[A].fault, EGRESS_FINE);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_host_that_is_gone_keeps_no_path_down),
        cmocka_unit_test(test_a_path_that_nobody_can_ask),
        cmocka_unit_test(test_a_lapsed_path_starts_afresh),
        cmocka_unit_test(test_a_restart_lets_nothing_lapse),
        cmocka_unit_test(test_a_destination_that_nobody_can_ask),
        cmocka_unit_test(test_an_egress_at_fault_that_becomes_a_relay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
