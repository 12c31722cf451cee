/*
 * test_links_kept — what was known of the paths is known after a restart, and ages meanwhile
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "probes/links.h"

enum { EGRESSES = 3, ADDRESSES = 8, WALL_MS = 1700000000 };

static const char *const names[EGRESSES] = { "near", "middle", "far" };
static const int64_t took_ms[EGRESSES] = { 20, 60, 150 };

struct rig {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms;
    bool dead[EGRESSES];
    unsigned probes, switches;
    struct links_probe probe[64]; /* to be answered */
    unsigned probe_n;
    int64_t first_probe_ms;
    struct advice *advice;
};

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    if (r->probes++ == 0)
        r->first_probe_ms = r->now_ms;
    assert_true(r->probe_n < 64);
    r->probe[r->probe_n++] = *probe;
}

static void on_event(void *arg, const struct links_event *e)
{
    struct rig *r = arg;
    r->switches += e->kind == LINKS_SWITCH;
}

static void see_result(struct rig *r, int e, const struct addr *to, uint8_t kind, uint8_t result)
{
    struct observation o = { .kind = kind,
                             .result = result,
                             .egress = slice_hash_stable(slice_of(names[e])),
                             .address = *to,
                             .at_us = r->now_ms * 1000,
                             .connect_us = took_ms[e] * 1000,
                             .greeting_us = -1,
                             .rtt_us = took_ms[e] * 1000,
                             .segments = 10,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    links_observe(r->links, &o, links_group(r->links, slice_of("c"), slice_of("r")), r->now_ms);
}

static void see(struct rig *r, int e, const struct addr *to, uint8_t kind)
{
    see_result(r, e, to, kind, r->dead[e] ? OBS_TIMEOUT : OBS_OK);
}

static struct addr address(int64_t i)
{
    return (struct addr){ .family = ADDR_V4,
                          .bytes = { 192, 0, 2, (uint8_t)(i % ADDRESSES + 1) },
                          .port = 25 };
}

static void configure(struct rig *r, int n)
{
    struct links_egress egress[EGRESSES];
    for (int e = 0; e < n; e++)
        egress[e] = (struct links_egress){ .name = slice_of(names[e]), .weight = 1, .v4 = true };
    struct links_config config = { .egress = egress,
                                   .egress_n = (uint32_t)n,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    links_configure(r->links, &config);
}

static void wait(struct rig *r, int64_t ms)
{
    for (int64_t end = r->now_ms + ms; r->now_ms < end; r->now_ms += 50) {
        links_tick(r->links, r->now_ms, &r->rnd);
        for (unsigned i = 0; i < r->probe_n; i++)
            see(r, (int)r->probe[i].egress, &r->probe[i].address, OBS_PROBE);
        r->probe_n = 0;
        struct advice *made = links_advice(r->links, r->now_ms);
        if (made) {
            advice_unref(&r->advice);
            r->advice = made;
        }
    }
}

static const struct links_hooks *hooks_of(struct rig *r)
{
    static struct links_hooks hooks;
    hooks = (struct links_hooks){ on_probe, on_event, r };
    return &hooks;
}

/* The preferred one and every path as the table says. */
static const struct advice_path *path(const struct rig *r, int e)
{
    int row = advice_group(r->advice, slice_of("c"), slice_of("r"));
    assert_true(row >= 0);
    return &r->advice->path[(size_t)e * r->advice->group_n + (size_t)row];
}

static int preferred(const struct rig *r)
{
    return r->advice->group[advice_group(r->advice, slice_of("c"), slice_of("r"))].preferred;
}

static int set_up(void **state)
{
    struct rig *r = mem_zero(sizeof *r);
    r->now_ms = 1000000;
    rnd_seed(&r->rnd, 4);
    r->links = links_new(hooks_of(r));
    configure(r, EGRESSES);
    for (int i = 0; i < 300; i++) {
        struct addr to = address(i / EGRESSES);
        see(r, i % EGRESSES, &to, OBS_CONNECT);
        wait(r, 500);
    }
    assert_int_equal(preferred(r), 0);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    advice_unref(&r->advice);
    links_free(&r->links);
    free(r);
    return 0;
}

static void pack(struct rig *r, struct buf *out)
{
    buf_init(out, LINKS_PACK_MAX);
    links_pack(r->links, r->now_ms, WALL_MS, out);
    assert_false(out->full);
}

/* Another process on another machine, so to speak: its monotonic clock has nothing to do with the
 * one of before. */
static void restart(struct rig *r, int64_t away_ms)
{
    struct buf bytes;
    struct err err;
    pack(r, &bytes);
    links_free(&r->links);
    r->now_ms = 500;
    assert_int_equal(
        links_unpack(buf_slice(&bytes), hooks_of(r), r->now_ms, WALL_MS + away_ms, &r->links, &err),
        RC_OK);
    buf_free(&bytes);
    links_resume(r->links, r->now_ms);
    r->probes = r->probe_n = r->switches = 0;
    r->first_probe_ms = 0;
}

static void test_known_again(void **state)
{
    struct rig *r = *state;
    struct advice_path before[EGRESSES];
    wait(r, 20000); /* the figures are those of a while ago */
    for (int e = 0; e < EGRESSES; e++)
        before[e] = *path(r, e);
    restart(r, 1000);
    configure(r, EGRESSES);
    wait(r, 100);
    assert_int_equal(preferred(r), 0);
    for (int e = 0; e < EGRESSES; e++) {
        const struct advice_path *p = path(r, e);
        assert_int_equal(p->state, PATH_UP);
        assert_true(p->rtt_ms > 0.9F * before[e].rtt_ms && p->rtt_ms < 1.1F * before[e].rtt_ms);
        assert_true(p->samples > 0.9F * before[e].samples);
    }
    wait(r, 10000);
    assert_int_equal(r->probes, 0); /* every address may have been asked just before */
    wait(r, 60000);
    assert_true(r->probes > 0);
    assert_true(r->probes < 60); /* no more than at any other time */
    assert_int_equal(r->switches, 0);
}

/* Mail may have gone there for the first time after the last writing, and a probe. */
static void test_address_of_after(void **state)
{
    struct rig *r = *state;
    struct addr to = address(0);
    for (int resumed = 0; resumed < 2; resumed++) {
        links_free(&r->links);
        r->links = links_new(hooks_of(r));
        r->probes = 0;
        if (resumed)
            links_resume(r->links, r->now_ms);
        configure(r, EGRESSES);
        see(r, 0, &to, OBS_CONNECT);
        wait(r, 10000);
        assert_int_equal(r->probes, !resumed);
        wait(r, 60000);
        assert_true(r->probes > 1);
    }
}

static void test_ages(void **state)
{
    struct rig *r = *state;
    float samples = path(r, 1)->samples;
    restart(r, 600000);
    configure(r, EGRESSES);
    wait(r, 100);
    assert_true(path(r, 1)->samples < 0.2F * samples); /* e^-2 */
    assert_true(path(r, 1)->age_ms >= 600000);
    assert_true(path(r, 1)->rtt_ms > 50 && path(r, 1)->rtt_ms < 70);
    assert_int_equal(preferred(r), 0);
}

/* A verdict stands, and is taken back by the same proof as ever. */
static void test_verdict(void **state)
{
    struct rig *r = *state;
    r->dead[0] = true;
    for (int i = 0; i < 20; i++) {
        struct addr to = address(i);
        see(r, i % 2, &to, OBS_CONNECT);
        wait(r, 500);
    }
    assert_int_equal(path(r, 0)->state, PATH_DOWN);
    assert_int_equal(preferred(r), 1);
    restart(r, 3000);
    configure(r, EGRESSES);
    wait(r, 5000);
    assert_int_equal(path(r, 0)->state, PATH_DOWN);
    assert_int_equal(preferred(r), 1);
    assert_int_equal(r->switches, 0);
    r->dead[0] = false;
    wait(r, 300000);
    assert_int_equal(path(r, 0)->state, PATH_UP);
}

/* Who failed to reach a host is not kept, so its next failure may still be a path's. */
static void test_host_that_failed(void **state)
{
    struct rig *r = *state;
    struct addr fails = address(0), works = address(1);
    see_result(r, 2, &fails, OBS_CONNECT, OBS_TIMEOUT);
    restart(r, 1000);
    configure(r, EGRESSES);
    see(r, 0, &works, OBS_CONNECT);
    wait(r, 100);
    see_result(r, 1, &fails, OBS_CONNECT, OBS_TIMEOUT);
    wait(r, 100);
    assert_int_equal(path(r, 1)->state, PATH_SUSPECT);
}

static void test_forgotten(void **state)
{
    struct rig *r = *state;
    restart(r, 0);
    configure(r, 2);
    wait(r, 100);
    assert_int_equal(r->advice->egress_n, 2);
    configure(r, EGRESSES); /* under the old name, but nothing is known of it */
    wait(r, 3000);
    assert_int_equal(path(r, 2)->state, PATH_UNKNOWN);
    assert_int_equal(path(r, 1)->state, PATH_UP);
}

static enum rc unpacked(const struct buf *bytes, size_t n)
{
    struct links_hooks none = { NULL, NULL, NULL };
    struct links *l = NULL;
    struct err err;
    enum rc rc =
        links_unpack((struct slice){ buf_slice(bytes).p, n }, &none, 1000, WALL_MS, &l, &err);
    assert_true((rc == RC_OK) == (l != NULL));
    links_free(&l);
    return rc;
}

static void test_damaged(void **state)
{
    struct buf bytes;
    pack(*state, &bytes);
    assert_int_equal(unpacked(&bytes, buf_len(&bytes)), RC_OK);
    for (size_t n = 0; n < buf_len(&bytes); n += 7)
        assert_int_equal(unpacked(&bytes, n), RC_PARSE);
    buf_putc(&bytes, '\0');
    assert_int_equal(unpacked(&bytes, buf_len(&bytes)), RC_PARSE);
    buf_free(&bytes);
}

/* Groups are read in the order of their names: the one for none in particular is not the last. */
static void test_full(void **state)
{
    struct rig *r = *state;
    struct buf bytes;
    char region[8];
    for (int g = 0; g < LINKS_GROUPS_MAX; g++) {
        snprintf(region, sizeof region, "%d", g);
        links_group(r->links, slice_of("zone"), slice_of(region));
    }
    assert_int_equal(links_group_count(r->links), LINKS_GROUPS_MAX);
    pack(r, &bytes);
    assert_int_equal(unpacked(&bytes, buf_len(&bytes)), RC_OK);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_known_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_address_of_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verdict, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_host_that_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
