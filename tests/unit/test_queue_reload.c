/*
 * tests/unit/test_queue_reload — a new configuration while mail waits, is ready, or is being sent
 */
#include "tests/support/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

static void reload(const char *rules)
{
    struct policies *p = policies_of(rules);
    for (int i = 0; i < WORKERS; i++)
        queue_reconfigure(w.queues[i], p);
    policies_unref(&p);
}

static void ready_mail_keeps_its_fixed_hosts(void **state)
{
    struct item *items[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        items[i] = item_to("fixed", "u@fixed.example", LANE_NORMAL);
        queue_submit(w.queues[0], items[i]);
    }
    turn_a_little();
    reload("routes: [ { name: fixed, hosts: [\"127.0.0.9:2600\"] } ]\n");
    assert_int_equal(site_ready(w.last_site), 3);
    w.take = true;
    assert_true(turn_until_taken(3));
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(w.taken[i], items[i]);
    finish_all();
}

/* Mail under way when its route turns from fixed hosts to MX, or back, goes the new way next. */
static void changes_kind(const char *key, const char *recipient, const char *rules,
                         const char *new_key)
{
    queue_submit(w.queues[0], item_to(key, recipient, LANE_NORMAL));
    turn_a_little();
    struct site *old = w.last_site;
    struct item *item = take_next(old);
    reload(rules);
    w.take = true;
    queue_return(old->queue, item);
    assert_true(turn_until_taken(1));
    assert_ptr_not_equal(w.taken[0]->site, old);
    assert_true(slice_eq_str(item_key(w.taken[0]), new_key));
    finish_all();
}

static void returned_after_hosts_became_mx(void **state)
{
    (void)state;
    changes_kind("fixed", "u@[127.0.0.5]", "routes: [ { name: fixed } ]\n", "fixed/[127.0.0.5]");
}

static void returned_after_mx_became_hosts(void **state)
{
    (void)state;
    changes_kind("default/[127.0.0.5]", "u@[127.0.0.5]",
                 "routes: [ { name: default, hosts: [\"127.0.0.9:2600\"] } ]\n",
                 "default/[127.0.0.5]");
}

/* ---- limits by what the mail of a site is for ---- */

#define FIXED "routes: [ { name: fixed, hosts: [\"127.0.0.9:2600\"] } ]\n"

static size_t tolls_of(const struct site *site, struct traffic_toll *tolls)
{
    struct traffic_limits limits;
    struct facts f;
    return site_limits(site, slice_of(""), &limits, tolls, &f);
}

static void submit(const char *recipient)
{
    queue_submit(w.queues[0], item_to("fixed", recipient, LANE_NORMAL));
    turn_a_little();
}

/* Whatever came first, and after a reload by what waits; each change has a stamp of its own. */
static void a_limit_by_domain_is_that_of_the_site(void **state)
{
    (void)state;
    struct traffic_toll tolls[4];
    reload(FIXED
           "traffic:\n"
           "  - { when: { recipient_domain: b.example }, recipients_per_message: 3, rate: 9/s }\n"
           "  - { when: { mx: 127.0.0.9 }, rate: 8/s }\n");
    submit("u@a.example");
    assert_int_equal(w.last_site->limit.recipients_per_message, 100);
    assert_int_equal(tolls_of(w.last_site, tolls), 1);
    assert_int_equal(tolls[0].rate[TRAFFIC_MESSAGES].count, 8);
    uint32_t stamp = w.last_site->limit_stamp;
    submit("u@b.example");
    assert_int_equal(w.last_site->limit.recipients_per_message, 3);
    assert_int_equal(tolls_of(w.last_site, tolls), 2);
    assert_true(w.last_site->limit_stamp != stamp);
    stamp = w.last_site->limit_stamp;
    submit("v@b.example");
    assert_int_equal(w.last_site->limit_stamp, stamp);
    uint64_t key = tolls[0].key;
    reload(FIXED "traffic:\n"
                 "  - { when: { recipient_domain: c.example }, rate: 1/s }\n"
                 "  - { when: { recipient_domain: b.example }, rate: 5/s }\n");
    assert_int_equal(tolls_of(w.last_site, tolls), 1);
    assert_int_equal(tolls[0].rate[TRAFFIC_MESSAGES].count, 5);
    assert_true(tolls[0].key == key); /* and goes on counting */
    assert_true(w.last_site->limit_stamp != stamp);
    reload(FIXED);
    assert_int_equal(tolls_of(w.last_site, tolls), 0);
    w.take = true;
    assert_true(turn_until_taken(3));
    finish_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(ready_mail_keeps_its_fixed_hosts),
        T(returned_after_hosts_became_mx),
        T(returned_after_mx_became_hosts),
        T(a_limit_by_domain_is_that_of_the_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
