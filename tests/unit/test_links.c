/*
 * tests/unit/test_links — the link core: what it makes of observations, step by step
 *
 *   Three egresses a, b, c; the groups get mail by the egress a test says. Probes are answered by
 *   the test: by default each connection takes 20, 60 or 100 ms.
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

enum { EGRESSES = 3, GROUPS = 4, ADDRESSES = 24, PROBES = 64 };

struct rig {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms;
    bool dead[EGRESSES][GROUPS], group_dead[GROUPS];
    bool address_dead;                /* the first of group 0 */
    bool silent;                      /* probes get no answer at all, not even a time-out */
    struct links_probe probe[PROBES]; /* to be answered */
    unsigned probes_n, sent, sent_v6;
    unsigned events[LINKS_EVENT_KINDS];
    char last[LINKS_EVENT_KINDS][200]; /* "from>to: reason" */
    struct advice *advice;
    unsigned rows, probed_rows;
    int turn[GROUPS]; /* next address */
};

static const char *const names[EGRESSES] = { "a", "b", "c" };
static const int64_t took_ms[EGRESSES] = { 20, 60, 100 };

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct rig *r = arg;
    assert_true(r->probes_n < PROBES);
    assert_true(probe->timeout_ms >= 900 && probe->timeout_ms <= 5000);
    r->probe[r->probes_n++] = *probe;
    r->sent++;
    r->sent_v6 += probe->address.family == ADDR_V6;
}

static void on_event(void *arg, const struct links_event *e)
{
    struct rig *r = arg;
    r->events[e->kind]++;
    (void)snprintf(r->last[e->kind], sizeof r->last[0], "%.*s>%.*s: %s", SLICE_FMT(e->from),
                   SLICE_FMT(e->to), e->reason);
}

