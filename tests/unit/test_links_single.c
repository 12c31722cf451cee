/*
 * test_links_single — a destination with one address, where politeness allows one probe a minute
 *
 *   Two egresses: a takes 20 ms, b 120 ms. Mail goes by the preferred one while that is UP, else by
 *   the other; what fails is tried by the other at once, as the relay does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probes/links.h"

enum { A, B, EGRESSES };
enum { TICK_MS = 50 };

static const char *const names[EGRESSES] = { "a", "b" };
static const int64_t took_ms[EGRESSES] = { 20, 120 };

struct rig {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms, mail_every_ms, probed_ms, paired_ms[EGRESSES];
    int addresses, turn;
    bool dead[EGRESSES]; /* refused everywhere */
    uint8_t refuses_a;   /* so does this machine: last byte of its address */
    struct links_probe probe[8];
    unsigned probes_n;
    unsigned events[LINKS_EVENT_KINDS];
    int64_t at_ms[LINKS_EVENT_KINDS];
    char last[LINKS_EVENT_KINDS][200];
    struct advice *advice;
};

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    if (r->addresses == 1) {
        assert_true(r->now_ms - r->probed_ms >= LINKS_ADDRESS_MS);
        assert_true(r->now_ms - r->paired_ms[probe->egress] >= LINKS_PAIR_MS);
    }
    r->probed_ms = r->paired_ms[probe->egress] = r->now_ms;
    assert_true(r->probes_n < sizeof r->probe / sizeof r->probe[0]);
    r->probe[r->probes_n++] = *probe;
}

static void on_event(void *arg, const struct links_event *e)
{
    struct rig *r = arg;
    r->events[e->kind]++;
    r->at_ms[e->kind] = r->now_ms;
    (void)snprintf(r->last[e->kind], sizeof r->last[0], "%.*s>%.*s: %s", SLICE_FMT(e->from),
                   SLICE_FMT(e->to), e->reason);
}

