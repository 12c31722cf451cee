/*
 * tests/unit/test_run_feeds — a feed file that comes, goes bad, dies and comes back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "reputation/run_feeds.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
static const struct slice path = { "/f.netset", 9 };

static struct {
    struct loop *loop;
    struct run_feeds *run;
    struct addr ours[3];
    struct conf_feed conf;
    struct run_feeds_config config;
    unsigned told, alarms, fine;
    enum list_fault fault;
    struct listing last;
    char alarm[256];
} rig;

static void on_listing(void *arg, const struct listing *l)
{
    (void)arg;
    rig.told++;
    rig.last = *l;
}

static void on_fault(void *arg, struct slice feed, enum list_fault fault, const char *text)
{
    (void)arg;
    assert_true(slice_eq(feed, path));
    rig.alarms += fault != LIST_FINE;
    rig.fine += fault == LIST_FINE;
    rig.fault = fault;
    snprintf(rig.alarm, sizeof rig.alarm, "%s", text);
}

static int set_up(void **state)
{
    static const struct run_feeds_hooks hooks = { on_listing, on_fault, NULL };
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.loop = loop_new();
    rig.run = run_feeds_new(rig.loop, &hooks);
    for (int i = 0; i < 3; i++)
        rig.ours[i] = (struct addr){ .family = ADDR_V4, .bytes = { 192, 0, 2, (uint8_t)(i + 1) } };
    rig.conf = (struct conf_feed){ .file = path, .points = 100 };
    rig.config = (struct run_feeds_config){
        .feeds = &rig.conf, .feed_n = 1, .addresses = rig.ours, .address_n = 1
    };
    run_feeds_configure(rig.run, &rig.config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run_feeds_free(&rig.run);
    loop_free(&rig.loop);
    return 0;
}

static void come(const char *text)
{
    run_feeds_take(rig.run, path, slice_of(text), NULL);
}

/* As of so long from now. Returns how many looks were told. */
static unsigned look_in(int64_t ms)
{
    unsigned before = rig.told;
    run_feeds_look(rig.run, loop_now_ms(rig.loop) + ms);
    return rig.told - before;
}

static void bad_file(int kind)
{
    if (kind == 0)
        run_feeds_take(rig.run, path, slice_of(""), "No such file or directory");
    else
        come(kind == 1 ? "" : kind == 2 ? "\x7f\x45LF junk\n" : "0.0.0.0/0\n");
}

/* What it said is not borne out any more, then it is no witness. */
static void test_what_cannot_be_read_ages(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        rig.told = rig.alarms = 0;
        come("192.0.2.1\n198.51.100.0/24\n");
        assert_int_equal(rig.last.state, LIST_LISTED);
        assert_int_equal(look_in(MINUTE), 1);
        assert_false(rig.last.dead);
        bad_file(kind);
        assert_int_equal(rig.alarms, 1);
        assert_int_equal(look_in(MINUTE), 0);
        assert_int_equal(look_in(3 * HOUR - MINUTE), 0);
        assert_int_equal(look_in(3 * HOUR + MINUTE), 1);
        assert_true(rig.last.dead && rig.last.state == LIST_LISTED && rig.last.problem);
        assert_int_equal(rig.alarms, 2);
        assert_non_null(strstr(rig.alarm, "no usable content for three hours"));
        assert_int_equal(look_in(4 * HOUR), 1);
        assert_int_equal(rig.alarms, 2);
        come("192.0.2.1\n198.51.100.0/24\n");
        assert_true(!rig.last.dead && rig.last.state == LIST_LISTED && !rig.last.problem);
        assert_int_equal(look_in(5 * HOUR), 1);
    }
}

/* It lacks most of what it had, and stays so: for a day that is taken for a fault; but whoever is
 * in it must not be overlooked for ever. */
static void test_what_stays_less_is_taken_in_the_end(void **state)
{
    static const char many[] = "198.51.100.1\n198.51.100.2\n198.51.100.3\n198.51.100.4\n"
                               "198.51.100.5\n198.51.100.6\n198.51.100.7\n198.51.100.8\n"
                               "198.51.100.9\n";
    (void)state;
    come(many);
    assert_int_equal(rig.last.state, LIST_CLEAR);
    come("192.0.2.1\n");
    assert_non_null(strstr(rig.alarm, "shrank from 9 to 1"));
    look_in(24 * HOUR - MINUTE);
    assert_true(rig.last.dead && rig.last.state == LIST_CLEAR);
    run_feeds_configure(rig.run, &rig.config); /* a reload forgets nothing of it */
    assert_int_equal(look_in(24 * HOUR + MINUTE), 1);
    assert_true(!rig.last.dead && rig.last.state == LIST_LISTED && !rig.last.problem);
    assert_int_equal(rig.fault, LIST_FINE);
    come(many);
    come(""); /* so it is with nothing at all; but not with what came before something worse */
    run_feeds_take(rig.run, path, slice_of(""), "No such file or directory");
    look_in(30 * HOUR);
    assert_true(rig.last.dead);
    come("");
    look_in(30 * HOUR);
    assert_true(!rig.last.dead && rig.last.state == LIST_CLEAR);
}