static void configure(struct rig *r, unsigned n)
{
    struct links_egress egress[EGRESSES];
    for (unsigned e = 0; e < n; e++)
        egress[e] = (struct links_egress){ .name = slice_of(names[e]), .weight = 1, .v4 = true };
    struct links_config config = { .egress = egress,
                                   .egress_n = n,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    links_configure(r->links, &config);
}

static struct addr address(int group, int i)
{
    return (struct addr){ .family = ADDR_V4,
                          .bytes = { 192, 0, (uint8_t)group, (uint8_t)(i + 1) },
                          .port = 25 };
}

static struct observation observation(const struct rig *r, int e, const struct addr *to,
                                      uint8_t kind, uint8_t result, int64_t took)
{
    struct observation o = { .kind = kind,
                             .result = result,
                             .egress = slice_hash_stable(slice_of(names[e])),
                             .address = *to,
                             .at_us = r->now_ms * 1000,
                             .connect_us = took * 1000,
                             .greeting_us = -1,
                             .rtt_us = -1,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    if (result == OBS_OK) {
        o.rtt_us = took_ms[e] * 1000;
        o.segments = 10;
        o.code = kind == OBS_MAIL ? 250 : 0;
    }
    return o;
}

static void see(struct rig *r, int e, int group, const struct addr *to, uint8_t kind,
                uint8_t result, int64_t took)
{
    struct observation o = observation(r, e, to, kind, result, took);
    links_observe(r->links, &o, group, r->now_ms);
}

static bool reaches(const struct rig *r, int e, int group, const struct addr *to)
{
    struct addr first = address(0, 0);
    return !r->dead[e][group] && !r->group_dead[group] && !(r->address_dead && addr_eq(to, &first));
}

/* Answers the probes that went out: those that fail at once, as if refused. */
static void answer(struct rig *r)
{
    for (unsigned i = 0; i < r->probes_n; i++) {
        const struct links_probe *p = &r->probe[i];
        bool ok = reaches(r, (int)p->egress, p->group, &p->address);
        if (!r->silent)
            see(r, (int)p->egress, p->group, &p->address, p->kind, ok ? OBS_OK : OBS_REFUSED, 1);
    }
    r->probes_n = 0;
}

static void step(struct rig *r)
{
    r->now_ms += 50;
    links_tick(r->links, r->now_ms, &r->rnd);
    answer(r);
    struct advice *made = links_advice(r->links, r->now_ms);
    if (made) {
        advice_unref(&r->advice);
        r->advice = made;
    }
}

static void wait(struct rig *r, int64_t ms)
{
    for (int64_t end = r->now_ms + ms; r->now_ms < end;)
        step(r);
}

/* A mail of this group by this egress, to the next of its addresses. */
static void mail(struct rig *r, int e, int group)
{
    struct addr to = address(group, r->turn[group]++ % ADDRESSES);
    bool ok = reaches(r, e, group, &to);
    see(r, e, group, &to, OBS_CONNECT, ok ? OBS_OK : OBS_TIMEOUT, ok ? took_ms[e] : 100);
    if (ok)
        see(r, e, group, &to, OBS_MAIL, OBS_OK, -1);
}

static int preferred(const struct rig *r, int group)
{
    char region[16];
    (void)snprintf(region, sizeof region, "r%d", group);
    int row = advice_group(r->advice, slice_of("carrier"), slice_of(region));
    assert_true(row >= 0);
    return r->advice->group[row].preferred;
}

/* All groups learned and measured from everywhere; a is preferred. */
static int set_up(void **state)
{
    struct rig *r = mem_zero(sizeof *r);
    struct links_hooks hooks = { on_probe, on_event, r };
    r->links = links_new(&hooks);
    r->now_ms = 1000000;
    rnd_seed(&r->rnd, 5);
    configure(r, EGRESSES);
    for (int g = 0; g < GROUPS; g++) {
        char region[16];
        (void)snprintf(region, sizeof region, "r%d", g);
        assert_int_equal(links_group(r->links, slice_of("carrier"), slice_of(region)), g);
    }
    for (int i = 0; i < GROUPS * 5 * ADDRESSES; i++) {
        mail(r, i / GROUPS % EGRESSES, i % GROUPS);
        wait(r, 200);
    }
    for (int g = 0; g < GROUPS; g++)
        assert_int_equal(preferred(r, g), 0);
    for (int k = 0; k < LINKS_EVENT_KINDS; k++)
        r->events[k] = 0;
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    links_free(&r->links);
    assert_null(r->links);
    advice_unref(&r->advice);
    free(r);
    return 0;
}

static void test_path_down(void **state)
{
    struct rig *r = *state;
    r->dead[0][1] = true;
    mail(r, 0, 1);
    wait(r, 3000);
    assert_int_equal(preferred(r, 1), 1);
    assert_int_equal(preferred(r, 0), 0);
    assert_int_equal(r->events[LINKS_PATH_DOWN], 1);
    assert_non_null(strstr(r->last[LINKS_PATH_DOWN], "got through"));
    assert_string_equal(r->last[LINKS_SWITCH], "a>b: the path is down");
    assert_int_equal(r->events[LINKS_EGRESS_FAULT], 0);
    r->dead[0][1] = false;
    wait(r, 130000); /* so short an outage may be one of many */
    assert_int_equal(r->events[LINKS_PATH_UP], 1);
    wait(r, 60000);
    assert_int_equal(preferred(r, 1), 0);
}

static void test_destination(void **state)
{
    struct rig *r = *state;
    r->group_dead[2] = true;
    for (int i = 0; i < 20; i++) {
        mail(r, 0, 2);
        wait(r, 500);
    }
    assert_int_equal(r->events[LINKS_DESTINATION_SUSPECT], 1);
    r->group_dead[2] = false;
    wait(r, 120000);
    assert_int_equal(r->events[LINKS_DESTINATION_FINE], 1);
    assert_int_equal(r->events[LINKS_SWITCH] + r->events[LINKS_PATH_DOWN], 0);
}

/* One dead machine of many is no path's fault. */
static void test_one_address(void **state)
{
    struct rig *r = *state;
    r->address_dead = true;
    for (int i = 0; i < 20; i++) {
        struct addr first = address(0, 0);
        see(r, 0, 0, &first, OBS_CONNECT, OBS_TIMEOUT, 3000);
        wait(r, 1000);
    }
    assert_int_equal(r->events[LINKS_PATH_DOWN] + r->events[LINKS_SWITCH], 0);
}

static void test_egress_paths(void **state)
{
    struct rig *r = *state;
    for (int g = 0; g < GROUPS; g++)
        r->dead[0][g] = true;
    for (int g = 0; g < GROUPS - 1; g++)
        mail(r, 0, g);
    wait(r, 6000);
    assert_int_equal(r->events[LINKS_EGRESS_FAULT], 1);
    assert_int_equal(r->advice->egress[0].fault, EGRESS_PATHS_DOWN);
    for (int g = 0; g < GROUPS; g++)
        assert_int_equal(preferred(r, g), 1); /* also the group that has not noticed */
    for (int g = 0; g < GROUPS; g++)
        r->dead[0][g] = false;
    wait(r, 120000);
    assert_int_equal(r->advice->egress[0].fault, EGRESS_FINE);
    for (int g = 0; g < GROUPS; g++)
        assert_int_equal(preferred(r, g), 0);
}

static void test_egress_fault(void **state)
{
    struct rig *r = *state;
    struct addr none = { .family = ADDR_NONE };
    see(r, 0, -1, &none, OBS_EGRESS, OBS_UNPLUMBED, -1);
    step(r);
    step(r);
    for (int g = 0; g < GROUPS; g++)
        assert_int_equal(preferred(r, g), 1);
    assert_int_equal(r->advice->egress[0].fault, EGRESS_UNPLUMBED);
    unsigned sent = r->sent;
    for (unsigned i = 0; i < 200; i++) {
        step(r);
        for (unsigned k = 0; k < r->probes_n; k++)
            assert_true(r->probe[k].egress != 0);
    }
    assert_true(r->sent > sent);
    see(r, 0, -1, &none, OBS_EGRESS, OBS_OK, -1);
    wait(r, 100000);
    assert_int_equal(r->events[LINKS_EGRESS_FINE], 1);
    assert_int_equal(preferred(r, 0), 0);
}

/* A probe nobody reports on is lost; what comes in twice or from nowhere does no harm. */
static void test_odd_reports(void **state)
{
    struct rig *r = *state;
    struct observation o = { .kind = OBS_KINDS };
    struct addr to = address(1, 1);
    r->silent = true;
    wait(r, 30000);
    assert_true(r->events[LINKS_PATH_DOWN] == 0); /* no witness anywhere */
    r->silent = false;
    wait(r, 30000);
    links_observe(r->links, &o, 0, r->now_ms);
    o = observation(r, 0, &to, OBS_CONNECT, OBS_OK, 20);
    o.egress++;
    links_observe(r->links, &o, 1, r->now_ms);
    see(r, 0, 99, &to, OBS_CONNECT, OBS_OK, 20);
    see(r, 0, -1, &to, OBS_PROBE, OBS_TIMEOUT, 20);
    wait(r, 1000);
    assert_int_equal(r->events[LINKS_SWITCH], 0);
}

static void test_reload(void **state)
{
    struct rig *r = *state;
    configure(r, 2); /* c goes */
    wait(r, 1000);
    assert_int_equal(r->advice->egress_n, 2);
    assert_int_equal(preferred(r, 3), 0); /* what is known stays */
    assert_true(advice_path(r->advice, 0, 0)->samples > 5);
    configure(r, EGRESSES);
    r->silent = true;
    wait(r, 100);
    assert_int_equal(advice_path(r->advice, 2, 0)->state, PATH_UNKNOWN); /* c begins anew */
    r->silent = false;
    wait(r, 60000);
    assert_int_equal(advice_path(r->advice, 2, 0)->state, PATH_UP);
    assert_int_equal(r->events[LINKS_SWITCH], 0);
}

static void on_row(void *arg, const struct links_minute *m)
{
    struct rig *r = arg;
    r->rows++;
    r->probed_rows += m->probes > 0;
    assert_true(m->tries >= m->first_ok && m->samples >= m->tries);
    if (slice_eq_str(m->egress, "b") && slice_eq_str(m->region, "r3")) {
        assert_int_equal(m->mails, 2);
        assert_int_equal(m->tries, 2);
        assert_true(m->connect_p50_ms > 0 && m->rtt_ms > 59 && m->rtt_ms < 61);
        assert_true(m->cost_ms > 0 && m->cost_large_ms > m->cost_ms);
        assert_int_equal(m->state, PATH_UP);
    }
}

static void no_row(void *arg, const struct links_minute *m)
{
    (void)arg;
    assert_true(m->samples + m->probes > 0);
}

static void test_minutes(void **state)
{
    struct rig *r = *state;
    links_minutes(r->links, r->now_ms, no_row, NULL);
    mail(r, 1, 3);
    mail(r, 1, 3);
    wait(r, 60000);
    links_minutes(r->links, r->now_ms, on_row, r);
    assert_int_equal(r->rows, EGRESSES * GROUPS);
    assert_true(r->probed_rows > 0);
    r->rows = 0;
    links_minutes(r->links, r->now_ms, on_row, r);
    assert_int_equal(r->rows, 0); /* once only */
}

static void test_limits(void **state)
{
    struct rig *r = *state;
    char region[16];
    for (int i = 0; i < 2 * LINKS_GROUPS_MAX; i++) {
        (void)snprintf(region, sizeof region, "x%d", i);
        int g = links_group(r->links, slice_of("many"), slice_of(region));
        assert_in_range(g, 0, LINKS_GROUPS_MAX - 1);
    }
    assert_int_equal(links_group_count(r->links), LINKS_GROUPS_MAX);
    int other = links_group(r->links, slice_of("other"), slice_of("other"));
    assert_int_equal(links_group(r->links, slice_of("new"), slice_of("new")), other);
    for (int i = 0; i < 4 * LINKS_TARGETS_MAX; i++) {
        struct addr v6 = { .family = ADDR_V6, .bytes = { 0x20, 1, 13, (uint8_t)i, 1 }, .port = 25 };
        see(r, 0, 0, &v6, OBS_CONNECT, OBS_OK, 20);
        links_target(r->links, 1, OBS_BEACON, &v6, -1);
    }
    wait(r, 30000);
    assert_int_equal(r->sent_v6, 0); /* none of the egresses has IPv6 */
    links_targets_clear(r->links);
    wait(r, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_path_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destination, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_egress_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_egress_fault, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_odd_reports, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_minutes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
