/*
 * test_links_greeting — hosts that greet a probe late, or never, and what a proxy shows of them
 *
 *   Every connection stands after CONNECT_MS; what comes of it then is up to the test. Mail gets
 *   through as it does anyhow: it waits for minutes. The proxy is far away: of what TCP says of the
 *   way to it nothing is the path's, and setting up a connection takes FAR_SETUP_MS.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/links.h"

enum { A, B, C, EGRESSES, ADDRESSES = 4, WAITING = 64, CONNECT_MS = 20, GREETS_MS = 1200 };
enum { FAR_MS = 260, FAR_LEG_MS = 250, FAR_SETUP_MS = 3 * FAR_LEG_MS + FAR_MS };
enum proxy { DIRECT, SOCKS5, HAPROXY };

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
    bool silent[EGRESSES];  /* nobody greets its probes in time */
    enum proxy proxy;       /* of egress A */
    bool refuses[EGRESSES]; /* its probes are told 554 by the first addresses */
    int refusing;           /* so many of them */
    unsigned probes[EGRESSES][1 + ADDRESSES];
    int64_t longest_ms; /* of the waits that its connections are made of */
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
    rig.probes[probe->egress][probe->address.bytes[3]]++;
}

static void on_event(void *arg, const struct links_event *e)
{
    (void)arg;
    rig.events[e->kind]++;
}

static bool is_far(uint64_t egress)
{
    return rig.proxy != DIRECT && egress == slice_hash_stable(slice_of(names[A]));
}

static int64_t setup_ms(uint64_t egress)
{
    return !is_far(egress) ? CONNECT_MS : rig.proxy == SOCKS5 ? FAR_SETUP_MS : FAR_LEG_MS;
}

static void see(uint64_t egress, const struct addr *to, uint8_t kind, uint8_t result)
{
    bool far = is_far(egress), answers = result == OBS_OK;
    bool heard = far && answers && rig.now_ms % 200; /* some say nothing to QUIT */
    struct observation o = { .kind = kind,
                             .result = result,
                             .proxied = far,
                             .egress = egress,
                             .address = *to,
                             .at_us = rig.now_ms * 1000,
                             .code = answers                   ? 220
                                     : result == OBS_REPLY_5XX ? 554
                                                               : 0,
                             .segments = 3,
                             .connect_us = setup_ms(egress) * 1000,
                             .longest_us = far ? rig.longest_ms * 1000 : -1,
                             .greeting_us = kind == OBS_PROBE && answers ? GREETS_MS * 1000 : -1,
                             .rtt_us = (far ? FAR_LEG_MS : CONNECT_MS) * 1000,
                             .app_rtt_us = heard ? FAR_MS * 1000 : -1,
                             .final_us = -1 };
    links_observe(rig.links, &o, 0, rig.now_ms);
}