static void see(struct rig *r, int e, const struct addr *to, uint8_t kind)
{
    bool ok = !r->dead[e] && !(e == A && to->bytes[3] == r->refuses_a);
    struct observation o = { .kind = kind,
                             .result = ok ? OBS_OK : OBS_REFUSED,
                             .egress = slice_hash_stable(slice_of(names[e])),
                             .address = *to,
                             .at_us = r->now_ms * 1000,
                             .connect_us = (ok ? took_ms[e] : 1) * 1000,
                             .greeting_us = -1,
                             .rtt_us = ok ? took_ms[e] * 1000 : -1,
                             .segments = ok ? 10 : 0,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    links_observe(r->links, &o, 0, r->now_ms);
}

static int preferred(const struct rig *r)
{
    return r->advice->group[0].preferred;
}

static void mail(struct rig *r)
{
    struct addr to = { ADDR_V4, { 192, 0, 2, (uint8_t)(1 + r->turn++ % r->addresses) }, 25 };
    int by = preferred(r);
    if (advice_path(r->advice, by, 0)->state != PATH_UP)
        by = by == A ? B : A;
    see(r, by, &to, OBS_CONNECT);
    if (r->dead[by])
        see(r, by == A ? B : A, &to, OBS_CONNECT);
}

static void step(struct rig *r)
{
    r->now_ms += TICK_MS;
    links_tick(r->links, r->now_ms, &r->rnd);
    for (unsigned i = 0; i < r->probes_n; i++)
        see(r, (int)r->probe[i].egress, &r->probe[i].address, OBS_PROBE);
    r->probes_n = 0;
    struct advice *made = links_advice(r->links, r->now_ms);
    if (made) {
        advice_unref(&r->advice);
        r->advice = made;
    }
}

static void run(struct rig *r, int64_t ms)
{
    for (int64_t end = r->now_ms + ms; r->now_ms < end;) {
        step(r);
        if (r->mail_every_ms && r->now_ms % r->mail_every_ms == 0)
            mail(r);
    }
}

static void start(struct rig *r, int addresses)
{
    struct links_hooks hooks = { on_probe, on_event, r };
    struct links_egress egress[EGRESSES];
    for (int e = 0; e < EGRESSES; e++)
        egress[e] = (struct links_egress){ .name = slice_of(names[e]), .weight = 1, .v4 = true };
    struct links_config config = { .egress = egress,
                                   .egress_n = EGRESSES,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    *r = (struct rig){ .now_ms = 1000000, .addresses = addresses };
    rnd_seed(&r->rnd, 5);
    r->links = links_new(&hooks);
    links_configure(r->links, &config);
    assert_int_equal(links_group(r->links, slice_of("c"), slice_of("r")), 0);
    for (int i = 0; i < 400; i++) {
        struct addr to = { ADDR_V4, { 192, 0, 2, (uint8_t)(1 + i % addresses) }, 25 };
        see(r, i % EGRESSES, &to, OBS_CONNECT);
        run(r, 1000);
    }
    assert_int_equal(preferred(r), A);
    r->mail_every_ms = 500;
    run(r, 60000);
    for (int k = 0; k < LINKS_EVENT_KINDS; k++)
        r->events[k] = 0;
}

static void finish(struct rig *r)
{
    links_free(&r->links);
    advice_unref(&r->advice);
}

static void test_left_on_the_word_of_mail(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 1);
    int64_t begun = r.now_ms;
    r.dead[A] = true;
    run(&r, 30000);
    assert_int_equal(r.events[LINKS_PATH_DOWN], 1);
    assert_int_equal(preferred(&r), B);
    assert_string_equal(r.last[LINKS_PATH_DOWN],
                        "a>: connections keep failing; b gets through all along");
    assert_string_equal(r.last[LINKS_SWITCH], "a>b: the path is down");
    assert_true(r.at_ms[LINKS_PATH_DOWN] - begun >= 3000); /* b still got through */
    /* It comes back when it is proven, not by the first probe that gets through. */
    r.dead[A] = false;
    run(&r, 90000);
    assert_int_equal(preferred(&r), B);
    assert_int_equal(r.events[LINKS_PATH_UP], 0);
    run(&r, 300000);
    assert_int_equal(r.events[LINKS_PATH_UP], 1);
    assert_int_equal(preferred(&r), A);
    assert_int_equal(r.events[LINKS_DESTINATION_SUSPECT], 0);
    finish(&r);
}

/* A server that restarts: what failed before another egress got through is explained by that. */
static void test_restart(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 1);
    for (int i = 0; i < 5; i++) {
        r.dead[A] = r.dead[B] = true;
        run(&r, 1200);
        r.dead[A] = r.dead[B] = false;
        run(&r, 130000);
    }
    assert_int_equal(r.events[LINKS_PATH_DOWN] + r.events[LINKS_SWITCH], 0);
    assert_int_equal(preferred(&r), A);
    finish(&r);
}

/* The other egress must go on getting through: here the destination goes away altogether. */
static void test_all_go(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 1);
    r.dead[A] = true;
    run(&r, 1000);
    r.dead[B] = true;
    run(&r, 60000);
    assert_int_equal(r.events[LINKS_PATH_DOWN] + r.events[LINKS_SWITCH], 0);
    finish(&r);
}

/* Without mail there is no witness but probes, one by each egress in a minute. */
static void test_without_mail(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 1);
    r.mail_every_ms = 0;
    r.dead[A] = true;
    run(&r, 4 * LINKS_PAIR_MS);
    assert_int_equal(preferred(&r), B);
    finish(&r);
}

/* One server of two that refuses an egress, however often, is no path's fault. */
static void test_one_of_two(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 2);
    r.mail_every_ms = 0;
    r.refuses_a = 1;
    for (int i = 0; i < 200; i++) {
        struct addr dead = { ADDR_V4, { 192, 0, 2, 1 }, 25 };
        struct addr fine = { ADDR_V4, { 192, 0, 2, 2 }, 25 };
        if (i % 10 == 0)
            see(&r, A, &dead, OBS_CONNECT);
        see(&r, B, &fine, OBS_CONNECT);
        run(&r, 500);
    }
    assert_int_equal(r.events[LINKS_PATH_DOWN], 0);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_on_the_word_of_mail),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_all_go),
        cmocka_unit_test(test_without_mail),
        cmocka_unit_test(test_one_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
