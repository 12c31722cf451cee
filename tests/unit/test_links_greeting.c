/*
 * test_links_greeting — hosts that greet a probe late, or never
 *
 *   Every connection stands after CONNECT_MS; what comes of it then is up to the test. Mail gets
 *   through as it does anyhow: it waits for minutes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/links.h"

enum { A, B, C, EGRESSES, ADDRESSES = 4, WAITING = 64, CONNECT_MS = 20, GREETS_MS = 1200 };

static const char *const names[EGRESSES] = { "a", "b", "c" };

struct waiting {
    struct links_probe probe;
    int64_t since_ms; /* 0: free */
    bool stands;
};

static struct {
    struct links *links;
    struct rnd rnd;
    int64_t now_ms;
    bool silent[EGRESSES]; /* nobody greets its probes in time */
    struct waiting waiting[WAITING];
    struct advice *advice;
    unsigned events[LINKS_EVENT_KINDS], suspect; /* tables with a suspect path */
} rig;

static void on_probe(void *arg, const struct links_probe *probe)
{
    unsigned at = 0;
    (void)arg;
    while (at < WAITING && rig.waiting[at].since_ms)
        at++;
    assert_true(at < WAITING);
    rig.waiting[at] = (struct waiting){ *probe, rig.now_ms, false };
}

static void on_event(void *arg, const struct links_event *e)
{
    (void)arg;
    rig.events[e->kind]++;
}

static void see(uint64_t egress, const struct addr *to, uint8_t kind, uint8_t result)
{
    struct observation o = { .kind = kind,
                             .result = result,
                             .egress = egress,
                             .address = *to,
                             .at_us = rig.now_ms * 1000,
                             .code = result == OBS_OK ? 220 : 0,
                             .connect_us = CONNECT_MS * 1000,
                             .greeting_us = -1,
                             .rtt_us = CONNECT_MS * 1000,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    links_observe(rig.links, &o, 0, rig.now_ms);
}

static void look_at(struct waiting *w)
{
    const struct links_probe *p = &w->probe;
    bool silent = rig.silent[p->egress];
    int64_t took = rig.now_ms - w->since_ms;
    if (!w->stands && took >= CONNECT_MS) {
        w->stands = true;
        see(p->egress_hash, &p->address, p->kind, OBS_CONNECTED);
    }
    if (took < CONNECT_MS + (silent ? (int64_t)p->greeting_ms : GREETS_MS))
        return;
    see(p->egress_hash, &p->address, p->kind, silent ? OBS_SILENT : OBS_OK);
    w->since_ms = 0;
}

static void run(int64_t ms)
{
    for (int64_t end = rig.now_ms + ms; rig.now_ms < end; rig.now_ms += 50) {
        links_tick(rig.links, rig.now_ms, &rig.rnd);
        for (unsigned i = 0; i < WAITING; i++)
            if (rig.waiting[i].since_ms)
                look_at(&rig.waiting[i]);
        struct advice *made = links_advice(rig.links, rig.now_ms);
        if (!made)
            continue;
        advice_unref(&rig.advice);
        rig.advice = made;
        for (int e = 0; e < EGRESSES; e++)
            rig.suspect += advice_path(made, e, 0)->state == PATH_SUSPECT;
    }
}

static unsigned faults(void)
{
    return rig.events[LINKS_PATH_DOWN] + rig.events[LINKS_DESTINATION_SUSPECT];
}

/* So many seconds with a mail by one of the egresses in each. */
static void mail(unsigned seconds, int first, int egresses)
{
    for (unsigned i = 0; i < seconds; i++) {
        struct addr to = { ADDR_V4, { 192, 0, 2, (uint8_t)(1 + i % ADDRESSES) }, 25 };
        see(slice_hash_stable(slice_of(names[first + (int)i % egresses])), &to, OBS_CONNECT,
            OBS_OK);
        run(1000);
    }
}

static int set_up(void **state)
{
    const struct links_hooks hooks = { on_probe, on_event, NULL };
    struct links_egress egress[EGRESSES];
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.now_ms = 1000000;
    rnd_seed(&rig.rnd, 5);
    rig.links = links_new(&hooks);
    for (int e = 0; e < EGRESSES; e++)
        egress[e] = (struct links_egress){ .name = slice_of(names[e]), .weight = 1, .v4 = true };
    struct links_config config = { .egress = egress,
                                   .egress_n = EGRESSES,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    links_configure(rig.links, &config, rig.now_ms);
    assert_int_equal(links_group(rig.links, slice_of("c"), slice_of("r")), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    links_free(&rig.links);
    advice_unref(&rig.advice);
    return 0;
}

static void all_silent(bool silent)
{
    rig.silent[A] = rig.silent[B] = rig.silent[C] = silent;
}

/* A second or more is usual: name servers and lists are asked before the greeting. */
static void test_a_late_greeting_is_not_overdue(void **state)
{
    (void)state;
    mail(60, A, EGRESSES);
    run(240000);
    assert_int_equal(rig.suspect, 0);
    assert_int_equal(faults(), 0);
}

static void test_hosts_that_never_greet_in_time_are_no_failure(void **state)
{
    (void)state;
    all_silent(true);
    mail(60, A, EGRESSES);
    run(240000);
    assert_int_equal(rig.suspect, 0);
    assert_int_equal(faults(), 0);
    assert_true(advice_path(rig.advice, C, 0)->rtt_ms > 0); /* and still they are measured */
}

/* They greet the others, as they did greet this one. */
static void test_silence_for_one_egress_is_a_failure(void **state)
{
    (void)state;
    mail(60, A, EGRESSES);
    run(120000);
    assert_int_equal(faults(), 0);
    rig.silent[A] = true;
    for (int i = 0; i < 300 && !rig.events[LINKS_PATH_DOWN]; i++)
        mail(1, B, 1);
    assert_int_equal(advice_path(rig.advice, A, 0)->state, PATH_DOWN);
    assert_int_equal(advice_path(rig.advice, B, 0)->state, PATH_UP);
    assert_int_equal(rig.events[LINKS_DESTINATION_SUSPECT], 0);
}

/* From some day on they let everybody wait: they are not taken for failing for ever. */
static void test_all_fall_silent(void **state)
{
    (void)state;
    mail(60, A, EGRESSES);
    run(120000);
    all_silent(true);
    run(1200000);
    unsigned before = faults();
    run(1200000);
    assert_int_equal(faults(), before);
    assert_int_equal(rig.events[LINKS_PATH_DOWN], 0);
    assert_int_equal(rig.events[LINKS_DESTINATION_SUSPECT], rig.events[LINKS_DESTINATION_FINE]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_late_greeting_is_not_overdue),
        T(test_hosts_that_never_greet_in_time_are_no_failure),
        T(test_silence_for_one_egress_is_a_failure),
        T(test_all_fall_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
