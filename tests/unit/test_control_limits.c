/*
 * tests/unit/test_control_limits — a receiver limits our addresses: what it sees of that
 *
 *   The worker that delivers, the relay's end of the line and control as a whole are on one loop,
 *   with the timers they have in the daemon, and a clock that is the test's: hours in seconds. The
 *   receiver limits addresses by the mail it took from each in ten minutes, and keeps who came
 *   when. All mail is that of "a"; "b" and "c" are reserves, so what leaves by them went round.
 */
#include "tests/support/clock_rig.h"
#include "tests/unit/delivery_rig.h"

#include <sys/stat.h>

#include "gateway/daemon/control_parts.h"
#include "tests/support/line_rig.h"
#include "tests/unit/limits_receiver.h"

enum {
    STEP_MS = 500,
    TURNS = 4,
    EVERY_MS = 10000, /* a mail */
    AT_ONCE = 3       /* the first of a window, and a minute's worth that may go early */
};

/* ---- the gateway ---- */

static struct {
    char path[80], history[80];
    struct delivery_log *log;
    struct relay_links *relay;
    struct admin_server *server;
    struct control_parts parts;
    unsigned mails;
    int64_t mailed_ms;
    double most[ADDRESSES]; /* an hour, as control had it while the address was throttled */
} world;

static void on_advice(void *worker, struct advice *advice)
{
    (void)worker;
    delivery_advise(rig.delivery, advice);
}

static void no_letter(void *worker, const struct link_letter *letter, struct errand *errand)
{
    (void)worker;
    (void)letter;
    relay_letter_done(errand, LETTER_NEVER);
}

/* What control makes of the address at the one receiver there is. */
static struct standing_provider_view view_of(unsigned address)
{
    const struct standing *core = control_standing_core(world.parts.standing);
    struct standing_provider_view v = { .state = STANDING_CLEAN };
    for (uint32_t i = 0; v.state == STANDING_CLEAN && i < standing_provider_n(core, (int)address);
         i++)
        standing_provider_view(core, (int)address, i, loop_wall_ms(rig.loop), &v);
    return v;
}

static bool is_throttled(unsigned address)
{
    return view_of(address).state == STANDING_THROTTLED;
}

static void one_mail(void)
{
    char from[40];
    struct mail_spec mail = { .from = from,
                              .to = { "b@d.example" },
                              .body = "Subject: x\r\n\r\nhello\r\n",
                              .lane = LANE_NORMAL,
                              .expires_in_ms = INT64_C(5) * 24 * 60 * MINUTE_MS };
    assert_true(world.mails < MAILS_MAX);
    snprintf(from, sizeof from, "u%u@s.example", world.mails++);
    rig_mail(&mail);
}

/* Nothing is on its way between the two but what rests. */
static bool is_quiet(void)
{
    struct delivery_stats now;
    delivery_get_stats(rig.delivery, &now);
    return now.transactions == 0 && now.opening == 0 && guests() <= now.sessions;
}

/* Mail comes evenly, if any. While somebody speaks the clock stands still: the kernel and the disk
 * take the time they take. */
static void live(int64_t ms, bool mail)
{
    for (int64_t end = clocks.ahead_ms + ms; clocks.ahead_ms < end;) {
        clocks.ahead_ms += STEP_MS;
        for (int i = 0; i < TURNS; i++)
            loop_turn(rig.loop, 0);
        for (int i = 0; i < 3000 && !is_quiet(); i++)
            loop_turn(rig.loop, 5);
        assert_true(is_quiet());
        if (mail && clocks.ahead_ms - world.mailed_ms >= EVERY_MS) {
            world.mailed_ms = clocks.ahead_ms;
            one_mail();
        }
        for (unsigned a = 0; a < ADDRESSES; a++) {
            struct standing_provider_view v = view_of(a);
            if (v.state == STANDING_THROTTLED && v.quota_per_hour > world.most[a])
                world.most[a] = v.quota_per_hour;
        }
    }
}

static int set_up(void **state)
{
    rig_set_up(state);
    memset(&world, 0, sizeof world);
    clocks_stop();
    rig.peers[0].port = receiver_listen();
    peer_shut(&rig.peers[1]);
    snprintf(world.path, sizeof world.path, "%s/relay.sock", rig.dir);
    snprintf(world.history, sizeof world.history, "%s/history", rig.dir);
    assert_int_equal(mkdir(world.history, 0700), 0);
    world.log = delivery_log_new();
    world.server = line_listen(rig.loop, world.path, &world.relay);
    world.relay = relay_links_new(rig.loop, 1, world.log, NULL);
    rig.observe = relay_links_observe;
    rig.report = relay_links_report;
    rig.told = relay_links_outbox(world.relay, 0);
    rig.replies = reply_rules_shipped();
    rig.allowances = allowances_new();
    rig_start("dns: { servers: [\"127.0.0.1:9\"] }\nprobes: { interval: 1h }\n"
              "egress: [ { name: a, address: 127.0.7.11 },\n"
              "          { name: b, address: 127.0.7.12, weight: 0 },\n"
              "          { name: c, address: 127.0.7.13, weight: 0 } ]",
              "");
    relay_links_worker(world.relay, 0, loop_mailbox(rig.loop), on_advice, no_letter, NULL);
    control_parts_start(&world.parts, rig.loop, world.path, world.history, rig.dir);
    control_parts_configure(&world.parts, rig.policies);
    live(4000, false);
    return 0;
}