/* It was whole again, even if it cannot be believed for another reason. */
static void test_what_did_not_stay_less_is_forgotten(void **state)
{
    (void)state;
    rig.config.address_n = 3;
    run_feeds_configure(rig.run, &rig.config);
    come("198.51.100.1\n198.51.100.2\n198.51.100.3\n198.51.100.4\n198.51.100.5\n198.51.100.6\n"
         "198.51.100.7\n198.51.100.8\n198.51.100.9\n");
    come("192.0.2.3\n");
    assert_non_null(strstr(rig.alarm, "shrank from 9 to 1"));
    come("192.0.2.0/24\n198.51.100.1\n198.51.100.2\n198.51.100.3\n198.51.100.4\n198.51.100.5\n"
         "198.51.100.6\n198.51.100.7\n198.51.100.8\n");
    assert_int_equal(rig.fault, LIST_HELD);
    look_in(10 * MINUTE);
    assert_int_equal(rig.last.state, LIST_CLEAR);
}

/* An earlier process may have believed what it said: that ends, too. */
static void test_one_that_never_came(void **state)
{
    (void)state;
    assert_int_equal(look_in(HOUR), 0);
    assert_int_equal(look_in(3 * HOUR + MINUTE), 1);
    assert_true(rig.last.dead && rig.last.state == LIST_UNKNOWN);
    assert_int_equal(rig.alarms, 1);
    run_feeds_configure(rig.run, &rig.config); /* a reload makes it no younger */
    assert_int_equal(look_in(3 * HOUR + MINUTE), 1);
    assert_true(rig.last.dead);
}

/* A set that has nearly all of us, and then nothing that could bear it out. */
static void test_what_is_held_back_goes_with_what_follows(void **state)
{
    (void)state;
    rig.config.address_n = 3;
    run_feeds_configure(rig.run, &rig.config);
    come("203.0.113.9\n");
    assert_int_equal(rig.last.state, LIST_CLEAR);
    come("192.0.2.0/24\n");
    assert_int_equal(rig.last.state, LIST_CLEAR);
    bad_file(2);
    look_in(HOUR);
    assert_int_equal(rig.last.state, LIST_CLEAR);
    come("192.0.2.0/24\n");
    assert_int_equal(rig.fault, LIST_HELD);
    look_in(HOUR);
    assert_int_equal(rig.last.state, LIST_LISTED);
    assert_true(rig.last.many && rig.last.kind == ZONE_SOFT);
    assert_int_equal(rig.fault, LIST_MANY);
    unsigned alarms = rig.alarms;
    come("192.0.2.0/24\n203.0.113.9\n"); /* a new content is not held back again */
    assert_true(rig.last.state == LIST_LISTED && rig.last.many);
    assert_int_equal(rig.alarms, alarms);
    come("192.0.2.3\n203.0.113.9\n"); /* one is left: that one it means */
    assert_true(rig.last.state == LIST_LISTED && !rig.last.many && rig.last.kind == ZONE_HARD);
    assert_int_equal(rig.fault, LIST_FINE);
}

/* What was believed before a restart is no news after it. */
static void test_a_restart_is_no_sweep(void **state)
{
    (void)state;
    rig.config.address_n = 3;
    for (int many = 0; many < 2; many++) {
        rig.alarms = 0;
        run_feeds_configure(rig.run, &(struct run_feeds_config){ 0 }); /* forgets all */
        run_feeds_configure(rig.run, &rig.config);
        for (int i = 0; i < 3; i++)
            run_feeds_believed(rig.run, path, &rig.ours[i], many);
        come("192.0.2.0/24\n");
        assert_int_equal(rig.last.state, LIST_LISTED);
        assert_int_equal(rig.last.many, many);
        assert_int_equal(rig.alarms, many);
        assert_int_equal(rig.fault, many ? LIST_MANY : LIST_FINE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read_ages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_did_not_stay_less_is_forgotten, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_stays_less_is_taken_in_the_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_never_came, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_held_back_goes_with_what_follows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_restart_is_no_sweep, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