static void look_at(struct waiting *w)
{
    const struct links_probe *p = &w->probe;
    bool silent = rig.silent[p->egress];
    int64_t took = rig.now_ms - w->since_ms;
    bool blind = is_far(p->egress_hash) && rig.proxy == HAPROXY;
    if (!w->stands && took >= setup_ms(p->egress_hash)) {
        w->stands = true;
        if (!blind)
            see(p->egress_hash, &p->address, p->kind, OBS_CONNECTED);
    }
    if (took < setup_ms(p->egress_hash) + (silent ? (int64_t)p->greeting_ms : GREETS_MS))
        return;
    bool refused = p->address.bytes[3] <= rig.refusing && rig.refuses[p->egress];
    see(p->egress_hash, &p->address, p->kind,
        silent    ? OBS_SILENT
        : refused ? OBS_REPLY_5XX
                  : OBS_OK);
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

static void assert_fine(void)
{
    assert_int_equal(rig.suspect, 0);
    assert_int_equal(faults(), 0);
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

static void configure(enum proxy proxy)
{
    struct links_egress egress[EGRESSES];
    rig.proxy = proxy;
    rig.longest_ms = FAR_MS;
    for (int e = 0; e < EGRESSES; e++)
        egress[e] = (struct links_egress){ .name = slice_of(names[e]), .weight = 1, .v4 = true };
    egress[A].proxied = proxy != DIRECT;
    egress[A].blind = proxy == HAPROXY;
    struct links_config config = { .egress = egress,
                                   .egress_n = EGRESSES,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    links_configure(rig.links, &config);
}

static int set_up(void **state)
{
    const struct links_hooks hooks = { on_probe, on_event, NULL };
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.now_ms = 1000000;
    rig.refusing = 1;
    rnd_seed(&rig.rnd, 5);
    rig.links = links_new(&hooks);
    configure(DIRECT);
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
    assert_fine();
}

static void test_hosts_that_never_greet_in_time_are_no_failure(void **state)
{
    (void)state;
    all_silent(true);
    mail(60, A, EGRESSES);
    run(240000);
    assert_fine();
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

/* Setting up a connection takes so long without a packet lost; of its parts each took a round trip.
 * What TCP says of the way to the proxy is about the first leg. */
static void test_the_round_trip_through_a_proxy(void **state)
{
    const enum proxy kinds[] = { SOCKS5, HAPROXY };
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        configure(kinds[i]);
        mail(60, A, EGRESSES);
        run(240000);
        const struct advice_path *far = advice_path(rig.advice, A, 0);
        assert_true(fabs((double)far->rtt_ms - FAR_MS) < 1);
        assert_true(far->loss < 0.003F); /* hardly more than where nothing is known */
        assert_fine();
    }
    float before = advice_path(rig.advice, A, 0)->loss;
    rig.longest_ms = 1000 + FAR_MS; /* the proxy's first packet was lost */
    mail(9, A, 1);
    assert_true(advice_path(rig.advice, A, 0)->loss > 2 * before);
}

/* It takes four round trips and more before it stands. */
static void test_a_proxy_far_away_is_not_overdue(void **state)
{
    (void)state;
    configure(SOCKS5);
    mail(60, A, EGRESSES);
    run(240000);
    assert_fine();
}

/* Nothing tells whether the destination has taken the connection: that it greets late, as it does
 * the others, proves nothing. */
static void test_a_late_greeting_behind_haproxy(void **state)
{
    (void)state;
    configure(HAPROXY);
    mail(60, A, EGRESSES);
    run(240000);
    assert_fine();
}

/* Who is silent, the destination or the way to it? Of hosts that never greet in time nothing is
 * said; where the others are greeted it is the way. */
static void test_silence_behind_haproxy(void **state)
{
    (void)state;
    configure(HAPROXY);
    all_silent(true);
    mail(60, B, 2);
    run(240000);
    assert_fine();
    assert_int_equal(advice_path(rig.advice, A, 0)->state, PATH_UNKNOWN);
    assert_int_equal(advice_path(rig.advice, B, 0)->state, PATH_UP);
    all_silent(false);
    mail(60, A, EGRESSES);
    rig.silent[A] = true;
    for (int i = 0; i < 300 && !rig.events[LINKS_PATH_DOWN]; i++)
        mail(1, B, 1);
    assert_int_equal(advice_path(rig.advice, A, 0)->state, PATH_DOWN);
    assert_int_equal(advice_path(rig.advice, B, 0)->state, PATH_UP);
}

static unsigned probes_of(int egress, int address)
{
    unsigned n = rig.probes[egress][address];
    rig.probes[egress][address] = 0;
    return n;
}

static unsigned probes_at(int address)
{
    return probes_of(A, address) + probes_of(B, address) + probes_of(C, address);
}

/* Without mail: probes alone keep the figures. */
static void watch(int64_t minutes)
{
    memset(rig.probes, 0, sizeof rig.probes);
    run(minutes * 60 * 1000);
}

static void refuse(bool a, bool others)
{
    rig.refuses[A] = a;
    rig.refuses[B] = rig.refuses[C] = others;
}

/* Whoever says 554 does not want to be asked: by anyone, or from there. The others are asked as
 * before. */
static void test_a_host_that_refuses_is_asked_rarely(void **state)
{
    (void)state;
    refuse(true, true);
    mail(12, A, EGRESSES);
    watch(50);
    assert_in_range(probes_at(1), 5, 12);
    assert_in_range(probes_at(2), 35, 100);
    refuse(true, false);
    mail(12, A, EGRESSES);
    watch(20);
    mail(12, A, EGRESSES);
    watch(50);
    assert_in_range(probes_of(A, 1), 1, 4);
    assert_in_range(probes_of(B, 1), 10, 40);
    assert_in_range(probes_at(2), 35, 100);
    assert_fine();
}

static void test_a_host_that_has_changed_its_mind(void **state)
{
    (void)state;
    refuse(true, true);
    mail(12, A, EGRESSES);
    watch(10);
    refuse(false, false);
    run(12 * 60 * 1000);
    watch(20);
    assert_in_range(probes_at(1), 15, 60);
}

/* All but one refuse: nothing is kept back for verification, or that one would never be asked. */
static void test_hosts_that_refuse_are_no_reserve(void **state)
{
    (void)state;
    rig.refusing = ADDRESSES - 1;
    refuse(true, true);
    mail(12, A, EGRESSES);
    run(20 * 60 * 1000);
    watch(20);
    assert_in_range(probes_at(ADDRESSES), 30, 90);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_late_greeting_is_not_overdue),
        T(test_hosts_that_never_greet_in_time_are_no_failure),
        T(test_silence_for_one_egress_is_a_failure),
        T(test_all_fall_silent),
        T(test_the_round_trip_through_a_proxy),
        T(test_a_proxy_far_away_is_not_overdue),
        T(test_a_late_greeting_behind_haproxy),
        T(test_silence_behind_haproxy),
        T(test_a_host_that_refuses_is_asked_rarely),
        T(test_a_host_that_has_changed_its_mind),
        T(test_hosts_that_refuse_are_no_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