static int tear_down(void **state)
{
    clocks_run();
    clocks.ahead_ms = 0;
    control_parts_free(&world.parts);
    relay_links_hang_up(world.relay);
    admin_server_free(&world.server);
    rig_stop();
    relay_links_free(&world.relay);
    delivery_log_free(&world.log);
    receiver_shut();
    return rig_tear_down(state);
}

/* ---- what it sees ---- */

static unsigned seen_by(unsigned address, unsigned from)
{
    unsigned n = 0;
    for (unsigned i = from; i < receiver.n; i++)
        n += receiver.arrival[i].address == address;
    return n;
}

static unsigned refused_since(unsigned from)
{
    unsigned n = 0;
    for (unsigned i = from; i < receiver.n; i++)
        n += !receiver.arrival[i].taken;
    return n;
}

static unsigned waiting(void)
{
    unsigned n = world.mails;
    for (unsigned i = 0; i < world.mails; i++)
        n -= receiver.came[i] > 0;
    return n;
}

/* In every window that begins with a mail: no address has more than its rate, and those that stand
 * in have no more than one for each that comes by the address whose mail it is. */
static void check_windows(unsigned from, bool spills)
{
    for (unsigned i = from; i < receiver.n; i++) {
        int64_t at_ms = receiver.arrival[i].at_ms;
        unsigned own = in_window(0, at_ms, false), round = 0;
        assert_true(own <= world.most[0] * WINDOW_MS / (60 * MINUTE_MS) + AT_ONCE);
        for (unsigned a = 1; a < ADDRESSES; a++) {
            unsigned n = in_window(a, at_ms, false);
            round += n;
            assert_true(spills || n <= world.most[a] * WINDOW_MS / (60 * MINUTE_MS) + AT_ONCE);
        }
        assert_true(!spills || round <= own + AT_ONCE);
    }
}

static void none_lost_or_doubled(void)
{
    for (unsigned i = 0; i < world.mails; i++)
        assert_int_equal(receiver.came[i], 1);
}

static void until_throttled(unsigned address)
{
    for (int i = 0; i < 240 && !is_throttled(address); i++)
        live(15 * 1000, true);
    assert_true(is_throttled(address));
    live(2000, false); /* the worker has the table */
}

/* One of three: it is slowed down to what the receiver takes, so much as it carries goes by others,
 * and the rest waits although they are free. When the receiver takes everything again, so does it,
 * and nothing goes by others any more. */
static void test_one_is_limited(void **state)
{
    (void)state;
    live(20 * MINUTE_MS, true);
    assert_int_equal(seen_by(1, 0) + seen_by(2, 0), 0);
    receiver.limit[0] = 20;
    until_throttled(0);
    assert_int_equal(seen_by(1, 0) + seen_by(2, 0), 0);
    unsigned from = receiver.n;
    live(60 * MINUTE_MS, true);
    unsigned own = seen_by(0, from), round = seen_by(1, from) + seen_by(2, from);
    print_message("own %u, by others %u, refused %u, waiting %u, at most %.0f an hour\n", own,
                  round, refused_since(from), waiting(), world.most[0]);
    check_windows(from, true);
    assert_true(round > 0 && round <= own + AT_ONCE);
    assert_true(own > 20 && refused_since(from) * 4 < own);
    assert_true(waiting() > 100);
    assert_false(is_throttled(1) || is_throttled(2));

    receiver.limit[0] = 0;
    for (int i = 0; i < 24 && is_throttled(0); i++)
        live(5 * MINUTE_MS, false);
    assert_false(is_throttled(0));
    for (int i = 0; i < 100 && waiting(); i++)
        live(5 * MINUTE_MS, false); /* what was put off, too */
    assert_int_equal(waiting(), 0);
    from = receiver.n;
    live(10 * MINUTE_MS, true);
    for (int i = 0; i < 100 && waiting(); i++)
        live(MINUTE_MS, false);
    assert_int_equal(seen_by(0, from), receiver.n - from);
    none_lost_or_doubled();
}

/* All of them: none carries more than its own, whoever's mail it is. */
static void test_all_are_limited(void **state)
{
    (void)state;
    live(20 * MINUTE_MS, true);
    for (unsigned a = 0; a < ADDRESSES; a++)
        receiver.limit[a] = a ? 1 : 20;
    until_throttled(0);
    struct standing *core = control_standing_core(world.parts.standing);
    struct standing_provider_view v;
    assert_true(standing_provider_view(core, 0, 0, loop_wall_ms(rig.loop), &v));
    struct standing_reply told = { .reply_class = STANDING_IP_THROTTLED, .temporary = true };
    for (int i = 0; i < 2 * (ADDRESSES - 1); i++) /* by mail of other workers */
        standing_reply(core, 1 + i / 2, v.provider, &told, loop_wall_ms(rig.loop));
    control_standing_touched(world.parts.standing);
    live(2000, false);
    unsigned from = receiver.n;
    live(60 * MINUTE_MS, true);
    print_message("a %u, b %u, c %u, refused %u, waiting %u\n", seen_by(0, from), seen_by(1, from),
                  seen_by(2, from), refused_since(from), waiting());
    check_windows(from, false);
    for (unsigned a = 0; a < ADDRESSES; a++)
        assert_true(is_throttled(a));
    assert_true(seen_by(0, from) > 20);
    assert_true(waiting() > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_is_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_are_limited, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
